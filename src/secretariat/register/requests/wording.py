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
    "silent": mark("silent"),
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
