"""From a record let out on one node to the pages of the partner's: boards, Desk, requests, calendar feed.

Two real nodes, each a process of its own; the reader is a person who signed in over HTTP.
"""

from __future__ import annotations

import contextlib
import io
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, Self

import httpx2
import msgspec

from bench.line import Line
from secretariat.agreements import release
from secretariat.agreements.release import Basis
from secretariat.base.clock import now
from secretariat.demo import delivery
from secretariat.demo.nodes import running
from secretariat.demo.story import Story
from secretariat.demo.voice import Voice
from secretariat.ledger.node import Node
from secretariat.people import service as people
from secretariat.people.model import Role, Scope
from secretariat.register import service as register
from secretariat.register.model import Commitment, Meeting, id_of
from secretariat.register.requests import service as requests
from secretariat.storage.feed import LIVE, live, notify

PASSWORD = "correct horse battery"
PLACES = ("board", "desk", "inbox", "calendar")
TIMES = 10
PATIENCE = 30.0


class Reader:
    """A desk officer of one node, with a calendar that reads the feed."""

    def __init__(self, node: Node, address: str) -> None:
        self.node, self.address = node, address
        with node.database.app("live") as tx:
            people.add_person(
                tx,
                login="reader",
                name="Reader",
                password=PASSWORD,
                roles=[Role.OFFICER],
                by="bench",
                now=now(),
            )
            _, self.token = people.create_token(
                tx,
                label="calendar",
                reader=node.party,
                scopes=[Scope.CALENDAR],
                lifetime=timedelta(days=9),
                by="bench",
                limits=node.settings.limits,
                now=now(),
            )
        self.client = httpx2.Client(base_url=address, trust_env=False, timeout=30, follow_redirects=True)
        answer = self.client.post("/sign-in", data={"login": "reader", "password": PASSWORD})
        assert answer.status_code == 200, answer.text[:200]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def shows(self, place: str, key: str, number: str) -> bool:
        """Whether a place shows the promise or the request now."""
        match place:
            case "board":
                return key in self._get("/register/boards")
            case "desk":
                return key in self._get("/")
            case "inbox":
                return number in self._get("/requests")
        answer = httpx2.get(
            f"{self.address}/register/calendar.ics",
            auth=("calendar", self.token),
            trust_env=False,
            timeout=30,
        )
        assert answer.status_code == 200, answer.status_code
        return f"Round {key}" in answer.text.replace("\r\n ", "")

    def _get(self, path: str) -> str:
        answer = self.client.get(path, headers={"accept": "text/html"})
        assert answer.status_code == 200, (path, answer.status_code)
        return str(answer.text)


@contextlib.contextmanager
def listening(reader: Reader) -> Iterator[list[tuple[float, dict[str, Any]]]]:
    """Collect the live events of the reader's node, each with its moment, for the time of the block."""
    heard: list[tuple[float, dict[str, Any]]] = []
    opened, ended = threading.Event(), threading.Event()

    def listen() -> None:
        with (
            contextlib.suppress(httpx2.HTTPError),
            reader.client.stream("GET", "/live", timeout=60) as stream,
        ):
            for line in stream.iter_lines():
                opened.set()
                if line.startswith("data: {"):
                    heard.append((time.monotonic(), msgspec.json.decode(line.removeprefix("data: "))))
                if ended.is_set():
                    return

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    assert opened.wait(PATIENCE), "the live page did not open"
    try:
        yield heard
    finally:
        ended.set()
        with reader.node.database.app("live") as tx:  # a last event, so that the thread looks up
            notify(tx, LIVE, live(kind="end"))
        thread.join(PATIENCE)


def let_out(sender: Node, to: str, key: str, *, days: int = 7) -> tuple[str, dict[str, float]]:
    """Record an overdue promise and a round to come, let them out and ask about them.

    Gives the request's number, and for each place when that began which it shows. `days` ahead is the round:
    the Desk shows the next few alone.
    """
    moment = now()
    both = tuple(sorted((sender.party, to)))
    promise = Commitment(
        key=key,
        kind="commitment",
        title=f"Promise {key}",
        true_from=(moment - timedelta(days=60)).date().isoformat(),
        due=(moment - timedelta(days=7)).date().isoformat(),
        parties=both,
        owed_by=(to,),
    )
    meeting = Meeting(
        key=f"{key}-round",
        kind="meeting",
        title=f"Round {key}",
        true_from=(moment + timedelta(days=days)).date().isoformat(),
        announced=moment.date().isoformat(),
        parties=both,
    )
    register.record(sender, "live", [promise, meeting], by="bench", now=moment, tlp="CLEAR")
    ids = [id_of(one, sender.party) for one in (promise, meeting)]
    begun = time.monotonic()
    release.publish(sender, "live", ids, to=[to], basis=Basis(by="bench"), now=now())
    asking = time.monotonic()
    asked = requests.ask(
        sender,
        "live",
        of=to,
        about=[key],
        asks="What became of it?",
        tlp="CLEAR",
        by="bench",
        decide=True,
        now=now(),
    )
    assert asked.state == "sent", asked
    return asked.number, {**dict.fromkeys(PLACES, begun), "inbox": asking}


def shown_after(reader: Reader, key: str, number: str, begun: dict[str, float]) -> dict[str, float]:
    """Look at all places at once until each shows it; give the seconds since it was let out."""

    def look(place: str) -> float:
        while not reader.shows(place, key, number):
            assert time.monotonic() - begun[place] < PATIENCE, f"{key}: not on {place} in {PATIENCE} s"
            time.sleep(0.02)
        return time.monotonic() - begun[place]

    with ThreadPoolExecutor(len(PLACES)) as workers:
        return dict(zip(PLACES, workers.map(look, PLACES), strict=True))


def run() -> list[Line]:
    """Let a record out ten times; the bound is one round of looking at the pages, where nothing is new."""
    with running(("JP", "KR")) as cluster:
        Story(cluster, Voice(io.StringIO())).prepare()
        slowest, looks = [], []
        with Reader(cluster["JP"].node, cluster["JP"].url) as reader:
            for number in range(TIMES):
                key = f"bench-{number}"
                started = time.monotonic()
                assert not any(reader.shows(place, key, "KR-0000-0000") for place in PLACES)
                looks.append(time.monotonic() - started)
                asked, begun = let_out(cluster["KR"].node, "JP", key, days=TIMES - number)
                slowest.append(max(shown_after(reader, key, asked, begun).values()))
    return [
        Line(
            "let out to shown on the partner's board, Desk, requests and calendar, p95",
            delivery.percentile(slowest, 0.95),
            "s",
            sorted(looks)[len(looks) // 2],
            2,
            sense="less",
            bound_is="one look at the four pages",
        )
    ]
