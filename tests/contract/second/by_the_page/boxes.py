"""What travels sealed: HPKE and volumes. From docs/protocol.md alone."""

import json
import time

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from contract.second.by_the_page.forms import b64, jcs, mac, moment, seal, sha


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
