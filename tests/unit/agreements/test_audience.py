"""Who may be shown an instrument: everybody what is public, else its parties, and nobody what names none."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pytest

from secretariat.agreements.audience import Place, audience_of, publicly
from secretariat.agreements.book import build, instrument_body, package_book
from secretariat.agreements.reading import read

DAY = date(2026, 11, 22)
PAIR = {"id": "syn", "parties": ["JP", "KR"]}


def shown(body: dict[str, object], place: Place, day: date = DAY) -> bool:
    return audience_of(json.dumps(body).encode()).admits(place, day)


def test_every_instrument_of_the_package_is_public():
    for one in package_book().instruments.values():
        assert audience_of(instrument_body(one, package_book())).admits(Place("CN"), DAY), one.key


def test_a_changed_text_of_the_package_is_not_public_by_its_key():
    body = {**json.loads(instrument_body(package_book().instrument("jp-rok-gsomia-2016"))), "note": "ours"}
    assert not shown(body, Place("CN"))
    assert shown(body, Place("KR"))


@pytest.mark.parametrize(
    ("more", "seen"),
    [
        ({}, False),
        ({"public": True}, True),
        ({"published": "2020-01-01"}, True),
        ({"published": "2020-01-01", "public": False}, False),
        ({"published": (DAY + timedelta(days=1)).isoformat()}, False),
        ({"published": "soon"}, False),
        ({"public": "yes"}, False),
        ({"known": "2020-01-01"}, False),
        ({"synthetic": True}, False),
    ],
)
def test_a_stranger_sees_only_what_says_that_it_is_public(more, seen):
    assert shown({**PAIR, **more}, Place("CN")) is seen
    assert shown({**PAIR, **more}, Place("KR")) is (more.get("published") != "soon")


def test_members_of_a_group_see_it_while_they_are_members():
    body = {
        "id": "syn",
        "parties": ["CLUB"],
        "groups": {"CLUB": {"members": [{"party": "A", "until": "2026-11-22"}, {"party": "B"}]}},
    }
    assert not shown(body, Place("A"))
    assert shown(body, Place("A"), DAY - timedelta(days=1))
    assert shown(body, Place("B"))


def test_an_office_sees_what_covers_offices_or_names_it():
    office = Place("KR-X", ("KR",), "cyber")
    assert not shown(PAIR, office)
    assert shown({**PAIR, "covers_offices": True}, office)
    assert shown({**PAIR, "party_offices": {"KR": ["cyber"]}}, office)
    assert not shown({**PAIR, "party_offices": {"KR": ["police"]}}, office)
    assert not shown({**PAIR, "party_offices": {"US": ["cyber"]}}, office)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"x"', b'{"parties": 3}', b'{"parties": []}'])
def test_what_names_nobody_or_cannot_be_read_is_shown_to_nobody(body):
    assert not audience_of(body).admits(Place("KR"), DAY)


def test_what_everybody_knew_is_what_everybody_may_be_shown_and_is_not_made_up():
    known = publicly(package_book(), DAY).instruments
    assert set(known) == {key for key, one in package_book().instruments.items() if not one.synthetic}


def test_a_text_that_does_not_say_that_it_is_public_is_not_publicly_known():
    says = {"quiet": "", "later": "published: 2026-11-21, ", "open": "public: true, "}
    text = "instruments:\n" + "".join(
        f"- {{id: {key}, title: Invented, kind: mou, binding: true, parties: [JP, KR], {more}articles: []}}\n"
        for key, more in says.items()
    )
    book = build(read(text.encode(), "x.yaml"), readings=True)
    assert set(publicly(book, date(2026, 11, 20)).instruments) == {"open"}
    assert set(publicly(book, date(2026, 11, 21)).instruments) == {"open", "later"}
