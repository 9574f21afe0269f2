"""Requests that lie about who makes them, are put together wrongly, or say what cannot be read.

Each is refused by the status and code of docs/protocol.md in words for people, leaves nothing behind, and the
node goes on (the fixture `town` looks at both after every test).
"""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import time

import pytest

from contract.second import by_the_page as page
from contract.second.town import Attacker, bare, clean, nothing_kept
from secretariat.base.clock import now
from secretariat.exchange import mailbox_service, private_values

COVERED = ["@method", "@authority", "@path", "@query", "secretariat-to", "content-digest"]
WRONG = {
    "created in two minutes": ({"created": lambda: int(time.time()) + 120}, 401, "clock-skew"),
    "created two minutes ago": ({"created": lambda: int(time.time()) - 120}, 401, "clock-skew"),
    "created in the year 10,000": ({"created": lambda: 253_402_300_800}, 401, "not-authentic"),
    "created past every clock": ({"created": lambda: 10**14}, 401, "not-authentic"),
    "created as a word": ({"created": lambda: '"now"'}, 401, "not-authentic"),
    "created before 1970": ({"created": lambda: -1}, 401, "not-authentic"),
    "created with a fraction": ({"created": lambda: "1795313376.5"}, 401, "not-authentic"),
    "created as a 900-digit number": ({"created": lambda: "9" * 900}, 401, "not-authentic"),
    "no nonce": ({"nonce": None}, 401, "not-authentic"),
    "an empty nonce": ({"nonce": ""}, 401, "not-authentic"),
    "a nonce of 15": ({"nonce": "n" * 15}, 401, "not-authentic"),
    "a nonce of 129": ({"nonce": "n" * 129}, 401, "not-authentic"),
    "a nonce of 50 kB": ({"nonce": "n" * 50_000}, 401, "not-authentic"),
    "a nonce that is bytes": ({"more": ";nonce=:AAAA:", "nonce": None}, 401, "not-authentic"),
    "a nonce that is a number": ({"more": ";nonce=1234567890123456", "nonce": None}, 401, "not-authentic"),
    "expired": ({"more": ";expires=1"}, 401, "not-authentic"),
    "another tag": ({"tag": "secretariat-peer-2"}, 401, "not-authentic"),
    "another algorithm by name": ({"alg": "rsa-pss-sha512"}, 401, "not-authentic"),
    "a key that nobody has": ({"keyid": "ed25519-" + "0" * 32}, 401, "not-authentic"),
    "the record key": ({"transport": "record"}, 401, "not-authentic"),
    "another party's node": ({"to": "JP"}, 401, "not-authentic"),
    "signed for another method": ({"signed_method": "POST"}, 401, "not-authentic"),
    "signed for another authority": ({"signed_authority": "kr.example"}, 401, "not-authentic"),
    "signed for another path": ({"signed_path": "/live/peer/v1/place"}, 401, "not-authentic"),
    "signed for another query": ({"signed_query": "after=0.0"}, 401, "not-authentic"),
    "Content-Digest of sha-512": ({"digest": "sha-512=:AAAA:"}, 401, "not-authentic"),
    "Content-Digest of md5": ({"digest": "md5=:1B2M2Y8AsgTpgAmY7PhCfg==:"}, 401, "not-authentic"),
    "Content-Digest of two algorithms": (
        {"digest": f"sha-512=:{'A' * 86}==:, sha-256=:{page.b64(page.sha(b''))}:"},
        (200, 401),
        None,
    ),
    "Content-Digest of nothing": ({"digest": ""}, 401, "not-authentic"),
    "Content-Digest of words": ({"digest": "\\x00 = what"}, 401, "not-authentic"),
    "a body beside the digest": ({"sent_body": b"x"}, 401, "not-authentic"),
    "another label": ({"label": "sig1"}, 401, "not-authentic"),
}


@pytest.fixture(scope="module")
def asker(whole_town):
    return Attacker(whole_town, whole_town.code()).settle()


def ask(asker, **over):
    query = "after=0.0&size=0&wait=0"
    return asker.ask("GET", "feed", query=query, **over)


@pytest.mark.parametrize("case", WRONG)
def test_a_request_whose_signature_does_not_say_what_it_must_is_refused(town, asker, case):
    over, status, code = WRONG[case]
    over = {name: one() if callable(one) else one for name, one in over.items()}
    if over.get("transport") == "record":
        over["transport"] = asker.me.record
    with nothing_kept(asker):
        got, said, _ = ask(asker, **over)
    assert got in (status if isinstance(status, tuple) else (status,)), said
    if code is not None:
        assert said["code"] == code, said
        assert said["what"]
    assert ask(asker)[0] == 200


@pytest.mark.parametrize("left", COVERED)
def test_a_signature_that_covers_less_is_refused(town, asker, left):
    covered = page.COVERED.replace(f'"{left}" ', "").replace(f' "{left}"', "")
    assert covered != page.COVERED
    got, said, _ = ask(asker, covered=covered)
    assert (got, said["code"]) == (401, "not-authentic")


HEADERS = {
    "no Signature": {"Signature": None},
    "no Signature-Input": {"Signature-Input": None},
    "no Secretariat-To": {"Secretariat-To": None},
    "no Content-Digest": {"Content-Digest": None},
    "Signature-Input of nothing": {"Signature-Input": ""},
    "Signature-Input that never ends": {"Signature-Input": "sct=(" + '"@method" ' * 3000},
    "Signature-Input with a component twice": {
        "Signature-Input": 'sct=("@method" "@method");created={now};keyid="k";tag="secretariat-peer-1"'
    },
    "Signature-Input with a component nobody knows": {
        "Signature-Input": 'sct=("@everything");created={now};keyid="k";tag="secretariat-peer-1"'
    },
    "Signature-Input of a request's component": {
        "Signature-Input": 'sct=("@method";req);created={now};keyid="k";tag="secretariat-peer-1"'
    },
    "Signature-Input that is a list": {"Signature-Input": "a, b, c"},
    "Signature-Input that is not ASCII": {"Signature-Input": "sct=(\xe9)"},
    "Signature of no bytes": {"Signature": "sct=::"},
    "Signature of words": {"Signature": 'sct="word"'},
    "Signature under another label": {"Signature": "other=:AAAA:"},
    "Signature of 40 kB": {"Signature": f"sct=:{'A' * 40_000}:"},
}


@pytest.mark.parametrize("case", HEADERS)
def test_headers_of_a_signature_that_are_none_are_refused(town, asker, case):
    clock = str(int(time.time()))
    bent = {name: one and one.replace("{now}", clock) for name, one in HEADERS[case].items()}
    got, said, _ = ask(asker, headers=bent)
    assert (got, said["code"]) == (401, "not-authentic")


def lines(asker, method="GET", path="feed", body=b"", *, query="after=0.0&size=0&wait=0", **over):
    """The lines of a good request, to be bent, without the empty one."""
    _, target, sent, _ = page.signed(asker.me, asker.them, method, path, body, query=query, **over)
    sent["Connection"] = "close"
    return [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]


def send(asker, head, body=b""):
    said = bare(asker.address, "\r\n".join([*head, "", ""]).encode("latin-1") + body)
    clean(said.partition(b"\r\n\r\n")[2])
    return [int(one.split(b" ", 1)[0]) for one in said.split(b"HTTP/1.1 ")[1:]], said


TWICE = ["Host", "Secretariat-To", "Content-Digest", "Signature-Input", "Signature"]


@pytest.mark.parametrize("name", TWICE)
def test_a_header_that_stands_twice_is_refused(town, asker, name):
    head = lines(asker)
    line = next(one for one in head if one.startswith(f"{name}: "))
    statuses, _ = send(asker, [*head, line])
    assert statuses
    assert set(statuses) <= {400, 401}


def test_a_second_signature_of_another_key_beside_a_good_one_lends_nothing(town, asker):
    """Only the label `sct` is looked at: what stands beside it neither proves nor spoils anything."""
    _, target, sent, _ = page.signed(asker.me, asker.them, "GET", "place")
    _, _, other, _ = page.signed(asker.me, asker.them, "GET", "place", label="two", transport=page.Key())
    sent["Connection"] = "close"
    rest = [f"{name}: {value}" for name, value in sent.items() if "Sign" not in name]
    head = [f"GET {target} HTTP/1.1", *rest]
    both = [f"{name}: {sent[name]}, {other[name]}" for name in ("Signature-Input", "Signature")]
    assert send(asker, [*head, *both])[0] == [200]
    alone = [f"{name}: {other[name]}" for name in ("Signature-Input", "Signature")]
    assert send(asker, [*head, *alone])[0] == [401]


SECOND = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
SMUGGLES = {
    "a length and chunks": (["Content-Length: 4", "Transfer-Encoding: chunked"], b"0\r\n\r\n" + SECOND),
    "chunks and a length": (["Transfer-Encoding: chunked", "Content-Length: 4"], b"0\r\n\r\n" + SECOND),
    "two lengths": (["Content-Length: 0", "Content-Length: 34"], SECOND),
    "a length with a sign": (["Content-Length: +34"], SECOND),
    "a length below nothing": (["Content-Length: -1"], SECOND),
    "a length of 30 digits": (["Content-Length: " + "9" * 30], b"x"),
    "chunks under a disguise": (["Transfer-Encoding: xchunked"], b"0\r\n\r\n" + SECOND),
    "chunks twice": (["Transfer-Encoding: chunked, chunked"], b"0\r\n\r\n" + SECOND),
    "a space before the colon": (["Content-Length : 34"], SECOND),
    "a folded line": (["X-A: b", " Content-Length: 34"], SECOND),
    "a chunk of a size that is none": (["Transfer-Encoding: chunked"], b"zz\r\nx\r\n0\r\n\r\n"),
    "a chunk of 16 exbibytes": (["Transfer-Encoding: chunked"], b"ffffffffffffffff\r\nx"),
}  # fmt: skip


@pytest.mark.parametrize("case", SMUGGLES)
def test_no_form_of_a_request_is_read_as_two(town, asker, case):
    """What hides behind one request in a body is never answered as a second one, whoever ends the first."""
    more, body = SMUGGLES[case]
    head = [one for one in lines(asker, "POST", "deliver", b"", query="") if one != "Connection: close"]
    statuses, said = send(asker, [*head, *more], body)
    assert b'"status":"ok"' not in said.replace(b" ", b""), said
    assert 200 not in statuses, said
    assert len(statuses) <= 2
    assert all(400 <= one < 500 for one in statuses), said


def test_a_body_that_comes_slowly_holds_nobody_up(town, asker):
    """Twenty senders that stop in the middle of a body: the next request is answered all the same."""
    head = "\r\n".join(
        [*lines(asker, "POST", "deliver", b"x" * 100, query=""), "Content-Length: 100", "", ""]
    )
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            wire = stack.enter_context(socket.create_connection(asker.address, 5))
            wire.sendall(head.encode() + b"x" * 50)
        began = time.monotonic()
        assert asker.place()["size"]
        assert time.monotonic() - began < 5


CURSORS = {
    "beyond the end": ("after=99999.0&size=0", (200, 409)),
    "far beyond the end": ("after=999999999999999999.0&size=0", (200, 409, 422)),
    "an offset beyond the objects": ("after=0.99999&size=0", (200, 409)),
    "a size beyond the end": ("after=0.0&size=99999", (409,)),
    "a size past 2^53": ("after=0.0&size=9007199254740992", (400, 422)),
    "a size of 4,000 digits": ("after=0.0&size=" + "9" * 4000, (400, 422)),
    "a size of 5,000 digits": ("after=0.0&size=" + "9" * 5000, (400, 422)),
    "a size below nothing": ("after=0.0&size=-1", (400, 422)),
    "a size that is a fraction": ("after=0.0&size=1.5", (400, 422)),
    "a size twice": ("after=0.0&size=0&size=7", (200, 400, 409, 422)),
    "below nothing": ("after=-1.0&size=0", (422,)),
    "a fraction more": ("after=1.0.0&size=0", (422,)),
    "zeros before": ("after=00.0&size=0", (422,)),
    "of words": ("after=a.b&size=0", (422,)),
    "of other digits": ("after=%D9%A1.0&size=0", (422,)),
    "with a line after it": ("after=0.0%0A&size=0", (422,)),
    "with a zero byte": ("after=0.0%00&size=0", (422,)),
    "of no UTF-8": ("after=%FF%FE&size=0", (422,)),
    "of 5,000 digits": ("after=" + "9" * 5000 + ".0&size=0", (422,)),
    "nothing": ("after=&size=0", (422,)),
    "wait below nothing": ("after=0.0&size=0&wait=-1", (400, 422)),
    "wait for a year": ("after=0.0&size=0&wait=31536000", (400, 422)),
    "wait for ever": ("after=0.0&size=0&wait=inf", (400, 422)),
    "for nobody": ("after=0.0&size=0&for=NOBODY", (403,)),
    "for a zero byte": ("after=0.0&size=0&for=%00", (400, 403, 422)),
    "for itself": ("after=0.0&size=0&for=KR", (403,)),
    "witnessed by no note": ("after=0.0&size=0&witnessed=abc", (200,)),
    "an address that is none": ("after=0.0&size=0&witnessed=%%%", (401,)),
    "witnessed by bytes": ("after=0.0&size=0&witnessed=" + "_" * 4000, (200,)),
    "follows a zero byte": ("after=0.0&size=0&follows=a%00b", (200, 422)),
    "follows thousands": ("after=0.0&size=0&follows=" + "a,b," * 1900, (200,)),
    "follows half a character": ("after=0.0&size=0&follows=%ED%A0%80", (200, 422)),
    "kept after 2^53": ("kept?after=9007199254740991", (200,)),
    "kept after more": ("kept?after=9007199254740992", (400, 422)),
    "kept after words": ("kept?after=x", (400, 422)),
}


@pytest.mark.parametrize("case", CURSORS)
def test_a_place_in_a_log_that_cannot_be_is_refused_or_empty(town, asker, case):
    text, statuses = CURSORS[case]
    path, _, query = text.rpartition("?")
    with nothing_kept(asker):
        got, said, _ = asker.ask("GET", path or "feed", query=query)
    assert got in statuses, said
    if got == 200 and not path:
        assert said["entries"] == [] or "after=0" in text


def deep(levels):
    return b"[" * levels + b"]" * levels


def no_page(**bent):
    return json.dumps({"v": 1, **bent}).encode()


BODIES = {
    "nothing": b"",
    "a word": b"null",
    "NaN": b'{"v":NaN}',
    "infinity": b'{"v":Infinity}',
    "1e999": b'{"v":1e999}',
    "-1e999": b'{"v":-1e999}',
    "a fraction for a version": b'{"v":1.5}',
    "an integer of 100,000 digits": b'{"v":' + b"9" * 100_000 + b"}",
    "a negative integer of 5,000 digits": b'{"v":-' + b"9" * 5_000 + b"}",
    "half a surrogate pair": b'{"v":1,"realm":"\\ud800"}',
    "the other half": b'{"v":1,"realm":"\\udc00"}',
    "halves in the wrong order": b'{"v":1,"realm":"\\udc00\\ud800"}',
    "no UTF-8": b'{"v":1,"realm":"\xff\xfe"}',
    "an overlong slash": b'{"v":1,"realm":"\xc0\xaf"}',
    "a surrogate in UTF-8": b'{"v":1,"realm":"\xed\xa0\x80"}',
    "UTF-16": '{"v":1}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "100,000 levels of lists": deep(100_000),
    "100,000 levels of objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "100,000 levels in an unknown member": b'{"v":1,"zzz":' + deep(100_000) + b"}",
    "a member twice": b'{"v":1,"v":2}',
    "a million members": b"{" + b",".join(b'"%d":0' % one for one in range(200_000)) + b"}",
    "two values": b"{}{}",
    "a comment": b'{"v":1 /* no */}',
    "a comma too many": b'{"v":1,}',
    "a zero byte": b'{"v":1,"realm":"\\u0000"}',
    "bytes of gzip": gzip.compress(b"{" + b" " * 5_000_000 + b"}"),
    "a thousand escapes": b'{"v":1,"realm":"' + b"\\u0041" * 100_000 + b'"}',
}
DOORS = ["deliver", "mailbox/letters", "mailbox/collect", "questions", "questions/2026-W47/url/parts/0",
         "questions/2026-W47/url/matches"]  # fmt: skip


@pytest.mark.parametrize("door", DOORS)
def test_json_that_is_none_or_a_bomb_is_refused_at_every_door(town, asker, door):
    with nothing_kept(asker):
        for case, body in BODIES.items():
            got, said, _ = asker.ask("POST", door, body)
            assert 400 <= got < 500, (case, got, said)
            assert said["code"] in {"bad-input", "too-large", "denied", "not-found", "conflict"}, (case, said)
            assert len(said["what"]) < 1000, (case, said)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "gzip, gzip"])
def test_a_body_under_a_coding_is_read_as_it_came(town, asker, coding):
    """No coding is undone between nodes: a bomb of gzip is bytes that are no page."""
    bomb = gzip.compress(gzip.compress(b" " * 20_000_000))
    began = time.monotonic()
    got, said, _ = asker.ask("POST", "deliver", bomb, headers={"Content-Encoding": coding})
    assert got in {400, 415, 422}, said
    assert time.monotonic() - began < 3


DESCRIPTORS = {
    "nothing": b"",
    "no envelope": b"{}",
    "a bomb": deep(30_000),
    "more than is read": b"x" * 200_000,
    "no UTF-8": b"\xff" * 100,
    "another type": page.seal("text/plain", b"{}", page.Key()),
    "an empty payload": page.seal(page.DESCRIPTOR, b"", page.Key()),
    "a stranger's": None,
    "a payload of numbers": page.seal(page.DESCRIPTOR, b"1e999", page.Key()),
    "no signature": b'{"payload":"","payloadType":"x","signatures":[]}',
    "17 signatures": page.seal(page.DESCRIPTOR, b"{}", *(page.Key() for _ in range(17))),
}


@pytest.mark.parametrize("case", DESCRIPTORS)
def test_new_keys_that_no_pinned_root_key_sealed_change_nothing(town, asker, case):
    body = DESCRIPTORS[case] or page.Party("NOBODY", "nobody.example").descriptor()
    with nothing_kept(asker):
        got, said, _ = asker.ask("POST", "descriptor", body, unsigned=True)
    assert 400 <= got < 500, said


TIMES = ["9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00.000000Z", "2026-11-22T02:09:36.123456+14:00",
         "2026-02-30T00:00:00.000000Z", "2026-11-22", "", "\u0662026-11-22T02:09:36.123456Z",
         "2026-11-22T24:00:00.000000Z", "2026-11-22T02:09:60.000000Z", "x" * 100_000, "\x00"]  # fmt: skip


@pytest.mark.parametrize("at", TIMES, ids=lambda one: one[:24].encode("unicode_escape").decode())
def test_a_descriptor_of_an_impossible_day_stops_nobody(town, at):
    """Its own root key sealed it: it is refused, or taken, and the party can still speak."""
    there = Attacker(town, town.code())
    got, said, _ = there.ask("POST", "descriptor", there.me.descriptor(made_at=at), unsigned=True)
    assert got == 200 or 400 <= got < 500, said
    there.place()


def keyed(role, **bent):
    return lambda me: {"realms": {"live": {**me.keys(), role: {**me.keys()[role], **bent}}}}


def of_realm(**bent):
    return lambda me: {"realms": {"live": {**me.keys(), **bent}}}


STATED = {
    "a name of a zero byte": lambda _: {"name": "\0"},
    "a name of 90 kB": lambda _: {"name": "x" * 90_000},
    "another party": lambda _: {"party": "JP"},
    "a party of a zero byte": lambda _: {"party": "\0"},
    "a version to come": lambda _: {"v": 2},
    "no realm": lambda _: {"realms": {}},
    "a realm of a zero byte": lambda me: {"realms": {"live": me.keys(), "\0": me.keys()}},
    "another log": of_realm(origin="jp.example/live"),
    "a log of a zero byte": of_realm(origin="\0"),
    "an address inside": of_realm(url="http://169.254.169.254/"),
    "an address that is none": of_realm(url="javascript:alert(1)"),
    "an address of a zero byte": of_realm(url="http://a\0b"),
    "a key of 5 bytes": keyed("transport", public="AAAAAAA="),
    "a key under another name": keyed("transport", id="ed25519-" + "0" * 32),
    "a key of zero bytes": keyed("log", public=page.b64(bytes(32)), id=page.key_id(bytes(32))),
    "a sealing key of 5 bytes": keyed("sealing", public="AAAAAAA="),
    "a rotation before the first day": of_realm(since="0001-01-01T00:00:00.000000+14:00"),
    "a rotation of no day": of_realm(since="\0"),
    "a rotation at a place past 2^63": of_realm(since_entry=2**70 // 2**20),
    "a rotation at a place below nothing": of_realm(since_entry=-1),
    "a revocation of words": of_realm(revoked=["x"]),
    "a revocation of a zero byte": of_realm(
        revoked=[{"key": "\0", "role": "record", "since": "2026-11-22T00:00:00.000000Z", "reason": "lost"}]
    ),
    "a revocation before the first day": of_realm(
        revoked=[
            {
                "key": "ed25519-" + "0" * 32,
                "role": "record",
                "since": "0001-01-01T00:00:00.000000+14:00",
                "reason": "lost",
            }
        ]
    ),
    "300 revocations": of_realm(
        revoked=[
            {
                "key": f"ed25519-{number:032x}",
                "role": "record",
                "since": "2026-11-22T00:00:00.000000Z",
                "reason": "lost",
            }
            for number in range(300)
        ]
    ),
}


@pytest.mark.parametrize("case", STATED)
def test_what_a_party_states_of_itself_under_its_own_root_key_harms_nobody_else(town, case):
    """It may shut itself out; the node answers in words, and everybody else as before."""
    there = Attacker(town, town.code())
    got, said, _ = there.ask(
        "POST", "descriptor", there.me.descriptor(**STATED[case](there.me)), unsigned=True
    )
    assert got == 200 or 400 <= got < 500, said
    status, said, _ = there.ask("GET", "place", unsigned=True)
    assert status in {200, 401}, said


def test_a_zero_byte_in_an_address_or_a_letter_is_refused(town):

    there = Attacker(town, town.code())
    mailbox_service.allow(town.nodes["KR"], "live", there.me.code, by="admin", now=now())
    letter = {"v": 1, "realm": "live", "party": there.me.code, "to": "JP", "number": 1, "key": "x", "box": ""}
    week = private_values.epoch_of(now())
    asked = [
        ("POST", "mailbox/letters", page.jcs(letter | {"to": "\0"})),
        ("POST", "mailbox/letters", page.jcs(letter | {"key": "\0"})),
        ("POST", "mailbox/collect", b'{"numbers":{"\\u0000":1}}'),
        ("POST", f"questions/{week}/%00/answer", b""),
        ("GET", f"questions/{week}/%00/lists/tags", b""),
        ("GET", "questions/%00/url/lists/tags", b""),
        ("GET", f"questions/{week}/url/lists/%00", b""),
        ("GET", "instruments/%00", b""),
    ]
    for method, path, body in asked:
        got, said, _ = there.ask(method, path, body)
        assert 400 <= got < 500, (path, got, said)
