"""Volumes whose own writer lies in them, and texts of instruments that are bombs: refused, nothing kept.

Bits flipped on the way are in contract/peers/test_transfer.py. Here everything is signed and sealed rightly.
"""

from __future__ import annotations

import json

import pytest

from contract.second import by_the_page as page
from contract.second.town import REPRS, Attacker, nothing_kept
from secretariat.base.clock import now
from secretariat.exchange import transfer_service
from secretariat.exchange.postgres import transaction
from secretariat.storage.engine import raw

FAR = 2**53 - 1


def unseen(town):
    """A partner whose log the node has not seen at all, with one grant for it."""
    there = Attacker(town, town.code())
    there.set_hash = "ab" * 32
    there.me.append("note", {"act": "one more"})
    there.share()
    there.number = 1000
    return there


@pytest.fixture(scope="module")
def writer(whole_town):
    return unseen(whole_town)


def made(there, bend=lambda what, _: what, texts=(), **over):
    there.number += 1
    first = there.me.page(there.at, (0, 0), 0, there.objects)
    return page.volume(there.me, there.them, [first], number=over.pop("number", there.number), bend=bend,
                       texts=texts, **over)  # fmt: skip


def take(there, folder, data, name="one.transfer"):
    path = folder / name
    path.write_bytes(data)
    (done,) = transfer_service.take(there.town.nodes[there.at], "live", [path], now=now())
    said = f"{done.code} {done.what} {done.advice}"
    assert REPRS.search(said) is None, said
    return done


def put(name, **given):
    """Change members of one of the things that are written."""
    return lambda what, now_at: {**what, **given} if now_at == name else what


def within(name, *path, to):
    def bend(what, now_at):
        if now_at == name:
            at = what = json.loads(page.jcs(what))
            for one in path[:-1]:
                at = at[one]
            at[path[-1]] = to
        return what

    return bend


LIES = {
    "a head of another format": put("head", format="secretariat-letter"),
    "a head of another version": put("head", v=2),
    "a head of another realm": put("head", realm="exercise"),
    "a head of a realm that is none": put("head", realm="\0"),
    "a head of another writer": put("head", party="JP"),
    "a head of nobody": put("head", party="\0"),
    "a head for another reader": put("head", to="JP"),
    "a head of a number below nothing": put("head", number=-1),
    "a head of a number past 2^53": put("head", number=2**53),
    "a head of volume 0": put("head", volume=0),
    "a head of a far volume": put("head", volume=FAR),
    "a head with another key": put("head", key="x25519-" + "0" * 32),
    "a head with one member more": put("head", more=1),
    "a part of another realm": put("part 0", realm="exercise"),
    "a part of another writer": put("part 0", party="JP"),
    "a part for another reader": put("part 0", to="JP"),
    "a part of another number": put("part 0", number=7),
    "a part of another volume": put("part 0", volume=2),
    "a part of another place": put("part 0", part=1),
    "a part without a page": lambda what, at: (
        {n: one for n, one in what.items() if n != "page"} if at == "part 0" else what
    ),
    "an end further on than the pages": put("summary", until={"position": 99, "offset": 0}, size=99),
    "a part with page and text": put("part 0", text={"v": 1}),
    "a part of a page of another realm": within("part 0", "page", "realm", to="exercise"),
    "a part of a page of another log": within("part 0", "page", "origin", to="jp.example/live"),
    "a part of a page for another reader": within("part 0", "page", "to", to="JP"),
    "a part of a page with another hash": within("part 0", "page", "hash", to="ab" * 32),
    "a part of a page that starts further on": within("part 0", "page", "after", "position", to=FAR),
    "a part of a page that is none": put("part 0", page=7),
    "a part that is no JSON": lambda what, at: b"\xff" if at == "part 0" else what,
    "a part of 100,000 levels": lambda what, at: b"[" * 100_000 if at == "part 0" else what,
    "a part with links of nothing": put("part 0", links=[{"size": -1, "proof": []}]),
    "an end of another realm": put("summary", realm="exercise"),
    "an end of another writer": put("summary", party="JP"),
    "an end of another number": put("summary", number=7),
    "an end of another volume": put("summary", volume=9),
    "an end of no volumes": put("summary", of=0),
    "an end of a billion volumes": put("summary", of=10**9),
    "an end of another hash": put("summary", sha256="ab" * 32),
    "an end of more parts": put("summary", parts=2),
    "an end before its start": put("summary", until={"position": -1, "offset": 0}),
    "an end that starts further on": put("summary", start={"position": FAR, "offset": 0}),
    "an end of a far place": put("summary", place={"after": {"position": 2**60, "offset": 0}, "size": 1}),
    "an end that wants words": put("summary", wanted=["x", "\0"]),
    "an end that is no JSON": lambda what, at: b"{" if at == "summary" else what,
    "a last line of more parts": put("end", parts=2),
    "a last line of another hash": put("end", sha256="ab" * 32),
    "a last line that is not the end": put("end", end=False),
    "lines after the end": lambda what, at: what + b"\n" if at == "lines" else what,
    "the last line twice": lambda what, at: what + what.splitlines(True)[-1] if at == "lines" else what,
    "parts left out": lambda what, at: (
        b"".join([*what.splitlines(True)[:1], *what.splitlines(True)[-1:]]) if at == "lines" else what
    ),
    "a part twice": lambda what, at: (
        b"".join([what.splitlines(True)[0], *what.splitlines(True)[1:2] * 2, what.splitlines(True)[-1]])
        if at == "lines"
        else what
    ),
    "a box of nothing": lambda what, at: what.replace(what.splitlines(True)[1], b'{"box":"","part":0}\n')
    if at == "lines"
    else what,
}  # fmt: skip


@pytest.mark.parametrize("case", LIES)
def test_a_volume_in_which_its_writer_lies_is_refused_by_name(town, writer, tmp_path, case):
    there = unseen(town) if "further on than the pages" in case else writer  # its pages themselves are good
    before = town.kept("KR", there.me)
    done = take(there, tmp_path, made(there, LIES[case]))
    assert done.state == "refused", done
    assert done.code
    assert done.what
    assert there is not writer or town.kept("KR", there.me) == before


ODD = {
    "with a page after another size": within("part 0", "page", "since", to=FAR),
    "with links without end": put("part 0", links=[{"size": one, "proof": []} for one in range(5000)]),
    "made on no day": put("summary", made_at="2026-02-30"),
    "made at a zero byte": put("summary", made_at="\0"),
    "with a statement that is a word": put("summary", statement="x"),
    "with a statement of numbers": put("summary", statement={"payload": 1}),
}


@pytest.mark.parametrize("case", ODD)
def test_what_is_odd_beside_the_pages_keeps_no_page_away(town, tmp_path, case):
    there = unseen(town)
    assert take(there, tmp_path, made(there, ODD[case])).state == "taken"
    assert town.kept("KR", there.me)["place"] == [(len(there.me.entries), 0)]


def test_a_volume_signed_by_another_key_of_its_writer_is_refused(town, writer, tmp_path):
    with nothing_kept(writer):
        done = take(writer, tmp_path, made(writer, key=writer.me.record))
    assert (done.state, done.code) == ("refused", "transfer-broken")


def test_boxes_of_two_volumes_do_not_change_places(town, writer, tmp_path):
    one, other = made(writer).splitlines(keepends=True), made(writer).splitlines(keepends=True)
    with nothing_kept(writer):
        for mixed in ([one[0], other[1], one[2]], [one[0], one[1], other[2]], [other[0], *one[1:]]):
            done = take(writer, tmp_path, b"".join(mixed))
            assert (done.state, done.code) == ("refused", "transfer-broken")


def test_after_all_lies_the_true_volume_is_taken_once_and_a_number_reused_for_another_changes_nothing(
    town, writer, tmp_path
):
    data = made(writer, number=2**52)
    assert take(writer, tmp_path, data).state == "taken"
    before = town.kept("KR", writer.me)
    assert before["place"] == [(len(writer.me.entries), 0)]
    assert take(writer, tmp_path, data).state == "already taken"
    writer.me.append("note", {"to": "KR", "act": "what comes under a number that was used"})
    done = take(writer, tmp_path, made(writer, number=2**52))
    assert done.state == "refused" or done.what or town.kept("KR", writer.me) == before
    done = take(writer, tmp_path, made(writer, number=2**52 - 1))
    assert town.kept("KR", writer.me)["log"] in (
        before["log"],
        [(len(writer.me.entries), *before["log"][0][1:])],
    )


def nest(levels):
    return b"[" * levels + b"]" * levels


BOMBS = {
    "100,000 levels": b'{"id":"bomb","articles":' + nest(100_000) + b"}",
    "more than a megabyte": b'{"id":"bomb","title":"' + b"x" * 1_200_000 + b'"}',
    "a member twice": b'{"id":"bomb","id":"bomb"}',
    "a member twice, once in escapes": b'{"id":"bomb","\\u0069d":"bomb"}',
    "members out of order": b'{"title":"x","id":"bomb"}',
    "a number as nobody writes it": b'{"id":"bomb","in_force":1e2}',
    "1e999": b'{"id":1e999}',
    "half a surrogate": b'{"id":"\\ud800"}',
    "a zero byte": b'{"id":"\\u0000"}',
    "another writing of the same letters": '{"id":"bomb","title":"e\u0301 \u202e \u200b"}'.encode(),
    "a key of another script": '{"id":"\u0455cs-\u0430"}'.encode(),
    "no UTF-8": b'{"id":"\xff"}',
    "a list": b"[]",
    "nothing": b"null",
    "an integer of 5,000 digits": b'{"id":' + b"9" * 5000 + b"}",
    "100,000 articles": b'{"articles":[' + b",".join([b"{}"] * 100_000) + b'],"id":"bomb"}',
    "a million members": b"{" + b",".join(b'"%06d":0' % one for one in range(50_000)) + b"}",
}


def test_texts_of_instruments_that_are_bombs_are_refused_and_offered_to_nobody(town, tmp_path):
    """Each text has the very hash that the partner signed for; they come by hand, a volume each."""
    there = Attacker(town, town.code())
    named = [{"hash": page.sha(one).hex(), "key": "bomb"} for one in BOMBS.values()]
    hashes = sorted(one["hash"] for one in named)
    set_hash = page.sha("".join(f"{one}\n" for one in hashes).encode()).hex()
    there.me.append("instrument-agreed", {"to": "KR", "set_hash": set_hash, "instruments": named})
    assert there.deliver()[0] == 200
    at = {"position": len(there.me.entries), "offset": 0}
    there.number = 1000
    for case, body in BOMBS.items():
        text = {"v": 1, "hash": page.sha(body).hex(), "key": "bomb", "body": "BODY"}

        def spliced(what, name, text=text, body=body):
            return page.jcs(what).replace(b'"BODY"', body) if name == "part 1" else what

        empty = there.me.page("KR", (at["position"], 0), at["position"], {})
        there.number += 1
        data = page.volume(there.me, there.them, [empty], number=there.number, texts=[text], bend=spliced)
        done = take(there, tmp_path, data)
        assert done.state in {"taken", "refused"}, (case, done)
        if done.state == "refused":
            assert done.code, case
    with transaction(town.nodes["KR"], "live", now()) as store:
        offered = raw(store.tx).execute("SELECT count(*) FROM instrument_offer").fetchone()
        wants = {one.key: one.state for one in store.wants(there.me.code)}
    assert offered == (0,)
    assert set(wants.values()) <= {"refused", "open"}
