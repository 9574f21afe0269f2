"""What a partner's log may show next: what is evidence against it, and what is only a broken page."""

from __future__ import annotations

import pytest

from secretariat.base.errors import ProofError
from secretariat.ledger import merkle
from secretariat.ledger.checkpoint import Checkpoint
from secretariat.ledger.following import ContradictionError, RolledBackError, UnprovenError, check_next

LEAVES = [merkle.leaf_hash(bytes([number])) for number in range(12)]
FORK = [*LEAVES[:3], *(merkle.leaf_hash(bytes([number, 1])) for number in range(9))]


def shown(leaves: list[bytes]) -> Checkpoint:
    return Checkpoint("jp.example/live", len(leaves), merkle.root(leaves), b"", ())


def check(kept: int, leaves: list[bytes], proof: list[bytes]) -> None:
    check_next("JP", "jp.example/live", kept, merkle.root(LEAVES[:kept]), shown(leaves), proof)


@pytest.mark.parametrize(("kept", "size"), [(0, 5), (1, 2), (5, 12), (8, 12), (5, 5)])
def test_a_log_that_grows_with_proof_goes_on(kept: int, size: int) -> None:
    proof = merkle.consistency_path(LEAVES[:size], kept) if 0 < kept < size else []
    check(kept, LEAVES[:size], proof)


def test_fewer_entries_than_before_are_evidence() -> None:
    with pytest.raises(RolledBackError, match="has 3 entries where 5 were shown before") as caught:
        check(5, LEAVES[:3], [])
    assert caught.value.code == "log-rolled-back"


def test_two_roots_of_one_size_are_evidence() -> None:
    with pytest.raises(ContradictionError, match="two different logs of 5 entries") as caught:
        check(5, FORK[:5], [])
    assert caught.value.code == "log-contradicts"


@pytest.mark.parametrize(
    ("kept", "leaves", "proof", "words"),
    [
        pytest.param(5, LEAVES[:5], [b"\1" * 32], "the same 5 entries", id="a proof at the same root"),
        pytest.param(5, LEAVES[:9], [], "nothing proves that JP's log of 9", id="no proof"),
        pytest.param(5, LEAVES[:9], [b"\1" * 32] * 4, "nothing proves", id="a false proof"),
        pytest.param(
            5, LEAVES[:9], merkle.consistency_path(LEAVES, 5), "nothing proves", id="of another size"
        ),
        pytest.param(5, FORK[:9], merkle.consistency_path(FORK[:9], 5), "nothing proves", id="a fork beyond"),
        pytest.param(0, LEAVES[:9], [b"\1" * 32], "nothing proves", id="a proof from nothing"),
    ],
)
def test_a_proof_that_leads_nowhere_is_no_evidence(
    kept: int, leaves: list[bytes], proof: list[bytes], words: str
) -> None:
    with pytest.raises(UnprovenError, match=words) as caught:
        check(kept, leaves, proof)
    assert isinstance(caught.value, ProofError)
    assert not isinstance(caught.value, ContradictionError)
