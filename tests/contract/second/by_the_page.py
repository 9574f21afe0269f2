"""A second implementation of docs/protocol.md, from that page alone: it imports nothing of secretariat."""

import base64
import hashlib
import hmac
import http.client
import json
import secrets
import time
from datetime import UTC, datetime
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

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


# objects


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


# the tree of RFC 9162


def node(left, right):
    return sha(b"\1" + left + right)


def split(n):
    return 1 << ((n - 1).bit_length() - 1)


def tree(leaves):
    if not leaves:
        return sha(b"")
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return node(tree(leaves[:k]), tree(leaves[k:]))


def inclusion(m, leaves):
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return [*inclusion(m, leaves[:k]), tree(leaves[k:])]
    return [*inclusion(m - k, leaves[k:]), tree(leaves[:k])]


def consistency(m, leaves, whole=True):
    if m == 0 or (whole and m == len(leaves)):
        return []
    if m == len(leaves):
        return [tree(leaves)]
    k = split(len(leaves))
    if m <= k:
        return [*consistency(m, leaves[:k], whole), tree(leaves[k:])]
    return [*consistency(m - k, leaves[k:], False), tree(leaves[:k])]


def included(leaf, position, size, path, root):
    if position >= size:
        return False
    fn, sn, r = position, size - 1, leaf
    for p in path:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            r = node(p, r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node(r, p)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and r == root


def consistent(old, old_root, new, new_root, path):
    if old == new:
        return not path and old_root == new_root
    if old == 0:
        return not path
    if old > new or not path:
        return False
    path = [old_root, *path] if old & (old - 1) == 0 else list(path)
    fn, sn = old - 1, new - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for c in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node(c, fr), node(c, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node(sr, c)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and fr == old_root and sr == new_root


# notes


def note_id(name, kind, public):
    return sha(name.encode() + b"\n" + kind + public)[:4]


def note(origin, size, root, key):
    text = f"{origin}\n{size}\n{b64(root)}\n"
    line = b64(note_id(origin, b"\1", key.public) + key.sign(text.encode()))
    return f"{text}\n— {origin} {line}\n"


def note_read(text, origin, public):
    """(size, root) of a note, once the log key signed it; cosignatures stand in the lines after."""
    body, _, tail = text.partition("\n\n")
    body += "\n"
    lines = body.split("\n")
    if len(lines) != 4 or lines[0] != origin or not lines[1].isdigit() or lines[1] != str(int(lines[1])):
        raise WrongError("checkpoint-signature")
    for line in tail.splitlines():
        name, value = line.removeprefix("— ").split(" ")
        raw = un64(value)
        ours = name == origin and raw[:4] == note_id(origin, b"\1", public)
        if ours and holds(public, body.encode(), raw[4:]):
            return int(lines[1]), un64(lines[2])
    raise WrongError("checkpoint-signature")


def cosign(text, name, key, at=None):
    body = text.partition("\n\n")[0] + "\n"
    seconds = int(time.time() if at is None else at)
    signature = key.sign(f"cosignature/v1\ntime {seconds}\n{body}".encode())
    return f"— {name} {b64(note_id(name, bytes([4]), key.public) + seconds.to_bytes(8, 'big') + signature)}\n"


def cosigned(text, name, public):
    """The second at which this witness cosigned the note, or None."""
    body, _, tail = text.partition("\n\n")
    for line in tail.splitlines():
        who, value = line.removeprefix("— ").split(" ")
        raw = un64(value)
        if who == name and raw[:4] == note_id(name, b"\4", public) and len(raw) == 76:
            at = int.from_bytes(raw[4:12], "big")
            if holds(public, f"cosignature/v1\ntime {at}\n{body}\n".encode(), raw[12:]):
                return at
    return None


# the party and its log

CONSONANTS, VOWELS = "bdfghjklmnprstvz", "aiou"


def words(party, root):
    data = sha(b"secretariat/root\n" + party.encode() + b"\n" + root)[:24]
    out = []
    for i in range(0, 24, 2):
        n = int.from_bytes(data[i : i + 2], "big")
        out.append(
            CONSONANTS[n >> 12]
            + VOWELS[n >> 10 & 3]
            + CONSONANTS[n >> 6 & 15]
            + VOWELS[n >> 4 & 3]
            + CONSONANTS[n & 15]
        )
    return " ".join(out)


class Party:
    """A party with keys of one realm, and its log in memory."""

    def __init__(self, code, host, url="", name=None, realm="live"):
        self.code, self.name, self.url, self.realm = code, name or code, url, realm
        self.origin = f"{host}/{realm}"
        self.root, self.record, self.log, self.transport, self.witness = (Key() for _ in range(5))
        self.sealing = Sealing()
        self.entries = []  # (envelope bytes, salt, payload)
        roles = ("root", "record", "log", "transport", "witness")
        lines = [
            {"role": r, "key_id": getattr(self, r).id, "public": getattr(self, r).public.hex()} for r in roles
        ]
        self.append("key", {"keys": lines}, key=self.root)

    def keys(self):
        named = {
            r: getattr(self, r).told() for r in ("record", "log", "transport", "witness", "root", "sealing")
        }
        return {"origin": self.origin, "url": self.url, **named}

    def descriptor(self, **more):
        said = {"v": 1, "party": self.code, "name": self.name, "root": self.root.told(), "made_at": moment()}
        return seal(DESCRIPTOR, jcs(said | {"realms": {self.realm: self.keys()}} | more), self.root)

    def append(self, kind, body, key=None, **over):
        said = {"v": 1, "realm": self.realm, "origin": self.origin, "kind": kind, "party": self.code}
        said |= {"recorded_at": moment(), "body": body, **over}
        self.entries.append((seal(ENTRY, jcs(said), key or self.record), secrets.token_bytes(32), said))
        return len(self.entries) - 1

    def digests(self):
        return [mac(salt, envelope) for envelope, salt, _ in self.entries]

    def leaves(self):
        return [sha(b"\0" + d) for d in self.digests()]

    def note(self, size=None):
        size = len(self.entries) if size is None else size
        return note(self.origin, size, tree(self.leaves()[:size]), self.log)

    def page(self, to, after=(0, 0), since=0, objects=None, size=None, for_=None, attached=None):
        """The page after `after` for `to`, whole; `objects` gives the items of a grant's roots."""
        size = len(self.entries) if size is None else size
        leaves, out, n = self.leaves()[:size], [], 0
        for position in range(after[0], size):
            envelope, salt, said = self.entries[position]
            if said["body"].get("to") != (for_ or to):
                continue
            roots = (
                [r for row in said["body"].get("rows", ()) for r in row["objects"]]
                if said["kind"] == "grant"
                else []
            )
            items = [
                objects[r] if objects and r in objects else {"root": r, "gone": "not-granted"} for r in roots
            ]
            one = {
                "position": position,
                "salt": b64(salt),
                "proof": [b64(h) for h in inclusion(position, leaves)],
            }
            one |= {"envelope": read(envelope), "total": len(roots), "objects": items}
            if attached and position in attached:
                one["attached"] = attached[position]
            out.append(one)
            n += len(items)
        page = {
            "v": 1, "realm": self.realm, "origin": self.origin, "party": self.code, "to": for_ or to,
            "after": {"position": after[0], "offset": after[1]}, "next": {"position": size, "offset": 0},
            "since": since, "checkpoint": self.note(size),
            "consistency": [b64(h) for h in consistency(since, leaves)],
            "entries": out, "more": False,
        }  # fmt: skip
        return counted(page)

    def object(self, x):
        """(root, item of a page) of an own object version."""
        salt = secrets.token_bytes(32)
        root = root_of(x, salt)
        item = {"root": root.hex(), "object": x, "salt": b64(salt), "originator": self.code}
        return root.hex(), item | {"signature": read(seal(OBJECT, jcs(claim(x, root)), self.record))}


def page_hash(page):
    digest = hashlib.sha256()
    for e in page["entries"]:
        # a continued entry has no envelope: its digest is that of the first run
        digest.update(e["position"].to_bytes(8, "big") + mac(un64(e["salt"]), jcs(e["envelope"])))
        digest.update(e.get("offset", 0).to_bytes(8, "big") + len(e.get("objects", [])).to_bytes(8, "big"))
        for o in e.get("objects", []):
            digest.update(bytes.fromhex(o["root"]))
    return digest.hexdigest()


def counted(page):
    every = [o for e in page["entries"] for o in e.get("objects", [])]
    gone = sum("gone" in o for o in every)
    page["count"] = {"entries": len(page["entries"]), "objects": len(every), "gone": gone}
    page["hash"] = page_hash(page)
    return page


class Known:
    """What a reader keeps of one partner's log and checks of every page ("Taking a page", 1 to 10)."""

    def __init__(self, descriptor, said_words, realm="live"):
        told = read(un64(read(descriptor)["payload"]))
        public = un64(told["root"]["public"])
        if words(told["party"], public) != said_words:
            raise WrongError("fingerprint")
        self.said = opened(descriptor, DESCRIPTOR, [public])
        self.party, self.realm, self.root = told["party"], realm, public
        self.of = self.said["realms"][realm]
        self.origin, self.url = self.of["origin"], self.of["url"]
        self.log, self.record, self.transport, self.witness = (
            un64(self.of[r]["public"]) for r in ("log", "record", "transport", "witness")
        )
        self.sealing = un64(self.of["sealing"]["public"])
        self.after, self.size, self.kept = (0, 0), 0, sha(b"")
        self.got, self.objects, self.faults = {}, {}, []

    def take(self, page, me, originators=None):
        if (page["realm"], page["origin"], page["party"], page["to"]) != (
            self.realm,
            self.origin,
            self.party,
            me,
        ):
            raise WrongError("wrong-sender")
        if (page["after"]["position"], page["after"]["offset"]) != self.after or page["since"] != self.size:
            raise WrongError("out-of-step")
        size, root = note_read(page["checkpoint"], self.origin, self.log)
        if size < self.size:
            raise WrongError("log-rolled-back")
        if size == self.size and size and root != self.kept:
            raise WrongError("log-contradicts")
        if not consistent(self.size, self.kept, size, root, [un64(h) for h in page["consistency"]]):
            raise WrongError("log-unproven")
        every = [o for e in page["entries"] for o in e.get("objects", [])]
        gone = sum(o.get("gone") is not None for o in every)
        if page["count"] != {"entries": len(page["entries"]), "objects": len(every), "gone": gone}:
            raise WrongError("incomplete")
        if page_hash(page) != page["hash"]:
            raise WrongError("incomplete")
        last = -1
        for e in page["entries"]:
            envelope, salt = jcs(e["envelope"]), un64(e["salt"])
            if e["position"] <= last:
                raise WrongError("incomplete")
            last = e["position"]
            leaf = sha(b"\0" + mac(salt, envelope))
            if not included(leaf, e["position"], size, [un64(h) for h in e["proof"]], root):
                raise WrongError("not-in-log")
            said = opened(envelope, ENTRY, [self.record])
            if (said["realm"], said["origin"], said["party"]) != (self.realm, self.origin, self.party):
                raise WrongError("wrong-sender")
            if said["body"].get("to") != me:
                raise WrongError("not-addressed")
            self.got[e["position"]] = said
            roots = (
                [r for row in said["body"]["rows"] for r in row["objects"]] if said["kind"] == "grant" else []
            )
            if (
                e.get("offset", 0) == 0
                and [o["root"] for o in e.get("objects", [])] != roots[: len(e.get("objects", []))]
            ):
                raise WrongError("incomplete")
            for o in e.get("objects", []):
                if o.get("gone") is None:
                    self.object(o, originators or {self.party: self.record})
        self.after = (page["next"]["position"], page["next"]["offset"])
        self.size, self.kept = size, root

    def object(self, o, originators):
        x = o["object"]
        try:
            root = (
                partial_root(x, o["salt"]["leaves"])
                if isinstance(o["salt"], dict)
                else root_of(x, un64(o["salt"]))
            )
            if root.hex() != o["root"]:
                raise WrongError("wrong-root")
            if opened(o["signature"], OBJECT, [originators[o["originator"]]]) != claim(x, root):
                raise WrongError("broken-signature")
            self.objects[o["root"]] = x
        except (WrongError, KeyError) as fault:
            self.faults.append((o["root"], repr(fault)))


# requests


def signed(
    me, them, method, path, body=b"", *, query="", to=None, transport=None, url=None, label="sct", **over
):
    """(authority, target, headers, the value of the signature) of one request; `over` says what to bend."""
    at = urlsplit(url or them.url)
    target = f"/{me.realm}/peer/v1/{path}"
    digest = over.get("digest", f"sha-256=:{b64(sha(body))}:")
    key = transport or me.transport
    nonce = over.get("nonce", secrets.token_urlsafe(18))
    created = over.get("created", int(time.time()))
    covered = over.get("covered", COVERED)
    params = (
        f'{covered};created={created};keyid="{over.get("keyid", key.id)}";alg="{over.get("alg", "ed25519")}"'
    )
    if nonce is not None:
        params += f';nonce="{nonce}"'
    params += over.get("more", "") + f';tag="{over.get("tag", "secretariat-peer-1")}"'
    lines = {
        "@method": over.get("signed_method", method), "@authority": over.get("signed_authority", at.netloc),
        "@path": over.get("signed_path", target), "@query": "?" + over.get("signed_query", query),
        "secretariat-to": to or them.party, "content-digest": digest,
    }  # fmt: skip
    base = "".join(f'"{n}": {v}\n' for n, v in lines.items() if f'"{n}"' in covered)
    base += f'"@signature-params": {params}'
    value = f":{b64(key.sign(base.encode()))}:"
    sent = {
        "Host": at.netloc, "Accept": "application/json",
        "Secretariat-To": to or them.party, "Content-Digest": digest,
        "Signature-Input": f"{label}={params}", "Signature": f"{label}={value}",
        "Content-Type": "application/json",
    }  # fmt: skip
    return at.netloc, target + ("?" + query if query else ""), sent, value


def call(me, them, method, path, body=b"", *, headers=None, **over):
    """Send one signed request, verify the answer's signature; (status, the answer as JSON, its bytes)."""
    netloc, target, sent, signature = signed(me, them, method, path, body, **over)
    sent |= headers or {}
    sent = {name: value for name, value in sent.items() if value is not None}
    wire = http.client.HTTPConnection(netloc, timeout=60)
    wire.request(method, target, over.get("sent_body", body), sent)
    answer = wire.getresponse()
    data = answer.read()
    wire.close()
    told = {k.lower(): v for k, v in answer.getheaders()}
    proven = "signature" in told
    if proven:
        if told["content-digest"] != f"sha-256=:{b64(sha(data))}:":
            raise WrongError("digest of the answer")
        params = told["signature-input"].removeprefix("sct=")
        if not params.startswith(ANSWERED):
            raise WrongError("the answer covers less")
        base = f'"@status": {answer.status}\n"signature";req;key="sct": {signature}\n'
        base += f'"content-digest": {told["content-digest"]}\n"@signature-params": {params}'
        given = un64(told["signature"].removeprefix("sct=:").removesuffix(":"))
        if not holds(them.transport, base.encode(), given):
            raise WrongError("signature of the answer")
    elif answer.status == 200 and not over.get("unsigned"):
        raise WrongError("an answer without a signature")
    return answer.status, (read(data) if data[:1] in (b"{", b"[") else None), data


def base_of(params, values):
    """The signature base (RFC 9421, 2.5) of components in the order of `params`."""
    listed, base = params[1 : params.index(")")], ""
    for name in listed.split(" "):
        base += f"{name}: {values[name.strip(chr(34)) if name.count(chr(34)) == 2 else name]}\n"
    return base + f'"@signature-params": {params}'


def parameter(params, name):
    found = [
        one.partition("=")[2]
        for one in params[params.index(")") + 1 :].split(";")
        if one.startswith(name + "=")
    ]
    if len(found) != 1:
        raise WrongError("not-authentic")
    return found[0].strip('"')


def parts_of(headers):
    """The parameters and the signature under the label `sct`."""
    params, value = headers["signature-input"], headers["signature"]
    if not params.startswith("sct=(") or not value.startswith("sct=:") or not value.endswith(":"):
        raise WrongError("not-authentic")
    return params.removeprefix("sct="), value.removeprefix("sct=")


def check_request(said, me, keys, now, used=()):
    """The base of a request, once one of `keys` (by id) proves it for the party `me` at the second `now`."""
    headers, body, at = said["headers"], un64(said["body"]), urlsplit(said["url"])
    params, value = parts_of(headers)
    created = int(parameter(params, "created"))
    if headers["secretariat-to"] != me or not params.startswith(COVERED):
        raise WrongError("not-authentic")
    if parameter(params, "tag") != "secretariat-peer-1" or not 16 <= len(parameter(params, "nonce")) <= 128:
        raise WrongError("not-authentic")
    if abs(created - now) > 60:
        raise WrongError("clock-skew")
    if headers["content-digest"] != f"sha-256=:{b64(sha(body))}:":
        raise WrongError("not-authentic")
    values = {"@method": said["method"], "@authority": at.netloc, "@path": at.path, "@query": "?" + at.query}
    base = base_of(params, values | headers)
    public = keys.get(parameter(params, "keyid"))
    if public is None or not holds(public, base.encode(), un64(value.strip(":"))):
        raise WrongError("not-authentic")
    if parameter(params, "nonce") in used:
        raise WrongError("replayed")
    return base


def check_answer(said, asked, keys):
    """The base of an answer, once it is proven to be the one to this request."""
    headers, body = said["headers"], un64(said["body"])
    params, value = parts_of(headers)
    if not params.startswith(ANSWERED) or headers["content-digest"] != f"sha-256=:{b64(sha(body))}:":
        raise WrongError("not-authentic")
    values = {"@status": said["status"], '"signature";req;key="sct"': parts_of(asked["headers"])[1]}
    base = base_of(params, values | headers)
    public = keys.get(parameter(params, "keyid"))
    if public is None or not holds(public, base.encode(), un64(value.strip(":"))):
        raise WrongError("not-authentic")
    return base


# keys that count no more


def revoked_by(statements, root, realm="live"):
    """Key id -> since, of descriptors in the order in which they came; of two dates the earlier."""
    found = {}
    for one in statements:
        said = opened(one, DESCRIPTOR, [root])
        for each in said["realms"][realm].get("revoked", ()):
            since = min(each["since"], said["made_at"])
            found[each["key"]] = min(since, found.get(each["key"], since))
    return found


def entry_counts(signer, position, revoked, words):
    """Whether an entry at a proven place counts; `words`: (size, seconds) of witnesses, not its own log."""
    if signer not in revoked:
        return True
    since = datetime.fromisoformat(revoked[signer]).timestamp()
    return any(size > position and seconds < since for size, seconds in words)


# HPKE of RFC 9180, the one suite of the page


def _extract(salt, label, ikm, suite):
    return mac(salt or bytes(32), b"HPKE-v1" + suite + label + ikm)


def _expand(prk, label, info, length, suite):
    info, out, block, i = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info, b"", b"", 1
    while len(out) < length:
        block = mac(prk, block + info + bytes([i]))
        out, i = out + block, i + 1
    return out[:length]


def _schedule(dh, enc, public, info):
    kem = b"KEM" + b"\x00\x20"
    shared = _expand(_extract(b"", b"eae_prk", dh, kem), b"shared_secret", enc + public, 32, kem)
    suite = b"HPKE" + b"\x00\x20\x00\x01\x00\x03"
    context = b"\0" + _extract(b"", b"psk_id_hash", b"", suite) + _extract(b"", b"info_hash", info, suite)
    secret = _extract(shared, b"secret", b"", suite)
    return _expand(secret, b"key", context, 32, suite), _expand(secret, b"base_nonce", context, 12, suite)


def hpke_seal(public, info, data):
    mine = X25519PrivateKey.generate()
    enc = mine.public_key().public_bytes_raw()
    key, nonce = _schedule(mine.exchange(X25519PublicKey.from_public_bytes(public)), enc, public, info)
    return enc + ChaCha20Poly1305(key).encrypt(nonce, data, b"")


def hpke_open(sealing, info, box):
    dh = sealing.private.exchange(X25519PublicKey.from_public_bytes(box[:32]))
    key, nonce = _schedule(dh, box[:32], sealing.public, info)
    return ChaCha20Poly1305(key).decrypt(nonce, box[32:], b"")


# transfer by hand

PART = "application/vnd.secretariat.transfer-part+json"
END = "application/vnd.secretariat.transfer-end+json"


def volume(me, them, pages, *, number=None, texts=(), bend=lambda what, _: what, **over):
    """One volume of a transfer from `me` to `them`; `bend(what, name)` changes what is to be written.

    Names: head, part 0…, summary (their payloads, as JSON), end (the last line), lines (all bytes).
    """
    last = pages[-1]
    number = time.time_ns() // 1000 if number is None else number
    head = {
        "format": "secretariat-transfer", "v": 1, "realm": me.realm, "party": me.code, "to": them.party,
        "number": number, "volume": 1, "key": them.of["sealing"]["id"],
    }  # fmt: skip
    said = {name: head[name] for name in ("realm", "party", "to", "number", "volume")}
    head = bend(head, "head")

    def box(kind, payload, k):
        info = b"secretariat/transfer/1\n" + jcs(head | {"part": k})
        body = payload if isinstance(payload, bytes) else jcs(payload)
        return b64(hpke_seal(them.sealing, info, seal(kind, body, over.get("key", me.transport))))

    lines = [jcs(head) + b"\n"]
    for k, what in enumerate([*({"page": one} for one in pages), *({"text": one} for one in texts)]):
        part = bend(said | {"part": k} | what, f"part {k}")
        lines.append(jcs({"part": k, "box": box(PART, part, k)}) + b"\n")
    count = {name: sum(one["count"][name] for one in pages) for name in ("entries", "objects", "gone")}
    n, digest = len(lines) - 1, sha(b"".join(lines)).hex()
    start, size = pages[0]["after"], int(last["checkpoint"].split("\n")[1])
    summary = said | {
        "of": 1, "previous": 0, "made_at": moment(), "begin": start, "start": start, "until": last["next"],
        "size": size, "count": count, "parts": n, "sha256": digest,
        "place": {"after": {"position": them.after[0], "offset": them.after[1]}, "size": them.size},
    }  # fmt: skip
    summary = bend(summary, "summary")
    end = bend({"end": True, "parts": n, "sha256": digest, "box": box(END, summary, n)}, "end")
    # the members of the last line in this order: its beginning is how a reader knows it
    return bend(b"".join(lines) + json.dumps(end, separators=(",", ":")).encode() + b"\n", "lines")
