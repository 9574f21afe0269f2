"""Words of the Register on pages: kinds, states, positions and relations, translated where they are shown."""

from __future__ import annotations

from secretariat.web.words import gettext as _
from secretariat.web.words import mark

KIND_WORDS = {
    "meeting": mark("meeting"),
    "instrument": mark("instrument"),
    "status-change": mark("change of status"),
    "commitment": mark("commitment"),
    "project": mark("project"),
    "development": mark("development"),
    "exercise": mark("joint exercise"),
    "attack": mark("attack"),
    "statement": mark("statement"),
    "absence": mark("absence"),
    "evidence": mark("evidence"),
    "account": mark("account"),
    "source": mark("source"),
    "body": mark("body"),
    "request": mark("request"),
    "contact": mark("contact"),
    "relation": mark("relation"),
}
STATE_WORDS = {
    "true": mark("happened"),
    "possible": mark("possibly by then"),
    "planned": mark("still to come"),
    "announced": mark("announced, not known as held"),
    "undated": mark("undated"),
    "not-known": mark("not known by then"),
    "not-promised": mark("not yet promised"),
    "done": mark("done"),
    "late": mark("done late"),
    "overdue": mark("overdue"),
    "partly": mark("partly done"),
    "moving": mark("moving"),
    "open": mark("open"),
}
SAYS_WORDS = {
    "done": mark("done"),
    "late": mark("done late"),
    "partly": mark("partly done"),
    "progress": mark("progress"),
    "slipped": mark("slipped"),
    "none": mark("nothing"),
}
POSITION_WORDS = {
    "agrees": mark("agrees"),
    "denies": mark("denies"),
    "conditional": mark("on conditions"),
    "silent": mark("silent"),
    "different-reading": mark("reads it differently"),
    "different-figure": mark("gives another figure"),
    "corrected": mark("corrected"),
}
STATUS_WORDS = {
    "confirmed": mark("confirmed"),
    "single": mark("one source"),
    "contested": mark("contested"),
    "unverified": mark("unverified"),
}
RELATION_WORDS = {
    "supersedes": mark("supersedes"),
    "conflicts-with": mark("conflicts with"),
    "same-origin": mark("has the same origin as"),
    "part-of": mark("is part of"),
    "same-aim": mark("has the same aim as"),
    "follows": mark("follows"),
    "different-aim": mark("has another aim than"),
}
VERDICT_WORDS = {
    "same": mark("same aim"),
    "part-of": mark("part of"),
    "follows": mark("follows the other"),
    "different": mark("different aims"),
}
FEATURE_WORDS = {
    "text": mark("text"),
    "themes": mark("subject"),
    "parties": mark("parties"),
    "bodies": mark("bodies and instruments"),
    "time": mark("time"),
}
WHY_NOT_WORDS = {
    "unverified": mark("no: unverified"),
    "taken-back": mark("no: taken back"),
    "not-known": mark("no: not known by then"),
    "undated": mark("no: undated"),
    "not-true": mark("no: later than the day asked about"),
}
LEVEL_WORDS = {
    "leaders": mark("leaders"),
    "ministers": mark("ministers"),
    "vice-ministers": mark("vice-ministers"),
    "advisers": mark("advisers"),
    "ambassadors": mark("ambassadors"),
    "directors": mark("directors"),
    "working": mark("working level"),
    "operational": mark("operational"),
    "association": mark("associations"),
    "track2": mark("track 2"),
}


def word_of(words: dict[str, str], key: str | None) -> str:
    """Give the word for a key in the page's language; a key of another's making stands as it is."""
    if key is None:
        return ""
    return _(words[key]) if key in words else key
