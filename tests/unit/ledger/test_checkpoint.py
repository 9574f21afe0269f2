"""Checkpoints, notes and cosignatures."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secretariat.base.errors import InputError, ProofError
from secretariat.ledger import checkpoint
from secretariat.ledger.keys import Signer, signature_holds

LOG, WITNESS, OTHER = (Signer.from_seed(bytes([number]) * 32) for number in range(3))
ORIGIN = "kr.example/live"
ROOT = bytes(range(32))
NOTE = checkpoint.sign(ORIGIN, 20_852_163, ROOT, LOG)
TEXT = checkpoint.text_of(ORIGIN, 20_852_163, ROOT)


def test_key_hash_and_signature_are_those_of_the_go_implementation() -> None:
    """golang.org/x/mod sumdb/note/note_test.go: the note by PeterNeumann."""
    vkey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    public = base64.b64decode(vkey.split("+", 2)[2])[1:]
    assert checkpoint.key_hash("PeterNeumann", public).hex() == "c74f20a3"
    assert checkpoint.verifier_key("PeterNeumann", public) == vkey
    text = (
        b"If you think cryptography is the answer to your problem,\n"
        b"then you don't know what your problem is.\n"
    )
    line = base64.b64decode(
        "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
    )
    assert line[:4].hex() == "c74f20a3"
    assert signature_holds(public, line[4:], text)


def test_the_example_of_tlog_checkpoint_is_read() -> None:
    """c2sp.org/tlog-cosignature: a checkpoint with a log's and a witness's line."""
    note = (
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
        "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q"
        "1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
        "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2o"
        "yin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
    ).encode()
    held = checkpoint.parse(note)
    assert (held.origin, held.size) == ("example.com/behind-the-sofa", 20_852_163)
    assert [line.name for line in held.signatures] == [
        "example.com/behind-the-sofa",
        "witness.example.com/w1",
    ]
    assert int.from_bytes(held.signatures[1].signature[:8], "big") == 1_679_315_147


@given(st.integers(0, 2**62), st.binary(min_size=32, max_size=32))
def test_what_was_signed_verifies(size: int, root: bytes) -> None:
    note = checkpoint.sign(ORIGIN, size, root, LOG)
    held = checkpoint.verify(note, ORIGIN, [OTHER.public, LOG.public])
    assert (held.size, held.root) == (size, root)


@given(st.data())
def test_a_changed_byte_anywhere_is_found(data: st.DataObject) -> None:
    at, bit = data.draw(st.integers(0, len(NOTE) - 1)), data.draw(st.integers(0, 7))
    wrong = bytearray(NOTE)
    wrong[at] ^= 1 << bit
    with pytest.raises(ProofError):
        checkpoint.verify(bytes(wrong), ORIGIN, [LOG.public])


def noted(text: str, signer: Signer = LOG, name: str = ORIGIN) -> bytes:
    body = text.encode()
    line = base64.b64encode(checkpoint.key_hash(name, signer.public) + signer.sign(body)).decode()
    return body + f"\n— {name} {line}\n".encode()


LINES = TEXT.decode()


@pytest.mark.parametrize(
    ("note", "message"),
    [
        pytest.param(b"", "no signature lines", id="nothing"),
        pytest.param(TEXT, "no signature lines", id="unsigned"),
        pytest.param(NOTE[:-1], "no signature lines", id="cut off in the last byte"),
        pytest.param(NOTE[:90], "not base64|signature", id="cut off in the signature"),
        pytest.param(NOTE.replace(b"\n\n", b"\n\r\n\n"), "control character", id="carriage return"),
        pytest.param(b"\xff" + NOTE, "UTF-8", id="not UTF-8"),
        pytest.param(noted("kr.example/live\n5\n"), "three lines", id="two lines"),
        pytest.param(noted(LINES.replace("20852163", "020852163")), "tree size", id="leading zero"),
        pytest.param(noted(LINES.replace("20852163", "-1")), "tree size", id="negative"),
        pytest.param(noted(LINES.replace("20852163", "٣")), "tree size", id="digits of another script"),
        pytest.param(noted(LINES.replace("20852163", "9" * 19)), "tree size", id="beyond 2^63"),
        pytest.param(noted(f"{ORIGIN}\n1\nAAAA\n"), "root of 3 bytes", id="short root"),
        pytest.param(noted(f"{ORIGIN}\n1\n!!\n"), "not base64", id="root not base64"),
        pytest.param(noted("jp.example/live\n" + LINES.split("\n", 1)[1]), "where", id="another log's"),
        pytest.param(noted(LINES, OTHER), "known key", id="unknown key"),
        pytest.param(noted(LINES, LOG, "kr.example/exercise"), "known key", id="another name"),
        pytest.param(NOTE + b"- x AAAAAAAA\n", "signature line", id="hyphen for em dash"),
        pytest.param(NOTE + "— x AAAA\n".encode(), "without signature", id="empty signature"),
        pytest.param(NOTE * 400, "bytes", id="too long"),
    ],
)
def test_a_bad_note_is_refused(note: bytes, message: str) -> None:
    with pytest.raises(ProofError, match=message):
        checkpoint.verify(note, ORIGIN, [LOG.public])


def test_a_known_key_whose_signature_fails_refuses_the_note() -> None:
    wrong = NOTE.replace(b"20852163", b"20852164")
    with pytest.raises(ProofError, match="does not hold"):
        checkpoint.verify(wrong, ORIGIN, [LOG.public])


def test_extension_lines_are_signed_and_passed_over() -> None:
    held = checkpoint.verify(noted(LINES + "extension 1\n"), ORIGIN, [LOG.public])
    assert held.extensions == ("extension 1",)


def test_a_witness_adds_its_word() -> None:
    cosigned = checkpoint.cosign(NOTE, "jp.example/witness", WITNESS, WITNESS.public, 1_679_315_147)
    assert checkpoint.verify(cosigned, ORIGIN, [LOG.public]).size == 20_852_163
    word = checkpoint.verify_cosignature(cosigned, "jp.example/witness", WITNESS.public)
    assert word.seconds == 1_679_315_147
    with pytest.raises(ProofError, match="no cosignature"):
        checkpoint.verify_cosignature(cosigned, "us.example/witness", WITNESS.public)
    with pytest.raises(ProofError, match="no cosignature"):
        checkpoint.verify_cosignature(NOTE, "jp.example/witness", WITNESS.public)
    with pytest.raises(ProofError, match="no cosignature"):
        checkpoint.verify_cosignature(cosigned, "jp.example/witness", OTHER.public)


def test_a_verifier_key_is_read_back() -> None:
    for kind in (checkpoint.ED25519, checkpoint.COSIGNATURE_V1):
        text = checkpoint.verifier_key("jp.example/live", WITNESS.public, kind)
        key = checkpoint.parse_verifier_key(text)
        assert (key.name, key.kind, key.public) == ("jp.example/live", kind, WITNESS.public)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("PeterNeumann", id="name only"),
        pytest.param(
            "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", id="hash mistyped"
        ),
        pytest.param("PeterNeuman+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", id="name mistyped"),
        pytest.param("PeterNeumann+c74f20a3+ARpc2QcU!", id="not base64"),
        pytest.param("PeterNeumann+c74f20a3+", id="no key"),
        pytest.param(
            "PeterNeumann+c74f20a3+BRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", id="other algorithm"
        ),
    ],
)
def test_what_is_no_verifier_key_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        checkpoint.parse_verifier_key(text)


def test_a_witness_whose_time_was_changed_does_not_hold() -> None:
    cosigned = checkpoint.cosign(NOTE, "w", WITNESS, WITNESS.public, 1000)
    line = cosigned.split(b"\n")[-2]
    data = bytearray(base64.b64decode(line.split(b" ")[2]))
    data[11] ^= 1
    forged = cosigned.replace(line, b"\xe2\x80\x94 w " + base64.b64encode(bytes(data)))
    with pytest.raises(ProofError, match="does not hold"):
        checkpoint.verify_cosignature(forged, "w", WITNESS.public)


@pytest.mark.parametrize("origin", ["", "kr example/live", "kr+example", "kr\nexample"])
def test_a_name_that_breaks_the_format_is_refused(origin: str) -> None:
    with pytest.raises(InputError):
        checkpoint.sign(origin, 1, ROOT, LOG)
