"""A withdrawal passes a relay, one holder is silent: the Desk names the debtor from the agreed hour on.

Three real processes. The hours of the article are not waited for: the clocks of all that run are set ahead.
Who is silent is a process that was ended, and answers when it is back.
"""

from __future__ import annotations

import contextlib
import http.cookiejar
import json
import re
import time
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest

from secretariat.agreements import store as agreements
from secretariat.agreements.release_commands import node_at
from secretariat.base.clock import now
from secretariat.exchange import enrolment, service
from secretariat.people import service as people
from secretariat.people.model import Role
from serving import Serving
from simulator import indicator

pytestmark = pytest.mark.long

PATIENCE = 120.0
PASSWORD = "correct horse battery"
AMBER = "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421"
FAST = """
peer_wait_s = 1
peer_poll_s = 1
"""
TERMS = """
instruments:
- id: syn-three
  synthetic: true
  title: Invented terms of three
  kind: mou
  binding: true
  parties: [US, KR, JP]
  in_force: 2020-01-01
  articles:
    - {art: "3", rule: AUDIENCE, max_tlp: AMBER}
    - {art: "6", rule: RETURN_OR_DESTROY, trigger: request, within_hours: 6}
    - {art: "8", rule: REGISTER, recipients_shown: true}
"""
JUST_BEFORE = timedelta(hours=5, minutes=45)
JUST_AFTER = timedelta(hours=6, minutes=5)


@pytest.fixture
def three(serving, tmp_path) -> dict[str, Serving]:
    """Give US, KR and JP, serving, enrolled with each other, who agreed on the terms above."""
    nodes = {party: serving(party) for party in ("US", "KR", "JP")}
    (tmp_path / "terms.yaml").write_text(TERMS)
    for party, one in nodes.items():
        file = one.data / "node.toml"
        text = file.read_text().replace('host = "localhost"', f'host = "{party.lower()}.example"')
        file.write_text(text.replace('\nurl = ""', f'\nurl = "{one.url}"') + FAST)
        one.start()
    with contextlib.ExitStack() as stack:  # from here: a command takes longer than what it does
        inside = {party: stack.enter_context(node_at(one.data)) for party, one in nodes.items()}
        for party, node in inside.items():
            for other in inside.keys() - {party}:
                enrolment.accept(inside[other], *enrolment.invite(node, other, now=now()), now=now())
            nodes[party].run("agreements", "import", str(tmp_path / "terms.yaml"))

        def agreed(party: str, other: str) -> bool:
            with inside[party].database.app("live") as tx:
                return bool(agreements.agreed(tx, other, party))

        with inside["US"].database.app("live") as tx:
            roles = [Role.RELEASER]
            people.add_person(
                tx, login="ann", name="Ann", password=PASSWORD, roles=roles, by="admin", now=now()
            )
        for party in nodes:
            for other in nodes.keys() - {party}:
                until(lambda party=party, other=other: agreed(party, other), f"{party} and {other} disagree")
    return nodes


def until(true: Callable[[], object], what: str) -> None:
    ends = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < ends, what
        time.sleep(0.3)


def states(node: Serving, stix_id: str) -> dict[str, str]:
    """Say what a node knows of the holders of an object."""
    with node_at(node.data) as inside:
        return {one.holder: one.state for one in service.holders(inside, "live", stix_id, now=now())}


def debts(node: Serving) -> list[tuple[str, str, bool]]:
    """Ask the command whose answers are owed, by which article, and which of them are late."""
    found = node.run("duties", "list")
    return [(one["who"], one["article"], one["overdue"]) for one in found if one["do"] == "answer"]


def overdue(node: Serving) -> str:
    """Sign in as a releaser and read the Desk's panel of overdue receipts, as text."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    form = urllib.parse.urlencode({"login": "ann", "password": PASSWORD}).encode()
    opener.open(f"{node.url}/sign-in", form, timeout=30).read()
    page = opener.open(f"{node.url}/", timeout=30).read().decode()
    panel = page.partition('aria-labelledby="h-receipts"')[2].partition("</section>")[0]
    assert panel, page
    return " ".join(re.sub("<[^>]*>", " ", panel.partition(">")[2]).split())


def test_the_desk_names_who_is_silent_at_the_agreed_hour(three, tmp_path):
    us, kr, jp = three.values()
    value = indicator("a", object_marking_refs=[AMBER])
    stix_id = str(value["id"])
    bundle = {"type": "bundle", "id": f"bundle--{uuid.uuid4()}", "objects": [value]}
    (tmp_path / "a.json").write_text(json.dumps(bundle))
    us.run("import", str(tmp_path / "a.json"))

    assert us.run("publish", stix_id, "--to", "KR", "--confirm")["granted"] == {"KR": 1}
    until(lambda: states(us, stix_id).get("KR") == "received", "the relay never had it")
    us.run("consent", stix_id, "--via", "KR", "--to", "JP")

    def passed_on() -> bool:  # as soon as the consent is there
        done = kr.attempt("publish", stix_id, "--to", "JP", "--confirm", "--json")
        return done.returncode == 0 and json.loads(done.stdout)["granted"] == {"JP": 1}

    until(passed_on, "the relay never passed it on")
    until(lambda: states(us, stix_id).get("JP") == "received", "the next holder never said that it has it")

    jp.stop()
    us.run("withdraw", stix_id, "--reason", "wrong")
    until(lambda: states(us, stix_id) == {"KR": "destroyed", "JP": "asked"}, "the relay did not answer")
    assert debts(us) == [("JP", "syn-three/6", False)]
    assert overdue(us) == "Receipts overdue 0 Every holder that was asked has answered."

    us.stop()
    kr.stop()
    us.ahead = JUST_BEFORE
    assert debts(us) == [("JP", "syn-three/6", False)]
    for one in (us, kr, jp):
        one.ahead = JUST_AFTER
    us.start()
    kr.start()
    assert debts(us) == [("JP", "syn-three/6", True)]
    named = overdue(us)
    assert named.startswith("Receipts overdue 1 JP 1 object asked 6 h")
    assert "syn-three/6" in named

    jp.start()
    until(lambda: states(us, stix_id) == {"KR": "destroyed", "JP": "destroyed"}, "no late answer came")
    assert debts(us) == []
    assert overdue(us) == "Receipts overdue 0 Every holder that was asked has answered."
