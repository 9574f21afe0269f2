"""Words of the Register on pages: kinds, states, positions and relations, translated where they are shown."""

from __future__ import annotations

from secretariat.agreements.pages import EVENT_WORDS
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
    "note": mark("research note"),
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
    "open": mark("still open"),
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
    "aim": mark("stated aim"),
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
SOURCE_WORDS = {
    "primary": mark("issued by a party or joint body"),
    "copy": mark("copy of a primary text"),
    "press": mark("press"),
    "secondary": mark("analysis or reference"),
    "machine": mark("made or translated by a machine"),
}
ACT_WORDS = {
    "considering": mark("considering"),
    "announced": mark("announced"),
    "supports": mark("supports"),
    "signed": mark("signed"),
    "ratified": mark("ratified"),
    "acceded": mark("acceded"),
    "reserved": mark("with a reservation"),
    "notice-given": mark("notice given"),
    "suspended": mark("suspended"),
    "withdrawn": mark("has withdrawn"),
    "not-listed": mark("not on the list"),
    "in-force": mark("in force"),
}
"""What a party did about an instrument."""
FIELD_WORDS = {
    "key": mark("Register key"),
    "kind": mark("Kind"),
    "title": mark("Title"),
    "true_from": mark("True from"),
    "true_to": mark("True to"),
    "zone": mark("Zone"),
    "date_note": mark("Note on the date"),
    "announced": mark("Announced"),
    "known_public": mark("Publicly known"),
    "status": mark("Standing"),
    "parties": mark("Parties"),
    "groups": mark("Groups"),
    "orgs": mark("Organisations"),
    "place": mark("Place"),
    "level": mark("Held at level"),
    "series": mark("Series"),
    "round": mark("Round"),
    "aim": mark("Aim"),
    "target": mark("Target"),
    "scope": mark("Scope"),
    "mentions_cyber": mark("Mentions of cyber"),
    "summary": mark("Summary"),
    "lang": mark("Language"),
    "cites": mark("Sources"),
    "record": mark("Taken from"),
    "retraction": mark("Taken back because"),
    "revoked": mark("Taken back"),
    "object_marking_refs": mark("Marking"),
    "agenda": mark("Agenda as announced"),
    "agenda_held": mark("Agenda as held"),
    "papers": mark("Papers"),
    "instrument": mark("In the agreements' book"),
    "binding": mark("Binding"),
    "instrument_ref": mark("Instrument"),
    "state": mark("What was done"),
    "party": mark("Party"),
    "effect_on": mark("Effect on"),
    "owed_by": mark("Owed by"),
    "due": mark("Due"),
    "due_text": mark("Due, in their words"),
    "cadence": mark("Rhythm"),
    "lead": mark("Lead"),
    "partners": mark("Partners"),
    "milestones": mark("Milestones"),
    "budget": mark("Budget"),
    "looked_by": mark("Who looked"),
    "looked_in": mark("Where they looked"),
    "about_ref": mark("About"),
    "for_ref": mark("Promise"),
    "says": mark("Says"),
    "from_ref": mark("Rests on"),
    "said_by": mark("Whose account"),
    "position": mark("Position taken"),
    "text": mark("In its words"),
    "source_kind": mark("What kind of source"),
    "publisher": mark("Publisher"),
    "url": mark("Address"),
    "aliases": mark("Other names"),
    "members": mark("Members"),
    "under_ref": mark("Part of"),
    "relationship_type": mark("Relation"),
    "description": mark("Reason"),
}
"""Members of a statement, as forms and comparisons of versions name them."""
CADENCE_WORDS = {
    "monthly": mark("monthly"),
    "quarterly": mark("quarterly"),
    "half-yearly": mark("half-yearly"),
    "yearly": mark("yearly"),
    "two-to-three-yearly": mark("every two to three years"),
    "continuing": mark("continuing"),
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


def state_word(kind: str, state: str) -> str:
    """Give the word for how a statement stands; what was said, promised or agreed did not happen."""
    if state == "true" and kind in {"commitment", "project"}:
        return _("promised")
    if state == "true" and kind in {"instrument", "statement", "absence", "status-change", "body", "source"}:
        return _("true by then")
    return word_of(STATE_WORDS, state)


def act_word(word: str) -> str:
    """Give the word for an act about an instrument, whichever part recorded it."""
    if word in ACT_WORDS:
        return word_of(ACT_WORDS, word)
    return _(EVENT_WORDS[word]) if word in EVENT_WORDS else word.replace("_", " ").replace("-", " ")
