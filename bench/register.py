"""The Register with 100,000 statements: import, every board on random days, the difference of two days.

The bounds are what the database does at the least with the same rows in the same run: COPY of the objects and
the rows into bare tables, and one read over every row that a question may see.
"""

from __future__ import annotations

import random
import re
import statistics
import time
from collections.abc import Callable
from datetime import date, timedelta

import sqlalchemy as sa

from bench import world
from bench.line import Line
from secretariat.base.clock import now
from secretariat.ledger.node import Node
from secretariat.register import boards, questions, service
from secretariat.register.model import (
    Absence,
    Account,
    Commitment,
    Draft,
    Evidence,
    Meeting,
    Source,
    Statement,
    View,
    evidence_of,
    stix_id,
)
from secretariat.storage.engine import raw

COUNT = 100_000
BATCH = 10_000
DAYS = 40
_CODES = ("JP", "KR", "CN", "US", "AU", "GB", "DE", "FR", "IN", "ID", "TH", "VN")
_START = date(1999, 1, 1)
_SPAN = 10_000
_LONG = ("quarterly", "yearly", None, None, None)
_TEXT = re.findall(
    r"\w+",
    "the parties agreed to share information on attacks and to hold the next round of their dialogue within"
    " the year; 日中韓サイバー協議を開催し 협력을 강화하기로 하였다 双方同意加强网络安全合作",
)


def drafts(count: int = COUNT, seed: int = 4) -> list[Draft]:
    """Give a synthetic record: meetings of 600 series, promises, evidence, accounts, absences, sources."""
    chance = random.Random(seed)
    made: list[Draft] = []
    promises: list[Commitment] = []
    facts: list[Statement] = []

    def day(after: date = _START) -> date:
        left = (_START + timedelta(days=_SPAN) - after).days
        return after + timedelta(days=chance.randrange(max(left, 1)))

    for number in range(count):
        words = " ".join(chance.choices(_TEXT, k=20))
        parties = tuple(chance.sample(_CODES, k=chance.choice((2, 2, 3))))
        on = day()
        common = {
            "title": f"{words[:60]} {number}",
            "summary": words,
            "parties": parties,
            "true_from": on.isoformat()[: chance.choice((10, 10, 10, 7))],
            "known_public": (on + timedelta(days=chance.randrange(120))).isoformat(),
            "status": chance.choices(("confirmed", "single", "contested", "unverified"), (80, 12, 5, 3))[0],
        }
        turn = number % 20
        if turn == 0:
            made.append(Source(key=f"s-{number}", kind="source", **common))
        elif turn < 4:
            promise = Commitment(
                key=f"c-{number}",
                kind="commitment",
                owed_by=parties,
                due=None if chance.random() < 0.5 else day(on + timedelta(days=31)).isoformat(),
                cadence=chance.choice(_LONG),
                **common,
            )
            promises.append(promise)
            made.append(promise)
        elif turn < 8:
            one, fact = chance.choice(promises[-500:]), chance.choice(facts[-500:] or promises)
            said = evidence_of(
                fact,
                Evidence(
                    key=f"e-{number}",
                    kind="evidence",
                    title=f"says {number}",
                    for_ref=stix_id("sct-commitment", world.OWN, one.key),
                    from_ref=None,
                    says=chance.choice(("done", "late", "partly", "progress", "progress", "slipped", "none")),
                ),
            )
            if (
                fact.true_from is not None
                and one.true_from is not None
                and fact.true_from[:7] > one.true_from[:7]
            ):
                made.append(said)
            else:
                made.append(Absence(key=f"n-{number}", kind="absence", looked_in="open sources", **common))
        elif turn == 8 and facts:
            fact = chance.choice(facts[-500:])
            made.append(
                Account(
                    key=f"a-{number}",
                    kind="account",
                    about_ref=stix_id("sct-meeting", world.OWN, fact.key),
                    said_by=parties[0],
                    position=chance.choice(("agrees", "denies", "different-reading")),
                    **common,
                )
            )
        else:
            meeting = Meeting(key=f"m-{number}", kind="meeting", series=f"series-{number % 600}", **common)
            facts.append(meeting)
            made.append(meeting)
    return made


def run() -> list[Line]:
    """Measure all of it on one node."""
    made = drafts()
    with world.node(world.PARTNERS[:1]) as node:
        started = time.perf_counter()
        for start in range(0, len(made), BATCH):
            service.record(node, world.LIVE, made[start : start + BATCH], by="bench", now=now())
        rate = len(made) / (time.perf_counter() - started)
        with node.database.app(world.LIVE) as tx:
            copied = len(made) / _copy(tx)
        return [
            Line(
                "register, import of 100,000 statements",
                rate,
                "/s",
                copied,
                2_000,
                bound_is="COPY of objects and rows",
            ),
            *_boards(node),
        ]


def _copy(tx: sa.Connection) -> float:
    """Copy the same objects and rows into bare tables; give the seconds it took."""
    bare = raw(tx)
    objects = bare.execute("SELECT id, stix_id, type, bytes FROM object_version").fetchall()
    lines = bare.execute(
        "SELECT s.id, stix_id, key, title, d.search::text FROM register_statement s"
        " JOIN register_detail d ON d.id = s.id"
    ).fetchall()
    bare.execute("CREATE TEMP TABLE o (id int8 PRIMARY KEY, stix_id text, type text, bytes bytea)")
    bare.execute(
        "CREATE TEMP TABLE r (id int8 PRIMARY KEY, stix_id text, key text, title text, search tsvector)"
    )
    started = time.perf_counter()
    for table, rows in (("o", objects), ("r", lines)):
        with bare.cursor().copy(f"COPY {table} FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
    return time.perf_counter() - started


def _boards(node: Node) -> list[Line]:
    chance = random.Random(9)
    days = [_START + timedelta(days=chance.randrange(400, _SPAN + 1_000)) for _ in range(DAYS)]
    views = [
        View.on(one.isoformat(), (one if chance.random() < 0.5 else days[0]).isoformat()) for one in days
    ]
    bound = 1000 * _p95(
        node,
        views,
        lambda tx, view: (
            raw(tx)
            .execute(
                "SELECT count(*), max(begun) FROM register_statement WHERE begun <= %s AND known <= %s",
                (view.day, view.known_by),
            )
            .fetchone()
        ),
    )
    asked: dict[str, Callable[[sa.Connection, View], object]] = {
        "overdue": boards.overdue,
        "lagging": boards.lagging,
        "silence": boards.silence,
        "contested": boards.contested,
        "who met": boards.who_met,
        "time line": lambda tx, view: questions.timeline(tx, view, newest=True, limit=100),
        "search": lambda tx, view: questions.timeline(
            tx, view, words="협력 dialogue", newest=True, limit=100
        ),
        "status of one": lambda tx, view: questions.status(
            tx, f"c-{20 * (view.day.toordinal() % 5000) + 1}", view
        ),
    }
    lines = [
        Line(
            f"register, {name} on any day, p95 of {DAYS}",
            1000 * _p95(node, views, ask),
            "ms",
            bound,
            150,
            sense="less",
            bound_is="one count over all rows",
        )
        for name, ask in asked.items()
    ]
    pairs = [(one, View.on((one.day + timedelta(days=30)).isoformat())) for one in views]
    with_known = [(one, View.on(two.day.isoformat(), two.day.isoformat())) for one, two in pairs]
    took = []
    with node.database.app(world.LIVE) as tx:
        for one, two in with_known:
            started = time.perf_counter()
            questions.diff(tx, one, two)
            took.append(time.perf_counter() - started)
    value = 1000 * statistics.quantiles(took, n=20)[-1]
    lines.append(
        Line(
            "register, difference of two days, p95",
            value,
            "ms",
            bound,
            300,
            sense="less",
            bound_is="one count over all rows",
        )
    )
    return lines


def _p95(node: Node, views: list[View], ask: Callable[[sa.Connection, View], object]) -> float:
    took = []
    with node.database.app(world.LIVE) as tx:
        ask(tx, views[0])
        for view in views:
            started = time.perf_counter()
            ask(tx, view)
            took.append(time.perf_counter() - started)
    return statistics.quantiles(took, n=20)[-1]
