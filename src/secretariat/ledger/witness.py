r"""What a witness signs and what it refuses (C2SP tlog-witness, tlog-cosignature). No I/O.

Rules, the one place where they stand:

1. A witness answers for logs that it knows by name and key: those of accepted partners. An unknown origin is
   404, a checkpoint that no known key signed 403, a request that is not one 400.
2. The old size of the request is at most that of the checkpoint (else 400) and is the size that is kept
   (else 409, with the kept size and a line feed as `text/x.tlog.size`). Another root at the kept size is 409
   and evidence, whatever the old size says. A proof that does not lead from the kept tree to the shown one
   is 422.
3. What is kept is written, and committed, before the cosignature leaves; reading and writing it is one step.
4. A cosignature says: at this second this was the largest tree that we saw of this log, and every tree that
   we saw before is a part of it. So one is given for the kept tree only, once; asked again, the same line is.
5. The name of a witness is the name of its own log, `<node host>/<realm>`, and its key the realm's `witness`
   key. Key hashes differ by algorithm (0x01 log, 0x04 witness), so the two lines are never mistaken.
6. An entry is *cosigned* when the recipient's witness signed a checkpoint that covers it, and *final* when
   one more party did that is neither its author nor its recipient. An entry for nobody is cosigned by any
   partner, and final by two. These are states for evidence; content that was verified is used before.
"""

from __future__ import annotations

import binascii
import re
from typing import TYPE_CHECKING, Literal

import msgspec

from secretariat.base.errors import ProofError, SecretariatError, StateError
from secretariat.ledger import checkpoint as notes
from secretariat.ledger import merkle
from secretariat.ledger.merkle import HASH_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from secretariat.ledger.checkpoint import Checkpoint
    from secretariat.ledger.keys import Keyring

MAX_PROOF_LINES = 63
"""tlog-witness: a client must not send more."""
MAX_REQUEST_BYTES = 16_384
"""63 lines of 45 bytes, and a checkpoint with two dozen signatures."""
SIZE_TYPE = "text/x.tlog.size"
_OLD = re.compile(rb"old (0|[1-9][0-9]{0,18})")
EVERYBODY = "*"


class WitnessError(SecretariatError):
    """A checkpoint that is not cosigned. `status` is that of tlog-witness; `size` what is kept, on 409."""

    code = "not-cosigned"

    def __init__(
        self, status: int, what: str, *, size: int | None = None, shown: Checkpoint | None = None
    ) -> None:
        super().__init__(what)
        self.status = status
        self.size = size
        self.shown = shown
        """The checkpoint, where it is signed by the log's key and contradicts what is kept: evidence."""


class StoppedError(StateError):
    """The node was put back to an older state than partners saw: it writes nothing into this log any more."""

    code = "log-stopped"
    status = 503


RECOVERY = (
    "nothing is signed, received or released any more; pages and commands still read. Restore a backup that "
    "holds what partners hold: secretariat restore FILE --data NEW, then restore --check. Where there is "
    "none, make a new node and enrol again: this log's name is spent"
)


class BehindError(ProofError):
    """A partner shows our own log key's signature on a log that ours does not contain."""

    code = "log-behind"


class AddCheckpoint(msgspec.Struct, frozen=True):
    """A request: from which size the proof leads to the checkpoint."""

    old: int
    proof: tuple[bytes, ...]
    note: bytes


class Tree(msgspec.Struct, frozen=True):
    """What a witness keeps of a log."""

    size: int = 0
    root: bytes = merkle.EMPTY_ROOT


class Word(msgspec.Struct, frozen=True):
    """One witness's cosignature on one checkpoint of one log: the line as it stands in the note."""

    origin: str
    size: int
    root: bytes
    witness: str
    seconds: int
    line: bytes


Third = Literal["seen", "awaited", "none"]


class Standing(msgspec.Struct, frozen=True):
    """What stands behind an entry besides its author's own signature (rule 6)."""

    state: Literal["verified", "cosigned", "final"]
    third: Third
    """Whether an uninvolved party saw it, may still see it, or there is none that could."""
    by: tuple[str, ...]
    """The witnesses that cover it, the earliest first."""
    since: int | None
    """POSIX seconds since which the state holds; None where it is only verified."""


def read_request(body: bytes) -> AddCheckpoint:
    """Read the body of add-checkpoint without believing it. Refuses with 400 what is not exactly one."""
    if len(body) > MAX_REQUEST_BYTES:
        raise WitnessError(413, f"more than {MAX_REQUEST_BYTES} bytes")
    head, blank, note = body.partition(b"\n\n")
    first, *lines = head.split(b"\n")
    match = _OLD.fullmatch(first)
    if match is None or not blank:
        raise WitnessError(400, "not `old N`, proof lines, an empty line and a checkpoint")
    if len(lines) > MAX_PROOF_LINES:
        raise WitnessError(400, f"{len(lines)} proof lines, at most {MAX_PROOF_LINES}")
    try:
        proof = tuple(binascii.a2b_base64(line, strict_mode=True) for line in lines)
    except (binascii.Error, ValueError) as error:
        raise WitnessError(400, "a proof line is not base64") from error
    if any(len(one) != HASH_BYTES for one in proof):
        raise WitnessError(400, f"a proof line is not a hash of {HASH_BYTES} bytes")
    return AddCheckpoint(int(match[1]), proof, note)


def write_request(asked: AddCheckpoint) -> bytes:
    """Write what `read_request` reads."""
    lines = b"".join(binascii.b2a_base64(one) for one in asked.proof)
    return b"old %d\n%b\n%b" % (asked.old, lines, asked.note)


def shown_in(asked: AddCheckpoint, publics: Collection[bytes] | None) -> Checkpoint:
    """Give the checkpoint of a request, verified. `publics` are the log's keys, None where it is unknown."""
    try:
        shown = notes.parse(asked.note)
    except ProofError as error:
        raise WitnessError(400, str(error)) from error
    if shown.extensions:  # one line stands for one text: what a log adds to it, it signs alone
        raise WitnessError(400, "a checkpoint with extension lines is not cosigned")
    if publics is None:
        raise WitnessError(404, f"no log {shown.origin!r} is witnessed here")
    try:
        return notes.verify(asked.note, shown.origin, publics)
    except ProofError as error:
        raise WitnessError(403, str(error)) from error


def check(asked: AddCheckpoint, shown: Checkpoint, kept: Tree) -> None:
    """Say nothing where `shown`, verified, may be cosigned over what is kept; else raise with the status."""
    evidence = shown if shown.size == kept.size and shown.root != kept.root else None
    if asked.old > shown.size:
        raise WitnessError(400, f"old size {asked.old} above the checkpoint's {shown.size}", shown=evidence)
    if asked.old != kept.size:
        raise WitnessError(409, f"size {kept.size} is kept", size=kept.size, shown=evidence)
    if evidence is not None:
        raise WitnessError(
            409, f"another root of {kept.size} entries is kept", size=kept.size, shown=evidence
        )
    if not merkle.verify_consistency(kept.size, shown.size, kept.root, shown.root, asked.proof):
        raise WitnessError(422, f"nothing proves that {shown.size} entries continue {kept.size}")


def give(shown: Checkpoint, ring: Keyring, seconds: int) -> Word:
    """Sign as the witness of `ring` that this tree was the largest seen. The caller keeps it (rule 3)."""
    bare = shown.text + b"\n" + b"".join(notes.written(one) for one in shown.signatures[:1])
    whole = notes.cosign(bare, ring.origin, ring.witness, ring.witness.public, seconds)
    return Word(shown.origin, shown.size, shown.root, ring.origin, seconds, whole[len(bare) :])


def word_in(note: bytes, name: str, publics: Iterable[bytes], *, latest: int | None = None) -> Word | None:
    """Give the cosignature of the witness `name` on a note, None where none is there.

    Refuses one by a known key that does not hold; passes over one on a note with extension lines, and one
    that says that it was given after the second `latest`.
    """
    held = notes.parse(note)
    if held.extensions:
        return None
    for public in publics:
        wanted = notes.key_hash(name, public, notes.COSIGNATURE_V1)
        line = next((one for one in held.signatures if (one.name, one.key_hash) == (name, wanted)), None)
        if line is not None:
            said = notes.verify_cosignature(note, name, public)
            if latest is not None and said.seconds > latest:
                return (
                    None  # of the two clocks one is wrong; the word is brought again and counts in its time
                )
            return Word(held.origin, held.size, held.root, name, said.seconds, notes.written(line))
    return None


def heard(
    note: bytes,
    *,
    party: str,
    ours: tuple[str, Collection[bytes], int],
    root_at: Callable[[int], bytes],
    witness: tuple[str, Iterable[bytes]],
    known: Word | None,
    revoked: Collection[bytes] = (),
    latest: int | None = None,
) -> Word | None:
    """Judge what a partner keeps of our log: a note with its cosignature; give its word where it is news.

    `ours` is name, keys and size of our log, `witness` name and keys of the partner's, `known` its word on
    that size which we have. Refuses with BehindError where our log does not contain what our own key signed.
    A note that our key did not sign, or with a cosignature that does not hold, proves nothing and is refused
    with ProofError; so is one that our log does not contain and only a key of ours signed that was `revoked`.
    """
    origin, keys, size = ours
    shown = notes.parse(note)
    if known is not None and known.root == shown.root:
        return None
    notes.verify(note, origin, keys)
    held = f"{party} holds {shown.size} entries of our log under our own log key's signature; "
    foreign = shown.size > size or root_at(shown.size) != shown.root
    if foreign and revoked:
        try:
            notes.verify(note, origin, [one for one in keys if one not in revoked])
        except ProofError as error:
            raise ProofError(
                f"{party} holds {shown.size} entries under a log key of ours that was revoked: not our log",
                where=origin,
                advice="there, a person goes back to the tree before: secretariat peers rewind",
            ) from error
    if shown.size > size:
        raise BehindError(
            f"{held}this node has {size}: it was put back to an older state", where=origin, advice=RECOVERY
        )
    if foreign:
        raise BehindError(
            f"{held}they are not those of this node: it was put back to an older state and wrote others",
            where=origin,
            advice=RECOVERY,
        )
    return word_in(note, *witness, latest=latest)


def bare(note: bytes, publics: Collection[bytes]) -> bytes:
    """Give a note with the log's own signature alone: who else signed it is told by who may tell it."""
    held = notes.parse(note)
    known = {notes.key_hash(held.origin, public) for public in publics}
    own = [one for one in held.signatures if one.name == held.origin and one.key_hash in known]
    return held.text + b"\n" + b"".join(dict.fromkeys(map(notes.written, own)))


def standing(
    position: int, words: Iterable[Word], *, author: str, recipient: str | None, others: Collection[str]
) -> Standing:
    """Say what stands behind the entry at `position` of a log (rule 6).

    `words` are verified cosignatures on that log; `author` is the log's own name, `recipient` the name of the
    recipient's log, `others` the logs of parties that might be an uninvolved witness.
    """
    first: dict[str, int] = {}
    for one in words:
        if one.size > position and one.witness != author:
            first[one.witness] = min(one.seconds, first.get(one.witness, one.seconds))
    named = tuple(sorted(first, key=lambda name: (first[name], name)))
    uninvolved = [name for name in named if name != recipient]
    if recipient is None:
        cosigned, final = named[:1], named[:2] if len(named) > 1 else ()
    else:
        cosigned = (recipient,) if recipient in first else ()
        final = (recipient, uninvolved[0]) if cosigned and uninvolved else ()
    third: Third = "none"
    needed = 2 if recipient is None else 1
    if len(uninvolved) >= needed:
        third = "seen"
    elif len({name for name in others if name not in {author, recipient}}) >= needed:
        third = "awaited"
    if final:
        return Standing("final", third, named, max(first[name] for name in final))
    if cosigned:
        return Standing("cosigned", third, named, first[cosigned[0]])
    return Standing("verified", third, named, None)


def acquainted(circles: Sequence[str], one: str, other: str) -> bool:
    """Whether a circle says that two parties may know of each other that they are partners here.

    `US,*` lets everybody know of US, and US of everybody; `*` alone lets everybody know of everybody.
    """
    pair = {one, other}
    return any(
        pair <= held or (EVERYBODY in held and (held == {EVERYBODY} or bool(pair & (held - {EVERYBODY}))))
        for held in map(members, circles)
    )


def members(circle: str) -> frozenset[str]:
    """Give the parties of a circle, written `JP,KR,US`; `*` stands for everybody."""
    return frozenset(code for part in circle.split(",") if (code := part.strip()))


def with_words(note: bytes, words: Iterable[Word]) -> bytes:
    """Give a note with cosignature lines added, those first that were given first."""
    held = notes.parse(note)
    there = {notes.written(one) for one in held.signatures}
    lines = [one.line for one in sorted(words, key=lambda one: (one.seconds, one.witness))]
    return note + b"".join(line for line in lines if line not in there)
