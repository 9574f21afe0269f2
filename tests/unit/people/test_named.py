"""Who a command says did it: a person of this party who may, or whoever runs it, and no other word."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from secretariat.base.clock import now
from secretariat.base.errors import DeniedError, NotFoundError
from secretariat.cli import app
from secretariat.people.model import Permission, Role
from secretariat.people.named import doer_at, named
from secretariat.people.service import add_person, disable_person


@pytest.fixture
def people(database):
    with database.app("live") as tx:
        for login, roles, party in (
            ("anna", [Role.RELEASER], None),
            ("both", [Role.RELEASER, Role.OFFICER], None),
            ("guest", [Role.RELEASER], "TW"),
            ("gone", [Role.RELEASER], None),
        ):
            add_person(
                tx, login=login, name=login, password="correct horse battery", roles=roles, party=party,
                by="test", now=now(),
            )  # fmt: skip
        disable_person(tx, "gone", now=now())
    return database


def test_a_person_with_the_right_is_named_and_nobody_else(people):
    right = Permission.APPROVE_RELEASE
    assert doer_at(people, "live", "anna", right) == "anna"
    assert doer_at(people, "live", "", right) == getpass.getuser()
    for login, error in (("nobody", NotFoundError), ("guest", NotFoundError), ("gone", DeniedError)):
        with pytest.raises(error) as told:
            doer_at(people, "live", login, right)
        assert told.value.where == "--by"
        assert told.value.advice
    with people.app("live") as tx, pytest.raises(DeniedError, match="has not the right"):
        named(tx, "anna", Permission.EDIT_REGISTER)


def test_who_records_and_says_do_at_once_has_both_rights(people):
    wanted = (Permission.EDIT_REGISTER, Permission.APPROVE_RELEASE)
    assert doer_at(people, "live", "both", *wanted) == "both"
    with pytest.raises(DeniedError):
        doer_at(people, "live", "anna", *wanted)


def every(group: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for name, one in group.commands.items():
        if hasattr(one, "commands"):
            yield from every(one, (*words, name))
        else:
            yield " ".join((*words, name)), one


def test_by_asks_for_a_login_in_every_command_that_has_it():
    found = {
        words: option.help
        for words, one in every(typer.main.get_command(app))
        for option in one.params
        if "--by" in option.opts
    }
    assert len(found) > 20
    assert {words: said for words, said in found.items() if "ogin of " not in said} == {}
