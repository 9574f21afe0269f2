"""The as-of bar: whose knowledge, which entry of the log, which zone; and who held what on a past day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from secretariat.base.clock import AsOf
from secretariat.base.errors import InputError
from secretariat.exchange import store as exchange
from secretariat.exchange.model import Holding
from secretariat.exchange.postgres import transaction
from secretariat.web import asof

ROOT = b"\x07" * 32
T0 = datetime(2026, 11, 20, 9, tzinfo=UTC)


def test_a_date_ends_in_the_zone_shown():
    bar = asof.read({"true_on": "2019-11-23", "zone": "Asia/Seoul"}, zone="UTC")
    assert bar.as_of.true_on == datetime(2019, 11, 23, 14, 59, 59, 999999, tzinfo=UTC)
    assert (bar.zone, bar.is_now, bar.typed["zone"]) == ("Asia/Seoul", False, "Asia/Seoul")


def test_the_zone_alone_is_no_question():
    bar = asof.read({"zone": "Asia/Tokyo", "knowledge": "ours", "true_on": ""}, zone="UTC")
    assert bar.is_now
    asof.refuse_past(bar)


def test_public_knowledge_is_a_question():
    bar = asof.read({"knowledge": "public"})
    assert (bar.as_of.public, bar.is_now, bar.past) == (True, False, False)


def test_a_position_of_the_log_is_when_that_entry_was_written():
    bar = asof.read({"recorded_by": "12"}, written={12: T0}.get)
    assert (bar.as_of.position, bar.as_of.recorded_by) == (12, T0)


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ({"knowledge": "everybody"}, "knowledge"),
        ({"zone": "../etc/passwd"}, "zone"),
        ({"zone": "Mars/Olympus"}, "zone"),
        ({"zone": "Asia"}, "zone"),
        ({"recorded_by": "12"}, "recorded_by"),
        ({"recorded_by": "9" * 30}, "recorded_by"),
        ({"true_on": "2026-02-30"}, "true_on"),
    ],
)
def test_odd_words_in_the_bar_are_refused_by_name(query, where):
    with pytest.raises(InputError) as caught:
        asof.read(query, written={}.get)
    assert caught.value.where == where


def test_pages_show_the_zone_and_what_is_public(site):
    client = site("releaser")
    text = client.get("/ledger?zone=Asia/Seoul").text
    assert "+09:00" in text
    assert 'class="band"' not in text
    text = client.get("/ledger?knowledge=public").text
    assert 'class="band"' in text
    assert client.get("/reports?knowledge=public").status_code == 200
    assert client.get("/agreements?knowledge=public").status_code == 200
    assert client.get("/ledger/receipts?true_on=2020-01-01").status_code == 200
    assert client.get("/reports?recorded_by=99999").status_code == 422


def test_what_a_holder_said_later_is_not_there_on_an_earlier_day(node):
    one = node("KR")
    for number, state in enumerate(("received", "asked", "destroyed")):
        moment = T0 + timedelta(days=number)
        with transaction(one, "live", moment) as held:
            held.hold(
                [Holding(root=ROOT, holder="JP", state=state, via="JP", origin="jp", position=1, at=moment)]
            )

    def said(**asked):
        with one.database.app("live") as tx:
            return [row.state for row in exchange.read_holdings(tx, [ROOT], AsOf(**asked))]

    hour = timedelta(hours=1)
    assert said() == ["destroyed"]
    assert said(recorded_by=T0 - hour) == []
    assert said(recorded_by=T0 + hour) == ["received"]
    assert said(known_by=T0 + timedelta(days=1) + hour) == ["asked"]
    assert said(true_on=T0 + timedelta(days=2) + hour) == ["destroyed"]
    assert said(public=True) == []
