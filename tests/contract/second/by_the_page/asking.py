"""Requests and answers: signatures over HTTP messages. From docs/protocol.md alone."""

import http.client
import secrets
import time
from urllib.parse import urlsplit

from contract.second.by_the_page.forms import ANSWERED, COVERED, WrongError, b64, holds, read, sha, un64


def signed(
    me, them, method, path, body=b"", *, query="", to=None, transport=None, url=None, label="sct", **over
):
    """(authority, target, headers, the value of the signature) of one request; `over` says what to bend."""
    at = urlsplit(url or them.url)
    target = f"/{me.realm}/peer/v1/{path}"
    digest = over.get("digest", f"sha-256=:{b64(sha(body))}:")
    key = transport or me.transport
    nonce = over.get("nonce", secrets.token_urlsafe(18))
    created = over.get("created", int(time.time()))
    covered = over.get("covered", COVERED)
    params = (
        f'{covered};created={created};keyid="{over.get("keyid", key.id)}";alg="{over.get("alg", "ed25519")}"'
    )
    if nonce is not None:
        params += f';nonce="{nonce}"'
    params += over.get("more", "") + f';tag="{over.get("tag", "secretariat-peer-1")}"'
    lines = {
        "@method": over.get("signed_method", method), "@authority": over.get("signed_authority", at.netloc),
        "@path": over.get("signed_path", target), "@query": "?" + over.get("signed_query", query),
        "secretariat-to": to or them.party, "content-digest": digest,
    }  # fmt: skip
    base = "".join(f'"{n}": {v}\n' for n, v in lines.items() if f'"{n}"' in covered)
    base += f'"@signature-params": {params}'
    value = f":{b64(key.sign(base.encode()))}:"
    sent = {
        "Host": at.netloc, "Accept": "application/json",
        "Secretariat-To": to or them.party, "Content-Digest": digest,
        "Signature-Input": f"{label}={params}", "Signature": f"{label}={value}",
        "Content-Type": "application/json",
    }  # fmt: skip
    return at.netloc, target + ("?" + query if query else ""), sent, value


def call(me, them, method, path, body=b"", *, headers=None, **over):
    """Send one signed request, verify the answer's signature; (status, the answer as JSON, its bytes)."""
    netloc, target, sent, signature = signed(me, them, method, path, body, **over)
    sent |= headers or {}
    sent = {name: value for name, value in sent.items() if value is not None}
    wire = http.client.HTTPConnection(netloc, timeout=60)
    wire.request(method, target, over.get("sent_body", body), sent)
    answer = wire.getresponse()
    data = answer.read()
    wire.close()
    told = {k.lower(): v for k, v in answer.getheaders()}
    proven = "signature" in told
    if proven:
        if told["content-digest"] != f"sha-256=:{b64(sha(data))}:":
            raise WrongError("digest of the answer")
        params = told["signature-input"].removeprefix("sct=")
        if not params.startswith(ANSWERED):
            raise WrongError("the answer covers less")
        base = f'"@status": {answer.status}\n"signature";req;key="sct": {signature}\n'
        base += f'"content-digest": {told["content-digest"]}\n"@signature-params": {params}'
        given = un64(told["signature"].removeprefix("sct=:").removesuffix(":"))
        if not holds(them.transport, base.encode(), given):
            raise WrongError("signature of the answer")
    elif answer.status == 200 and not over.get("unsigned"):
        raise WrongError("an answer without a signature")
    return answer.status, (read(data) if data[:1] in (b"{", b"[") else None), data


def base_of(params, values):
    """The signature base (RFC 9421, 2.5) of components in the order of `params`."""
    listed, base = params[1 : params.index(")")], ""
    for name in listed.split(" "):
        base += f"{name}: {values[name.strip(chr(34)) if name.count(chr(34)) == 2 else name]}\n"
    return base + f'"@signature-params": {params}'


def parameter(params, name):
    found = [
        one.partition("=")[2]
        for one in params[params.index(")") + 1 :].split(";")
        if one.startswith(name + "=")
    ]
    if len(found) != 1:
        raise WrongError("not-authentic")
    return found[0].strip('"')


def parts_of(headers):
    """The parameters and the signature under the label `sct`."""
    params, value = headers["signature-input"], headers["signature"]
    if not params.startswith("sct=(") or not value.startswith("sct=:") or not value.endswith(":"):
        raise WrongError("not-authentic")
    return params.removeprefix("sct="), value.removeprefix("sct=")


def check_request(said, me, keys, now, used=()):
    """The base of a request, once one of `keys` (by id) proves it for the party `me` at the second `now`."""
    headers, body, at = said["headers"], un64(said["body"]), urlsplit(said["url"])
    params, value = parts_of(headers)
    created = int(parameter(params, "created"))
    if headers["secretariat-to"] != me or not params.startswith(COVERED):
        raise WrongError("not-authentic")
    if parameter(params, "tag") != "secretariat-peer-1" or not 16 <= len(parameter(params, "nonce")) <= 128:
        raise WrongError("not-authentic")
    if abs(created - now) > 60:
        raise WrongError("clock-skew")
    if headers["content-digest"] != f"sha-256=:{b64(sha(body))}:":
        raise WrongError("not-authentic")
    values = {"@method": said["method"], "@authority": at.netloc, "@path": at.path, "@query": "?" + at.query}
    base = base_of(params, values | headers)
    public = keys.get(parameter(params, "keyid"))
    if public is None or not holds(public, base.encode(), un64(value.strip(":"))):
        raise WrongError("not-authentic")
    if parameter(params, "nonce") in used:
        raise WrongError("replayed")
    return base


def check_answer(said, asked, keys):
    """The base of an answer, once it is proven to be the one to this request."""
    headers, body = said["headers"], un64(said["body"])
    params, value = parts_of(headers)
    if not params.startswith(ANSWERED) or headers["content-digest"] != f"sha-256=:{b64(sha(body))}:":
        raise WrongError("not-authentic")
    values = {"@status": said["status"], '"signature";req;key="sct"': parts_of(asked["headers"])[1]}
    base = base_of(params, values | headers)
    public = keys.get(parameter(params, "keyid"))
    if public is None or not holds(public, base.encode(), un64(value.strip(":"))):
        raise WrongError("not-authentic")
    return base
