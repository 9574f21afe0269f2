"""Instruments that the agreements' side recorded are rows of the Register; they cite no source object."""

from __future__ import annotations

from datetime import UTC, date, datetime

from secretariat.agreements.book import package_book
from secretariat.agreements.facts import keep_book
from secretariat.register import boards, follow, store
from secretariat.register.brief import service as briefs
from secretariat.register.model import View

NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)
TODAY = View(day=date(2026, 11, 22))


def test_a_brief_is_made_where_only_agreements_are_recorded(node):
    kr = node("KR")
    with kr.database.app("live") as tx:
        keep_book(tx, package_book(), own="KR", now=NOW)
    follow.catch_up(kr, "live")

    with kr.database.app("live") as tx:
        rows = store.statements(tx, TODAY, types=["sct-instrument", "sct-instrument-status"], limit=1_000)
        sources = boards.sources_of(tx, rows, TODAY)
        made = briefs.gather(tx, TODAY, ("JP", "KR"))

    assert any("title" in one for row in rows for one in row.body.get("cites", ()))
    assert sources == {}
    assert made.instruments
