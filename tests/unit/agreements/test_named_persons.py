"""Who a command names: persons of this party with the right to do it, and never one of them twice."""

from __future__ import annotations

import contextlib
import importlib.util
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from secretariat.agreements import release_commands, store
from secretariat.base.errors import DeniedError, InputError, NotFoundError, StateError
from secretariat.people.model import Role
from secretariat.people.service import add_person, disable_person

_spec = importlib.util.spec_from_file_location("releasing", Path(__file__).parent / "test_release.py")
releasing = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(releasing)

NOW = releasing.NOW
PEOPLE = {
    "anna": (Role.RELEASER, "legal"),
    "ben": (Role.RELEASER, None),
    "ada": (Role.ANALYST, None),
    "gone": (Role.RELEASER, None),
}


@pytest.fixture
def jp(node, monkeypatch):
    """Give a node with two releasers, an analyst and a releaser who left; commands open it."""
    made = releasing.prepared(node, "KR")
    with made.database.app("live") as tx:
        for login, (role, office) in PEOPLE.items():
            add_person(
                tx, login=login, name=login, password="correct horse battery", roles=[role], by="test",
                now=NOW, office=office,
            )  # fmt: skip
        disable_person(tx, "gone", now=NOW)
    monkeypatch.setattr(release_commands, "node_at", lambda _: contextlib.nullcontext(made))
    return made


def ran(*words):
    done = CliRunner().invoke(release_commands.verbs, [*words, "--json"])
    if done.exception is not None:
        raise done.exception
    return json.loads(done.stdout)


def draft(jp, tlp="CLEAR"):
    one = releasing.indicator(tlp)
    releasing.drafted(jp, one)
    return one["id"]


WRONG = {
    "nobody": ("nobody", NotFoundError, "nobody of this party"),
    "without the right": ("ada", DeniedError, "not the right"),
    "who left": ("gone", DeniedError, "not the right"),
}


@pytest.mark.parametrize(("login", "error", "match"), WRONG.values(), ids=WRONG)
def test_any_word_is_no_person(jp, login, error, match):
    one = draft(jp)
    standing = ("standing", "begin", "--title", "x", "--to", "KR", "--purpose", "network_defence")
    made = ran("release", "propose", one, "--title", "x", "--by", "anna")
    for words in (
        ("publish", one, "--by", login),
        ("publish", one, "--by", "anna", "--second", login),
        ("release", "approve", made["id"], "--by", login),
        ("release", "refuse", made["id"], "--reason", "x", "--by", login),
        (*standing, "--by", "anna", "--by", login),
    ):
        with pytest.raises(error, match=match):
            ran(*words)
    assert releasing.readable(jp, "KR") == set()


def test_one_person_is_never_two(jp):
    one = draft(jp, "RED")
    with pytest.raises(InputError, match="anna is named twice"):
        ran("publish", one, "--by", "anna", "--second", "anna", "--confirm")
    with pytest.raises(InputError, match="named twice"):
        ran(
            "standing",
            "begin",
            "--title",
            "x",
            "--to",
            "KR",
            "--purpose",
            "x",
            "--by",
            "anna",
            "--by",
            "anna",
        )
    made = ran("release", "propose", one, "--title", "x", "--by", "anna")
    with pytest.raises(DeniedError, match="a second person"):
        ran("release", "approve", made["id"], "--by", "anna", "--confirm")


def test_where_two_are_needed_whoever_runs_the_command_is_neither(jp):
    one = draft(jp, "RED")
    with pytest.raises(StateError, match="none that is known here"):
        ran("publish", one, "--second", "ben", "--confirm")
    with pytest.raises(StateError, match="none that is known here"):
        ran("release", "propose", one, "--title", "x")
    made = ran("release", "propose", one, "--title", "x", "--by", "ada")
    with pytest.raises(StateError, match="none that is known here"):
        ran("release", "approve", made["id"], "--confirm")
    assert ran("release", "approve", made["id"], "--by", "ben", "--confirm")["granted"] == {"KR": 0}


def test_two_persons_with_the_right_release_and_where_one_is_enough_the_operator_may(jp):
    assert ran("publish", draft(jp), "--by", "anna", "--second", "ben")["granted"] == {"KR": 1}
    assert ran("publish", draft(jp))["granted"] == {"KR": 1}


def test_an_office_concurs_by_a_person_of_its_own(jp):
    with jp.database.app("live") as tx:
        rule = {"from_tlp": "CLEAR", "offices": ["legal"]}
        tx.execute(store.house_rule.insert().values(rule=rule, recorded_at=NOW, by="test"))
    made = ran("release", "propose", draft(jp), "--title", "x", "--by", "ada")
    with pytest.raises(DeniedError, match="not of legal"):
        ran("release", "concur", made["id"], "--office", "legal", "--by", "ben")
    assert ran("release", "concur", made["id"], "--office", "legal", "--by", "anna")["state"] == "proposed"
