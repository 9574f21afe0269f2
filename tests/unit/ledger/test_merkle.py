"""The tree against the definition of RFC 9162, published roots and published proofs."""

from __future__ import annotations

import base64
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secretariat.base.errors import InputError
from secretariat.ledger import merkle

VECTORS = Path(__file__).parents[2] / "vectors" / "ledger"
PROOFS: dict[str, Any] = json.loads((VECTORS / "merkle-proofs.json").read_text(encoding="utf-8"))

# transparency-dev/merkle testonly/constants.go
REFERENCE_LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
REFERENCE_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def mth(leaves: list[bytes]) -> bytes:
    """RFC 9162 section 2.1.1, word for word, over leaf hashes."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + mth(leaves[:split]) + mth(leaves[split:])).digest()


def path(position: int, leaves: list[bytes]) -> list[bytes]:
    """RFC 9162 section 2.1.3.1: PATH(m, D_n)."""
    if len(leaves) == 1:
        return []
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if position < split:
        return [*path(position, leaves[:split]), mth(leaves[split:])]
    return [*path(position - split, leaves[split:]), mth(leaves[:split])]


def subproof(old: int, leaves: list[bytes], *, whole: bool) -> list[bytes]:
    """RFC 9162 section 2.1.4.1: SUBPROOF(m, D_n, b)."""
    if old == len(leaves):
        return [] if whole else [mth(leaves)]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if old <= split:
        return [*subproof(old, leaves[:split], whole=whole), mth(leaves[split:])]
    return [*subproof(old - split, leaves[split:], whole=False), mth(leaves[:split])]


def numbered(count: int) -> list[bytes]:
    return [merkle.leaf_hash(number.to_bytes(4, "big")) for number in range(count)]


@pytest.mark.parametrize("size", range(9))
def test_the_reference_roots(size: int) -> None:
    leaves = [merkle.leaf_hash(data) for data in REFERENCE_LEAVES[:size]]
    assert merkle.root(leaves).hex() == REFERENCE_ROOTS[size]


@pytest.mark.parametrize("name", PROOFS["inclusion"])
def test_published_inclusion_proofs(name: str) -> None:
    case = PROOFS["inclusion"][name]
    leaf, root = (base64.b64decode(case[key] or "") for key in ("leafHash", "root"))
    proof = [base64.b64decode(item) for item in case["proof"] or ()]
    holds = merkle.verify_inclusion(leaf, case["leafIdx"], case["treeSize"], proof, root)
    assert holds is not case["wantErr"]


@pytest.mark.parametrize("name", PROOFS["consistency"])
def test_published_consistency_proofs(name: str) -> None:
    case = PROOFS["consistency"][name]
    first, second = (base64.b64decode(case[key] or "") for key in ("root1", "root2"))
    proof = [base64.b64decode(item) for item in case["proof"] or ()]
    holds = merkle.verify_consistency(case["size1"], case["size2"], first, second, proof)
    # some cases write a word where a root belongs: no hash, no proof
    assert holds is (not case["wantErr"] and len(first) == len(second) == 32)


@pytest.mark.parametrize("size", [*range(1, 20), 31, 32, 33, 70])
def test_every_proof_of_a_small_tree_is_the_definition(size: int) -> None:
    leaves = numbered(size)
    root = mth(leaves)
    assert merkle.root(leaves) == root
    for position in range(size):
        proof = merkle.inclusion_path(leaves, position)
        assert proof == path(position, leaves)
        assert merkle.verify_inclusion(leaves[position], position, size, proof, root)
    for old in range(1, size + 1):
        proof = merkle.consistency_path(leaves, old)
        assert proof == subproof(old, leaves, whole=True)
        assert merkle.verify_consistency(old, size, mth(leaves[:old]), root, proof)


@given(st.integers(1, 600), st.data())
def test_a_frontier_continues_from_its_bytes(size: int, data: st.DataObject) -> None:
    """A log that stops anywhere and goes on has the same root."""
    leaves = numbered(size)
    stop = data.draw(st.integers(0, size))
    first = merkle.Frontier()
    for leaf in leaves[:stop]:
        first.append(leaf)
    second = merkle.Frontier.from_bytes(first.size, first.to_bytes())
    for leaf in leaves[stop:]:
        second.append(leaf)
    assert second.root() == merkle.root(leaves) == mth(leaves)


@given(st.integers(2, 300), st.data())
def test_a_changed_byte_anywhere_in_a_proof_is_found(size: int, data: st.DataObject) -> None:
    leaves = numbered(size)
    root = merkle.root(leaves)
    position = data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion_path(leaves, position)
    parts = [leaves[position], *proof, root]
    which = data.draw(st.integers(0, len(parts) - 1))
    byte, bit = data.draw(st.integers(0, 31)), data.draw(st.integers(0, 7))
    wrong = bytearray(parts[which])
    wrong[byte] ^= 1 << bit
    parts[which] = bytes(wrong)
    assert not merkle.verify_inclusion(parts[0], position, size, parts[1:-1], parts[-1])
    other = data.draw(st.integers(0, size - 1).filter(lambda at: at != position))
    assert not merkle.verify_inclusion(leaves[position], other, size, proof, root)


@given(st.integers(2, 300), st.data())
def test_a_fork_never_has_a_consistency_proof(size: int, data: st.DataObject) -> None:
    """Another leaf below the old size: the honest proof of either log does not connect them."""
    leaves = numbered(size)
    old = data.draw(st.integers(1, size - 1))
    changed = data.draw(st.integers(0, old - 1))
    forked = [*leaves[:changed], merkle.leaf_hash(b"forged"), *leaves[changed + 1 :]]
    kept = merkle.root(leaves[:old])
    for log in (leaves, forked):
        proof = merkle.consistency_path(log, old)
        assert not merkle.verify_consistency(old, size, kept, merkle.root(forked), proof)


@pytest.mark.parametrize(
    ("old", "new", "proof_of", "why"),
    [
        pytest.param(5, 4, None, "backwards", id="old beyond new"),
        pytest.param(-1, 4, None, "negative", id="negative size"),
        pytest.param(3, 7, (), "empty", id="empty proof"),
        pytest.param(4, 4, (3, 7), "same size", id="a proof where none belongs"),
        pytest.param(0, 4, (3, 7), "from nothing", id="a proof from the empty tree"),
    ],
)
def test_a_consistency_claim_without_sense_is_refused(
    old: int, new: int, proof_of: tuple[int, int] | tuple[()] | None, why: str
) -> None:
    leaves = numbered(8)
    proof = [] if not proof_of else merkle.consistency_path(leaves, proof_of[0], proof_of[1])
    first, second = merkle.root(leaves[: max(old, 0)]), merkle.root(leaves[:new])
    assert not merkle.verify_consistency(old, new, first, second, proof), why


@given(st.integers(0, 70), st.integers(0, 70))
def test_an_extension_is_proven_from_its_edge_alone(old: int, more: int) -> None:
    leaves = [merkle.leaf_hash(bytes([number])) for number in range(old + more)]
    before = merkle.Frontier()
    for leaf in leaves[:old]:
        before.append(leaf)
    assert merkle.extension_path(before, leaves[old:]) == merkle.consistency_path(leaves, old)


def test_a_frontier_that_does_not_fit_its_size_is_refused() -> None:
    with pytest.raises(InputError):
        merkle.Frontier.from_bytes(3, bytes(32))
    with pytest.raises(InputError):
        merkle.Frontier.from_bytes(1, bytes(31))
