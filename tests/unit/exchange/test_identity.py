"""Signatures on requests and answers between nodes: each rule of exchange/identity.py has its test here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from secretariat.exchange.identity import (
    Answer,
    IdentityError,
    Request,
    SkewError,
    sign_answer,
    sign_request,
    verify_answer,
    verify_request,
)
from secretariat.ledger.keys import Signer

NOW = datetime(2026, 11, 22, 2, 9, 36, tzinfo=UTC)
SKEW = timedelta(seconds=60)
JP = Signer.from_seed(b"\x01" * 32)
KR = Signer.from_seed(b"\x02" * 32)
PINNED = {JP.key_id: JP.public, KR.key_id: KR.public}
URL = "http://kr.example:8080/live/peer/v1/feed?after=12.0&size=340&wait=25"


def signed(method: str = "GET", url: str = URL, body: bytes = b"", *, at: datetime = NOW) -> Request:
    request = Request(method, url, {"accept": "application/json"}, body)
    sign_request(request, to="KR", signer=JP, now=at, nonce="n" * 22)
    return request


def verify(request: Request, *, to: str = "KR", now: datetime = NOW):
    return verify_request(request, to=to, find=PINNED.get, now=now, skew=SKEW)


def answered(request: Request, body: bytes = b"page") -> Answer:
    answer = Answer(200, {"content-type": "application/json"}, body, request)
    sign_answer(answer, signer=KR, now=NOW)
    return answer


def test_a_signed_request_names_its_key_its_time_and_its_nonce():
    caller = verify(signed())
    assert (caller.key_id, caller.created, caller.nonce) == (JP.key_id, NOW, "n" * 22)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("another method", lambda r: setattr(r, "method", "POST")),
        ("another path", lambda r: setattr(r, "url", URL.replace("/live/", "/exercise/"))),
        ("another query", lambda r: setattr(r, "url", URL.replace("12.0", "0.0"))),
        ("another host", lambda r: setattr(r, "url", URL.replace("kr.example", "cn.example"))),
        ("another body", lambda r: setattr(r, "body", b"{}")),
        ("no digest", lambda r: r.headers.pop("content-digest")),
        ("no signature", lambda r: r.headers.pop("signature")),
        (
            "a later time",
            lambda r: r.headers.update(
                {"signature-input": r.headers["signature-input"].replace("created=", "created=9")}
            ),
        ),
        (
            "no tag",
            lambda r: r.headers.update(
                {"signature-input": r.headers["signature-input"].replace(';tag="secretariat-peer-1"', "")}
            ),
        ),
        (
            "fewer covered parts",
            lambda r: r.headers.update(
                {"signature-input": r.headers["signature-input"].replace('"@query" ', "")}
            ),
        ),
        ("rubbish", lambda r: r.headers.update({"signature-input": "sct=("})),
        ("binary rubbish", lambda r: r.headers.update({"signature": "sct=:////:"})),
    ],
)
def test_a_request_changed_on_the_way_is_refused(name, change):
    request = signed()
    change(request)
    with pytest.raises(IdentityError):
        verify(request)


def test_a_request_for_another_party_is_refused_even_when_it_is_authentic():
    with pytest.raises(IdentityError, match="not addressed to CN"):
        verify(signed(), to="CN")


def test_a_key_that_nobody_enrolled_is_refused_with_the_advice_to_enrol():
    request = Request("GET", URL, {})
    sign_request(request, to="KR", signer=Signer.from_seed(b"\x03" * 32), now=NOW, nonce="n" * 22)
    with pytest.raises(IdentityError, match=r"no enrolled party has the key.*peers accept"):
        verify(request)


def test_a_short_nonce_is_refused():
    request = Request("GET", URL, {})
    sign_request(request, to="KR", signer=JP, now=NOW, nonce="short")
    with pytest.raises(IdentityError, match="nonce"):
        verify(request)


@pytest.mark.parametrize(("minutes", "side"), [(10, "ahead of"), (-10, "behind")])
def test_a_clock_off_by_ten_minutes_is_refused_and_both_clocks_are_named(minutes, side):
    theirs = NOW + timedelta(minutes=minutes)
    with pytest.raises(SkewError) as refusal:
        verify(signed(at=theirs))
    text = str(refusal.value)
    assert "02:09:36" in text
    assert theirs.strftime("%H:%M:%S") in text
    assert f"600 s {side} ours, 60 s are allowed" in text


@pytest.mark.parametrize(("seconds", "fine"), [(60, True), (-60, True), (61, False), (-61, False)])
def test_sixty_seconds_of_skew_are_the_edge(seconds, fine):
    request = signed(at=NOW + timedelta(seconds=seconds))
    if fine:
        verify(request)
    else:
        with pytest.raises(SkewError):
            verify(request)


def test_an_answer_is_bound_to_the_request_it_answers():
    request = signed()
    assert verify_answer(answered(request), find=PINNED.get, now=NOW, skew=SKEW).key_id == KR.key_id
    other = answered(signed(url=URL.replace("12.0", "13.0")))
    other.request = request
    with pytest.raises(IdentityError):
        verify_answer(other, find=PINNED.get, now=NOW, skew=SKEW)


@pytest.mark.parametrize(
    "change",
    [
        lambda a: setattr(a, "body", b"pagf"),
        lambda a: setattr(a, "status_code", 404),
        lambda a: a.headers.pop("signature-input"),
    ],
)
def test_an_answer_changed_on_the_way_is_refused(change):
    answer = answered(signed())
    change(answer)
    with pytest.raises(IdentityError):
        verify_answer(answer, find=PINNED.get, now=NOW, skew=SKEW)
