"""Offices that a house rule names concur before a new marking or corrected content goes to holders."""

from __future__ import annotations

import contextlib
import json

import pytest
from typer.testing import CliRunner

from secretariat.agreements import release_commands, store
from secretariat.base.errors import DeniedError, StateError
from secretariat.exchange import change_commands, change_service, remarking
from secretariat.exchange.changes import Change, Marks
from secretariat.ledger import service as ledger
from secretariat.people.model import Role
from secretariat.people.service import add_person

from .test_nodes import Nodes, indicator
from .test_remarking import A, held

CORRECTED = Change(reason="the address was ours", value=indicator("a", description="second"))
HIGHER = Change(reason="named a victim", marks=Marks(tlp="RED"))


def rule(world, *offices, from_tlp="CLEAR"):
    said = {"from_tlp": from_tlp, "offices": offices}
    with world.nodes["KR"].database.app("live") as tx:
        tx.execute(store.house_rule.insert().values(rule=said, recorded_at=world.now, by="test"))


@pytest.fixture
def ruled(node):
    """Give two nodes, of which JP holds an object of KR; KR's rule asks two offices from then on."""
    world = Nodes(node, "KR", "JP")
    world.converge()
    world.publish("KR", indicator("a", description="first"))
    world.converge()
    assert [text for text, _ in held(world, "JP")] == ["first"]
    rule(world, "legal", "press")
    return world


def propose(world, change, by="kim"):
    return change_service.propose(world.nodes["KR"], "live", A, change, by=by, now=world.now)


def concur(world, one, office, by):
    return change_service.concur(world.nodes["KR"], "live", one.id, office=office, by=by, now=world.now)


def approve(world, one, by):
    return change_service.approve(world.nodes["KR"], "live", one.id, by=by, confirm=True, now=world.now)


@pytest.mark.parametrize("change", [CORRECTED, HIGHER], ids=["correct", "remark"])
def test_no_change_goes_to_holders_without_the_offices(ruled, change):
    kr = ruled.nodes["KR"]
    found = remarking.forecast(kr, "live", A, change, now=ruled.now)
    assert found.offices == ("legal", "press")
    with pytest.raises(StateError, match="legal, press must concur first") as told:
        remarking.replace(kr, "live", A, change, by="kim", second="lee", confirm=True, now=ruled.now)
    assert "--propose" in told.value.advice
    ruled.converge()
    assert [text for text, _ in held(ruled, "JP")] == ["first"]


def test_silence_of_an_office_is_not_concurrence(ruled):
    one = propose(ruled, CORRECTED)
    assert one.waits_for == ["legal", "press"]
    with pytest.raises(StateError, match="legal, press must concur first"):
        approve(ruled, one, "lee")
    assert concur(ruled, one, "legal", "lea").waits_for == ["press"]
    with pytest.raises(StateError, match="press must concur first"):
        approve(ruled, one, "lee")
    ruled.converge()
    assert [text for text, _ in held(ruled, "JP")] == ["first"]
    concur(ruled, one, "press", "pia")
    assert approve(ruled, one, "lee").got == ("JP",)
    ruled.converge()
    assert [text for text, _ in held(ruled, "JP")] == ["second", "first"]
    with pytest.raises(StateError, match="done already"):
        concur(ruled, one, "press", "pia")


def test_who_proposed_it_decides_it_only_where_one_person_may(ruled):
    higher = propose(ruled, HIGHER)
    for office in ("legal", "press"):
        concur(ruled, higher, office, office)
    with pytest.raises(DeniedError, match="a second person"):
        approve(ruled, higher, "kim")
    one = propose(ruled, CORRECTED)
    for office in ("legal", "press"):
        concur(ruled, one, office, office)
    approve(ruled, one, "kim")
    ruled.converge()
    assert [text for text, _ in held(ruled, "JP")] == ["second", "first"]


@pytest.mark.parametrize("office", ["nobody", "legal"], ids=["not asked", "a second time"])
def test_an_office_concurs_once_and_only_when_asked(ruled, office):
    one = propose(ruled, CORRECTED)
    concur(ruled, one, "legal", "lea")
    with pytest.raises(StateError, match="is not asked to concur, or has done so"):
        concur(ruled, one, office, "lea")


def test_an_office_that_a_rule_names_since_is_asked_anew(ruled):
    one = propose(ruled, CORRECTED)
    for office in ("legal", "press"):
        concur(ruled, one, office, office)
    rule(ruled, "archive")
    with pytest.raises(StateError, match="archive must concur by a rule made since"):
        approve(ruled, one, "lee")
    ruled.converge()
    assert [text for text, _ in held(ruled, "JP")] == ["first"]


def test_the_offices_follow_from_the_marking_that_the_new_version_has(ruled):
    rule(ruled, "archive", from_tlp="AMBER")
    kr = ruled.nodes["KR"]
    asked = [remarking.forecast(kr, "live", A, one, now=ruled.now) for one in (CORRECTED, HIGHER)]
    assert [one.offices for one in asked] == [("legal", "press"), ("legal", "press", "archive")]


def test_what_is_marked_lower_asks_the_offices_of_the_marking_it_had(ruled):
    one = propose(ruled, HIGHER)
    for office in ("legal", "press"):
        concur(ruled, one, office, office)
    approve(ruled, one, "lee")
    rule(ruled, "archive", from_tlp="AMBER")
    lower = Change(reason="the victim agreed", marks=Marks(tlp="CLEAR"))
    found = remarking.forecast(ruled.nodes["KR"], "live", A, lower, now=ruled.now)
    assert found.offices == ("legal", "press", "archive")


def test_by_command_an_office_concurs_by_a_person_of_its_own(ruled, monkeypatch, tmp_path):
    kr = ruled.nodes["KR"]
    people = {"anna": "legal", "ben": None, "pia": "press"}
    with kr.database.app("live") as tx:
        for login, office in people.items():
            add_person(
                tx, login=login, name=login, password="correct horse battery", roles=[Role.RELEASER],
                by="test", now=ruled.now, office=office,
            )  # fmt: skip
    monkeypatch.setattr(release_commands, "node_at", lambda _: contextlib.nullcontext(kr))
    file = tmp_path / "corrected.json"
    file.write_text(json.dumps(CORRECTED.value))

    def ran(app, *words):
        done = CliRunner().invoke(app, [*words, "--by", "ben", "--json"])
        if done.exception is not None:
            raise done.exception
        return json.loads(done.stdout)

    asked = ("correct", str(file), "--reason", "the address was ours")
    assert ran(change_commands.verbs, *asked, "--forecast")["offices"] == ["legal", "press"]
    with pytest.raises(StateError, match="must concur first"):
        ran(change_commands.verbs, *asked)
    one = ran(change_commands.verbs, *asked, "--propose")["id"]
    with pytest.raises(DeniedError, match="not of legal"):
        ran(change_commands.commands, "concur", one, "--office", "legal")
    for login, office in (("anna", "legal"), ("pia", "press")):
        done = CliRunner().invoke(
            change_commands.commands, ["concur", one, "--office", office, "--by", login, "--json"]
        )
        assert done.exit_code == 0, done.output
    assert ran(change_commands.commands, "approve", one, "--confirm")["got"] == ["JP"]
    with kr.database.app("live") as tx:
        logged = [ledger.detail(tx, row.position) for row in ledger.read_entries(tx, kinds=["note"])]
    said = [row.statement.body for row in logged if row.statement.body["act"] == "change-concur"]
    assert [(row["by"], row["detail"]) for row in said] == [
        ("anna", {"change": one, "office": "legal"}),
        ("pia", {"change": one, "office": "press"}),
    ]
