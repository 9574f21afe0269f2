"""Pages that are bent, entries that a partner signs and should not, and histories that do not fit together.

What breaks a rule of 1 to 8 refuses the page and leaves nothing; what a partner really signed and logged is
taken notice of, recorded where it makes no sense, and stops nothing: a good grant behind it still arrives.
"""

from __future__ import annotations

import copy

import pytest

from contract.second import by_the_page as page
from contract.second.town import Attacker, indicator, nothing_kept

FAR = 2**53 - 1


@pytest.fixture(scope="module")
def waiting(whole_town):
    """A partner whose log has grown by one grant that the node has not seen."""
    there = Attacker(whole_town, whole_town.code()).settle()
    there.me.append("note", {"act": "one more, so that proofs are longer"})
    there.share()
    return there


@pytest.fixture(scope="module")
def partners():
    return []


@pytest.fixture
def partner(town, partners):
    """One partner for all tests; after one that failed another one, for its log may go no further."""
    if not partners:
        partners.append(Attacker(town, town.code()).settle())
    (one,) = partners
    one.good = False
    yield one
    if not one.good:
        partners.clear()


def first(brought):
    return next(one for one in brought["entries"] if one["objects"])


def noted(text):
    """Another note in the place of the page's own."""
    return lambda brought: brought.update(checkpoint=text(brought["checkpoint"]))


def sized(text):
    return noted(lambda note: "\n".join([note.split("\n")[0], text, *note.split("\n")[2:]]))


BENT = {
    "another realm": lambda one: one.update(realm="exercise"),
    "another log": lambda one: one.update(origin="jp.example/live"),
    "another sender": lambda one: one.update(party="JP"),
    "another reader": lambda one: one.update(to="JP"),
    "another version": lambda one: one.update(v=2),
    "a version that is a word": lambda one: one.update(v="1"),
    "after further on": lambda one: one["after"].update(position=FAR),
    "after below nothing": lambda one: one["after"].update(position=-1),
    "after in words": lambda one: one["after"].update(position="0"),
    "after past 2^63": lambda one: one["after"].update(position=2**63),
    "after of an offset": lambda one: one["after"].update(offset=FAR),
    "next at the end of time": lambda one: one["next"].update(position=FAR),
    "next before after": lambda one: one["next"].update(position=0),
    "since of nothing": lambda one: one.update(since=0),
    "since of everything": lambda one: one.update(since=FAR),
    "no note": noted(lambda _: ""),
    "a note of line ends": noted(lambda _: "\n" * 4096),
    "a note of a megabyte": noted(lambda note: note + "x" * 1_000_000),
    "a note with a zero byte": noted(lambda note: note.replace("/live", "/live\0", 1)),
    "a note with carriage returns": noted(lambda note: note.replace("\n", "\r\n")),
    "a note of size 007": sized("007"),
    "a note of a negative size": sized("-7"),
    "a note of Arabic digits": sized("\u0667"),
    "a note of 5,000 digits": sized("9" * 5000),
    "a note of size 2^63": sized(str(2**63)),
    "a note with an extension line": noted(lambda note: note.replace("\n\n", "\nextension\n\n", 1)),
    "a note signed by nobody": noted(lambda note: note.partition("\n\n")[0] + "\n\n"),
    "a note of another log": noted(lambda _: page.note("jp.example/live", 1, bytes(32), page.Key())),
    "a thousand signatures": noted(lambda note: note + note.partition("\n\n")[2] * 1000),
    "a proof too much": lambda one: one["consistency"].append(page.b64(bytes(32))),
    "no proof": lambda one: one["consistency"].clear(),
    "a hash of 31 bytes": lambda one: one["consistency"].__setitem__(0, page.b64(bytes(31))),
    "a hash that is no base64": lambda one: one["consistency"].__setitem__(0, "!"),
    "base64 without padding": lambda one: one["consistency"].__setitem__(0, "AAA"),
    "10,000 hashes": lambda one: one.update(consistency=[page.b64(bytes(32))] * 10_000),
    "no entries": lambda one: one.update(entries=[]),
    "entries that are none": lambda one: one.update(entries=[1, None]),
    "an entry twice": lambda one: one["entries"].append(copy.deepcopy(one["entries"][-1])),
    "a position further on": lambda one: first(one).update(position=first(one)["position"] + 1),
    "a position past the log": lambda one: first(one).update(position=FAR),
    "a position past 2^63": lambda one: first(one).update(position=2**63),
    "an entry without its envelope": lambda one: first(one).pop("envelope"),
    "an envelope that is a number": lambda one: first(one).update(envelope=7),
    "an envelope of another type": lambda one: first(one)["envelope"].update(payloadType=page.OBJECT),
    "an envelope without signatures": lambda one: first(one)["envelope"].update(signatures=[]),
    "a salt of 31 bytes": lambda one: first(one).update(salt=page.b64(bytes(31))),
    "no salt": lambda one: first(one).update(salt=""),
    "no path": lambda one: first(one).update(proof=[]),
    "a path of 10,000": lambda one: first(one).update(proof=[page.b64(bytes(32))] * 10_000),
    "an offset": lambda one: first(one).update(offset=1),
    "a total too much": lambda one: first(one).update(total=2),
    "an object left out": lambda one: first(one).update(objects=[]),
    "an object twice": lambda one: first(one).update(objects=first(one)["objects"] * 2),
    "an object without content": lambda one: first(one)["objects"][0].pop("object"),
    "a root that is none": lambda one: first(one)["objects"][0].update(root="zz" * 32),
    "a root in capitals": lambda one: first(one)["objects"][0].update(root="AB" * 32),
    "another object's root": lambda one: first(one)["objects"][0].update(root="ab" * 32),
    "counted too many": lambda one: one["count"].update(objects=2),
    "counted below nothing": lambda one: one["count"].update(objects=-1),
    "another hash": lambda one: one.update(hash="ab" * 32),
    "no hash": lambda one: one.update(hash=""),
    "more, in words": lambda one: one.update(more="yes"),
    "a page of lists": lambda one: one.update(entries=[[[[]]]]),
}
COUNTED = {"an entry twice", "an object left out", "an object twice"}


@pytest.mark.parametrize("case", BENT)
def test_a_bent_page_is_refused_and_leaves_nothing(town, waiting, case):
    with nothing_kept(waiting):
        status, said = waiting.deliver(BENT[case], recount=case in COUNTED)
        assert status in {409, 422}, said
        assert said["code"] in {
            "bad-input", "wrong-sender", "out-of-step", "checkpoint-signature", "log-unproven", "incomplete",
            "not-in-log", "entry-signature",
        }, said  # fmt: skip
        assert 0 < len(said["what"]) < 1000, said


def test_after_all_bent_pages_the_true_one_is_taken(town, waiting):
    assert waiting.deliver()[0] == 200
    assert [one["state"] for one in waiting.receipts()] == ["received"]


HASH = "ab" * 32
REF = {"origin": "kr.example/live", "position": 3}
OBJECTS = [HASH]
SIGNED = {
    "a receipt for nothing sent": ("receipt", {"about": REF, "state": "destroyed", "objects": OBJECTS}),
    "a receipt for nobody": ("receipt", {"about": {"origin": "", "position": 0}, "state": "received"}),
    "a receipt about a far place": ("receipt", {"about": REF | {"position": FAR}, "state": "received"}),
    "a receipt about a zero byte": ("receipt", {"about": REF | {"origin": "\0"}, "state": "gone"}),
    "a receipt of a state with a zero byte": ("receipt", {"about": REF, "state": "\0"}),
    "a receipt for a reason with a zero byte": ("receipt", {"about": REF, "state": "gone", "reason": "a\0b"}),
    "a receipt of a megabyte": ("receipt", {"about": REF, "state": "gone", "reason": "x" * 10**6}),
    "a receipt about all": ("receipt", {"about": REF, "state": "received", "objects": "all"}),
    "a receipt about words": ("receipt", {"about": REF, "state": "received", "objects": ["x"]}),
    "a receipt of a count past 2^53": ("receipt", {"about": REF, "state": "received", "count": FAR}),
    "a receipt of numbers": ("receipt", {"about": REF, "state": "received", "downstream": [1, None]}),
    "a receipt with words of nobody": (
        "receipt",
        {"about": REF, "state": "received", "downstream": [{"party": "\0", "state": "asked"}]},
    ),
    "a withdrawal of what is not there": ("withdraw", {"objects": OBJECTS}),
    "a withdrawal of words": ("withdraw", {"objects": ["x", 1, None]}),
    "a withdrawal by the last day": ("withdraw", {"objects": OBJECTS, "by": "9999-12-31T23:59:59.999999Z"}),
    "a withdrawal by some day": ("withdraw", {"objects": OBJECTS, "by": "some day", "article": "\0"}),
    "a withdrawal of a zero byte": ("withdraw", {"objects": OBJECTS, "passed_on": REF | {"origin": "\0"}}),
    "a withdrawal for a zero byte": ("withdraw", {"objects": OBJECTS, "reason": "\0"}),
    "a narrowing with a duty of lists": ("narrow", {"objects": OBJECTS, "duty": [[[]]]}),
    "a narrowing of grants past the end": ("narrow", {"objects": OBJECTS, "grants": [FAR]}),
    "a consent for ever": ("consent", {"to_reader": "JP", "until": "9999-12-31T23:59:59.999999Z"}),
    "a consent till day one": ("consent", {"to_reader": "JP", "until": "0001-01-01T00:00:00.000000+14:00"}),
    "a consent until the last day elsewhere": (
        "consent",
        {"to_reader": "JP", "until": "9999-12-31T23:59:59.999999-14:00"},
    ),
    "a consent until no day": ("consent", {"to_reader": "JP", "until": "2026-02-30"}),
    "a consent for a zero byte": ("consent", {"to_reader": "\0", "objects": OBJECTS}),
    "a consent for a purpose of a zero byte": ("consent", {"to_reader": "JP", "purpose": "\0"}),
    "instruments of numbers": ("instrument-agreed", {"set_hash": HASH, "instruments": [1, [], None]}),
    "instruments of zero bytes": (
        "instrument-agreed",
        {"set_hash": HASH, "instruments": [{"hash": HASH, "key": "\0"}]},
    ),
    "10,000 instruments": (
        "instrument-agreed",
        {"set_hash": HASH, "instruments": [{"hash": f"{n:064x}", "key": f"k{n}"} for n in range(10_000)]},
    ),
    "instruments of a set of words": ("instrument-agreed", {"set_hash": "x"}),
    "an enrolment of somebody else": ("enrol", {"act": "accept", "party": "JP"}),
    "an enrolment of a zero byte": ("enrol", {"act": "accept", "party": "\0", "descriptor": "\0"}),
    "a guest that is a partner": ("guest", {"act": "add", "party": "JP", "key": HASH, "statement": {}}),
    "keys under the record key": ("key", {"keys": []}),
    "a lapse of words": ("lapse", {"grants": ["x", None]}),
    "a word on no statement": ("countersign", {"statement": {}, "stance": "signed"}),
    "a word on lists": ("countersign", {"statement": {"parties": [[]], "object": 1}, "stance": "signed"}),
    "a word with a zero byte": (
        "countersign",
        {"statement": {"v": 1, "realm": "live", "object": {}, "parties": ["KR", "\0"]}, "stance": "objects",
         "text": "\0"},
    ),
    "a set of a private question of words": ("private-set", {"side": "asks", "type": "\0", "epoch": 7}),
    "a private question of nothing": ("private-question", {}),
    "a note to a partner": ("note", {"act": "\0", "detail": {"\0": "\0"}}),
    "a kind that nobody knows": ("from-the-future", {"x": [1, {"y": "\0"}]}),
    "a record of a part": ("record", {"act": "\0"}),
    "a destruction here": ("destroy", {"objects": OBJECTS, "reason": "yours"}),
    "a suspicion": ("suspect", {"party": "JP", "kept": "\0", "shown": "\0", "reason": "\0"}),
    "a grant of nothing": ("grant", {}),
    "a grant of no rows": ("grant", {"rows": []}),
    "a grant by another engine": ("grant", {"engine": "\0"}),
    "a grant of a root that is none": ("grant", {"rows": [{"articles": [], "objects": ["AB" * 32]}]}),
    "a body of deep lists": ("note", {"act": "x", "detail": None}),
}  # fmt: skip


def nested(levels):
    found = []
    for _ in range(levels):
        found = [found]
    return found


@pytest.mark.parametrize("case", SIGNED)
def test_what_a_partner_signed_and_makes_no_sense_stops_nothing(town, partner, case):
    kind, body = SIGNED[case]
    if "deep" in case:
        body = body | {"detail": nested(200)}
    if kind == "grant":
        base = {"publication": 0, "instruments": partner.set_hash, "engine": "x", "true_on": page.moment()}
        body = base | body
    partner.me.append(kind, {"to": "KR", **body})
    taken(partner)


def test_after_all_of_it_a_good_grant_still_arrives(town, partner):
    goes_on(partner)


STEPS = ("place", "log", "entries")  # objects go by themselves meanwhile, where a duty fell due


def taken(partner):
    """What was appended last is taken, or refused by name and nothing kept: then the log goes on without."""
    before = partner.town.kept("KR", partner.me)
    status, said = partner.deliver()
    if status != 200:
        assert (status, said["code"]) in {(422, "bad-entry"), (422, "entry-signature"), (422, "bad-input")}, (
            said
        )
        after = partner.town.kept("KR", partner.me)
        assert [after[name] for name in STEPS] == [before[name] for name in STEPS]
        partner.me.entries.pop()
    partner.good = True
    return status


def goes_on(partner):
    """A good grant is taken and answered."""
    partner.good = False
    root, granted = partner.share()
    status, said = partner.deliver()
    assert status == 200, said
    answer = next(one for one in partner.receipts() if one["about"]["position"] == granted)
    assert (answer["state"], answer["objects"]) == ("received", [root])
    partner.good = True


STAMPS = [
    "9999-12-31T23:59:59.999999Z",
    "0001-01-01T00:00:00.000000Z",
    "0000-01-01T00:00:00.000000Z",
    "2026-11-22T02:09:36.123456+14:00",
    "2026-11-22T02:09:36.123456z",
    "2026-11-22T02:09:36,123456Z",
    "20261122T020936.123456Z",
    "2026-11-22T24:00:00.000000Z",
    "2026-12-31T23:59:60.000000Z",
    "2026-W47-7T02:09:36.123456Z",
    "\u0662\u0660\u0662\u0666-11-22T02:09:36.123456Z",
    "9999-12-31",
    "0001-01-01",
    "2026-02-30",
    "",
]


@pytest.mark.parametrize("where", ["true_on", "until", "by", "known_by", "object"])
def test_times_that_cannot_be_or_lie_at_the_end_of_the_world_stop_nothing(town, partner, where):
    for at in STAMPS:
        value = indicator(partner.me.code)
        if where == "object":
            value |= {"created": at, "modified": at, "valid_from": at}
        row = {}
        if where == "until":
            row = {"until": at}
        if where == "by":
            row = {"obligations": [{"do": "destroy", "by": at, "art": "tlp-2/CLEAR", "who": "KR"}]}
        granted(partner, value, row, **({where: at} if where in {"true_on", "known_by"} else {}))
    goes_on(partner)


def granted(partner, value=None, row=(), **over):
    """Sign a grant of one object whose row, or body, says what it should not."""
    root, item = partner.me.object(value or indicator(partner.me.code))
    partner.objects[root] = item
    if "rows" not in over:
        over["rows"] = [{"articles": ["tlp-2/CLEAR"], "objects": [root], **dict(row)}]
    partner.grant(root, **over)
    return root


def test_an_entry_recorded_at_a_time_that_cannot_be_is_refused(town, partner):
    for at in STAMPS:
        granted(partner)
        _, _, said = partner.me.entries.pop()
        partner.me.append("grant", said["body"], recorded_at=at)
        assert taken(partner) == (200 if at in STAMPS[:2] else 422), at
    goes_on(partner)


WITHIN = [
    "P99999999999999999999D",
    "PT99999999999H",
    "P-1D",
    "P0D",
    "P1Y",
    "\0",
    "x" * 100_000,
    7,
    None,
    [[]],
]


def test_terms_that_cannot_be_stop_nothing(town, partner):
    roots = []
    for within in WITHIN:
        duties = [
            {"do": deed, "within": within, "art": "tlp-2/CLEAR", "upon": upon, "who": "KR"}
            for deed, upon in (("destroy", "request"), ("destroy", None), ("keep_by_law", None))
        ]
        if within == "\0":
            granted(partner, row={"obligations": duties})
            assert taken(partner) == 422
            continue
        roots.append(granted(partner, row={"obligations": duties}))
    goes_on(partner)
    partner.me.append("withdraw", {"to": "KR", "objects": roots})
    goes_on(partner)


GRANTS = {
    "a publication past the end": {"publication": FAR},
    "no article": {"rows": [{"articles": [], "objects": []}]},
    "articles of numbers": {"row": {"articles": [1, None, []]}},
    "an article of an instrument nobody has": {"row": {"articles": ["nobody/1"]}},
    "an article that does not permit": {"row": {"articles": ["tlp-2/RED"]}},
    "marks that are not there": {"row": {"marks": {"tlp": "RED"}}},
    "conditions of lists": {"row": {"conditions": nested(50)}},
    "a default marking nobody knows": {"row": {"default_tlp": "x"}},
    "left out of another root": {"row": {"left_out": {HASH: ["description"]}}},
    "left out nothing": {"row": {"left_out": {}}},
    "a purpose of objects": {"purpose": {"x": []}},
    "a route of nobody": {"route": ["x"]},
    "known by a word": {"known_by": "x"},
    "facts that are a list": {"facts": []},
    "evidence of nobody": {"facts": {"evidence": [{"origin": "x", "position": 0}, {"origin": 1}, 7]}},
    "facts of garbage": {
        "facts": {"consents": 7, "evidence": "all", "stage": [], "holds": {}, "to_office": 1}
    },
    "another engine": {"engine": "secretariat/decisions/2"},
    "another set": {"instruments": HASH},
    "a basis of lists": {"basis": {"x": nested(50)}},
    "200 kB in a member nobody knows": {"zzz": "x" * 200_000},
}
HARMLESS = {
    "a publication past the end", "left out nothing", "left out of another root",
    "a default marking nobody knows", "a purpose of objects", "a route of nobody", "known by a word",
    "facts that are a list", "evidence of nobody", "a basis of lists",
    "200 kB in a member nobody knows",
}  # fmt: skip


def test_a_grant_that_pins_what_cannot_be_waits_or_is_quarantined_and_stops_nothing(town, partner):
    made = {}
    for case, said in GRANTS.items():
        over = {name: one for name, one in said.items() if name != "row"}
        made[granted(partner, row=said.get("row", {}), **over)] = case
    goes_on(partner)
    states = {
        made[one["objects"][0]]: one["state"] for one in partner.receipts() if one["objects"][0] in made
    }
    shown = {case for case, state in states.items() if state == "received"}
    assert shown == HARMLESS, shown ^ HARMLESS
    assert set(states.values()) <= {"received", "waiting", "quarantined", "refused"}
