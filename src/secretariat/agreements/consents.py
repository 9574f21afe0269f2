"""Whether there is the originator's consent for this recipient on this day, as far as known.

Only the originator's own word counts, only for a recipient it names, from its first to its last day (both
whole), in the form the article asks for, within its scope. A refusal or withdrawal is a stated negative and
denies, unless a consent was given on a later day. Silence is not consent, unless the article says so and the
days have passed.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from secretariat.agreements.model import Consent, Note
from secretariat.agreements.status import known_by

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from secretariat.agreements.model import Moment


def verdict(
    consents: Iterable[Consent],
    *,
    originator: str,
    sender: str,
    recipient: str,
    day: date,
    known: Moment | None,
    level: str | None = None,
    purpose: str | None = None,
    form: str = "written",
    silence_days: int | None = None,
) -> tuple[bool, Note, Consent | None]:
    """Tell whether a valid consent stands, why or why not, and which one."""
    best: tuple[int, Note] = (0, Note("third.none", (recipient, originator)))
    valid: Consent | None = None
    refused: list[Consent] = []

    def reason(weight: int, code: str, *args: str) -> None:
        nonlocal best
        if weight > best[0]:
            best = (weight, Note(code, args))

    for consent in consents:
        if recipient not in consent.to:
            if consent.by == originator:
                reason(1, "third.other", recipient, originator)
            continue
        if consent.by != originator:
            reason(2, "third.not_origin", recipient, originator)
            continue
        first_known = consent.known or consent.since
        if first_known is not None and not known_by(first_known, known, "UTC"):
            reason(3, "third.unknown_then", recipient, originator)
            continue
        if consent.since is not None and day < consent.since:
            reason(5, "third.early", recipient, originator, consent.since.isoformat())
            continue
        if consent.state in {"refused", "withdrawn"}:
            if consent.until is None or day <= consent.until:
                refused.append(consent)
            continue
        if consent.until is not None and day > consent.until:
            reason(6, "third.expired", recipient, originator, consent.until.isoformat())
            continue
        if consent.state == "asked":
            if (
                silence_days is None
                or consent.asked is None
                or day <= consent.asked + timedelta(days=silence_days)
            ):
                continue
        elif form == "written" and consent.form == "oral":
            reason(4, "third.form", recipient, originator)
            continue
        if (
            (consent.through and sender not in consent.through)
            or (consent.levels and level not in consent.levels)
            or (consent.purposes and purpose not in consent.purposes)
            or consent.objects
        ):
            reason(4, "third.scope", recipient, originator)
            continue
        if valid is None or _later(consent, valid):
            valid = consent
    for no in refused:
        if valid is None or valid.since is None or (no.since is not None and no.since >= valid.since):
            return False, Note("third.refused", (recipient, originator)), no
    if valid is None:
        return False, best[1], None
    return True, Note("third.consent", (originator, recipient)), valid


def _later(one: Consent, other: Consent) -> bool:
    if other.until is None:
        return False
    return one.until is None or one.until > other.until
