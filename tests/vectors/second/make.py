"""Make the vectors of this folder with the second implementation. README.md says what each is.

python tests/vectors/second/make.py
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

from contract.second import by_the_page as page  # noqa: E402  (it stands beside the tests)

NOW = 1795313376
OBJECT = {
    "type": "indicator",
    "spec_version": "2.1",
    "id": "indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f",
    "created": "2013-03-20T05:00:00.000Z",
    "modified": "2013-03-20T05:00:00.000Z",
    "confidence": 80,
    "description": "Line one",
    "labels": ["synthetic"],
    "name": "방송사 공격",
    "pattern": "[ipv4-addr:value = '203.0.113.7']",
    "pattern_type": "stix",
    "valid_from": "2013-03-20T05:00:00Z",
    "x_\ue000": 1,
    "x_\U0001f600": 2,
}
"""The last two names stand in another order by UTF-16 code units than by code points."""


def key(number: int) -> page.Key:
    return page.Key(bytes([number]) * 32)


def partials() -> dict[str, Any]:
    """One object, left out of it in good and in bent ways: what a receiver makes of each."""
    salt = bytes(range(32))
    root = page.root_of(OBJECT, salt)
    whole = {"object": OBJECT, "salt": page.b64(salt)}
    cases = []

    def case(
        name: str, omit: list[str], refused: str | None = None, said: Any = None, bend: Any = None
    ) -> None:
        item, names = page.left_out(whole, omit)
        leaves, x = item["leaves"], item["object"]
        if bend is not None:
            leaves, x = bend(list(leaves), dict(x))
        missing = names if said is None else said
        cases.append({"name": name, "object": page.jcs(x).decode(), "leaves": leaves, "left_out": missing,
                      "refused": refused})  # fmt: skip

    case("one property", ["description"])
    case("three properties", ["confidence", "description", "labels"])
    case("names beyond the first plane of Unicode", ["x_\ue000"])
    case("a name of two code units", ["x_\U0001f600"])
    case("all that may be", ["confidence", "description", "labels", "name", "x_\ue000", "x_\U0001f600"])
    case("a name more than leaves", ["description"], "wrongly-left-out", ["confidence", "description"])
    case("a name fewer than leaves", ["confidence", "description"], "wrongly-left-out", ["description"])
    case("another place", ["description"], "wrongly-left-out", ["zzz"])
    case("one that is there", ["description"], "wrongly-left-out", ["name"])
    case("a name twice", ["description"], "wrongly-left-out", ["description", "description"])
    case("no names", ["description"], "wrongly-left-out", [])
    case("what STIX requires", ["pattern"], "wrongly-left-out")
    case("what says who may read it", ["created"], "broken-signature")
    case("a leaf changed", ["description"], "broken-signature", bend=lambda leaves, x: (
        ["ab" * 32 if isinstance(one, str) else one for one in leaves], x))  # fmt: skip
    case("leaves exchanged", ["confidence", "description"], "broken-signature", bend=lambda leaves, x: (
        [leaves[3], *leaves[1:3], leaves[0], *leaves[4:]], x))  # fmt: skip
    case("a salt changed", ["description"], "broken-signature", bend=lambda leaves, x: (
        [["name", "ab" * 32] if one[0] == "name" else one for one in leaves], x))  # fmt: skip
    case("a value changed", ["description"], "broken-signature", bend=lambda leaves, x: (
        leaves, {**x, "name": "another"}))  # fmt: skip
    case("a property added", ["description"], "broken-signature", bend=lambda leaves, x: (
        leaves, {**x, "description": "another"}))  # fmt: skip
    record = key(2)
    signature = page.seal(page.OBJECT, page.jcs(page.claim(OBJECT, root)), record)
    return {
        "record": {"seed": "02" * 32, "id": record.id, "public": record.public.hex()},
        "object": page.jcs(OBJECT).decode(),
        "salt": salt.hex(),
        "root": root.hex(),
        "signature": signature.decode(),
        "cases": cases,
    }


def party(record: int, made_at: str, revoked: list[dict[str, str]]) -> str:
    """A descriptor of KR with this record key in force."""
    kr = page.Party("KR", "kr.example", "https://kr.example")
    kr.root, kr.record, kr.log, kr.transport, kr.witness = key(1), key(record), key(3), key(4), key(5)
    kr.sealing = page.Sealing(bytes([6]) * 32)
    live = kr.keys() | ({"revoked": revoked} if revoked else {})
    return kr.descriptor(made_at=made_at, realms={"live": live}).decode()


def revocations() -> dict[str, Any]:
    """Statements of keys, what they revoke together, and which entries of one log count then."""
    stolen = {"key": key(2).id, "role": "record", "since": "2026-11-22T02:00:00.000000Z", "reason": "stolen"}
    later = stolen | {"since": "2026-11-22T09:00:00.000000Z"}
    earlier = stolen | {"since": "2026-11-22T01:00:00.000000Z", "reason": "lost"}
    statements = {
        "first": party(2, "2026-11-20T00:00:00.000000Z", []),
        "stolen": party(7, "2026-11-22T03:00:00.000000Z", [stolen]),
        "later": party(7, "2026-11-22T10:00:00.000000Z", [later]),
        "of a day to come": party(
            7, "2026-11-22T04:00:00.000000Z", [stolen | {"since": "2027-01-01T00:00:00.000000Z"}]
        ),
        "earlier": party(7, "2026-11-22T11:00:00.000000Z", [earlier]),
    }
    cases = []
    for names in (["first"], ["first", "stolen"], ["first", "stolen", "later"], ["first", "of a day to come"],
                  ["first", "stolen", "earlier"]):  # fmt: skip
        revoked = page.revoked_by([statements[one].encode() for one in names], key(1).public)
        cases.append({"statements": names, "revoked": revoked})
    half = "2026-11-22T02:00:00.500000Z"
    whole = [
        {"name": "seen before", "position": 3, "words": [[4, 1795312799]], "counts": True},
        {"name": "seen in that very second", "position": 3, "words": [[4, 1795312800]], "counts": False},
        {"name": "seen after", "position": 3, "words": [[4, 1795312801], [9, 1795399200]], "counts": False},
        {
            "name": "a tree that ends before it was seen",
            "position": 3,
            "words": [[3, 1795312000]],
            "counts": False,
        },
        {
            "name": "a larger tree was seen",
            "position": 3,
            "words": [[3, 1795312000], [400, 1795312799]],
            "counts": True,
        },
        {"name": "nobody saw it", "position": 0, "words": [], "counts": False},
    ]
    parts = [
        {"name": "seen in the second of the revocation, before or after it", "position": 3, "since": half,
         "words": [[4, 1795312800]], "counts": False},
        {"name": "seen in the last second that was over by then", "position": 3, "since": half,
         "words": [[4, 1795312799]], "counts": True},
        {"name": "seen in the second of a revocation at its very end", "position": 3,
         "since": "2026-11-22T02:00:00.999999Z", "words": [[4, 1795312800]], "counts": False},
    ]  # fmt: skip
    entries = [{"name": one["name"], "since": stolen["since"]} | one for one in (*whole, *parts)]
    return {
        "root": key(1).public.hex(),
        "statements": statements,
        "cases": cases,
        "key": key(2).id,
        "entries": entries,
    }


def signatures() -> dict[str, Any]:
    """Requests and answers with their signature bases, and what a receiver makes of each."""
    transport, answers = key(4), key(14)

    class Them:
        party, url = "KR", "https://kr.example"

    class Me:
        realm = "live"

    Me.transport = transport

    def request(method: str, path: str, query: str = "", body: bytes = b"", **over: Any) -> dict[str, Any]:
        given = {"created": NOW, "nonce": "AAECAwQFBgcICQoLDA0ODxAR"} | over
        _, target, sent, _ = page.signed(Me, Them, method, path, body, query=query, **given)
        names = ("Secretariat-To", "Content-Digest", "Signature-Input", "Signature")
        headers = {name.lower(): sent[name] for name in names}
        return {
            "method": method,
            "url": "https://kr.example" + target,
            "headers": headers,
            "body": page.b64(body),
        }

    cases: list[dict[str, Any]] = []
    known = {transport.id: transport.public}

    def case(name: str, said: dict[str, Any], refused: str | None = None, now: int = NOW) -> None:
        try:
            base, found = page.check_request(said, "KR", known, now), None
        except page.WrongError as error:
            base, found = None, str(error)
        assert found == refused, (name, found)
        cases.append({"name": name, "now": now, "request": said, "base": base, "refused": refused})

    case("a page asked for", request("GET", "feed", "after=0.0&size=0&wait=25"))
    case("without a query", request("GET", "place"))
    case("with a body", request("POST", "deliver", body=b'{"v":1}'))
    case("a query in percent signs", request("GET", "feed", "after=0.0&size=0&follows=a%2Fb,%C3%A9"))
    case("60 seconds ahead", request("GET", "place", created=NOW + 60))
    case("61 seconds ahead", request("GET", "place", created=NOW + 61), "clock-skew")
    case("61 seconds behind", request("GET", "place", created=NOW - 61), "clock-skew")
    case("for another party", request("GET", "place", to="JP"), "not-authentic")
    less = page.COVERED.replace(' "@query"', "")
    case("without the query under the signature", request("GET", "place", covered=less), "not-authentic")
    case("another tag", request("GET", "place", tag="other"), "not-authentic")
    case("a nonce of 15", request("GET", "place", nonce="n" * 15), "not-authentic")
    case("a nonce of 128", request("GET", "place", nonce="n" * 128))
    case("another key", request("GET", "place", transport=key(9)), "not-authentic")
    bent = request("POST", "deliver", body=b'{"v":1}')
    case("another body", bent | {"body": page.b64(b'{"v":2}')}, "not-authentic")
    case("another method", bent | {"method": "PUT"}, "not-authentic")
    case("another path", bent | {"url": "https://kr.example/live/peer/v1/place"}, "not-authentic")
    case("another node", bent | {"url": "https://jp.example/live/peer/v1/deliver"}, "not-authentic")

    asked = cases[0]["request"]
    body = b'{"code":"not-found","what":"nothing here"}'
    params = f'{page.ANSWERED};created={NOW};keyid="{answers.id}";alg="ed25519";tag="secretariat-peer-1"'
    digest = f"sha-256=:{page.b64(page.sha(body))}:"
    values = {
        "@status": 404,
        '"signature";req;key="sct"': page.parts_of(asked["headers"])[1],
        "content-digest": digest,
    }
    base = page.base_of(params, values)
    answer = {
        "status": 404,
        "headers": {
            "content-type": "application/problem+json",
            "content-digest": digest,
            "signature-input": f"sct={params}",
            "signature": f"sct=:{page.b64(answers.sign(base.encode()))}:",
        },
        "body": page.b64(body),
    }
    replies = [
        {"name": "to this request", "asked": 0, "answer": answer, "base": base, "refused": None},
        {"name": "to another one", "asked": 1, "answer": answer, "base": None, "refused": "not-authentic"},
        {"name": "another status", "asked": 0, "answer": answer | {"status": 200}, "base": None,
         "refused": "not-authentic"},
        {"name": "another body", "asked": 0, "answer": answer | {"body": page.b64(b"{}")}, "base": None,
         "refused": "not-authentic"},
    ]  # fmt: skip
    return {
        "keys": {
            "JP transport": {"seed": "04" * 32, "id": transport.id, "public": transport.public.hex()},
            "KR transport": {"seed": "0e" * 32, "id": answers.id, "public": answers.public.hex()},
        },
        "requests": cases,
        "answers": replies,
    }


if __name__ == "__main__":
    for name, made in (("partials", partials), ("revocations", revocations), ("signatures", signatures)):
        text = json.dumps(made(), indent=1, ensure_ascii=False) + "\n"
        (HERE / f"{name}.json").write_text(text, encoding="utf-8")
