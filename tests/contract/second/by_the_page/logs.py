"""Logs: Merkle trees, checkpoints, cosignatures. From docs/protocol.md alone."""

import time

from contract.second.by_the_page.forms import WrongError, b64, holds, sha, un64


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
