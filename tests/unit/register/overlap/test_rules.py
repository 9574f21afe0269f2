"""Comparing: symmetric, bounded, explained; measured on the record's pairs and on pairs of our own."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secretariat.register.overlap import meaning, rules
from secretariat.register.overlap.measuring import measure, read
from secretariat.register.overlap.themes import themes_of
from secretariat.register.sample import sample

OWN = Path(__file__).parents[3] / "vectors" / "overlap" / "pairs.yaml"

WORDS = st.sampled_from(
    [
        "drill",
        "talks",
        "サイバー演習",
        "정보공유",
        "工作组",
        "register",
        "GSOMIA",
        "first",
        "第3回",
        "\x00",
        "ＡＢＣ",
        "",
    ]
)
TEXT = st.lists(WORDS, max_size=6).map(" ".join)
PROFILE = st.builds(
    rules.profile,
    TEXT,
    TEXT,
    stix_id=st.text("abc", min_size=1, max_size=3),
    kind=st.sampled_from(["meeting", "commitment"]),
    circle=st.frozensets(st.sampled_from(["CN", "JP", "KR", "US"])),
    orgs=st.frozensets(st.sampled_from(["KISA", "IPA"])),
    aim=st.sampled_from([None, "x", "y"]),
    level=st.sampled_from([None, "leaders"]),
    day=st.none() | st.dates(date(1990, 1, 1), date(2030, 1, 1)),
    exact=st.booleans(),
)


@given(PROFILE, PROFILE)
def test_is_the_same_from_both_sides_and_says_why(one, other):
    there, back = rules.compare(one, other), rules.compare(other, one)
    assert there == back
    assert 0 <= there.score <= 1
    aim = sum(why.gives for why in there.reasons if why.feature == "aim")
    base = max(0, sum(why.gives for why in there.reasons if why.feature != "aim"))
    assert there.score == pytest.approx(base + aim, abs=0.001)
    assert rules.one_line(one, other, {}) == rules.one_line(other, one, {})


@given(PROFILE)
def test_nothing_is_nearer_to_a_statement_than_itself(one):
    alone = next(why for why in rules.compare(one, one).reasons if why.feature == "text")
    assert alone.value == (1 if one.words else 0)


@given(PROFILE, st.lists(PROFILE, max_size=6))
def test_every_other_line_is_offered_once(of, others):
    found = [(one, rules.compare(of, one)) for one in others]
    lines = rules.lines(of, found, {})
    offered = [pair for line in lines for pair in line]
    assert sorted(map(id, (pair[0] for pair in offered))) == sorted(
        id(one) for one in others if not rules.one_line(of, one, {})
    )
    assert all(line for line in lines)


@given(PROFILE)
def test_what_shares_circle_and_purpose_is_found(one):
    assert all(-(2**63) <= token < 2**63 for token in rules.tokens(one))
    if one.circle and one.themes:
        twin = rules.profile("quite another title", circle=one.circle)
        assert rules.tokens(one).keys() & rules.tokens(twin).keys()


@pytest.mark.parametrize(
    ("text", "theme"),
    [
        ("Joint table-top exercise", "exercise"),
        ("第3回日韓机上演習", "exercise"),
        ("한미 사이버 모의훈련", "exercise"),
        ("中新联合演练", "exercise"),
        ("脅威情報の早期警戒", "share attack information"),
        ("침해사고 조기경보", "share attack information"),
        ("ＤＡＴＡＢＡＳＥ of results", "register of results"),
    ],
)
def test_a_theme_is_told_in_four_languages(text, theme):
    assert theme in themes_of(text)


def test_a_cue_is_no_part_of_another_word():
    assert "exercise" not in themes_of("They were quadrilled")
    assert themes_of("") == frozenset()


def test_rounds_share_a_shape_whatever_their_number():
    shapes = {
        rules.profile(title).shape
        for title in ("First cyber dialogue", "The 2nd cyber dialogue held", "3rd Cyber Dialogue")
    }
    assert {shape.replace("the ", "").removesuffix(" the") for shape in shapes} == {"cyber dialogue"}
    assert rules.profile("第3回日韓対話").shape == rules.profile("第12回日韓対話").shape
    assert rules.profile("제2차 한일 대화").shape == rules.profile("제10차 한일 대화").shape


def test_a_circle_within_the_other_is_nearer_than_two_that_cross():
    def parties(*codes):
        return rules.profile("t", circle=codes)

    def value(one, other):
        return next(why.value for why in rules.compare(one, other).reasons if why.feature == "parties")

    assert value(parties("JP", "KR"), parties("JP", "KR", "US")) > value(
        parties("CN", "JP", "KR"), parties("JP", "KR", "US")
    )
    assert value(parties("JP"), parties("US")) == 0


def test_what_stands_in_one_text_was_told_apart_by_its_authors():
    given = {"circle": ("JP", "KR"), "day": date(2011, 11, 10), "exact": True}
    one, other = rules.profile("Share warnings", **given), rules.profile("Share early warnings", **given)
    assert any(why.feature == "one text" for why in rules.compare(one, other).reasons)


# --- quality: bounds a little under what is measured (bench/overlap.py prints the figures) ----------------


@pytest.mark.parametrize("by", ["words", "meaning"])
def test_the_record_s_true_pairs_are_among_the_first_five(by):
    if by == "meaning" and meaning.encoder() is None:
        pytest.skip(f"the model of meaning is {meaning.absence()}: `make meaning` installs it")
    found = measure(read(sample()), by)
    assert found.true == 17
    assert found.in_five >= 15, found.missed
    assert found.itself_in_five >= 13
    assert found.false_in_five <= 2
    assert found.separated > 0.95


@pytest.mark.parametrize("by", ["words", "meaning"])
def test_pairs_of_our_own_in_four_languages_are_among_the_first_five(by):
    if by == "meaning" and meaning.encoder() is None:
        pytest.skip(f"the model of meaning is {meaning.absence()}: `make meaning` installs it")
    found = measure(read(OWN.read_bytes()), by)
    assert found.true == 23
    assert found.in_five >= 19, found.missed
