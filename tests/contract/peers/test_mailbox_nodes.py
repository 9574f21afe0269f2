"""Three real processes: JP and US shut their doors, KR keeps their letters, and then KR cheats."""

from __future__ import annotations

import contextlib
import io
import json
import time
import uuid
from collections.abc import Callable, Iterator

import psycopg
import pytest

from secretariat.agreements import release
from secretariat.agreements.release import Basis
from secretariat.agreements.release_commands import node_at
from secretariat.base.clock import now
from secretariat.exchange import enrolment, mailbox_service, service
from secretariat.exchange.service import Contact
from secretariat.ledger.node import Node
from secretariat.records.service import import_stream
from secretariat.storage.embedded import Server
from serving import Serving
from simulator import indicator

CLEAR = "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487"
ENDS = ("JP", "US")
FAST = """
peer_wait_s = 1
mailbox_resend_s = 1
mailbox_beat_s = 1
checkpoint_age_s = 4
"""


class Trio:
    """JP and US with KR's mailbox between them; `sql` is what KR's operator does behind its software."""

    def __init__(self, make: Callable[..., Serving]) -> None:
        self.nodes = {party: make(party) for party in ("JP", "KR", "US")}
        for party, one in self.nodes.items():
            file = one.data / "node.toml"
            text = file.read_text() + FAST
            text = text.replace('host = "localhost"', f'host = "{party.lower()}.example"')
            text = text.replace('\nurl = ""', f'\nurl = "{one.url}"')
            if party in ENDS:
                text = text.replace("reachable = true", "reachable = false")
            file.write_text(text)

    def start(self, stack: contextlib.ExitStack) -> None:
        for one in self.nodes.values():
            one.start()
        # asked and told from here: a command takes longer than what it does
        self.inside = {party: stack.enter_context(node_at(self.nodes[party].data)) for party in ENDS}
        with node_at(self.nodes["KR"].data) as kr:
            every = {**self.inside, "KR": kr}
            for party in ENDS:
                enrol(every["KR"], every[party])
                enrol(every[party], every["KR"])
            for party, other in (("JP", "US"), ("US", "JP")):
                enrol(every[party], every[other], via="KR")
                mailbox_service.allow(kr, "live", party, by="admin", now=now())

    def publish(self, party: str, name: str) -> str:
        value = indicator(name, object_marking_refs=[CLEAR])
        bundle = {"type": "bundle", "id": f"bundle--{uuid.uuid4()}", "objects": [value]}
        node = self.inside[party]
        taken = import_stream(node.database, "live", party, io.BytesIO(json.dumps(bundle).encode()))
        assert taken.accepted == 1, taken
        release.publish(node, "live", [str(value["id"])], basis=Basis(by="releaser"), now=now())
        return str(value["id"])

    def state(self, party: str, stix_id: str, holder: str) -> str | None:
        found = service.holders(self.inside[party], "live", stix_id, now=now())
        return next((one.state for one in found if one.holder == holder), None)

    def refused(self, party: str) -> set[str]:
        return {one.code for one in service.refusals(self.inside[party], "live")}

    def contact(self, party: str, partner: str) -> Contact:
        found = service.contacts(self.inside[party], "live", now=now())
        return next(one for one in found if one.party == partner)

    @contextlib.contextmanager
    def sql(self) -> Iterator[psycopg.Connection]:
        with psycopg.connect(Server(self.nodes["KR"].data).conninfo(superuser=True), autocommit=True) as kr:
            kr.execute("SET search_path TO live")
            yield kr


def enrol(at: Node, partner: Node, via: str | None = None) -> None:
    sealed, words = enrolment.invite(partner, at.party, now=now())
    enrolment.accept(at, sealed, words, via=via, now=now())


def until(true: Callable[[], object], seconds: float = 60) -> None:
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends, "did not happen in time"
        time.sleep(0.1)


@pytest.fixture
def trio(serving) -> Iterator[Trio]:
    with contextlib.ExitStack() as stack:
        made = Trio(serving)
        made.start(stack)
        yield made


@pytest.mark.long
def test_two_nodes_without_doors_share_withdraw_and_receipt_through_a_third_that_cheats(trio: Trio) -> None:
    for party in ENDS:
        other = ENDS[1 - ENDS.index(party)]
        until(lambda party=party, other=other: trio.contact(party, other).last_contact, 90)
        assert (trio.contact(party, other).url, trio.contact(party, other).via) == ("", "KR")

    # a report, its receipt, its withdrawal, the receipt of that
    first = trio.publish("US", "canary-0815")
    until(lambda: trio.state("US", first, "JP") == "received")
    service.withdraw(trio.inside["US"], "live", first, reason="wrong", by="releaser", now=now())
    until(lambda: trio.state("US", first, "JP") == "destroyed")

    # the mailbox is killed, the report waits at its writer, and passes when the mailbox is back
    trio.nodes["KR"].kill()
    second = trio.publish("US", "while the mailbox was down")
    time.sleep(1)
    trio.nodes["KR"].start()
    until(lambda: trio.state("US", second, "JP") == "received", 90)

    # it changes bytes: refused, said, and sent again
    with trio.sql() as kr:
        kr.execute(
            "CREATE FUNCTION cheat() RETURNS trigger LANGUAGE plpgsql AS"
            " $$BEGIN NEW.box := set_byte(NEW.box, 100, get_byte(NEW.box, 100) # 1); RETURN NEW; END$$"
        )
        kr.execute("CREATE TABLE kept AS SELECT * FROM letter LIMIT 0")
        kr.execute(
            "CREATE TRIGGER cheat BEFORE INSERT ON letter FOR EACH ROW WHEN (NEW.reader = 'JP')"
            " EXECUTE FUNCTION cheat()"
        )
        kr.execute("GRANT EXECUTE ON FUNCTION cheat() TO PUBLIC")
        third = trio.publish("US", "bent")
        until(lambda: "letter-broken" in trio.refused("JP"))
        assert trio.state("US", third, "JP") == "granted"
        kr.execute("DROP TRIGGER cheat ON letter")
        until(lambda: trio.state("US", third, "JP") == "received", 90)

        # it keeps a copy and gives it again: refused, and nothing moves back
        kr.execute(
            "CREATE FUNCTION copy() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER"
            " SET search_path = live AS $$BEGIN INSERT INTO kept SELECT NEW.*; RETURN NEW; END$$"
        )
        kr.execute(
            "CREATE TRIGGER copy AFTER INSERT ON letter FOR EACH ROW WHEN (NEW.reader = 'JP')"
            " EXECUTE FUNCTION copy()"
        )
        fourth = trio.publish("US", "copied")
        until(lambda: trio.state("US", fourth, "JP") == "received")
        cursor = trio.contact("JP", "US").cursor
        kr.execute("DROP TRIGGER copy ON letter")
        copies = kr.execute("SELECT count(*) FROM kept").fetchone()
        assert copies is not None
        assert copies[0] > 0

        def again() -> bool:  # while JP's request is held: what JP said it has goes when it asks
            kr.execute(
                "INSERT INTO letter (sender, reader, number, key, box, at)"
                " SELECT sender, reader, number, key, box, now() FROM kept"
            )
            time.sleep(0.7)
            return "letter-replayed" in trio.refused("JP")

        until(again)
        assert place(trio.contact("JP", "US").cursor) >= place(cursor)

        # what it sees: no content
        seen = kr.execute("SELECT string_agg(encode(box, 'escape'), '') FROM kept").fetchone()
        assert seen is not None
        assert "canary" not in seen[0]
        assert "indicator" not in seen[0]

        # it holds everything back: both sides see silence; when it gives way, all comes
        kr.execute("CREATE FUNCTION hide() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$")
        kr.execute("CREATE TRIGGER hide BEFORE INSERT ON letter FOR EACH ROW EXECUTE FUNCTION hide()")
        fifth = trio.publish("US", "held back")
        until(lambda: trio.contact("JP", "US").out_of_contact)
        until(lambda: trio.contact("US", "JP").out_of_contact)
        (mail,) = trio.nodes["US"].run("mailbox", "status")
        assert mail["unconfirmed"]
        assert trio.state("US", fifth, "JP") == "granted"
        kr.execute("DROP TRIGGER hide ON letter")
        until(lambda: trio.state("US", fifth, "JP") == "received", 120)
        until(lambda: not trio.contact("JP", "US").out_of_contact)
    for one in trio.nodes.values():
        assert one.run("log", "verify")["holds"]


def place(cursor: object) -> tuple[int, int]:
    position, offset = str(cursor).split(".")
    return int(position), int(offset)
