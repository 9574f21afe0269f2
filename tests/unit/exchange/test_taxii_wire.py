"""The pure half of TAXII: negotiation, filters, tokens, shapes."""

from __future__ import annotations

import contextlib
import json
import string
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secretariat.base.errors import InputError
from secretariat.base.settings import Limits
from secretariat.exchange import taxii_query as questions
from secretariat.exchange import taxii_wire as wire

LIMITS = Limits(page_default=100, page_max=1000, match_values=100)
FIELDS = frozenset({"id", "type", "version", "spec_version"})


def read(raw: bytes, *, subject: str = "objects/c", limits: Limits = LIMITS) -> questions.Query:
    return questions.read_query(raw, subject=subject, fields=FIELDS, limits=limits)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "*/*",
        "application/*",
        "application/taxii+json",
        "application/taxii+json;version=2.1",
        "application/taxii+json; version=2.1",
        'Application/TAXII+JSON; Version="2.1"',
        "application/taxii+json;version=2.1;q=0.2, text/html",
        "text/html, */*;q=0.1",
        "application/taxii+json;version=2.0;q=1, application/taxii+json;version=2.1;q=0.1",
        "application/taxii+json;version=2.1;charset=utf-8",
    ],
)
def test_accepts(header: str | None) -> None:
    assert wire.accepts(header)


@pytest.mark.parametrize(
    "header",
    [
        "application/json",
        "text/html",
        "application/taxii+json;version=2.0",
        "application/taxii+json;version=2.2",
        "application/vnd.oasis.taxii+json;version=2.0",
        "application/stix+json;version=2.1",
        "application/taxii+json;q=0",
        "application/taxii+json;version=2.1;q=0, */*",
        "application/taxii+json;q=2",
        "application/taxii+json;q=nan",
        "application/taxii+json;charset=utf-16",
        ";;;",
        ",",
        "taxii",
    ],
)
def test_does_not_accept(header: str) -> None:
    assert not wire.accepts(header)


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        ("application/taxii+json;version=2.1", True),
        ("application/taxii+json", True),
        ("application/taxii+json; version=2.1; charset=UTF-8", True),
        ("application/taxii+json;version=2.0", False),
        ("application/json", False),
        ("application/stix+json;version=2.1", False),
        ("", False),
        (None, False),
    ],
)
def test_content_type(header: str | None, taken: bool) -> None:
    assert wire.is_taxii_type(header) is taken


@pytest.mark.parametrize(
    ("header", "secret"),
    [
        ("Bearer sct_abc", "sct_abc"),
        ("bearer  sct_abc", "sct_abc"),
        ("Basic dXNlcjpzY3RfYWJj", "sct_abc"),
        ("basic dXNlcjpzY3RfYWJj", "sct_abc"),
        ("Basic OnNjdF9hYmM=", "sct_abc"),
        ("Basic dTphOmI=", "a:b"),
        ("Basic dXNlcg==", None),
        ("Basic dXNlcjo=", None),
        ("Basic !!!!", None),
        ("Basic 4pyT", None),
        ("Basic /////w==", None),
        ("Bearer", None),
        ("Token abc", None),
        ("", None),
        (None, None),
    ],
)
def test_credential(header: str | None, secret: str | None) -> None:
    assert wire.credential(header) == secret


def test_no_query_asks_for_the_latest_of_everything() -> None:
    query = read(b"")
    assert query.match.only_last
    assert (query.after, query.limit, query.filtered) == (-1, 100, False)


def test_filters_are_read() -> None:
    query = read(
        b"match%5Bid%5D=a--1,b--2,a--1&match[type]=a,%20b&match[spec_version]=2.1"
        b"&match[version]=first,2016-02-21T05:01:01.000Z&limit=7&added_after=2016-02-21T05:01:01.000001Z"
    )
    assert query.match.ids == ("a--1", "b--2")
    assert query.match.types == ("a", "b")
    assert query.match.spec_versions == ("2.1",)
    assert query.match.first
    assert not query.match.last
    assert query.match.moments == (datetime(2016, 2, 21, 5, 1, 1, tzinfo=UTC),)
    assert query.limit == 7
    assert wire.date_added(query.after) == "2016-02-21T05:01:01.000001Z"


BAD_QUERIES = {
    "limit of nothing": b"limit=0",
    "negative limit": b"limit=-1",
    "limit in words": b"limit=ten",
    "limit as a float": b"limit=1e9",
    "empty limit": b"limit=",
    "limit in other digits": b"limit=%EF%BC%91",
    "limit of a thousand digits": b"limit=" + b"9" * 1000,
    "doubled limit": b"limit=1&limit=1",
    "doubled filter": b"match[id]=a&match%5Bid%5D=b",
    "doubled custom parameter": b"x=1&x=2",
    "empty filter": b"match[type]=",
    "only commas": b"match[type]=,,",
    "all and another": b"match[version]=all,first",
    "version in words": b"match[version]=newest",
    "date without time": b"added_after=2016-02-21",
    "time without zone": b"added_after=2016-02-21T05:01:01",
    "month thirteen": b"added_after=2016-13-21T05:01:01Z",
    "before the first year": b"added_after=0001-01-01T00:00:00%2B10:00",
    "two moments": b"added_after=2016-02-21T05:01:01Z,2017-02-21T05:01:01Z",
    "garbage token": b"next=garbage",
    "token of the right length": b"next=AAAAAAAAAAAAAAAAAAAAAAA",
    "token in other letters": b"next=%E2%9C%93",
    "not utf-8": b"match[id]=%ff%fe",
    "raw bytes": b"match[id]=\xff",
    "nul": b"match[id]=a%00b",
    "many parameters": b"&".join(b"p%d=1" % number for number in range(40)),
    "many values": b"match[id]=" + b",".join(b"a--%d" % number for number in range(101)),
    "a long value": b"match[id]=" + b"a" * 1001,
    "a long query": b"match[id]=" + b"a," * 40_000,
}


@pytest.mark.parametrize("raw", BAD_QUERIES.values(), ids=BAD_QUERIES.keys())
def test_bad_query(raw: bytes) -> None:
    with pytest.raises(InputError) as caught:
        read(raw)
    assert caught.value.advice


def test_limit_above_ours_becomes_ours() -> None:
    assert read(b"limit=1000000000").limit == 1000
    assert read(b"limit=999999999999999999").limit == 1000


def test_unknown_parameters_pass_by() -> None:
    assert read(b"x_trace=1&match[confidence]=50").match == questions.Match()


def test_token_continues_the_same_question_with_another_limit() -> None:
    first = read(b"match[type]=indicator&limit=5")
    token = first.next_token(1_700_000_000_000_123)
    then = read(b"match[type]=indicator&limit=999&next=" + token.encode())
    assert then.after == 1_700_000_000_000_123
    assert then.digest == first.digest


def test_order_of_values_is_no_other_question() -> None:
    token = read(b"match[id]=a,b").next_token(5)
    assert read(b"match[id]=b,a&next=" + token.encode()).after == 5


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"match[type]=malware",
        b"match[type]=indicator&match[version]=all",
        b"added_after=2020-01-01T00:00:00Z",
    ],
)
def test_token_of_another_question(raw: bytes) -> None:
    token = read(b"match[type]=indicator").next_token(5).encode()
    with pytest.raises(InputError):
        read(raw + b"&next=" + token)


def test_token_of_another_collection() -> None:
    token = read(b"", subject="objects/one").next_token(5).encode()
    with pytest.raises(InputError):
        read(b"next=" + token, subject="objects/two")


def test_added_after_stays_under_a_token() -> None:
    raw = b"added_after=2024-01-01T00:00:00Z"
    token = read(raw).next_token(5).encode()
    assert wire.date_added(read(raw + b"&next=" + token).after) == "2024-01-01T00:00:00.000000Z"


@given(st.binary(max_size=200))
def test_any_query_is_read_or_refused(raw: bytes) -> None:
    with contextlib.suppress(questions.QuestionError):
        read(raw)


@given(st.text(alphabet=string.printable, max_size=80))
def test_any_header_is_read_or_refused(text: str) -> None:
    assert wire.accepts(text) in {True, False}
    assert wire.is_taxii_type(text) in {True, False}
    wire.credential(text)
    wire.credential("Basic " + text)


@given(st.integers(min_value=0, max_value=2**53))
def test_any_place_comes_back_from_its_token(seq: int) -> None:
    assert read(b"next=" + read(b"").next_token(seq).encode()).after == seq


def test_date_added_has_six_digits() -> None:
    assert wire.date_added(0) == "1970-01-01T00:00:00.000000Z"
    assert wire.date_added(1_700_000_000_000_001) == "2023-11-14T22:13:20.000001Z"


def test_envelope_splices_bytes() -> None:
    page = wire.envelope([b'{"b":1}', b'{"a":2}'], token="abc")
    assert page == b'{"more":true,"next":"abc","objects":[{"b":1},{"a":2}]}'
    assert wire.envelope([b"1"], token=None) == b'{"more":false,"objects":[1]}'
    assert wire.envelope([], token=None) == b"{}"
    assert wire.manifest([], token=None) == b"{}"
    assert wire.versions([], token=None) == b"{}"


def test_failure_has_an_id_and_the_status_as_text() -> None:
    shape = json.loads(wire.encode(wire.failure(404, "no such thing", where="/objects")))
    assert shape["http_status"] == "404"
    assert shape["title"] == "no such thing"
    assert shape["details"] == {"where": "/objects"}
    assert len(shape["error_id"]) == 36
