"""The bulk form answers as the traced form does, on any book, label, day and fact."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from secretariat.agreements.book import Book, build, package_book
from secretariat.agreements.compiled import compile_pair
from secretariat.agreements.model import Consent, Facts, Question
from secretariat.agreements.reading import Source
from secretariat.agreements.rules import decide
from secretariat.records.markings import Label

PARTIES = ("JP", "KR", "US", "CN", "A", "B")
DAYS = st.integers(0, 400).map(lambda n: date(2024, 1, 1) + timedelta(days=7 * n))
TLP = ("CLEAR", "GREEN", "AMBER", "AMBER+STRICT", "RED")
WORDS = st.sampled_from(("x", "y", "z"))
party = st.sampled_from(PARTIES)


def articles():
    def art(rule, **params):
        return st.fixed_dictionaries(
            {"art": st.integers(1, 9).map(str), "rule": st.just(rule)},
            optional={"verification": st.sampled_from(("read", "unverified", "summary")), **params},
        )

    return st.one_of(
        art("DEFINE", kinds=st.lists(WORDS, min_size=1, max_size=2), classified=st.booleans()),
        art("LEVELS"),
        art("MARK"),
        art("PURPOSE", purposes=st.lists(WORDS, min_size=1, max_size=2)),
        art("AUDIENCE", max_tlp=st.sampled_from(TLP)),
        art("THIRD_PARTY", third=st.sampled_from(("outside_pair", "outside_parties"))),
        art("ORCON"),
        art("COMPARTMENT"),
        art("ADMISSION"),
        art("HUB_ONLY", hub=party),
        art("NON_BINDING", community=st.booleans()),
        art("CLEARANCE"),
        art("DEFAULT_SHARE"),
        art("RETENTION", days=st.integers(1, 100)),
    )


def written(value):
    return value.isoformat() if isinstance(value, date) else value


@st.composite
def books(draw):
    instruments = []
    for number in range(draw(st.integers(0, 4))):
        raw = {
            "id": f"i{number}",
            "title": "t",
            "kind": draw(
                st.sampled_from(("treaty", "mou", "declaration", "association_statement", "standard"))
            ),
            "binding": draw(st.booleans()),
            "parties": draw(st.lists(party, min_size=2, max_size=3, unique=True)),
            "articles": draw(st.lists(articles(), max_size=5)),
            "stages": {"first": {"max_tlp": "GREEN"}, "second": {"max_tlp": "AMBER", "compartments": ["x"]}},
        }
        if draw(st.booleans()):
            raw["in_force"] = written(draw(DAYS))
        if number and draw(st.booleans()):
            raw["depends_on"] = ["i0"]
        if draw(st.integers(0, 3)):
            del raw["stages"]
        instruments.append(raw)
    drawn = build(Source("drawn", {"instruments": instruments}, {}), readings=False)
    return (
        package_book().joined(drawn)
        if draw(st.booleans())
        else Book(drawn.instruments.values(), schemes=package_book().schemes.values())
    )


def labels(depth=1):
    return st.builds(
        Label,
        orig=party,
        tlp=st.sampled_from((None, *TLP, "clear", "TLP:AMBER", "PURPLE")),
        level=st.sampled_from((None, "U", "HI", "GOKUHI", "II", "I", "S", "NOPE")),
        scheme=st.sampled_from((None, None, "US", "NONE")),
        kind=st.sampled_from((None, "x", "defence")),
        purpose=st.sampled_from((None, "x", "network_defence", "dprk_nuclear_missile")),
        compartments=st.sampled_from(((), (), ("x",), ("x", "y"))),
        controls=st.sampled_from(((), (), ("NF",), ("OC",), ("REL KOR",), ("NF", "REL KOR"), ("?",))),
        rel_to=st.sampled_from(((), (), ("KR",), ("JP", "US"))),
        derived_from=st.lists(labels(depth - 1), max_size=2).map(tuple) if depth else st.just(()),
    )


facts = st.builds(
    Facts,
    consents=st.lists(
        st.builds(
            Consent,
            by=party,
            to=st.lists(party, max_size=2).map(tuple),
            since=st.one_of(st.none(), DAYS),
            until=st.one_of(st.none(), DAYS),
            state=st.sampled_from(("given", "given", "refused")),
            levels=st.sampled_from(((), ("S",))),
        ),
        max_size=2,
    ).map(tuple),
    stage=st.sampled_from((None, "first", "second")),
    holds=st.sampled_from((None, (), ("x",))),
    purpose=st.sampled_from((None, "x")),
    clearance=st.sampled_from((None, True, False)),
)


@settings(max_examples=60, deadline=None)
@given(
    books(), party, party, DAYS, st.one_of(st.none(), DAYS), facts, st.lists(labels(), min_size=1, max_size=6)
)
def test_bulk_and_trace_agree(book, sender, recipient, true, known, given_facts, many):
    pair = compile_pair(book, sender, recipient, true, known, given_facts)
    bulk = pair.outcomes(many)
    for label, outcome in zip(many, bulk, strict=True):
        decision = decide(book, Question(sender, recipient, label, true, known, facts=given_facts))
        assert decision.outcome == outcome
        if outcome == "deny":
            assert decision.missing is not None
            assert decision.missing.text
        assert all(row.why for row in decision.trace)


@settings(max_examples=60, deadline=None)
@given(party, party, DAYS, labels(), st.sampled_from(("x", "y")))
def test_a_restriction_added_never_permits(sender, recipient, true, label, compartment):
    import msgspec

    book = package_book()
    before = decide(book, Question(sender, recipient, label, true)).outcome
    for tighter in (
        msgspec.structs.replace(label, controls=(*label.controls, "NF")),
        msgspec.structs.replace(label, compartments=(*label.compartments, compartment)),
        msgspec.structs.replace(label, derived_from=(*label.derived_from, Label(orig="US", tlp="RED"))),
    ):
        after = decide(book, Question(sender, recipient, tighter, true)).outcome
        assert not (before == "deny" and after == "may")


def test_a_day_is_prepared_once_whatever_the_hour():
    book = package_book()
    book.contexts.clear()
    for hour in range(1, 12):
        moment = datetime(2026, 11, 22, hour, tzinfo=UTC)
        decide(book, Question("JP", "KR", Label(orig="JP", tlp="AMBER"), moment))
    assert len(book.contexts) == 1
    decide(book, Question("JP", "KR", Label(orig="JP", tlp="AMBER"), datetime(2026, 11, 22, 16, tzinfo=UTC)))
    assert len(book.contexts) == 2, "in Tokyo it is the next day"
