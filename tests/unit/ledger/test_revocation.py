"""The rules of revocation.py, over any witnesses, times and statements."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secretariat.base.clock import stamp
from secretariat.ledger import revocation
from secretariat.ledger.revocation import Revocation, Revoked, RevokedError
from secretariat.ledger.witness import Word

START = datetime(2026, 3, 1, tzinfo=UTC)
AUTHOR = "kr.example/live"

WORDS = st.lists(
    st.builds(
        lambda size, witness, seconds: Word(
            AUTHOR, size, b"", witness, int(START.timestamp()) + seconds, b""
        ),
        st.integers(1, 50),
        st.sampled_from([AUTHOR, "jp.example/live", "us.example/live"]),
        st.integers(-1000, 1000),
    ),
    max_size=12,
)


@given(WORDS, st.integers(-1000, 1000), st.sampled_from([0, 1, 500_000, 999_999]), st.integers(0, 60))
def test_no_entry_that_was_first_covered_after_the_revocation_ever_counts(words, at, micro, position):
    since = START + timedelta(seconds=at, microseconds=micro)
    revoked = {"k": Revoked("record", since, "stolen")}

    def seen(moment: datetime) -> int:
        return revocation.seen_in_time(words, moment, author=AUTHOR)

    covered = [one.seconds for one in words if one.witness != AUTHOR and one.size > position]
    assert revocation.counts({"k"}, revoked, position, seen) == any(
        datetime.fromtimestamp(one, UTC) + timedelta(seconds=1) <= since for one in covered
    )


def test_a_word_in_the_second_of_the_revocation_is_not_of_before_it():
    """A cosignature bears whole seconds: given at .9, after a revocation at .1, it says the same second."""
    at = int(START.timestamp())
    word = Word(AUTHOR, 9, b"", "jp.example/live", at, b"")
    for micro in (0, 1, 100_000, 999_999):
        assert revocation.seen_in_time([word], START + timedelta(microseconds=micro), author=AUTHOR) == 0
    assert revocation.seen_in_time([word], START + timedelta(seconds=1), author=AUTHOR) == 9


@given(st.datetimes(timezones=st.just(UTC)))
def test_the_second_of_a_moment_holds_it_to_the_last_microsecond(moment):
    second = revocation.second_of(moment)
    begins = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
    assert timedelta(0) <= moment - begins < timedelta(seconds=1)


def test_the_logs_own_witness_is_nobody_else():
    word = Word(AUTHOR, 9, b"", AUTHOR, 0, b"")
    assert revocation.seen_in_time([word], START, author=AUTHOR) == 0


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), min_size=1, max_size=8))
def test_a_revocation_is_never_undone_nor_made_later(stated):
    held: dict[str, Revoked] = {}
    earliest = None
    for since, made in stated:
        moment, latest = START + timedelta(days=since), START + timedelta(days=made)
        held = revocation.merged(held, [Revocation("k", "record", stamp(moment), "stolen")], latest=latest)
        held = revocation.merged(held, [], latest=latest)  # a statement that says nothing of it
        counted = min(moment, latest)
        earliest = counted if earliest is None else min(earliest, counted)
        assert held["k"].since == earliest


def test_a_revoked_key_never_comes_back():
    with pytest.raises(RevokedError, match="never comes back"):
        revocation.check_in_force(["a", "k"], {"k": Revoked("record", START, "lost")})


def test_a_second_signature_under_a_good_key_is_enough():
    revoked = {"k": Revoked("record", START, "stolen")}
    assert revocation.counts({"k", "new"}, revoked, 5, lambda _: 0)
    with pytest.raises(RevokedError, match=r"stolen.*nobody else saw"):
        revocation.check_entry("KR", {"k"}, revoked, 5, lambda _: 5)
    revocation.check_entry("KR", {"k"}, revoked, 5, lambda _: 6)


def test_what_is_written_is_what_is_read():
    held = {"b": Revoked("log", START, "ended"), "a": Revoked("record", START, "lost")}
    assert revocation.merged({}, revocation.statements_of(held), latest=START) == held
