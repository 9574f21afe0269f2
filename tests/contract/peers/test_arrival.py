"""A record that a partner lets out changes boards, Desk, requests and the calendar feed; and in which order.

How fast is measured by `python -m bench arrival` (two seconds are promised); the test waits longer, so that a
busy machine fails nothing.
"""

from __future__ import annotations

import contextlib
import runpy
from pathlib import Path

import pytest
from bench import arrival

from secretariat.base.clock import now
from secretariat.exchange import service
from secretariat.register.model import stix_id

served = runpy.run_path(str(Path(__file__).with_name("served.py")))
http = runpy.run_path(str(Path(__file__).with_name("test_http.py")))


@pytest.fixture
def pair(node):
    with contextlib.ExitStack() as stack:
        there = http["Served"](node, stack)
        served["until"](there.agreed, 60)
        yield there


def test_a_record_of_a_partner_changes_every_page_of_this_node(pair):
    kr, jp = pair.nodes["KR"], pair.nodes["JP"]
    with contextlib.ExitStack() as stack:
        reader = stack.enter_context(arrival.Reader(jp, jp.settings.address("live")))
        assert not any(reader.shows(place, "apt-drill", "KR-") for place in arrival.PLACES)
        with arrival.listening(reader) as heard:
            number, begun = arrival.let_out(kr, "JP", "apt-drill")
            seen = arrival.shown_after(reader, "apt-drill", number, begun)
        assert set(seen) == set(arrival.PLACES)

        # first the page of the partner's log is taken, then the Register follows, then the pages show it
        def first(kind: str) -> float:
            return next(at for at, one in heard if one.get("kind") == kind)

        assert begun["board"] < first("page") <= first("register")
        assert {one["party"] for _, one in heard if one.get("kind") == "page"} == {"KR"}
        # the news may be read a moment after a page that was asked for just then
        assert first("register") - begun["board"] <= min(seen.values()) + 1

        # withdrawn there, it is gone here, without anybody having done anything
        promise = stix_id("sct-commitment", "KR", "apt-drill")
        service.withdraw(kr, "live", promise, reason="wrong", by="anna", now=now())
        served["until"](lambda: not reader.shows("board", "apt-drill", number), 30)
