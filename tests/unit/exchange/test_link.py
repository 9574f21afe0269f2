"""What a receiver does next on a partner's feed: ask, pause, ask again; without connection and clock."""

from __future__ import annotations

from secretariat.exchange.peers import FIRST_PAUSE_S, LONGEST_PAUSE_S, Ask, Failed, Got, Link, Pause
from secretariat.exchange.wire import Cursor

START, NEXT = Cursor(), Cursor(3)


def got(*, entries: int = 1, more: bool = False, held_s: float = 0.0) -> Got:
    return Got(NEXT, 4, entries, more, held_s)


def failed(kind: str = "unreachable") -> Failed:
    return Failed(kind, START, 0)


def test_the_first_request_is_not_held():
    assert Link(START, 0).start() == Ask(START, 0, 0)


def test_after_a_page_the_next_request_is_held_where_we_stand_now():
    assert Link(START, 0).on(got(), 0.5) == Ask(NEXT, 4, 25)


def test_while_more_is_waiting_nothing_is_held():
    assert Link(START, 0).on(got(more=True), 0.5) == Ask(NEXT, 4, 0)


def test_a_sender_that_holds_nothing_is_polled():
    assert Link(START, 0, wait=0).on(got(entries=0), 0.5) == Pause(30.0)


def test_pauses_double_to_the_longest_and_half_of_each_is_chance():
    link = Link(START, 0)
    pauses = [link.on(failed(), 0.0).seconds for _ in range(14)]
    assert pauses[:4] == [FIRST_PAUSE_S, 2 * FIRST_PAUSE_S, 4 * FIRST_PAUSE_S, 8 * FIRST_PAUSE_S]
    assert pauses[-1] == LONGEST_PAUSE_S / 2
    assert link.on(failed(), 0.999).seconds > 0.99 * LONGEST_PAUSE_S


def test_after_a_pause_it_asks_without_holding_until_something_came():
    link = Link(START, 0)
    link.on(failed(), 0.5)
    assert link.on(None, 0.5) == Ask(START, 0, 0)
    link.on(got(), 0.5)
    assert link.on(failed(), 0.0) == Pause(FIRST_PAUSE_S)


def test_a_refused_page_waits_long_because_it_does_not_mend_itself():
    assert Link(START, 0).on(failed("refused"), 0.0) == Pause(LONGEST_PAUSE_S / 2)


def test_out_of_step_is_asked_again_at_once_but_only_once():
    link = Link(START, 0)
    assert link.on(Failed("out-of-step", NEXT, 4), 0.0) == Ask(NEXT, 4, 0)
    assert isinstance(link.on(Failed("out-of-step", NEXT, 4), 0.0), Pause)
