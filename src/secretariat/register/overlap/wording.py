"""Why two statements are near, and what an existing one asks beside a text, in the language of the page.

Parties' codes, names of bodies, aims and words of the texts stay as they are; they are what was shared.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from secretariat.register.intake.wording import reason
from secretariat.register.wording import FEATURE_WORDS, word_of
from secretariat.web.words import gettext as _
from secretariat.web.words import mark

if TYPE_CHECKING:
    from markupsafe import Markup

    from secretariat.register.overlap.model import Near, Reason

QUESTION_WORDS = {
    "same": mark("same?"),
    "progress-of": mark("progress of?"),
    "contradicts": mark("contradicts?"),
    "near": mark("near"),
}
THEME_WORDS = {
    "standing talks": mark("standing talks"),
    "share attack information": mark("share attack information"),
    "military information": mark("military information"),
    "exercise": mark("exercise"),
    "register of results": mark("register of results"),
    "watch progress": mark("watch progress"),
    "money by hacking": mark("money by hacking"),
    "DPRK": mark("DPRK"),
    "law enforcement": mark("law enforcement"),
    "terrorism": mark("terrorism"),
    "rules for states": mark("rules for states"),
    "skills": mark("skills"),
    "public awareness": mark("public awareness"),
    "audit and management": mark("audit and management"),
    "standards and products": mark("standards and products"),
    "critical infrastructure": mark("critical infrastructure"),
    "logistics": mark("logistics"),
    "internet freedom": mark("internet freedom"),
    "spying on trade": mark("spying on trade"),
    "research": mark("research"),
    "several domains at once": mark("several domains at once"),
    "cyber security": mark("cyber security"),
    "defence": mark("defence"),
    "elections and falsehood": mark("elections and falsehood"),
}
"""Themes as `data/themes.yaml` names them."""
_APART = re.compile(r"(\d+) days apart")


def because(one: Reason) -> str:
    """Write what was shared, or how far apart in time, for a reader of the page."""
    if one.feature == "themes":
        return ", ".join(word_of(THEME_WORDS, word) for word in one.because)
    apart = [_APART.fullmatch(word) for word in one.because]
    return ", ".join(
        _("%(n)s days apart") % {"n": found[1]} if found else word
        for word, found in zip(one.because, apart, strict=True)
    )


def why(near: Near) -> list[str | Markup]:
    """Write why an existing statement is offered: what is shared, and what the text says beside it."""
    shared = [one for one in near.comparison.reasons if one.gives > 0]
    found: list[str | Markup] = [
        f"{word_of(FEATURE_WORDS, one.feature)}: {because(one)}"
        if one.because
        else f"{word_of(FEATURE_WORDS, one.feature)} {one.value:.2f}"
        for one in shared
    ]
    return [*found, *(reason(text) for text in near.why[len(shared) :])]
