"""An update of what is held meets every refusal that a first receipt meets, and changes nothing held.

Each case runs three times: the object is new here; another version of it is held; the very version is held
and comes again under a second grant. The codes are those of the code: a test collects them.
"""

from __future__ import annotations

import ast
import base64
import inspect
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import pytest

from contract.peers.test_revoked import revoke
from secretariat.exchange import arrivals, offer, proving, take
from secretariat.exchange.model import Ruling
from secretariat.exchange.peers import Outgoing, Tomb
from secretariat.exchange.take import OutOfStepError, PageRefusedError
from secretariat.exchange.wire import encode
from secretariat.ledger import checkpoint, entries, following, revocation
from secretariat.ledger.keys import Signer
from secretariat.records.stix import check
from simulator import World, indicator, sealed

LATER = "2014-03-20T05:00:00.000Z"
STRANGER = Signer.from_seed(b"\x09" * 32)
KEPT = ("first", "another version", "the same version")


class Case(msgspec.Struct, frozen=True):
    """What is bent, how it is refused, and what the receipt then says (None: the page itself is refused)."""

    code: str
    state: str | None
    bend: Callable[[dict[str, Any]], Any] | None = None
    before: Callable[[World, list[bytes]], Any] | None = None
    value: dict[str, Any] = {}
    ruling: Ruling | None = None
    missing: tuple[str, ...] = ()
    recorded: bool = True
    kept: tuple[str, ...] = KEPT
    """The same version cannot come again in another content, or after its own withdrawal, and be held."""


def carried(page: dict[str, Any]) -> dict[str, Any]:
    return next(one for entry in page["entries"] for one in entry.get("objects", ()))


def flipped(text: str) -> str:
    data = bytearray(base64.b64decode(text))
    data[-1] ^= 1
    return base64.b64encode(data).decode()


def signature(page: dict[str, Any]) -> None:
    one = carried(page)["signature"]["signatures"][0]
    one["sig"] = flipped(one["sig"])


def deep(levels: int) -> Any:
    found: Any = 1
    for _ in range(levels):
        found = [found]
    return found


def another(page: dict[str, Any], there: World) -> None:
    false = sealed(there.nodes["KR"].keyring, indicator("x"))
    carried(page).update(
        object=json.loads(false.data),
        salt=base64.b64encode(false.salt).decode(),
        signature=json.loads(false.signature),
    )


def noted(
    page: dict[str, Any], there: World, more: int, root: bytes | None = None, signer: Signer | None = None
):
    held = checkpoint.parse(page["checkpoint"].encode())
    made = checkpoint.sign(
        held.origin,
        held.size + more,
        held.root if root is None else root,
        signer or there.nodes["KR"].keyring.log,
    )
    page["checkpoint"] = made.decode()


def rolled_back(page: dict[str, Any], there: World) -> None:
    noted(page, there, 1 - checkpoint.parse(page["checkpoint"].encode()).size, b"\x01" * 32)


def contradicting(page: dict[str, Any], there: World) -> None:
    held = checkpoint.parse(page["checkpoint"].encode())
    noted(page, there, page["since"] - held.size, b"\x01" * 32)


def _nobodys(page: dict[str, Any]) -> None:
    carried(page).update(originator="XX")


def suspend(there: World, _: list[bytes]) -> None:
    with there.nodes["JP"].store(there.now) as store:
        store.suspend_log(there.nodes["KR"].keyring.origin, "a person said so")


def entomb(there: World, roots: list[bytes]) -> None:
    with there.nodes["JP"].store(there.now) as store:
        store.entomb(roots, Tomb("KR", "withdraw", there.nodes["KR"].keyring.origin, 0, "gone"))


def forget_keys(there: World, _: list[bytes]) -> None:
    with there.nodes["JP"].store(there.now) as store:
        peer = store.peer("KR")
        store.save_peer(msgspec.structs.replace(peer, record_keys={STRANGER.key_id: STRANGER.public}))


def senseless(there: World, _: list[bytes]) -> None:
    with pytest.MonkeyPatch.context() as patch, there.nodes["KR"].store(there.now) as store:
        patch.setattr(entries, "_checked", lambda draft: dict(draft.body))
        store.append([Outgoing("grant", "JP", {"to": "JP", "rows": [{"objects": "all"}]})])


def disown(there: World, _: list[bytes]) -> None:
    revoke(there, "KR", at="JP", since=there.stolen)


CASES = {
    "a broken signature": Case("broken-signature", "refused", signature),
    "signed by somebody else": Case(
        "broken-signature", "refused", lambda page: carried(page).update(originator="US")
    ),
    "a letter changed": Case(
        "broken-signature", "refused", lambda page: carried(page)["object"].update(name="z")
    ),
    "another salt": Case(
        "broken-signature", "refused", lambda page: carried(page).update(salt=flipped(carried(page)["salt"]))
    ),
    "a partial with a leaf changed": Case(
        "broken-signature",
        "refused",
        lambda page: carried(page).update(
            leaves=["ab" * 32 if isinstance(one, str) else one for one in carried(page)["leaves"]]
        ),
        missing=("description",),
        value={"description": "canary"},
    ),
    "a partial without what STIX requires": Case(
        "wrongly-left-out", "refused", missing=("pattern",), kept=KEPT[:2]
    ),
    "no salt": Case("incomplete", "refused", lambda page: carried(page).pop("salt")),
    "no signature": Case("incomplete", "refused", lambda page: carried(page).pop("signature")),
    "no originator": Case("incomplete", "refused", lambda page: carried(page).pop("originator")),
    "another object": Case("wrong-root", "refused", another),
    "another form": Case(
        "not-canonical",
        "refused",
        lambda page: carried(page).update(object=dict(reversed(carried(page)["object"].items()))),
    ),
    "too deep": Case("bad-object", "refused", lambda page: carried(page)["object"].update(x=deep(100))),
    "too long": Case("bad-object", "refused", lambda page: carried(page)["object"].update(x="x" * 1_100_000)),
    "no STIX": Case("bad-object", "refused", value={"valid_from": "some day"}, kept=KEPT[:2]),
    "withdrawn before": Case("withdrawn", "refused", before=entomb, recorded=False, kept=KEPT[:2]),
    "under a revoked key": Case("key-revoked", "refused", before=disown, kept=KEPT[:2]),
    "above the ceiling": Case("not-kept", "refused", ruling=Ruling("refused", "above-ceiling")),
    "a grant recomputed unequal": Case("grant-differs", "quarantined", ruling=Ruling("unequal", "no")),
    "consent lacking": Case("grant-differs", "quarantined", ruling=Ruling("unequal", "US did not consent")),
    "an instrument or a marking missing": Case(
        "waiting", "waiting", ruling=Ruling("unknown", "its marking has not come yet"), recorded=False
    ),
    "an originator nobody knows": Case(
        "waiting", "waiting", _nobodys, recorded=False, kept=KEPT[:2]
    ),
    "another realm": Case("wrong-sender", None, lambda page: page.update(realm="exercise")),
    "another log": Case("wrong-sender", None, lambda page: page.update(origin="us.example/live")),
    "another place": Case(
        "out-of-step", None, lambda page: page["after"].update(position=10**6), recorded=False
    ),
    "a note of another key": Case(
        "checkpoint-signature", None, lambda page, there: noted(page, there, 0, signer=STRANGER)
    ),
    "a log that is suspended": Case("log-suspended", None, before=suspend),
    "a log rolled back": Case("log-rolled-back", None, rolled_back),
    "a log that contradicts itself": Case("log-contradicts", None, contradicting),
    "a log without proof": Case(
        "log-unproven", None, lambda page, there: noted(page, there, 3, b"\x01" * 32)
    ),
    "a page cut": Case("incomplete", None, lambda page: page["entries"][0]["objects"].clear()),
    "an entry that is not in the log": Case(
        "not-in-log", None, lambda page: page["entries"][0].update(salt=base64.b64encode(bytes(32)).decode())
    ),
    "an entry of another key": Case("entry-signature", None, before=forget_keys),
    "an entry of another body": Case("bad-entry", None, before=senseless),
    "an entry for somebody else": Case(
        "not-addressed", None, lambda _, there: {**json.loads(encode(there.page("US", "KR"))), "to": "JP"}
    ),
}  # fmt: skip


def arrange(world, case: Case, kept: str) -> tuple[World, list[bytes]]:
    """JP follows KR's log, holds what `kept` says, and now comes what the case bends; gives its roots."""
    there = world("KR", "JP", "US")
    there.allow("KR>JP", "KR>US")
    there.publish("KR", indicator("z"), to=["JP", "US"])
    there.converge()
    value = {"description": "as it was", **case.value}
    first: list[bytes] = []
    if kept != "first":
        plain = {
            name: one for name, one in value.items() if kept == "the same version" or name != "valid_from"
        }
        first = there.publish("KR", indicator("a", **plain), to=["JP"])
        there.converge()
        assert there.states("JP", "a") == ["kept"]
    there.tick(hours=1)
    there.stolen = there.now
    there.tick(hours=1)
    to = ["US"] if case.code == "not-addressed" else ["JP"]
    if kept == "the same version":
        with there.nodes["KR"].store(there.now) as store:
            store.lock()
            missing = {root: list(case.missing) for root in first} if case.missing else None
            (one,) = store.versions(first).values()
            store.publish([one], to, case.missing)
            there.grants(store, first, to, (), None, missing)
        there.tick()
        return there, first
    version = sealed(there.nodes["KR"].keyring, indicator("a", at=LATER, **value))
    with there.nodes["KR"].store(there.now) as store:
        store.lock()
        store.publish([version], to, case.missing)
        missing = {version.root: list(case.missing)} if case.missing else None
        there.grants(store, [version.root], to, (), None, missing)
    there.tick()
    return there, [version.root]


def held(there: World) -> tuple[Any, ...]:
    """What JP keeps under the id: versions, their rows, what brought them, what a viewer sees."""
    with there.nodes["JP"].store(there.now) as store:
        history = [one for one in store.history(indicator("a")["id"]) if one.state == "kept"]
        shown = [one for one in store.shown() if one.stix_id == indicator("a")["id"]]
        return history, [(one.root, one.data, one.state) for one in shown]


@pytest.mark.parametrize("make", ["memory"], indirect=True)
@pytest.mark.parametrize(("name", "kept"), [(name, kept) for name, one in CASES.items() for kept in one.kept])
def test_an_update_is_refused_exactly_like_a_first_receipt(world, monkeypatch, name, kept):
    refuse(world, monkeypatch, CASES[name], kept)


@pytest.mark.parametrize("make", ["postgres"], indirect=True)
@pytest.mark.parametrize("name", ["a broken signature", "a grant recomputed unequal", "withdrawn before"])
def test_an_update_is_refused_over_postgres_too(world, monkeypatch, name):
    """What differs between the stores is how they keep, not what is refused: one case of each outcome."""
    refuse(world, monkeypatch, CASES[name], "another version")


def refuse(world, monkeypatch, case: Case, kept: str) -> None:
    if case.code == "bad-entry":  # the cheat's own node does not look at what it offers
        real, names = offer.roots_of, offer.left_out_in
        monkeypatch.setattr(offer, "roots_of", lambda one: [] if "all" in str(one.body) else real(one))
        monkeypatch.setattr(offer, "left_out_in", lambda one: {} if "all" in str(one.body) else names(one))
    monkeypatch.setattr("simulator.ways.take", partial(take.take, check=check))
    there, roots = arrange(world, case, kept)
    before = held(there)
    assert len(before[0]) == (0 if kept == "first" else 1)
    if case.before is not None:
        case.before(there, roots)
    if case.ruling is not None:
        there.recompute = lambda _: lambda _sender, _grant, _evidence, ones: [case.ruling for _ in ones]
    bend = case.bend
    if bend is not None and bend.__code__.co_argcount == 2:
        bend = partial(_with, bend, there)
    if case.state is None:
        with pytest.raises((PageRefusedError, OutOfStepError)) as refusal:
            there.pull("JP", "KR", change=bend)
        assert refusal.value.code == case.code
    else:
        there.pull("JP", "KR", change=bend)
    assert there.refusals("JP") == ([case.code] if case.recorded else [])
    assert held(there) == before
    with there.nodes["JP"].store(there.now) as store:
        said = list(receipts(store, roots))
    assert said == ([] if case.state is None else [case.state])


def _with(bend: Callable[..., Any], there: World, page: dict[str, Any]) -> Any:
    return bend(page, there)


def receipts(store, roots):
    """The states that JP's last receipts give of these roots, without those of what it took before."""
    wanted = {one.hex() for one in roots}
    for entry in store.addressed("KR", 0):
        said = entries.read(entries.dsse.payload_of(entry.envelope)).body
        if wanted & set(said.get("objects", ())) and said["state"] != "received":
            yield said["state"]


def test_the_cases_are_all_that_the_code_can_refuse_an_object_or_its_page_for():
    """Codes are collected from the source: who adds a refusal has to add its case."""
    found = {revocation.CODE}
    for module in (take, arrivals, proving, following):
        found |= set(codes(ast.parse(inspect.getsource(module))))
    assert found == {case.code for case in CASES.values()} - {"waiting"}
    assert {case.ruling.outcome for case in CASES.values() if case.ruling} == {
        "unequal",
        "unknown",
        "refused",
    }


def codes(tree: ast.AST):
    """The codes that a module gives refusals: of errors raised, of refusals told, of fates."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            place = {"PageRefusedError": 0, "ObjectRefusedError": 0, "_told": 1}.get(name)
            if place is not None and isinstance(node.args[place], ast.Constant):
                yield node.args[place].value
            yield from (one.value.value for one in node.keywords
                        if one.arg == "code" and isinstance(one.value, ast.Constant))  # fmt: skip
        elif isinstance(node, ast.ClassDef):
            yield from (
                one.value.value
                for one in node.body
                if isinstance(one, ast.Assign)
                and isinstance(one.targets[0], ast.Name)
                and one.targets[0].id == "code"
                and isinstance(one.value, ast.Constant)
            )
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.IfExp):
            if ast.unparse(node.targets[0]) == "code":
                yield ast.literal_eval(node.value.orelse)
        elif isinstance(node, ast.Tuple) and len(node.elts) == 4:
            outcome, why = node.elts[2:]
            if (
                isinstance(outcome, ast.Constant)
                and isinstance(why, ast.Constant)
                and outcome.value == "refused"
            ):
                yield why.value


@pytest.mark.parametrize("make", ["memory"], indirect=True)
def test_two_contents_under_one_version_on_one_page_are_disputed_like_on_two(world):
    """Found by the second implementation: the page was in conflict with itself, and the log stood still."""
    there = world("KR", "JP")
    there.allow("KR>JP")
    there.publish("KR", indicator("a"), to=["JP"])
    page = json.loads(encode(there.page("JP", "KR")))
    assert len(page["entries"]) == 1
    there.publish_rival("KR", indicator("a", description="another"), to=["JP"])

    def change(bent):
        first = next(one for one in bent["entries"] if one["position"] == page["entries"][0]["position"])
        first["objects"] = page["entries"][0]["objects"]  # the cheat kept what it gave first
        bent["count"]["gone"] = 0

    there.pull("JP", "KR", change=change)
    assert there.states("JP", "a") == ["disputed", "kept"]
