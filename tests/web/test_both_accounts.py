"""What several parties state under one key stands once, and the page says who else states it, and how."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from secretariat.base.clock import now
from secretariat.records import store as versions
from secretariat.records.canonical import canonical
from secretariat.records.markings import Label
from secretariat.records.store import Version
from secretariat.register import follow, service
from secretariat.register.model import Cite, Commitment, Meeting, Source, id_of, to_object

SAID = datetime(2026, 11, 20, 6, tzinfo=UTC)
PROMISE = Commitment(
    key="c-1",
    kind="commitment",
    title="Share warnings within a day",
    true_from="2012-01-10",
    known_public="2012-01-10",
    due="2012-12-31",
    parties=("JP", "KR"),
    owed_by=("JP",),
)
ROUND = Meeting(
    key="m-2013",
    kind="meeting",
    title="Round of 2013",
    true_from="2013-05-01",
    known_public="2013-05-01",
    parties=("JP", "KR"),
)


def from_japan(node, *drafts):
    """Write what the partner's node gave, as exchange does, and let the Register follow."""
    for draft in drafts:
        obj = to_object(draft, party="JP", created=SAID)
        version = Version(
            stix_id=obj["id"],
            type=obj["type"],
            version=SAID,
            data=canonical(obj),
            originator="JP",
            source="JP",
            label=Label("JP", tlp="GREEN"),
            state="kept",
            recorded_at=now(),
            known_at=now(),
            created=obj["created"],
            modified=obj["modified"],
            created_by=obj["created_by_ref"],
            revoked=False,
        )
        with node.database.app("live") as tx:
            versions.put(tx, [version])
    follow.catch_up(node, "live")


@pytest.fixture
def officer(site):
    """An officer at Korea's node, to which Japan gave the same promise and the same round."""
    client = site("officer")
    service.record(client.node, "live", [PROMISE, ROUND], by="kim", now=now())
    from_japan(
        client.node,
        msgspec.structs.replace(PROMISE, due="2013-12-31"),
        ROUND,
    )
    return client


def words(page: str) -> str:
    return " ".join(page.split())


def test_lists_boards_and_time_line_name_who_else_states_it(officer):
    for address, how in (
        ("/register/meetings", "(in the same words)"),
        ("/register/commitments", "(otherwise)"),
        ("/register", "(in the same words)"),
        ("/register/boards", "(otherwise)"),
        ("/register/boards/lagging", "(otherwise)"),
        ("/register/dialogue/JP,KR", "(in the same words)"),
        ("/register/parties/JP", "(otherwise)"),
    ):
        page = officer.get(address).text
        assert "also stated by" in page, address
        assert how in page, address
        assert page.count('class="title"') >= 1
    past = officer.get("/register/boards?recorded_by=2026-11-19T00:00Z").text
    assert "also stated by" not in past
    officer.post("/language", data={"language": "ko", "next": "/"})
    korean = officer.get("/register/meetings").text
    assert "함께 기재한 측:" in korean


def test_files_say_who_else_states_it(officer):
    """A spreadsheet of a list says it like the page; the page itself has no second column for it."""
    for address, name, how in (
        ("/register/meetings", "statements", "(in the same words)"),
        ("/register/boards", "overdue", "(otherwise)"),
        ("/register/boards/lagging", "lagging", "(otherwise)"),
    ):
        file = officer.get(f"{address}?download={name}.csv").text
        assert "also stated by" in file.splitlines()[0], address
        assert how in file, address
        assert "sort=also_stated" not in officer.get(address).text


def test_the_contested_board_says_what_the_others_say_instead(officer):
    page = words(officer.get("/register/boards/contested").text)
    assert "What others state instead" in page
    own, theirs = page.index("2012-12-31"), page.index("2013-12-31")
    assert own < theirs
    assert "No party has given an account of this." not in page
    assert "Round of 2013" not in page


def test_the_statement_page_says_how_the_other_states_it(officer):
    promise = officer.get("/register/statements/c-1").text
    assert "states it otherwise" in promise
    assert "2013-12-31" in promise
    assert "states it in the same words" in officer.get("/register/statements/m-2013").text
    other_words = msgspec.structs.replace(ROUND, key="m-2014", summary="Both sides met.")
    service.record(officer.node, "live", [other_words], by="kim", now=now())
    from_japan(officer.node, msgspec.structs.replace(other_words, summary="They met."))
    page = officer.get("/register/statements/m-2014").text
    assert "states it in other words" in page
    assert "They met." in page


def test_a_statement_names_what_rests_on_the_same_sentence(officer):
    said = Source(key="s-1", kind="source", title="Minutes", known_public="2013-05-01", source_kind="primary")
    ref = id_of(said, "KR")
    one, other = (
        msgspec.structs.replace(
            ROUND,
            key=key,
            title=key,
            cites=(Cite(source_ref=ref, quote="agreed to meet again", start=10, end=30),),
        )
        for key in ("meet-again", "next-round")
    )
    service.record(officer.node, "live", [said, one, other], by="kim", now=now())
    page = officer.get("/register/statements/meet-again").text
    assert "Resting on the same sentence" in page
    assert "next-round</a>" in page
    assert "Resting on the same sentence" not in officer.get("/register/statements/c-1").text
