"""The feed: a party, its entries and pages, and what a receiver believes. From docs/protocol.md alone."""

import hashlib
import secrets
from datetime import UTC, datetime, timedelta

from contract.second.by_the_page.forms import (
    DESCRIPTOR,
    ENTRY,
    OBJECT,
    Key,
    Sealing,
    WrongError,
    b64,
    claim,
    jcs,
    mac,
    moment,
    opened,
    partial_root,
    read,
    root_of,
    seal,
    sha,
    un64,
)
from contract.second.by_the_page.logs import (
    consistency,
    consistent,
    included,
    inclusion,
    note,
    note_read,
    tree,
)

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
    """Whether an entry at a proven place counts; `words`: (size, seconds) of witnesses, not its own log.

    A second counts as before a moment when it was over by then.
    """
    if signer not in revoked:
        return True
    since = datetime.fromisoformat(revoked[signer]) - datetime(1970, 1, 1, tzinfo=UTC)
    return any(size > position and timedelta(seconds=seconds + 1) <= since for size, seconds in words)
