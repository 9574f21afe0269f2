"""Canonical JSON, keys, envelopes, trees of an object's properties. From docs/protocol.md alone."""

import base64
import hashlib
import hmac
import json
import secrets
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

ENTRY = "application/vnd.secretariat.entry+json"


OBJECT = "application/vnd.secretariat.object+json"


DESCRIPTOR = "application/vnd.secretariat.descriptor+json"


JOINT = "application/vnd.secretariat.joint+json"


COVERED = '("@method" "@authority" "@path" "@query" "secretariat-to" "content-digest")'


ANSWERED = '("@status" "signature";req;key="sct" "content-digest")'


class WrongError(Exception):
    """Something does not verify; the first argument is the code of the rule."""


def sha(data):
    return hashlib.sha256(data).digest()


def mac(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def b64(data):
    return base64.b64encode(data).decode()


def un64(text):
    data = base64.b64decode(text, validate=True)
    if b64(data) != text:
        raise WrongError("base64")
    return data


def jcs(x):
    """RFC 8785 without fractions: this client writes none, and copies objects as they came."""
    if isinstance(x, dict):
        names = sorted(x, key=lambda n: n.encode("utf-16-be"))
        return b"{" + b",".join(jcs(n) + b":" + jcs(x[n]) for n in names) + b"}"
    if isinstance(x, list):
        return b"[" + b",".join(jcs(i) for i in x) + b"]"
    if isinstance(x, float):
        raise WrongError("a fraction: this client does not write them")
    return json.dumps(x, ensure_ascii=False).encode()


def once(pairs):
    got = dict(pairs)
    if len(got) != len(pairs):
        raise WrongError("a member twice")
    return got


def read(data):
    return json.loads(data, object_pairs_hook=once)


def moment():
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Key:
    def __init__(self, seed=None):
        self.seed = seed or secrets.token_bytes(32)
        self.private = Ed25519PrivateKey.from_private_bytes(self.seed)
        self.public = self.private.public_key().public_bytes_raw()
        self.id = key_id(self.public)

    def sign(self, data):
        return self.private.sign(data)

    def told(self):
        return {"id": self.id, "public": b64(self.public)}


class Sealing:
    def __init__(self, seed=None):
        self.private = X25519PrivateKey.from_private_bytes(seed or secrets.token_bytes(32))
        self.public = self.private.public_key().public_bytes_raw()
        self.id = "x25519-" + sha(self.public)[:16].hex()

    def told(self):
        return {"id": self.id, "public": b64(self.public)}


def key_id(public):
    return "ed25519-" + sha(public)[:16].hex()


def holds(public, data, signature):
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
    except InvalidSignature:
        return False
    return True


def pae(kind, body):
    return b"DSSEv1 %d %s %d %s" % (len(kind.encode()), kind.encode(), len(body), body)


def seal(kind, body, *keys):
    signatures = [{"keyid": k.id, "sig": b64(k.sign(pae(kind, body)))} for k in keys]
    return jcs({"payload": b64(body), "payloadType": kind, "signatures": signatures})


def opened(envelope, kind, keys):
    """The payload of an envelope, once one of `keys` (raw public keys) signed it and none of them wrongly."""
    sealed = read(envelope) if isinstance(envelope, bytes) else envelope
    if sealed["payloadType"] != kind or not 1 <= len(sealed["signatures"]) <= 16:
        raise WrongError("payloadType")
    body, good, known = un64(sealed["payload"]), 0, {key_id(k): k for k in keys}
    for one in sealed["signatures"]:
        if one["keyid"] in known:
            if not holds(known[one["keyid"]], pae(kind, body), un64(one["sig"])):
                raise WrongError("signature")
            good += 1
    if not good:
        raise WrongError("signature")
    value = read(body)
    if jcs(value) != body:
        raise WrongError("not-canonical")
    return value


def members(x):
    return [(n, jcs(n) + b":" + jcs(x[n])) for n in sorted(x, key=lambda n: n.encode("utf-16-be"))]


def root_of(x, salt):
    leaves = [sha(b"\0" + mac(salt, name.encode()) + member) for name, member in members(x)]
    return sha(b"\2" + b"".join(leaves))


def partial_root(x, leaves):
    had, out = dict(members(x)), []
    named = [i[0] for i in leaves if isinstance(i, list)]
    if named != list(had):
        raise WrongError("wrong-root")
    for item in leaves:
        if isinstance(item, str):
            out.append(bytes.fromhex(item))
        else:
            name, salt = item
            out.append(sha(b"\0" + bytes.fromhex(salt) + had[name]))
    return sha(b"\2" + b"".join(out))


def left_out(item, names):
    """An item of a page without some properties, with leaves for its salt; and what it lacks, in order."""
    x, salt = item["object"], un64(item["salt"])
    leaves = [
        sha(b"\0" + mac(salt, name.encode()) + member).hex()
        if name in names
        else [name, mac(salt, name.encode()).hex()]
        for name, member in members(x)
    ]
    less = {name: value for name, value in x.items() if name not in names}
    rest = {name: value for name, value in item.items() if name != "salt"}
    return {**rest, "object": less, "leaves": leaves}, [name for name, _ in members(x) if name in names]


STAYS = {
    "type", "spec_version", "id", "created", "modified", "created_by_ref", "revoked", "object_marking_refs",
    "granular_markings", "extensions", "lang",
}  # fmt: skip


REQUIRED = {"indicator": {"pattern", "pattern_type", "valid_from"}}


def check_partial(x, leaves, missing):
    """The root of a partial, once its bare leaves and the names that the grant's row gives agree."""
    named = [one[0] for one in leaves if isinstance(one, list)]
    if not missing or set(missing) & (STAYS | REQUIRED.get(x["type"], set())):
        raise WrongError("wrongly-left-out")
    every = sorted({*named, *missing}, key=lambda name: name.encode("utf-16-be"))
    shape = [isinstance(one, list) for one in leaves]
    if len(missing) != shape.count(False) or [one not in missing for one in every] != shape:
        raise WrongError("wrongly-left-out")
    return partial_root(x, leaves)


def claim(x, root):
    said = {"id": x["id"], "root": root.hex(), "type": x["type"]}
    return said | {n: x[n] for n in ("created", "modified") if n in x}
