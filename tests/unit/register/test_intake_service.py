"""What becomes of proposals: nothing by itself; spans that hold; two officers; a page that changed."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from secretariat.base.errors import ConflictError, InputError
from secretariat.register import store as statements
from secretariat.register.intake import service, store
from secretariat.register.model import View
from secretariat.storage.engine import raw

NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)
TEXT = """Initial Disclosure Date: Sep 3, 2012

After the summit on May 13, 2012 the parties agreed to set up a contact list by the end of 2012.(footnote:1)
There has been no list as of September 3rd, 2012.

References:

1. Ministry of Foreign Affairs of Japan, "Joint Declaration," May 13, 2012, http://www.mofa.go.jp/x/declaration.html
2. Ibid.
"""


@pytest.fixture
def jp(node):
    return node("JP")


def taken(jp, text=TEXT, **given):
    (one,) = service.take_in(jp, "live", text.encode(), "note.txt", by="aoki", now=NOW, **given)
    return one


def items(jp, intake):
    with jp.database.app("live") as tx:
        return store.items(tx, intake)


def test_reading_records_nothing(jp):
    one = taken(jp)
    assert one.proposals >= 2
    with jp.database.app("live") as tx:
        assert raw(tx).execute("SELECT count(*) FROM register_statement").fetchone() == (0,)
        assert raw(tx).execute("SELECT count(*) FROM object_version").fetchone() == (0,)


def test_accepting_records_the_span_the_source_and_what_it_cites(jp):
    one = taken(jp, source_kind="secondary")
    promise = next(i for i in items(jp, one.intake) if i.proposal.kind == "commitment")
    assert promise.proposal.due == "2012-12"
    three = ("CN", "JP", "KR")
    key = service.accept(
        jp, "live", one.intake, promise.number, seen=1, by="aoki", now=NOW,
        changes={"title": "Set up a contact list", "parties": three, "owed_by": three},
    )  # fmt: skip
    with jp.database.app("live") as tx:
        (row,) = statements.by_key(tx, key, View.on("2012-09-03"))
        sources = [statements.newest(tx, [cite["source_ref"]])[cite["source_ref"]] for cite in row.cites]
    assert (row.kind, row.status, row.due_last) == ("commitment", "single", date(2012, 12, 31))
    first = row.cites[0]
    assert TEXT[first["start"] : first["end"]] == first["quote"]
    titles = [one.title for one in sources]
    assert titles == ["Initial Disclosure Date: Sep 3, 2012", "Joint Declaration"]
    assert sources[1].body["url"] == "http://www.mofa.go.jp/x/declaration.html"
    assert "text" not in sources[0].body


def test_the_second_officer_is_refused_and_told(jp):
    one = taken(jp)
    service.reject(jp, "live", one.intake, 1, seen=1, reason="known", by="aoki", now=NOW)
    with pytest.raises(ConflictError, match="rejected by aoki"):
        service.accept(jp, "live", one.intake, 1, seen=1, by="baba", now=NOW)
    service.reopen(jp, "live", one.intake, 1, seen=2, by="baba", now=NOW)
    assert items(jp, one.intake)[0].state == "open"


def test_progress_is_found_again(jp):
    one = taken(jp)
    service.reject(jp, "live", one.intake, 1, seen=1, reason="", by="aoki", now=NOW)
    again = taken(jp)
    assert (again.intake, again.again) == (one.intake, True)
    with jp.database.app("live") as tx:
        (line,) = store.listing(tx)
    assert (line.rejected, line.open) == (1, one.proposals - 1)


def test_a_changed_page_behind_one_address_is_kept_and_flagged(jp):
    first = taken(jp, address="https://example.org/note")
    second = taken(jp, TEXT.replace("no list", "still no list"), address="https://example.org/note")
    assert (first.changed, second.changed) == (False, True)
    assert first.intake != second.intake


def test_an_officer_sets_the_date(jp):
    one = taken(jp, "The fourth meeting was held in Seoul on October 2.\n")
    assert items(jp, one.intake)[0].proposal.true_from is None
    service.set_date(jp, "live", one.intake, date(2013, 10, 4))
    assert items(jp, one.intake)[0].proposal.true_from == "2013-10-02"
    service.reject(jp, "live", one.intake, 1, seen=1, reason="", by="aoki", now=NOW)
    with pytest.raises(ConflictError):
        service.set_date(jp, "live", one.intake, date(2014, 10, 4))


def test_a_refused_edit_leaves_the_proposal_open(jp):
    one = taken(jp)
    with pytest.raises(InputError):
        service.accept(
            jp, "live", one.intake, 1, seen=1, by="aoki", now=NOW, changes={"true_from": "2012-02-30"}
        )
    with pytest.raises(InputError):
        service.accept(jp, "live", one.intake, 1, seen=1, by="aoki", now=NOW, changes={"kind": "rumour"})
    assert items(jp, one.intake)[0].state == "open"


def test_near_records_are_offered(jp):
    first = taken(jp)
    service.accept(jp, "live", first.intake, 1, seen=1, by="aoki", now=NOW)
    second = taken(jp, TEXT + "\nMore.\n")
    with jp.database.app("live") as tx:
        from secretariat.register.overlap import service as overlap

        overlap.catch_up(tx)
        near = service.nearest(tx, View.on("2026-11-22"), store.items(tx, second.intake)[0], "en")
    assert near
    assert near[0].question in {"same", "near", "progress-of", "contradicts"}
