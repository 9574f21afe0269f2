"""When instruments change: open grants are decided again, what was signed for stays."""

import importlib.util
from datetime import timedelta
from pathlib import Path

import msgspec

from secretariat.agreements import grants, store
from secretariat.agreements.book import build, check, schema
from secretariat.agreements.facts import whole_book
from secretariat.agreements.reading import read
from secretariat.agreements.recording import record_book, redecide, redecide_when_due
from secretariat.exchange import guest_settling, guests
from secretariat.ledger import service as ledger
from secretariat.ledger.entries import Draft, EntryRef, Receipt
from secretariat.ledger.model import PeerEntry
from secretariat.ledger.store import add_peer_entries
from secretariat.records import store as records

_spec = importlib.util.spec_from_file_location("releasing", Path(__file__).parent / "test_release.py")
releasing = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(releasing)

NOW = releasing.NOW
LATER = NOW + timedelta(days=1)


def ended(text, ends):
    source = read(
        text.replace("in_force: 2020-01-01", f"in_force: 2020-01-01\n  ends: {ends}").encode(), "x.yaml"
    )
    check(source, schema("instruments"))
    return build(source, readings=True)


def agreed(jp, now):
    with jp.database.app("live") as tx:
        hashes = [one.hash for one in store.instruments(tx)]
        for side in ("JP", "KR"):
            store.keep_agreed(tx, partner="KR", by=side, hashes=hashes, origin=side, position=1, now=now)


def test_an_ended_instrument_lets_unread_grants_lapse_and_tells_the_recipient(node):
    jp = releasing.prepared(node, "KR")
    clear, amber = releasing.indicator("CLEAR"), releasing.indicator("AMBER")
    releasing.released(jp, clear, amber)
    assert releasing.readable(jp, "KR") == {clear["id"], amber["id"]}

    done = record_book(jp, "live", ended(releasing.INSTRUMENTS, "2026-11-21"), now=LATER)
    agreed(jp, LATER)
    with jp.database.app("live") as tx:
        again = redecide(tx, jp, "live", now=LATER)

    assert done.recorded == ["syn-jp-kr"]
    assert releasing.readable(jp, "KR") == {clear["id"]}
    with jp.database.app("live") as tx:
        lines = ledger.list_entries(tx, kinds=["lapse", "instrument"])
    assert {line.kind for line in lines} == {"lapse", "instrument"}
    assert [line.recipient for line in lines if line.kind == "lapse"] == ["KR"]
    assert done.lapsed + again.lapsed == 1


def test_nothing_lapses_while_the_article_still_permits(node):
    jp = releasing.prepared(node, "KR")
    amber = releasing.indicator("AMBER")
    releasing.released(jp, amber)
    with jp.database.app("live") as tx:
        assert redecide(tx, jp, "live", now=LATER).lapsed == 0
    assert releasing.readable(jp, "KR") == {amber["id"]}


def test_recording_the_same_text_again_changes_nothing(node):
    jp = releasing.prepared(node, "KR")
    with jp.database.app("live") as tx:
        book = whole_book(tx)
    done = record_book(jp, "live", book, now=LATER)
    assert done.recorded == []
    assert done.unchanged == ["syn-jp-kr"]


def test_levels_groups_and_offices_of_a_file_are_kept_with_its_instruments(node):
    jp = node("JP")
    text = b"""
levels: {X: {order: [LOW, HIGH], owner: A}}
groups: {CLUB: {members: [{party: B, since: 2020-01-01}]}}
parties: [{code: A-O, under: A, name: An office, office: Office}]
equivalence: [{instrument: ab, article: "1", columns: [X, JP_MOD], rows: [[LOW, HI]]}]
instruments:
- id: ab
  title: t
  kind: treaty
  binding: true
  parties: [A, CLUB]
  in_force: 2021-01-01
  articles: [{art: "1", rule: LEVELS}]
"""
    source = read(text, "x.yaml")
    check(source, schema("instruments"))
    book = build(source, readings=True)
    record_book(jp, "live", book, now=NOW)
    with jp.database.app("live") as tx:
        kept = whole_book(tx)
        assert [one.code for one in grants.parties(tx)] == ["A-O"]
    assert kept.schemes["X"].order == ("LOW", "HIGH")
    assert kept.groups["CLUB"][0].party == "B"
    assert kept.parties["A-O"].under == "A"
    assert kept.hashes()["ab"] == book.hashes()["ab"]


def signed_for(jp, kr, entry, origin=None):
    """KR signs a receipt about an entry of JP's log, or of another, and JP keeps it."""
    about = EntryRef(origin or jp.origin("live"), entry)
    with kr.database.app("live") as tx:
        draft = Draft("receipt", "JP", Receipt(to="JP", about=about, state="kept"))
        (made,) = ledger.append(tx, kr.keyring("live"), [draft], now=NOW)
    with jp.database.app("live") as tx:
        kept = PeerEntry(
            kr.origin("live"), made.position, "receipt", "KR", "JP", made.envelope, made.salt, 1, b"", NOW
        )
        add_peer_entries(tx, [kept])


def test_what_the_recipient_signed_for_stays_and_is_listed_for_review(node):
    jp, kr = releasing.prepared(node, "KR"), node("KR")
    amber = releasing.indicator("AMBER")
    done = releasing.released(jp, amber)
    signed_for(jp, kr, done.publication + 1)
    record_book(jp, "live", ended(releasing.INSTRUMENTS, "2026-11-21"), now=LATER)
    agreed(jp, LATER)

    with jp.database.app("live") as tx:
        found = redecide(tx, jp, "live", now=LATER)

    assert found.lapsed == 0
    (one,) = found.review
    assert (one.recipient, one.entry, one.objects) == ("KR", done.publication + 1, [amber["id"]])
    assert one.missing is not None
    assert "no longer in force" in one.missing
    assert releasing.readable(jp, "KR") == {amber["id"]}


def test_what_a_guest_signed_for_in_this_very_log_stays_too(node):
    jp = releasing.prepared(node)
    guests.add(jp, "KR", name="Korea", by="admin", now=NOW)
    agreed(jp, NOW)
    amber = releasing.indicator("AMBER")
    done = releasing.released(jp, amber)
    guest_settling.settle(jp, "live", now=NOW)
    record_book(jp, "live", ended(releasing.INSTRUMENTS, "2026-11-21"), now=LATER)
    agreed(jp, LATER)

    with jp.database.app("live") as tx:
        found = redecide(tx, jp, "live", now=LATER)

    assert (found.lapsed, [one.entry for one in found.review]) == (0, [done.publication + 1])
    assert releasing.readable(jp, "KR") == {amber["id"]}


def test_a_receipt_about_another_log_says_nothing_about_ours(node):
    jp, kr = releasing.prepared(node, "KR"), node("KR")
    done = releasing.released(jp, releasing.indicator("AMBER"))
    signed_for(jp, kr, done.publication + 1, origin="us.example/live")
    record_book(jp, "live", ended(releasing.INSTRUMENTS, "2026-11-21"), now=LATER)
    agreed(jp, LATER)
    with jp.database.app("live") as tx:
        found = redecide(tx, jp, "live", now=LATER)
    assert (found.lapsed, found.review) == (1, [])
    assert releasing.readable(jp, "KR") == set()


def test_open_grants_are_looked_at_when_something_changed_and_once_a_day(node):
    jp = releasing.prepared(node, "KR")
    amber = releasing.indicator("AMBER")
    releasing.released(jp, amber)
    assert redecide_when_due(jp, "live", now=NOW) is not None, "once after the start"
    assert redecide_when_due(jp, "live", now=NOW) is None

    record_book(jp, "live", ended(releasing.INSTRUMENTS, "2026-11-21"), now=NOW)
    agreed(jp, NOW)
    today = redecide_when_due(jp, "live", now=NOW)
    assert today is not None
    assert today.lapsed == 0, "it ends tomorrow"
    tomorrow = redecide_when_due(jp, "live", now=LATER)

    assert tomorrow is not None
    assert tomorrow.lapsed == 1
    assert releasing.readable(jp, "KR") == set()


def texts_recorded(jp, moment):
    with jp.database.app("live") as tx:
        return [one.body for one in store.instruments(tx, recorded_by=moment)]


def test_a_text_that_comes_back_counted_while_it_counted_and_never_in_between(node):
    jp = node("JP")
    days = [NOW + timedelta(days=number) for number in range(6)]
    with jp.database.app("live") as tx:
        for number, text in enumerate([b"A", b"B", b"A", b"A", b"B"]):
            store.keep_instrument(tx, "pact", text, synthetic=True, now=days[number])
    between = timedelta(hours=12)
    assert texts_recorded(jp, NOW - between) == []
    assert [texts_recorded(jp, day + between) for day in days[:5]] == [[b"A"], [b"B"], [b"A"], [b"A"], [b"B"]]
    assert texts_recorded(jp, None) == [b"B"]


def test_a_clock_that_went_back_between_two_texts_stops_nothing(node):
    jp = node("JP")
    with jp.database.app("live") as tx:
        for text, day in ((b"A", 3), (b"B", 1), (b"A", 5)):
            store.keep_instrument(tx, "pact", text, synthetic=True, now=NOW + timedelta(days=day))
    assert texts_recorded(jp, NOW + timedelta(days=6)) == [b"A"]


def test_a_consent_that_its_originator_takes_back_is_seen_though_the_label_stays(node):
    jp = releasing.prepared(node, "KR")
    made = releasing.version(releasing.indicator("AMBER"), party="US")
    theirs = msgspec.structs.replace(made, root=bytes(32), salt=bytes(32), envelope=b"{}", state="kept")

    def says(state, position):
        with jp.database.app("live") as tx:
            store.keep_consent(
                tx, by="US", to="KR", roots=["00" * 32], state=state, until=None, purpose=None,
                origin="us.example/live", position=position, now=NOW,
            )  # fmt: skip

    with jp.database.app("live") as tx:
        records.put(tx, [theirs])
    says("given", 1)
    basis = releasing.Basis(by="officer")
    releasing.publish(
        jp, "live", [theirs.stix_id], to=["KR"], basis=basis, purpose="network_defence", now=NOW
    )
    assert releasing.readable(jp, "KR") == {theirs.stix_id}
    assert redecide_when_due(jp, "live", now=NOW).lapsed == 0
    says("withdrawn", 2)
    assert redecide_when_due(jp, "live", now=NOW).lapsed == 1
    assert releasing.readable(jp, "KR") == set()
