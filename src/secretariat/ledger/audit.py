"""Verifying a log from its first entry to its checkpoint, out of the database or out of an exported file.

Rules:

1. The party's root key is the only thing believed beforehand. The first entry is a `key` entry signed with
   it; it names the record key that signs entries and the log key that signs checkpoints, until the next one.
2. Every entry: the envelope's signature by the record key in force at its position; realm, origin and party
   of the payload; digest and leaf from envelope and salt.
3. The tree over all leaves gives the root in the signed checkpoint. In the database also: head, every tile,
   every older checkpoint, and what the rows say about their entries.
4. An excerpt holds chosen entries, each with its inclusion path, and every `key` entry of the log. What
   another party kept of a log holds the party's sealed statements of its keys instead (statements.py), and
   each entry with its path into the checkpoint that it came under.
5. What a revoked key signed proves something only where a witness whose word was verified saw it before
   (revocation.py): in a file one that the reader demands. In proof of single entries it is a fault; of a
   whole log such entries are counted, for its owner keeps them.
6. The report lists what does not hold and where; it ends at nothing, so that the extent is known.
"""

from __future__ import annotations

import contextlib
from array import array
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection

from secretariat.base.clock import stamp
from secretariat.base.errors import ProofError, SecretariatError
from secretariat.ledger import checkpoint as notes
from secretariat.ledger import dsse, entries, merkle, revocation, statements, store, tiles, witness_store
from secretariat.ledger.checkpoint import Checkpoint, VerifierKey
from secretariat.ledger.entries import Guest, Key, Statement
from secretariat.ledger.keys import Keyring, key_id
from secretariat.ledger.merkle import Frontier
from secretariat.ledger.model import Entry
from secretariat.ledger.revocation import Revoked
from secretariat.ledger.tiles import TileAt

MAX_PROBLEMS = 100
"""Problems listed one by one; beyond it they are counted."""

Advance = Callable[[int], None]


def _silent(_: int) -> None:
    return None


class Problem(msgspec.Struct, frozen=True):
    """Something that does not hold."""

    where: str
    what: str


class RevokedKey(msgspec.Struct, frozen=True):
    """A key of the log's party that counts no more, and what is left of what it signed here."""

    key: str
    role: str
    since: str
    reason: str
    signed: int
    """Entries that it alone signed."""
    counts: int
    """Those of them that a witness whose word was verified saw before."""


class Report(msgspec.Struct, frozen=True):
    """The result of verifying a log."""

    holds: bool
    origin: str
    party: str
    realm: str
    size: int
    root: str
    entries: int
    whole: bool
    root_key: str
    root_key_from: str
    kinds: dict[str, int]
    cosigned_by: list[str]
    witnesses_demanded: list[str]
    problems: list[Problem]
    problem_count: int
    disowned: int = 0
    """Entries under a revoked key that no witness whose word was verified saw before the revocation."""
    revoked: list[RevokedKey] = []
    """Every key that the party revoked, the earliest first."""


class Auditor:
    """Takes entries in order and finds what does not hold. Does no I/O."""

    def __init__(
        self, origin: str, party: str, realm: str, root_public: bytes, *, root_key_from: str
    ) -> None:
        self.origin = origin
        self.party = party
        self.realm = realm
        self.problems: list[Problem] = []
        self.problem_count = 0
        self.kinds: dict[str, int] = {}
        self.count = 0
        self.log_keys: dict[str, bytes] = {}
        self.witnesses: Sequence[VerifierKey] = ()
        """Whose word on the checkpoint is demanded; other witnesses are only named."""
        self.cosigned: Sequence[tuple[bytes, Sequence[bytes]]] = ()
        """Earlier checkpoints with cosignatures, each with the proof that the checkpoint continues it."""
        self._named: dict[str, None] = {}
        self._root_public = root_public
        self._root = {key_id(root_public): root_public}
        self._retired: dict[str, datetime] = {}
        self._ended: dict[str, int] = {}
        self._revoked: dict[str, Revoked] = {}
        self._under: dict[str, array[int]] = {}
        """Positions by the only key that signed there: which are revoked may be known at the end only."""
        self._seen: list[tuple[int, int]] = []
        """Sizes and seconds of the witnesses' words that were verified."""
        self._stated = False
        self._root_key_from = root_key_from
        self._record: dict[str, bytes] = {}
        self._introduced_ended: dict[str, int] = {}
        self._introduced_revoked: dict[str, Revoked] = {}
        self._guests: dict[str, dict[str, bytes]] = {}
        """The key of each party that this log's node hosts, as its entries name them."""

    def problem(self, where: str, what: str) -> None:
        """Note that something does not hold."""
        self.problem_count += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(where, what))

    def entry(self, position: int, envelope: bytes, salt: bytes) -> tuple[bytes, Statement | None]:
        """Verify one entry; give its leaf, and what it says where its signature holds."""
        where = f"entry {position}"
        self.count += 1
        statement = None
        try:
            statement = self._signed(position, envelope)
            self.kinds[statement.kind] = self.kinds.get(statement.kind, 0) + 1
        except SecretariatError as error:
            self.problem(where, str(error))
        try:
            leaf = entries.leaf_of(entries.digest_of(envelope, salt))
        except SecretariatError as error:
            self.problem(where, str(error))
            leaf = b""
        return leaf, statement

    def _signed(self, position: int, envelope: bytes) -> Statement:
        keys = {**self._root, **self._record}
        claimed = entries.read(dsse.payload_of(envelope)) if self._guests else None
        if claimed is not None and claimed.party in self._guests:
            keys = self._guests[claimed.party]
        opened = dsse.unseal(envelope, keys, entries.PAYLOAD_TYPE)
        statement = entries.read(opened.payload)
        if not set(opened.key_ids) & statements.valid_at(keys, self._retired, statement.at).keys():
            self.problem(f"entry {position}", "it was signed with a key that was retired before")
        if all(position >= self._ended.get(key, position + 1) for key in opened.key_ids):
            self.problem(f"entry {position}", "it stands after the rotation that ended its key")
        if len(opened.key_ids) == 1 and opened.key_ids[0] not in self._root:
            self._under.setdefault(opened.key_ids[0], array("Q")).append(position)
        told = (statement.origin, statement.party, statement.realm)
        whose = statement.party if statement.party in self._guests else self.party
        if told != (self.origin, whose, self.realm):
            self.problem(f"entry {position}", f"it was signed for {'/'.join(told)}")
        by_root = any(signer in self._root for signer in opened.key_ids)
        if (statement.kind == "key") != by_root:
            self.problem(
                f"entry {position}", f"a {statement.kind} entry signed by {', '.join(opened.key_ids)}"
            )
        elif by_root:
            self._take_keys(statement)
        elif statement.kind == "guest" and statement.party == self.party:
            self._take_guest(statement)
        if position == 0 and statement.kind != "key" and not self._stated:
            self.problem("entry 0", "the first entry of a log names its keys")
        return statement

    def _take_guest(self, statement: Statement) -> None:
        body = entries.body_as(statement, Guest)
        if body.party == self.party:  # where this party itself was a guest before: its new keys are above
            return
        if body.act in {"add", "rekey"} and body.key is not None:
            public = bytes.fromhex(body.key)
            self._guests[body.party] = {key_id(public): public}
            self._revoked = revocation.merged(self._revoked, body.revoked, latest=statement.at)
        else:
            self._guests[body.party] = {}  # an entry of that party after this one has no key to hold under

    def stated(self, sealed: Sequence[bytes]) -> None:
        """Take the keys from the party's sealed statements instead of from the entries of its log."""
        said = []
        for number, one in enumerate(sealed):
            try:
                if statements.introduces(one):
                    self._introduced(one)
                    continue
                found = statements.read(one, self.realm, self._root_public)
                if (found.party, found.origin) != (self.party, self.origin):
                    raise ProofError(f"it is of {found.party} and {found.origin}")
                said.append(found)
            except SecretariatError as error:
                self.problem(f"statement {number}", str(error))
        known = statements.times(said)
        self._record, self.log_keys, self._retired = known.record, known.log, known.retired
        self._ended = {**known.ended, **self._introduced_ended}
        self._revoked = {**known.revoked, **self._introduced_revoked}
        self._stated = True

    def _introduced(self, sealed: bytes) -> None:
        """Take the key by which a guest of this log's party speaks in it."""
        one = statements.read_introduction(sealed, self.realm, self._root_public)
        if (one.host, one.origin) != (self.party, self.origin):
            raise ProofError(f"it introduces a guest of {one.host} in {one.origin}")
        self._guests[one.party] = {**self._guests.get(one.party, {}), **one.keys}
        self._introduced_ended |= one.ended
        self._introduced_revoked |= one.revoked

    def _take_keys(self, statement: Statement) -> None:
        body = entries.body_as(statement, Key)
        self._revoked = revocation.merged(self._revoked, body.revoked, latest=statement.at)
        named = [(line.role, bytes.fromhex(line.public)) for line in body.keys]
        self._record = {key_id(public): public for role, public in named if role == "record"}
        self.log_keys = {key_id(public): public for role, public in named if role == "log"}

    def checkpoint(self, note: bytes) -> Checkpoint | None:
        """Verify a checkpoint with the log key in force."""
        try:
            return notes.verify(note, self.origin, self.log_keys.values())
        except SecretariatError as error:
            self.problem("checkpoint", str(error))
            return None

    def witnessed(self, note: bytes) -> None:
        """Verify the word of every witness demanded, on the checkpoint or on one that it continues."""
        believed = [note, *(one for one, path in self.cosigned if self._continued(note, one, path))]
        for witness in self.witnesses:
            missing: SecretariatError | None = None
            for one in believed:
                try:
                    notes.verify_cosignature(one, witness.name, witness.public)
                except SecretariatError as error:
                    missing = missing or error
                else:
                    break
            else:
                self.problem("checkpoint", str(missing))
        for one in believed:
            self._name(one)
            for witness in self.witnesses:
                with contextlib.suppress(SecretariatError):
                    word = notes.verify_cosignature(one, witness.name, witness.public)
                    self.word(witness.name, notes.parse(one).size, word.seconds)

    def word(self, witness: str, size: int, seconds: int) -> None:
        """Note when a witness saw how large a tree; the log's own is nobody else (revocation.py)."""
        if witness != self.origin:
            self._seen.append((size, seconds))

    def _left(self, *, whole: bool) -> list[RevokedKey]:
        """Say what is left of revoked keys; what nobody saw in time is a fault in proof of single entries."""
        found = []
        for key, one in sorted(self._revoked.items(), key=lambda item: (item[1].since, item[0])):
            second = revocation.second_of(one.since)
            seen = max((size for size, seconds in self._seen if seconds < second), default=0)
            signed = self._under.get(key, ())
            late = [position for position in signed if position >= seen]
            found.append(
                RevokedKey(key, one.role, stamp(one.since), one.reason, len(signed), len(signed) - len(late))
            )
            for position in () if whole else late:
                self.problem(
                    f"entry {position}",
                    f"its key was revoked since {stamp(one.since)}, and no witness demanded saw it before",
                )
        return found

    def named(self, witness: str) -> None:
        """Note that a witness cosigned."""
        self._named[witness] = None

    def _name(self, note: bytes) -> None:
        """Note whose lines stand on a checkpoint; one that is none is said by `checkpoint`."""
        with contextlib.suppress(SecretariatError):
            lines = notes.parse(note).signatures
            self._named |= {line.name: None for line in lines if line.name != self.origin}

    def _continued(self, note: bytes, earlier: bytes, path: Sequence[bytes]) -> bool:
        """Whether the log signed an earlier checkpoint and `note` continues it; says where not."""
        try:
            new = notes.parse(note)
            old = notes.verify(earlier, self.origin, self.log_keys.values())
        except SecretariatError as error:
            self.problem("cosigned checkpoint", str(error))
            return False
        if merkle.verify_consistency(old.size, new.size, old.root, new.root, path):
            return True
        self.problem("cosigned checkpoint", f"{new.size} entries do not continue its {old.size}")
        return False

    def report(self, held: Checkpoint | None, *, whole: bool) -> Report:
        """Give the result."""
        [root_key] = self._root
        revoked = self._left(whole=whole)
        cosigners = list(self._named) if held else []
        return Report(
            holds=self.problem_count == 0,
            origin=self.origin,
            party=self.party,
            realm=self.realm,
            size=held.size if held else 0,
            root=held.root.hex() if held else "",
            entries=self.count,
            whole=whole,
            root_key=root_key,
            root_key_from=self._root_key_from,
            kinds=dict(sorted(self.kinds.items())),
            cosigned_by=cosigners,
            witnesses_demanded=[one.name for one in self.witnesses],
            problems=self.problems,
            problem_count=self.problem_count,
            disowned=sum(one.signed - one.counts for one in revoked),
            revoked=revoked,
        )


def verify_whole(
    auditor: Auditor, items: Iterable[tuple[int, bytes, bytes]], note: bytes, advance: Advance = _silent
) -> Report:
    """Verify (position, envelope, salt) of every entry in order against a checkpoint: an exported file."""
    frontier = Frontier()
    for position, envelope, salt in items:
        if position != frontier.size:
            auditor.problem(f"entry {position}", f"entry {frontier.size} is expected here")
        leaf, _ = auditor.entry(position, envelope, salt)
        frontier.append(leaf)
        advance(1)
    held = auditor.checkpoint(note)
    auditor.witnessed(note)
    if held is not None:
        _compare_tree(auditor, frontier, held)
    return auditor.report(held, whole=True)


def _compare_tree(auditor: Auditor, frontier: Frontier, held: Checkpoint) -> None:
    if frontier.size != held.size:
        auditor.problem("checkpoint", f"signed over {held.size} entries, {frontier.size} are here")
    elif frontier.root() != held.root:
        auditor.problem(
            "checkpoint", f"the entries give the root {frontier.root().hex()}, signed is {held.root.hex()}"
        )


def verify_excerpt(
    auditor: Auditor,
    items: Iterable[tuple[int, bytes, bytes, Sequence[bytes]]],
    note: bytes,
    advance: Advance = _silent,
) -> Report:
    """Verify chosen entries, each with its inclusion path, against a checkpoint (rule 4)."""
    try:
        shown = notes.parse(note)
    except SecretariatError as error:
        auditor.problem("checkpoint", str(error))
        return auditor.report(None, whole=False)
    last = -1
    for position, envelope, salt, path in items:
        if position <= last:
            auditor.problem(f"entry {position}", f"stands after entry {last}")
        last = position
        leaf, _ = auditor.entry(position, envelope, salt)
        if not merkle.verify_inclusion(leaf, position, shown.size, path, shown.root):
            auditor.problem(f"entry {position}", f"is not in the tree of {shown.size} entries")
        advance(1)
    auditor.witnessed(note)
    return auditor.report(auditor.checkpoint(note), whole=False)


def verify_kept(
    auditor: Auditor,
    stated: Sequence[bytes],
    items: Iterable[tuple[int, bytes, bytes, Sequence[bytes], str | None]],
    note: bytes,
    advance: Advance = _silent,
) -> Report:
    """Verify what somebody else kept of a log: every entry against the checkpoint that it came under."""
    auditor.stated(stated)
    held: Checkpoint | None = None
    last = -1
    for position, envelope, salt, path, shown in items:
        if position <= last:
            auditor.problem(f"entry {position}", f"stands after entry {last}")
        last = position
        held = auditor.checkpoint(shown.encode()) if shown is not None else held
        leaf, _ = auditor.entry(position, envelope, salt)
        if held is None or not merkle.verify_inclusion(leaf, position, held.size, path, held.root):
            auditor.problem(f"entry {position}", f"is not in the tree of {held.size if held else 0} entries")
        advance(1)
    auditor.witnessed(note)
    return auditor.report(auditor.checkpoint(note), whole=False)


def verify_database(tx: Connection, keyring: Keyring, advance: Advance = _silent) -> Report:
    """Verify this node's own log with everything that is stored about it (rule 3)."""
    head = store.read_head(tx)
    auditor = Auditor(
        keyring.origin,
        keyring.party,
        keyring.realm,
        keyring.root_public,
        root_key_from="this node's key folder",
    )
    frontier = Frontier()
    checkpoints = iter(store.stream_notes(tx, head.size))
    next_note = next(checkpoints, None)
    held: Checkpoint | None = None
    grown: dict[TileAt, bytes] = {}
    for item in store.stream_entries(tx, head.size):
        if item.position != frontier.size:
            auditor.problem(f"entry {item.position}", f"entry {frontier.size} is missing")
        leaf, statement = auditor.entry(item.position, item.envelope, item.salt)
        _compare_row(auditor, item, leaf, statement)
        for level, number, _, added in tiles.grow(frontier, [leaf]):
            at = TileAt(level, number)
            grown[at] = grown.get(at, b"") + added
        while next_note is not None and next_note[0] <= frontier.size:
            held = auditor.checkpoint(next_note[1]) or held
            if next_note[0] != frontier.size or held is None or held.root != frontier.root():
                auditor.problem(f"checkpoint {next_note[0]}", "it is not over these entries")
            next_note = next(checkpoints, None)
        if frontier.size % tiles.WIDTH == 0:
            _compare_tiles(auditor, tx, grown)
        advance(1)
    _compare_tiles(auditor, tx, grown, last=True)
    if head.size == 0:
        return auditor.report(None, whole=True)
    if (head.size, head.root, head.frontier) != (frontier.size, frontier.root(), frontier.to_bytes()):
        auditor.problem(
            "head", f"it says {head.size} entries; the entries give another tree of {frontier.size}"
        )
    if held is None or held.size != head.size:
        auditor.problem("checkpoint", f"the newest checkpoint is not of size {head.size}")
    _compare_words(auditor, tx, keyring)
    return auditor.report(held, whole=True)


def _compare_words(auditor: Auditor, tx: Connection, keyring: Keyring) -> None:
    """Compare what each witness cosigned last with our own checkpoint of that size."""
    for word in witness_store.newest(tx, auditor.origin):
        note = store.read_note(tx, word.size)
        root = merkle.EMPTY_ROOT if note is None else notes.parse(note).root
        if root != word.root:
            auditor.problem(f"cosignature of {word.witness}", f"it is on another tree of {word.size} entries")
        auditor.named(word.witness)
    for since in {one.since for one in keyring.revoked.values()}:
        for word in witness_store.before(tx, auditor.origin, since):
            auditor.word(word.witness, word.size, word.seconds)


def _compare_row(auditor: Auditor, item: Entry, leaf: bytes, statement: Statement | None) -> None:
    where = f"entry {item.position}"
    if item.leaf != leaf or item.leaf != entries.leaf_of(item.digest):
        auditor.problem(where, "digest or leaf in the row are not those of its envelope and salt")
    if statement is None:
        return
    told = (statement.kind, statement.party, statement.recipient, statement.at)
    if told != (item.kind, item.party, item.recipient, item.recorded_at):
        auditor.problem(where, "the row says another kind, party, recipient or time than the signed entry")


def _compare_tiles(
    auditor: Auditor, tx: Connection, grown: dict[TileAt, bytes], *, last: bool = False
) -> None:
    """Compare finished tiles (all of them at the end) with the stored ones and let them go."""
    done = [at for at, hashes in grown.items() if last or len(hashes) == tiles.TILE_BYTES]
    stored = store.read_tiles(tx, done)
    for at in done:
        hashes = grown.pop(at)
        # the last tiles may have grown since the head was read
        if stored.get(at, b"")[: len(hashes)] != hashes:
            auditor.problem(f"tile {at.level}/{at.number}", "it does not hold the hashes of these entries")
