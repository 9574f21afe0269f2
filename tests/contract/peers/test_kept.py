"""What a node keeps of a partner's log proves itself to strangers, later and without either node."""

from __future__ import annotations

import hashlib
import json

import pytest

from contract.peers.test_nodes import Nodes, indicator
from secretariat.base.errors import NotFoundError
from secretariat.ledger import export


@pytest.fixture
def world(node):
    there = Nodes(node, "KR", "JP")
    there.converge()
    for name in "abc":
        there.publish("KR", indicator(name))
        there.converge()
    return there


def kept(world, path):
    origin = world.nodes["KR"].keyring("live").origin
    with world.nodes["JP"].database.app("live") as tx:
        return export.write_kept(tx, origin, path, realm="live", now=world.now)


def rewrite(path, change):
    """Change lines of an exported file and make its tail agree again."""
    lines = path.read_bytes().splitlines(keepends=True)[:-1]
    changed = [
        json.dumps(change(number, json.loads(one))).encode() + b"\n" for number, one in enumerate(lines)
    ]
    digest = hashlib.sha256(b"".join(changed)).hexdigest()
    tail = b'{"end":true,"entries":%d,"sha256":"%b"}\n' % (len(lines) - 1, digest.encode())
    path.write_bytes(b"".join(changed) + tail)


def test_what_came_from_a_partner_is_proven_offline_later(world, tmp_path):
    done = kept(world, tmp_path / "kr")
    report = export.verify_file(tmp_path / "kr", root_key=world.nodes["KR"].keyring("live").root_public)
    assert (report.holds, report.problems, report.entries) == (True, [], done.entries)
    assert report.kinds["grant"] == 3


def test_another_root_key_proves_nothing(world, tmp_path):
    kept(world, tmp_path / "kr")
    other = world.nodes["JP"].keyring("live").root_public
    assert not export.verify_file(tmp_path / "kr", root_key=other).holds


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(lambda one: {**one, "path": one["path"][1:]}, "is not in the tree", id="a short path"),
        pytest.param(lambda one: {**one, "position": one["position"] + 1}, "is not in the tree", id="moved"),
        pytest.param(lambda one: {**one, "note": None}, "tree of 0 entries", id="no checkpoint"),
        pytest.param(
            lambda one: {**one, "note": one["note"].replace("kr", "us")}, "", id="another log's checkpoint"
        ),
        pytest.param(lambda one: {**one, "salt": "00" * 32}, "is not in the tree", id="another salt"),
    ],
)
def test_a_changed_line_is_found(world, tmp_path, change, words):
    kept(world, tmp_path / "kr")
    rewrite(tmp_path / "kr", lambda number, one: change(one) if number == 1 else one)
    report = export.verify_file(tmp_path / "kr", root_key=world.nodes["KR"].keyring("live").root_public)
    assert not report.holds
    assert any(words in one.what for one in report.problems), report.problems


def test_a_statement_of_keys_by_another_root_is_found(world, tmp_path):
    kept(world, tmp_path / "kr")

    def swap(number, one):
        return one if number else {**one, "statements": [one["statements"][0].replace("ed25519", "ed25518")]}

    rewrite(tmp_path / "kr", swap)
    assert not export.verify_file(tmp_path / "kr").holds


def test_of_a_stranger_nothing_is_kept(world, tmp_path):
    with world.nodes["JP"].database.app("live") as tx, pytest.raises(NotFoundError, match="nothing is kept"):
        export.write_kept(tx, "us.example/live", tmp_path / "us", realm="live", now=world.now)
