"""Words of requests on pages: states, what is wanted, answers, purposes of contacts."""

from __future__ import annotations

from secretariat.web.words import mark

REQUEST_STATES = {
    "draft": mark("not released yet"),
    "asked": mark("asked"),
    "received": mark("received, not answered"),
    "answered": mark("answered"),
    "declined": mark("declined"),
    "passed-on": mark("passed on"),
    "overdue": mark("overdue"),
    "silent": mark("no answer found"),
    "withdrawn": mark("withdrawn"),
}
WANTS_WORDS = {
    "answer": mark("an answer"),
    "join": mark("to join the two"),
    "divide": mark("to divide the work"),
    "stop": mark("to stop one of them"),
    "agenda": mark("a place on the agenda"),
}
ANSWER_WORDS = {
    "answered": mark("answer"),
    "declined": mark("decline, with the reason"),
    "passed-on": mark("pass on to another"),
    "received": mark("only confirm that it arrived"),
}
SHAPES = {
    "draft": ("draft", ""),
    "asked": ("waiting", ""),
    "received": ("waiting", ""),
    "answered": ("seal", "is-good"),
    "declined": ("not", ""),
    "passed-on": ("released", ""),
    "overdue": ("waiting", "is-loud"),
    "silent": ("out", "is-loud"),
    "withdrawn": ("withdrawn", "is-faint"),
}
"""Symbol and class of each state."""
PURPOSES = {
    "incident": mark("incidents, day and night"),
    "register": mark("agreements and meetings"),
    "technical": mark("the node and its connection"),
    "exercise": mark("exercises"),
    "press": mark("the press"),
}
TESTED = {
    "reached": mark("reached"),
    "no-answer": mark("no answer"),
    "wrong": mark("wrong address"),
    "sent": mark("test mail sent"),
}
COUNT_WORDS = {
    "overdue": mark("commitments past their day"),
    "lagging": mark("commitments that nothing moved for too long"),
    "to_us": mark("requests that wait for our answer"),
    "to_us_overdue": mark("of these past their day"),
    "silent": mark("requests of ours past their day without an answer"),
    "stale": mark("contacts to test"),
    "arrived": mark("statements from partners in the last 7 days"),
    "meetings": mark("next meetings"),
}
