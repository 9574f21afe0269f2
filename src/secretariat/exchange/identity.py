"""Who speaks: HTTP message signatures on every request and answer between nodes (RFC 9421, RFC 9530).

Rules, each with a test of its name in tests/unit/exchange/test_identity.py:
1. A request covers method, authority, path, query, `secretariat-to` (the party addressed) and the
   content digest; it states `created`, `nonce`, `keyid` and the tag of this protocol.
2. An answer covers its status, its content digest and the signature of the very request it answers,
   so that an answer recorded elsewhere proves nothing here.
3. `created` further than the allowed skew from this node's clock is refused, and the refusal names
   both clocks: the operator must see at once whose is wrong.
4. A nonce is good once (the caller remembers it); a request sent again is refused as replayed.
5. Only Ed25519 and only keys that the enrolment pinned.

The cryptography is `http-message-signatures`; this module gives it messages, keys and the time.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from http_message_signatures import HTTPMessageSigner, HTTPMessageVerifier, InvalidSignature
from http_message_signatures.algorithms import ED25519
from http_message_signatures.exceptions import HTTPMessageSignaturesException
from http_message_signatures.resolvers import HTTPSignatureKeyResolver

from secretariat.base.clock import stamp
from secretariat.base.errors import SecretariatError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from secretariat.ledger.keys import Signer

TAG: Final = "secretariat-peer-1"
LABEL: Final = "sct"
TO_HEADER: Final = "secretariat-to"
REQUEST_COVERS: Final = ("@method", "@authority", "@path", "@query", TO_HEADER, "content-digest")
ANSWER_COVERS: Final = ("@status", f'"signature";req;key="{LABEL}"', "content-digest")
NONCE_LENGTH: Final = range(16, 129)
_YEAR_10000: Final = 253_402_300_800
"""Past the last second that a date can say."""


class IdentityError(SecretariatError):
    """The message does not prove who sent it."""

    code = "not-authentic"
    status = 401


class SkewError(IdentityError):
    """The two clocks are too far apart."""

    code = "clock-skew"


class ReplayError(IdentityError):
    """A request that was already accepted once."""

    code = "replayed"


class Request:
    """A request as the signature library wants it: upper-case method, absolute URL, headers, body."""

    def __init__(self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> None:
        self.method = method
        self.url = url
        self.headers: dict[str, str] = {name.lower(): value for name, value in headers.items()}
        self.body = body


class Answer:
    """An answer together with the request it answers."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes, request: Request) -> None:
        self.status_code = status
        self.headers: dict[str, str] = {name.lower(): value for name, value in headers.items()}
        self.body = body
        self.request = request


class Caller:
    """Whom a signature proved: party, key, when it was made and its nonce (empty on answers)."""

    def __init__(self, key_id: str, created: datetime, nonce: str) -> None:
        self.key_id = key_id
        self.created = created
        self.nonce = nonce


class _Keys(HTTPSignatureKeyResolver):
    """Public keys by id, as pinned at enrolment."""

    def __init__(self, find: Callable[[str], bytes | None]) -> None:
        self._find = find

    def resolve_public_key(self, key_id: str) -> Ed25519PublicKey | None:
        public = self._find(key_id)
        return None if public is None else Ed25519PublicKey.from_public_bytes(public)


class _Verifier(HTTPMessageVerifier):
    """The library's verifier with this node's clock and a refusal that names both clocks."""

    def __init__(self, find: Callable[[str], bytes | None], now: datetime, skew: timedelta) -> None:
        super().__init__(signature_algorithm=ED25519, key_resolver=_Keys(find))
        self._now = now
        self._skew = skew

    def validate_created_and_expires(self, sig_input: Any, max_age: object = None) -> None:
        del max_age
        created = sig_input.params.get("created")
        if type(created) is not int or not 0 <= created < _YEAR_10000:
            raise InvalidSignature("the signature does not say when it was made")
        check_skew(datetime.fromtimestamp(created, tz=UTC), self._now, self._skew)
        expires = sig_input.params.get("expires")
        if expires is not None and (type(expires) is not int or expires < self._now.timestamp()):
            raise InvalidSignature("the signature has expired")


def check_skew(theirs: datetime, ours: datetime, allowed: timedelta) -> None:
    """Refuse a message whose clock is further than `allowed` from ours; names both clocks."""
    apart = theirs - ours
    if abs(apart) > allowed:
        side = "ahead of" if apart > timedelta() else "behind"
        raise SkewError(
            f"the sender's clock says {stamp(theirs)}, this node's clock says {stamp(ours)}: "
            f"{abs(int(apart.total_seconds()))} s {side} ours, {int(allowed.total_seconds())} s are allowed",
            where="signature-input;created",
            advice="set the clock that is wrong (NTP), then try again",
        )


def sign_request(request: Request, *, to: str, signer: Signer, now: datetime, nonce: str) -> None:
    """Sign a request to the node of party `to` in place."""
    request.headers[TO_HEADER] = to
    request.headers.pop("content-digest", None)
    maker = HTTPMessageSigner(signature_algorithm=ED25519)
    prepared = maker.prepare(
        request,
        key_id=signer.key_id,
        created=now,
        nonce=nonce,
        label=LABEL,
        tag=TAG,
        covered_component_ids=REQUEST_COVERS,
        body=request.body,
    )
    maker.apply(request, prepared, signer.sign(prepared.signature_base))
    request.headers = {name.lower(): value for name, value in request.headers.items()}


def verify_request(
    request: Request,
    *,
    to: str,
    find: Callable[[str], bytes | None],
    now: datetime,
    skew: timedelta,
    with_body: bool = True,
) -> Caller:
    """Give the key that signed this request to `to`; refuses everything the rules above refuse.

    Without the body (it was not read yet) everything is proved but that the digest is the body's. The
    caller must still remember the nonce (rule 4): whether it was seen is the store's to know.
    """
    if request.headers.get(TO_HEADER) != to:
        raise IdentityError(
            f"this request is not addressed to {to}",
            where=TO_HEADER,
            advice=f"send it to {to}'s node, or name {to}",
        )
    return _verified(request, REQUEST_COVERS, find, now, skew, request.body if with_body else None)


def sign_answer(answer: Answer, *, signer: Signer, now: datetime) -> None:
    """Sign an answer in place, bound to its request's signature."""
    answer.headers.pop("content-digest", None)
    maker = HTTPMessageSigner(signature_algorithm=ED25519)
    prepared = maker.prepare(
        answer,
        key_id=signer.key_id,
        created=now,
        label=LABEL,
        tag=TAG,
        covered_component_ids=ANSWER_COVERS,
        body=answer.body,
    )
    maker.apply(answer, prepared, signer.sign(prepared.signature_base))
    answer.headers = {name.lower(): value for name, value in answer.headers.items()}


def verify_answer(
    answer: Answer, *, find: Callable[[str], bytes | None], now: datetime, skew: timedelta
) -> Caller:
    """Give the key that signed this answer to exactly this request; refuses everything else."""
    return _verified(answer, ANSWER_COVERS, find, now, skew, answer.body)


def _verified(
    message: Request | Answer,
    covers: tuple[str, ...],
    find: Callable[[str], bytes | None],
    now: datetime,
    skew: timedelta,
    body: bytes | None,
) -> Caller:
    if "content-digest" not in message.headers:
        raise IdentityError(
            "the message has no content digest", where="content-digest", advice="see RFC 9530"
        )
    asked: list[str] = []

    def known(key_id: str) -> bytes | None:
        asked.append(key_id)
        return find(key_id)

    verifier = _Verifier(known, now, skew)
    try:
        results = verifier.verify(
            message,
            max_age=None,
            expect_tag=TAG,
            expect_label=LABEL,  # by which an answer names the signature that it answers
            require_components=covers,
            body=body,
        )
    except SecretariatError:
        raise
    except (InvalidSignature, HTTPMessageSignaturesException) as error:
        unknown = asked and find(asked[-1]) is None
        raise IdentityError(
            f"no enrolled party has the key {asked[-1][:80]!r}"
            if unknown
            else f"signature refused: {str(error) or 'it is not over what came'}",
            where="signature-input;keyid" if unknown else "signature",
            advice="enrol the party first (secretariat peers accept)" if unknown else None,
        ) from error
    if len(results) != 1:
        raise IdentityError(
            f"{len(results)} signatures of this protocol, one is expected", where="signature-input"
        )
    result = results[0]
    nonce = result.nonce or ""
    if isinstance(message, Request) and len(nonce) not in NONCE_LENGTH:
        raise IdentityError("a request needs a nonce of 16 to 128 characters", where="signature-input;nonce")
    created = datetime.fromtimestamp(int(result.parameters["created"]), tz=UTC)
    return Caller(str(result.parameters["keyid"]), created, nonce)
