"""What an article obliges to: deeds of the recipient, dates and terms, what the end of an instrument brings.

Nothing here looks at an object: obligations follow from the instrument, the two parties and the day.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from secretariat.agreements.book import add_years
from secretariat.agreements.model import LEAVE_OUT, Article, Obligation

if TYPE_CHECKING:
    from datetime import date

    from secretariat.agreements.model import Instrument
    from secretariat.agreements.status import State

DEEDS = {
    "EQUIV_PROTECTION": "protect_as_own",
    "MARK": "mark",
    "ACTIONS": "keep_to_permitted_actions",
    "ATTRIBUTION": "attribute_as_stated",
    "ENCRYPT": "encrypt",
    "REGISTER": "keep_register",
    "RECLASS_NOTICE": "follow_reclassification",
    "DESTROY_METHOD": "destroy_beyond_reconstruction",
    "TRANSMIT": "use_agreed_channels",
    "VISIT": "visit_by_request",
    "LAW_CHANGE_NOTICE": "tell_law_changes",
    "IP": "respect_rights",
    "DISPUTE": "consult",
    "THIRD_PARTY": "no_onward_without_consent",
    "ORCON": "no_onward_without_consent",
}
"""What a rule obliges its recipient to, besides what it decides."""


def recipients_shown(instrument: Instrument) -> Article | None:
    """Give the article that shows recipients to each other; None where none does, or one says no.

    Without it a relay names nobody whom it passed an object on to: what is unknown stays hidden.
    """
    stated = [one for one in instrument.articles if one.get("recipients_shown") is not None]
    shows = all(one.get("recipients_shown") is True and one.verification == "read" for one in stated)
    return stated[0] if stated and shows else None


class Terms:
    """The obligations of one instrument between two parties, for objects of one originator."""

    def __init__(
        self, instrument: Instrument, state: State, *, sender: str, recipient: str, originator: str
    ) -> None:
        self.instrument, self.state = instrument, state
        self.sender, self.recipient, self.originator = sender, recipient, originator

    def arising(self, day: date) -> tuple[Obligation, ...]:
        """Give what a release on that day obliges to, in the order of the articles."""
        found: list[Obligation] = []
        who, ends = self.recipient, self.state.until or self.instrument.ends
        for article in self.instrument.articles:
            ref = self.instrument.ref(article.art)
            if article.rule in DEEDS:
                found.append(Obligation(who, DEEDS[article.rule], ref))
            elif article.rule == "RETENTION":
                days = article.get("days")
                least = article.get("at_least_days")
                if days is not None or least is None:
                    last = day + timedelta(days=days) if days else None
                    found.append(Obligation(who, "delete", ref, last))
                if least is not None:
                    found.append(Obligation(who, "keep_by_law", ref, day + timedelta(days=least)))
            elif article.rule == "LOSS_REPORT":
                hours = article.get("within_hours")
                found.append(
                    Obligation(who, "report_loss", ref, within=f"PT{hours}H" if hours else "at once")
                )
            elif article.rule in {"RETURN_OR_DESTROY", "TERMINATION_EFFECT"}:
                found += self._ending(article, ends)
            for name in article.get("leave_out", ()):
                if article.rule != "THIRD_PARTY" or self.sender != self.originator:
                    found.append(Obligation(self.sender, f"{LEAVE_OUT}{name}", ref))
        shown = recipients_shown(self.instrument)
        if shown is not None:
            found.append(Obligation(who, "name_recipients", self.instrument.ref(shown.art)))
        return self._in_zone(found)

    def at_the_end(self) -> tuple[Obligation, ...]:
        """Give what the end of the instrument obliges to, for who received something under it."""
        found: list[Obligation] = []
        for article in self.instrument.articles:
            ended = article.rule == "RETURN_OR_DESTROY" and article.get("trigger") == "termination"
            if ended or article.rule == "TERMINATION_EFFECT":
                found += self._ending(article, self.state.ended_on)
        return self._in_zone(found)

    def _in_zone(self, found: list[Obligation]) -> tuple[Obligation, ...]:
        """Say in which zone days are counted, where the instrument names one; hours need none."""
        zone = self.instrument.timezone
        if zone == "UTC":
            return tuple(found)
        return tuple(
            msgspec.structs.replace(one, zone=zone)
            if one.by is not None or (one.within or "").endswith(("D", "Y"))
            else one
            for one in found
        )

    def _ending(self, article: Article, ends: date | None) -> list[Obligation]:
        who, ref = self.recipient, self.instrument.ref(article.art)
        days = article.get("within_days")
        by = ends + timedelta(days=days) if ends is not None and days is not None else None
        within = f"P{days}D" if days is not None else None
        if article.rule == "RETURN_OR_DESTROY":
            trigger = article.get("trigger", "no_longer_needed")
            if trigger == "request":
                hours = article.get("within_hours")
                term = f"PT{hours}H" if hours is not None else within
                return [Obligation(who, "destroy_or_return", ref, within=term, upon="request")]
            if trigger != "termination":
                by = None
            return [Obligation(who, "destroy_or_return", ref, by, within if by is None else None)]
        found = (
            [Obligation(who, "destroy", ref, by, within if by is None else None)] if days is not None else []
        )
        years = article.get("survives_years")
        if years is not None:
            last = add_years(ends, years) if ends is not None else None
            found.append(Obligation(who, "keep_confidential", ref, last, None if last else f"P{years}Y"))
        if not found:
            found.append(Obligation(who, "keep_protected", ref))
        return found
