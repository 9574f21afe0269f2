"""Make the vectors of this folder. README.md says what each is and where it comes from.

python tests/vectors/ledger/make.py own
python tests/vectors/ledger/make.py witness
python tests/vectors/ledger/make.py outside CLONE   (a clone of github.com/transparency-dev/merkle)
"""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from secretariat.ledger import (
    accusation,
    checkpoint,
    dsse,
    entries,
    merkle,
    object_signature,
    property_tree,
    tiles,
    witness,
)
from secretariat.ledger.entries import Draft, Grant, GrantRow, Key, KeyLine, Publication
from secretariat.ledger.keys import Keyring, Signer, key_id
from secretariat.ledger.model import Contradiction
from secretariat.records.canonical import canonical

HERE = Path(__file__).parent
SCHEMA = HERE.parents[2] / "src" / "secretariat" / "ledger" / "schemas" / "entry.json"
ORIGIN, REALM, PARTY = "kr.example/live", "live", "KR"
NOW = datetime(2026, 11, 22, 2, 9, 36, 123456, tzinfo=UTC)
SEEDS = {role: bytes([number]) * 32 for number, role in enumerate(("root", "record", "log", "witness"), 1)}
OBJECT = {
    "type": "indicator",
    "spec_version": "2.1",
    "id": "indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f",
    "created_by_ref": "identity--f431f809-377b-45e0-aa1c-6a4751cae5ff",
    "created": "2013-03-20T05:00:00.000Z",
    "modified": "2013-03-20T05:00:00.000Z",
    "name": "방송사 공격 / broadcasters",
    "description": 'Line one\n"quoted" \u20ac',
    "confidence": 80,
    "pattern": "[file:hashes.'SHA-256' = '4bac27393bdd9777ce02453256c5577cd02275510b2227f473d03f533924f877']",
    "pattern_type": "stix",
    "valid_from": "2013-03-20T05:00:00Z",
    "labels": ["synthetic"],
}
OBJECT_SALT = bytes(range(32))
OMIT = ("description", "labels")


def own() -> dict[str, Any]:
    """Compute every step of one object, three entries and their checkpoint from fixed keys and salts."""
    signers = {role: Signer.from_seed(seed) for role, seed in SEEDS.items()}
    keys = {
        role: {"seed": SEEDS[role].hex(), "public": signer.public.hex(), "key_id": signer.key_id}
        for role, signer in signers.items()
    }
    stored = canonical(OBJECT)
    root = property_tree.root_of(stored, OBJECT_SALT)
    reduced, partial = property_tree.partial(OBJECT, OBJECT_SALT, OMIT)
    envelope = object_signature.sign_object(OBJECT, root, signers["record"])
    sealed = _entries(signers, root)
    leaves = [item["leaf"] for item in sealed]
    tree = merkle.root(bytes.fromhex(leaf) for leaf in leaves)
    note = checkpoint.sign(ORIGIN, len(leaves), tree, signers["log"])
    witness = signers["witness"]
    cosigned = checkpoint.cosign(note, "jp.example/witness", witness, witness.public, int(NOW.timestamp()))
    hashes = [bytes.fromhex(leaf) for leaf in leaves]
    return {
        "keys": keys,
        "pae": {
            "type": "http://example.com/HelloWorld",
            "body": "hello world",
            "pae": dsse.pae("http://example.com/HelloWorld", b"hello world").decode(),
        },
        "object": {
            "value": OBJECT,
            "canonical": stored.decode(),
            "salt": OBJECT_SALT.hex(),
            "property_salts": {
                name: property_tree.salt_of(name, OBJECT_SALT).hex() for name in sorted(OBJECT)
            },
            "root": root.hex(),
            "signature": envelope.decode(),
            "partial": {
                "object": canonical(reduced).decode(),
                "leaves": json.loads(canonical(partial))["leaves"],
            },
        },
        "entries": sealed,
        "tree": {
            "root": tree.hex(),
            "tile_0_000.p_3": b"".join(hashes).hex(),
            "inclusion": [[step.hex() for step in merkle.inclusion_path(hashes, at)] for at in range(3)],
            "consistency": {
                f"{old}-3": [step.hex() for step in merkle.consistency_path(hashes, old)] for old in (1, 2)
            },
        },
        "tile_paths": {
            f"{tile.level} {tile.number} {tile.width}": tile.path
            for tile in (tiles.Tile(0, 0, 3), tiles.Tile(0, 1234067), tiles.Tile(2, 1000, 255))
        },
        "checkpoint": {
            "note": note.decode(),
            "verifier_key": checkpoint.verifier_key(ORIGIN, signers["log"].public),
            "cosigned": cosigned.decode(),
        },
    }


def witnessed() -> dict[str, Any]:
    """Compute a request to a witness, its answer, every refusal, and a proof against the log."""
    log = Signer.from_seed(SEEDS["log"])
    jp = Keyring(
        "JP", REALM, "jp.example/live", *(Signer.from_seed(bytes([n]) * 32) for n in range(11, 16)), b""
    )
    leaves = [merkle.leaf_hash(bytes([number])) for number in range(5)]
    fork = [*leaves[:4], merkle.leaf_hash(b"fork")]
    seconds = int(NOW.timestamp())

    def note(tree: list[bytes]) -> bytes:
        return checkpoint.sign(ORIGIN, len(tree), merkle.root(tree), log)

    def asked(old: int, tree: list[bytes], proof_of: list[bytes]) -> str:
        proof = merkle.consistency_path(proof_of, old) if 0 < old < len(tree) else []
        return witness.write_request(witness.AddCheckpoint(old, tuple(proof), note(tree))).decode()

    word = witness.give(checkpoint.parse(note(leaves)), jp, seconds)
    stranger = checkpoint.sign("us.example/live", 5, merkle.root(leaves), log)
    found = Contradiction(ORIGIN, PARTY, 5, note(leaves), note(fork), "US", NOW)
    file = accusation.write(found, realm=REALM, log_keys=[log.public], stated=[], by="JP")
    return {
        "kept": {"size": 3, "root": merkle.root(leaves[:3]).hex()},
        "witness": {
            "seed": "0f" * 32,
            "name": jp.origin,
            "verifier_key": checkpoint.verifier_key(jp.origin, jp.witness.public, checkpoint.COSIGNATURE_V1),
            "seconds": seconds,
        },
        "answers": [
            {"request": asked(3, leaves, leaves), "status": 200, "body": word.line.decode()},
            {"request": asked(0, leaves, leaves), "status": 409, "body": "3\n"},
            {"request": asked(3, fork[:3] + leaves[4:], leaves), "status": 422, "body": None},
            {"request": asked(3, [*leaves[:2], fork[4]], leaves), "status": 409, "body": "3\n"},
            {"request": asked(5, leaves[:3], leaves), "status": 400, "body": None},
            {"request": f"old 0\n\n{stranger.decode()}", "status": 404, "body": None},
            {
                "request": "old 3\n\n" + checkpoint.sign(ORIGIN, 5, merkle.root(leaves), jp.log).decode(),
                "status": 403,
                "body": None,
            },
            {"request": "old 03\n\n" + note(leaves).decode(), "status": 400, "body": None},
        ],
        "cosigned": witness.with_words(note(leaves), [word]).decode(),
        "accusation": json.loads(file),
    }


def _entries(signers: dict[str, Signer], root: bytes) -> list[dict[str, Any]]:
    lines = [KeyLine(role, signer.key_id, signer.public.hex()) for role, signer in signers.items()]  # type: ignore[arg-type]
    drafts = [
        Draft("key", None, Key(keys=lines, reason="the first keys of this log")),
        Draft("publication", None, Publication(objects=[root.hex()])),
        Draft(
            "grant",
            "JP",
            Grant(
                to="JP",
                publication=1,
                instruments="ab" * 32,
                engine="1",
                rows=[GrantRow(articles=["jp-rok-gsomia-2016/4(2)"], objects=[root.hex()])],
                purpose="cyber-defence",
                true_on="2026-11-22T02:09:36.123456Z",
            ),
        ),
    ]
    out = []
    for number, draft in enumerate(drafts):
        salt = bytes([0xA0 + number]) * 32
        signer = signers["root" if draft.kind == "key" else "record"]
        payload = entries.payload(draft, realm=REALM, origin=ORIGIN, party=PARTY, now=NOW)
        sealed = entries.seal(payload, draft, signer, salt)
        out.append(
            {
                "kind": draft.kind,
                "signed_by": key_id(signer.public),
                "payload": payload.decode(),
                "envelope": sealed.envelope.decode(),
                "salt": salt.hex(),
                "digest": sealed.digest.hex(),
                "leaf": sealed.leaf.hex(),
            }
        )
    return out


def outside(clone: str) -> dict[str, Any]:
    """Gather the published inclusion and consistency proofs, good and bad, into one file."""
    git = ["git", "-C", clone]
    commit = subprocess.run(
        [*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()
    listed = subprocess.run(
        [*git, "ls-tree", "-r", "--name-only", "HEAD", "testdata/inclusion", "testdata/consistency"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    found: dict[str, dict[str, Any]] = {"inclusion": {}, "consistency": {}}
    for path in listed:
        text = subprocess.run(
            [*git, "show", f"HEAD:{path}"], check=True, capture_output=True, text=True
        ).stdout
        _, kind, *rest = path.removesuffix(".json").split("/")
        found[kind]["/".join(rest)] = json.loads(text)
    return {"source": "https://github.com/transparency-dev/merkle testdata", "commit": commit, **found}


def table() -> str:
    """Write the table of kinds and members as docs/protocol.md shows it; `?` marks what may be absent."""
    definitions = entries.schemas()["$defs"]
    lines = ["| kind | members of the body | meaning |", "|---|---|---|"]
    for kind, struct in entries.KINDS.items():
        schema = definitions[struct.__name__]
        needed = schema.get("required", [])
        members = ", ".join(f"`{name}`{'' if name in needed else '?'}" for name in schema["properties"])
        lines.append(f"| `{kind}` | {members} | {schema['description']} |")
    return "\n".join(lines)


def _write(name: str, value: dict[str, Any], **how: Any) -> None:
    (HERE / name).write_text(json.dumps(value, ensure_ascii=False, **how) + "\n", encoding="utf-8")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["own"]:
            _write("vectors.json", own(), indent=1)
        case ["witness"]:
            _write("witness.json", witnessed(), indent=1)
        case ["outside", path]:
            _write("merkle-proofs.json", outside(path), separators=(",", ":"))
        case ["schema"]:
            written = json.dumps(entries.schemas(), indent=1, ensure_ascii=False)
            SCHEMA.write_text(written + "\n", encoding="utf-8")
            print(table())  # noqa: T201  a maker prints
        case _:
            sys.exit(__doc__)
