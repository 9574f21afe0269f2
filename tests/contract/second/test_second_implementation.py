"""A client written from docs/protocol.md alone, against a node that serves: believed, and called back."""

from __future__ import annotations

import http.client
import json
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from contract.second import by_the_page as page
from contract.second.indicators import indicator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from serving import Serving


class Between:
    """The client's party and the node, enrolled with each other."""

    def __init__(self, node: Serving, folder: Path) -> None:
        self.node, self.me = node, page.Party("US", "us.example")
        told, mine = folder / "kr", folder / "us"
        words = str(node.run("peers", "invite", "US", "--out", str(told))["fingerprint"])
        self.kr = page.Known(told.read_bytes(), words)
        self.kr.url = node.url
        mine.write_bytes(self.me.descriptor())
        node.run("peers", "accept", str(mine), "--fingerprint", page.words("US", self.me.root.public))
        self.objects: dict[str, Any] = {}

    def pull(self, kind: str) -> tuple[int, dict[str, Any]]:
        """Take pages until one brings an entry of this kind; (position, body)."""
        end = time.monotonic() + 90
        while time.monotonic() < end:
            at, before = self.kr.after, set(self.kr.got)
            query = f"after={at[0]}.{at[1]}&size={self.kr.size}&wait=2"
            status, found, said = page.call(self.me, self.kr, "GET", "feed", query=query)
            assert status == 200, said
            self.kr.take(found, "US")
            for position in sorted(set(self.kr.got) - before):
                if self.kr.got[position]["kind"] == kind:
                    return position, self.kr.got[position]["body"]
        raise AssertionError(f"no {kind} came")

    def place(self) -> dict[str, Any]:
        return page.call(self.me, self.kr, "GET", "place")[1]

    def deliver(self, change: Callable[[dict[str, Any]], object] | None = None) -> tuple[int, Any]:
        """Bring what the node has not seen of our log; `change` bends the page on its way."""
        place = self.place()
        after = (place["after"]["position"], place["after"]["offset"])
        brought = self.me.page("KR", after, place["size"], self.objects)
        if change is not None:
            change(brought)
        return page.call(self.me, self.kr, "POST", "deliver", page.jcs(brought))[:2]

    def receipt(self, position: int, roots: list[str], state: str, *below: dict[str, str]) -> None:
        about = {"origin": self.kr.origin, "position": position}
        body = {"to": "KR", "about": about, "state": state, "objects": roots}
        self.me.append("receipt", body | ({"downstream": list(below)} if below else {}))


@pytest.mark.slow
def test_who_has_only_the_protocol_shares_and_calls_back_with_a_node(
    serving: Callable[..., Serving], tmp_path: Path
) -> None:
    node = serving("KR")
    node.start()
    there = Between(node, tmp_path)
    me, kr = there.me, there.kr

    # the instruments that the node named are ours too
    _, agreed = there.pull("instrument-agreed")
    hashes = sorted(one["hash"] for one in agreed["instruments"])
    assert page.sha("".join(f"{one}\n" for one in hashes).encode()).hex() == agreed["set_hash"]
    me.append("instrument-agreed", {**agreed, "to": "KR"})
    assert there.deliver()[0] == 200

    # the node's object reaches us, is called back, and our receipts count
    theirs = indicator("KR")
    bundle = tmp_path / "bundle.json"
    bundle.write_text(json.dumps({"type": "bundle", "id": f"bundle--{uuid.uuid4()}", "objects": [theirs]}))
    node.run("import", str(bundle))
    node.run("publish", theirs["id"], "--to", "US")
    position, grant = there.pull("grant")
    roots = [root for row in grant["rows"] for root in row["objects"]]
    assert [kr.objects[root]["id"] for root in roots] == [theirs["id"]]
    assert kr.faults == []
    there.receipt(position, roots, "received")
    assert there.deliver()[0] == 200
    node.run("withdraw", theirs["id"], "--reason", "an error")
    position, call = there.pull("withdraw")
    assert call["objects"] == roots
    nameless = {"further": "further-" + "a2" * 8, "state": "asked", "since": page.moment()}
    there.receipt(position, roots, "destroyed", nameless)
    assert there.deliver()[0] == 200
    states = json.loads(node.attempt("receipts", theirs["id"], "--json").stdout)
    assert [(one["holder"], one["state"]) for one in states] == [
        ("US", "destroyed"),
        (f"US/{nameless['further']}", "asked"),
    ]

    # our object reaches the node: bent on its way it is refused, true it is kept, called back it goes
    root, item = me.object(indicator("US"))
    there.objects[root] = item
    publication = me.append("publication", {"objects": [root]})
    body = {name: grant[name] for name in ("instruments", "engine")} | {"to": "KR", "true_on": page.moment()}
    rows = [{"articles": ["tlp-2/CLEAR"], "objects": [root]}]
    granted = me.append("grant", {**body, "publication": publication, "rows": rows})
    status, refusal = there.deliver(lambda one: one["entries"][0].update(salt=page.b64(bytes(32))))
    assert (status, refusal["code"]) == (422, "not-in-log")
    assert there.deliver()[0] == 200
    _, answer = there.pull("receipt")
    assert (answer["about"], answer["state"]) == ({"origin": me.origin, "position": granted}, "received")
    me.append("withdraw", {"to": "KR", "objects": [root], "reason": "an error"})
    assert there.deliver()[0] == 200
    assert there.pull("receipt")[1]["state"] == "destroyed"

    # it is our witness, and sees a fork
    kept = there.place()["size"]
    me.append("note", {"act": "one more"})
    assert page.cosigned(me.note() + ask(node, me, kept)[1], kr.origin, kr.witness) is not None
    me.entries[-1] = me.entries[0]
    assert ask(node, me, kept)[0] == 409
    assert there.deliver()[1]["code"] == "log-suspended"

    # its whole log, from its root key alone
    out = tmp_path / "log.jsonl"
    node.run("log", "export", str(out))
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    size, tree = page.note_read(lines[0]["checkpoint"], kr.origin, kr.log)
    leaves = [
        page.sha(b"\0" + page.mac(bytes.fromhex(one["salt"]), one["envelope"].encode()))
        for one in lines[1:-1]
    ]
    assert (len(leaves), page.tree(leaves)) == (size, tree)


def ask(node: Serving, me: page.Party, kept: int) -> tuple[int, str]:
    """Ask the node to cosign our newest checkpoint."""
    proof = "".join(page.b64(one) + "\n" for one in page.consistency(kept, me.leaves()))
    wire = http.client.HTTPConnection("127.0.0.1", node.port)
    wire.request("POST", "/live/log/add-checkpoint", f"old {kept}\n{proof}\n{me.note()}".encode())
    answer = wire.getresponse()
    said = answer.read().decode()
    wire.close()
    return answer.status, said
