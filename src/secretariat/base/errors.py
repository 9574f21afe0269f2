"""One base for every error that a person or a partner may see: what was wrong, where, and what to do."""

from __future__ import annotations


class SecretariatError(Exception):
    """What was wrong; `where` (line, JSON pointer, article); `advice` says what to do next.

    `code` is the stable word on the wire, `status` the HTTP status that pages and TAXII answer with.
    """

    code = "error"
    status = 400

    def __init__(self, what: str, *, where: str | None = None, advice: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.advice = advice

    def __str__(self) -> str:
        text = self.what if self.where is None else f"{self.where}: {self.what}"
        return text if self.advice is None else f"{text} ({self.advice})"

    def as_dict(self) -> dict[str, str]:
        """Give the one wire shape: code, what, and where and advice when known."""
        shape = {"code": self.code, "what": self.what}
        if self.where is not None:
            shape["where"] = self.where
        if self.advice is not None:
            shape["advice"] = self.advice
        return shape


class InputError(SecretariatError):
    """The bytes or values given cannot be accepted."""

    code = "bad-input"
    status = 422


class LimitError(SecretariatError):
    """A named limit (size, depth, count, time) was passed."""

    code = "too-large"
    status = 413


class DeniedError(SecretariatError):
    """The asker may not do this."""

    code = "denied"
    status = 403


class NotFoundError(SecretariatError):
    """There is no such thing, or the asker may not know of it."""

    code = "not-found"
    status = 404


class ConflictError(SecretariatError):
    """It contradicts what is already recorded."""

    code = "conflict"
    status = 409


class StateError(SecretariatError):
    """The thing is not in a state that allows this."""

    code = "wrong-state"
    status = 409


class ProofError(SecretariatError):
    """A signature, hash or proof does not hold."""

    code = "proof-failed"
    status = 422


class UnavailableError(SecretariatError):
    """Something needed is not there now; trying again later may work."""

    code = "unavailable"
    status = 503
