"""Offices that a house rule names concur before a release; silence is not concurrence."""

import contextlib
import importlib.util
from pathlib import Path

import pytest
from typer.testing import CliRunner

from secretariat.agreements import release_commands, service, store, workflow
from secretariat.base.errors import DeniedError, StateError

_spec = importlib.util.spec_from_file_location("releasing", Path(__file__).parent / "test_release.py")
releasing = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(releasing)

NOW = releasing.NOW


@pytest.fixture
def ruled(node):
    """A node whose rule asks two offices from AMBER on, and the proposed release of an AMBER object."""
    jp = releasing.prepared(node, "KR")
    rule = {"from_tlp": "AMBER", "offices": ["legal", "press"]}
    with jp.database.app("live") as tx:
        tx.execute(store.house_rule.insert().values(rule=rule, recorded_at=NOW, by="test"))
    one = releasing.indicator("AMBER")
    releasing.drafted(jp, one)
    return jp, one, releasing.proposed(jp, one)


def test_silence_is_not_concurrence(ruled):
    jp, one, release = ruled
    assert release.waits_for == ["legal", "press"]
    with pytest.raises(StateError, match="legal, press must concur first"):
        workflow.decide_release(jp, "live", release.id, by="ben", now=NOW)
    workflow.concur(jp, "live", release.id, office="legal", by="lea", now=NOW)
    with pytest.raises(StateError, match="press must concur first"):
        workflow.decide_release(jp, "live", release.id, by="ben", now=NOW)
    assert releasing.readable(jp, "KR") == set()
    workflow.concur(jp, "live", release.id, office="press", by="pia", now=NOW)
    workflow.decide_release(jp, "live", release.id, by="ben", now=NOW)
    assert releasing.readable(jp, "KR") == {one["id"]}


@pytest.mark.parametrize("office", ["nobody", "legal"], ids=["not asked", "a second time"])
def test_an_office_concurs_once_and_only_when_asked(ruled, office):
    jp, _, release = ruled
    workflow.concur(jp, "live", release.id, office="legal", by="lea", now=NOW)
    with pytest.raises(StateError, match="is not asked to concur, or has done so"):
        workflow.concur(jp, "live", release.id, office=office, by="lea", now=NOW)


def test_below_its_marking_the_rule_asks_nobody(ruled):
    jp, _, _ = ruled
    one = releasing.indicator("GREEN")
    releasing.drafted(jp, one)
    assert releasing.proposed(jp, one).waits_for == []


def test_a_release_at_once_or_under_a_standing_release_does_not_pass_the_offices_by(ruled, monkeypatch):
    jp, one, _ = ruled
    terms = workflow.Terms(partners=["KR"], purpose="network_defence", types=[], highest="AMBER")
    begun = workflow.begin_standing(jp, "live", terms, title="x", by=["anna"], days=9, now=NOW)
    with jp.database.app("live") as tx:
        versions = service.with_members(tx, [one["id"]])
    with pytest.raises(DeniedError, match="legal, press must concur first"):
        workflow.publish_standing(jp, "live", versions, begun.id, now=NOW)
    monkeypatch.setattr(release_commands, "node_at", lambda _: contextlib.nullcontext(jp))
    done = CliRunner().invoke(release_commands.verbs, ["publish", one["id"], "--confirm"])
    assert "legal, press must concur first" in str(done.exception)
    assert "release propose" in done.exception.advice
    assert releasing.readable(jp, "KR") == set()


CLEARED = releasing.INSTRUMENTS.replace(
    '- {art: "5", rule: RETENTION, days: 365}',
    '- {art: "5", rule: RETENTION, days: 365}\n    - {art: "6", rule: NEED_TO_KNOW}',
)


def test_whoever_says_do_is_told_which_conditions_to_confirm(node, monkeypatch):
    monkeypatch.setattr(releasing, "INSTRUMENTS", CLEARED)
    jp = releasing.prepared(node, "KR", "CN")
    one = releasing.indicator("AMBER")
    releasing.drafted(jp, one)
    with jp.database.app("live") as tx:
        outlooks = service.forecast(tx, jp, [one["id"]], purpose="network_defence", now=NOW)
    assert [(party, ref) for party, ref, _ in service.conditions_of(outlooks)] == [("KR", "syn-jp-kr/6")]
    assert service.conditions_of(outlooks, ["CN"]) == [], "CN gets nothing, so there is nothing to confirm"
    with pytest.raises(StateError, match="to be confirmed by whoever says DO: KR: ") as told:
        release_commands._refuse_unconfirmed(outlooks, None)
    assert "--confirm" in told.value.advice
    release_commands._refuse_unconfirmed(outlooks, ["CN"])
