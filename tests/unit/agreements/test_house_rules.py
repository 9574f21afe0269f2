"""House rules by command: which offices are asked before a release, why, since when; what the log says."""

import contextlib
import importlib.util
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from typer.testing import CliRunner

from secretariat.agreements import house_rule_commands, house_rules, release_commands
from secretariat.agreements.commands import verbs
from secretariat.base.errors import ConflictError, DeniedError, InputError, NotFoundError, StateError
from secretariat.ledger import service as ledger
from secretariat.people.model import Role
from secretariat.people.service import add_person

_spec = importlib.util.spec_from_file_location("releasing", Path(__file__).parent / "test_release.py")
releasing = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(releasing)

NOW = releasing.NOW
RULES = ("house-rules",)
ADD = (
    *RULES,
    "add",
    "--office",
    "legal",
    "--from-tlp",
    "AMBER",
    "--reason",
    "victims are named",
    "--by",
    "ola",
)


@pytest.fixture
def jp(node, monkeypatch):
    """A node of JP with a partner and four persons, on which commands are run."""
    made = releasing.prepared(node, "KR")
    people = {"anna": Role.RELEASER, "ben": Role.RELEASER, "lea": Role.ANALYST, "ola": Role.OFFICER}
    with made.database.app("live") as tx:
        for login, role in people.items():
            add_person(
                tx, login=login, name=login, password="correct horse battery", roles=[role], by="test",
                now=NOW, office="legal" if login == "lea" else None,
            )  # fmt: skip
    for module in (release_commands, house_rule_commands):
        monkeypatch.setattr(module, "node_at", lambda _: contextlib.nullcontext(made))
        monkeypatch.setattr(module, "now", lambda: NOW)
    return made


def ran(*words):
    done = CliRunner().invoke(verbs, [*words, "--json"])
    if done.exception is not None:
        raise done.exception
    return json.loads(done.stdout)


def proposed(jp, one):
    releasing.drafted(jp, one)
    words = ("--title", "secret title", "--purpose", "network_defence", "--to", "KR", "--by", "anna")
    return ran("release", "propose", one["id"], *words)


def notes(jp):
    with jp.database.app("live") as tx:
        found = ledger.read_entries(tx, kinds=["note"])
        return [ledger.detail(tx, one.position).statement.body for one in found]


def test_a_rule_holds_a_release_until_its_office_concurs_and_none_after_its_end(jp):
    rule = ran(*ADD)
    assert (rule["id"], rule["offices"], rule["from_tlp"], rule["by"]) == (1, ["legal"], "AMBER", "ola")
    first = releasing.indicator("AMBER", name="secret name")
    waits = proposed(jp, first)
    assert [one["office"] for one in waits["offices"]] == ["legal"]
    approve = ("release", "approve", waits["id"], "--by", "ben", "--confirm")
    with pytest.raises(StateError, match="legal must concur first"):
        ran(*approve)
    ran("release", "concur", waits["id"], "--office", "legal", "--by", "lea")
    ran(*approve)
    assert releasing.readable(jp, "KR") == {first["id"]}
    ended = ran(*RULES, "end", "1", "--reason", "the law changed", "--by", "ola")
    assert ended["ended_by"] == "ola"
    assert ended["ended_at"]
    second = releasing.indicator("AMBER")
    free = proposed(jp, second)
    assert free["offices"] == []
    ran("release", "approve", free["id"], "--by", "ben", "--confirm")
    assert releasing.readable(jp, "KR") == {first["id"], second["id"]}
    assert [(one["act"], one["by"], one["detail"]) for one in notes(jp)] == [
        (
            "house-rule-add",
            "ola",
            {"rule": 1, "offices": ["legal"], "from_tlp": "AMBER", "reason": "victims are named"},
        ),
        ("release-concur", "lea", {"release": waits["id"], "office": "legal"}),
        (
            "house-rule-end",
            "ola",
            {"rule": 1, "offices": ["legal"], "from_tlp": "AMBER", "reason": "the law changed"},
        ),
    ]
    assert "secret" not in json.dumps(notes(jp))


def test_the_list_shows_rules_in_force_and_with_all_who_ended_which(jp):
    assert ran(*RULES, "list") == {"rules": []}
    ran(*ADD)
    ran(*RULES, "add", "--office", "press", "--reason", "all of it", "--by", "anna")
    ran(*RULES, "end", "1", "--reason", "the law changed", "--by", "anna")
    assert [one["id"] for one in ran(*RULES, "list")["rules"]] == [2]
    both = ran(*RULES, "list", "--all")["rules"]
    assert [(one["id"], one["by"], one["ended_by"]) for one in both] == [
        (1, "ola", "anna"),
        (2, "anna", None),
    ]
    told = CliRunner().invoke(verbs, [*RULES, "list", "--all"]).stdout.splitlines()
    assert told == [
        "1  legal  from AMBER  by ola 2026-11-20: victims are named  ended by anna 2026-11-20",
        "2  press  from CLEAR  by anna 2026-11-20: all of it",
    ]


def test_an_office_of_which_nobody_can_concur_is_named_at_once(jp):
    assert ran(*ADD)["nobody_of"] == []
    words = [*RULES, "add", "--office", "legal", "--office", "press", "--reason", "x", "--by", "ola"]
    told = CliRunner().invoke(verbs, words).stdout
    assert "nobody of press can concur yet: secretariat person add --office" in told
    assert "nobody of legal" not in told


@pytest.mark.parametrize(
    ("words", "error", "what", "where"),
    [
        (["--from-tlp", "PURPLE"], InputError, "no TLP word: 'PURPLE'", "from_tlp"),
        (["--from-tlp", ""], InputError, "no TLP word: ''", "from_tlp"),
        (["--office", " "], InputError, "an office without a name", "office"),
        (["--office", "a\nb"], InputError, "no name of an office", "office"),
        (["--office", "x" * 201], InputError, "no name of an office", "office"),
        (["--reason", " "], InputError, "needs its reason", "reason"),
        (["--reason", "x" * 2001], InputError, "is too long", "reason"),
        (["--from-tlp", "tlp:amber"], ConflictError, "rule 1 asks the same", "house rule 1"),
        (["--by", "nobody"], NotFoundError, "nobody of this party", "--by"),
        (["--by", "lea"], DeniedError, "has not the right", "--by"),
    ],
    ids=[
        "unknown label", "no label", "empty office", "office of two lines", "office without end", "no reason",
        "reason without end", "the same rule twice", "unknown login", "no right",
    ],
)  # fmt: skip
def test_a_bad_rule_is_refused_and_nothing_is_logged(jp, words, error, what, where):
    ran(*ADD)
    before = notes(jp)
    with pytest.raises(error, match=what) as told:
        ran(*ADD, *words)
    assert told.value.where == where
    assert told.value.advice
    assert notes(jp) == before


def test_the_same_rule_is_the_same_in_any_order_and_may_come_again_after_its_end(jp):
    both = ("--reason", "x", "--by", "ola")
    ran(*RULES, "add", "--office", "legal", "--office", "press", *both)
    with pytest.raises(ConflictError, match="rule 1 asks the same"):
        ran(*RULES, "add", "--office", "press", "--office", "legal", "--office", "press", *both)
    ran(*RULES, "end", "1", *both)
    assert ran(*RULES, "add", "--office", "press", "--office", "legal", *both)["id"] == 2


@pytest.mark.parametrize(
    ("number", "more", "error", "what"),
    [
        ("1", [], StateError, "ended already by ola"),
        ("7", [], NotFoundError, "no house rule 7"),
        (str(2**70), [], NotFoundError, "no house rule"),
        ("2", ["--reason", ""], InputError, "needs its reason"),
        ("2", ["--by", "lea"], DeniedError, "has not the right"),
    ],
    ids=["a second time", "no such rule", "beyond every number", "no reason", "no right"],
)
def test_a_bad_end_is_refused_and_nothing_is_logged(jp, number, more, error, what):
    ran(*ADD)
    ran(*RULES, "end", "1", "--reason", "x", "--by", "ola")
    ran(*ADD)
    before = notes(jp)
    with pytest.raises(error, match=what) as told:
        ran(*RULES, "end", number, "--reason", "y", "--by", "ola", *more)
    assert told.value.where
    assert told.value.advice
    assert notes(jp) == before


def test_a_rule_that_cannot_be_logged_does_not_stand(jp, monkeypatch):
    def broken(*_, **__):
        raise StateError("the log is closed")

    monkeypatch.setattr(house_rules.ledger, "append", broken)
    with pytest.raises(StateError, match="the log is closed"):
        ran(*ADD)
    assert ran(*RULES, "list", "--all") == {"rules": []}


def test_one_rule_made_twice_at_once_stands_once(jp):
    def add(_):
        try:
            return house_rules.add(jp, "live", offices=["legal"], reason="x", by="ola", now=NOW).id
        except ConflictError:
            return None

    with ThreadPoolExecutor(4) as four:
        made = [one for one in four.map(add, range(4)) if one is not None]
    assert len(made) == 1
    assert [one["id"] for one in ran(*RULES, "list")["rules"]] == made
