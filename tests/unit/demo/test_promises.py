"""What the demonstration adds to the record: invented where somebody would be blamed, else sourced."""

from __future__ import annotations

from datetime import date

import msgspec
import pytest

from secretariat.demo import cooperation, promises
from secretariat.demo.nodes import PARTIES
from secretariat.register import rules, yaml_form
from secretariat.register.model import Commitment, Evidence, Source, id_of
from secretariat.register.sample import NAME, sample

RECORD = [one.draft for one in yaml_form.read(sample(), promises.RECORDER, name=NAME).drafts]
KEYS = {getattr(one, "key", None): one for one in RECORD}
IDS = {id_of(one, promises.RECORDER) for one in RECORD}
TODAY = date(2026, 11, 22)
INVENTED = [promises.page(), promises.promise(), promises.letter(TODAY)]


@pytest.mark.parametrize("draft", [*INVENTED, *map(promises.account, promises.ACCOUNTS)])
def test_the_rules_accept_it(draft):
    rules.check(draft, frozenset(PARTIES))


@pytest.mark.parametrize("draft", INVENTED)
def test_what_is_invented_says_so_in_its_title(draft):
    assert draft.title.startswith("SYNTHETIC (demonstration)")


@pytest.mark.parametrize("words", [promises.ASKS, promises.REPLY, promises.TEXT])
def test_invented_words_say_so_at_their_beginning(words):
    assert words.startswith(("SYNTHETIC", "INVENTED"))


def test_nobody_is_asked_about_a_promise_that_is_real():
    assert promises.PROMISE not in KEYS
    for one in INVENTED:
        assert id_of(one, promises.RECORDER) not in IDS


def test_a_letter_is_of_a_past_year_and_its_number_says_what_it_is():
    for day in (date(2026, 1, 1), date(2026, 11, 22), date(2028, 2, 29)):
        letter = promises.letter(day)
        assert letter.true_from[:4] < str(day.year)
        assert letter.number.endswith("SYNTHETIC")
        assert letter.answer_by < str(day)


def test_the_span_stands_in_the_page():
    rules.check_spans(promises.promise(), {id_of(promises.page(), "KR"): promises.TEXT})
    (cite,) = promises.promise().cites
    assert promises.TEXT[cite.start : cite.end] == promises.SPAN == cite.quote
    assert len(promises.TEXT.splitlines()) > 3


@pytest.mark.parametrize("said", promises.ACCOUNTS, ids=lambda said: said.party)
def test_an_account_is_of_a_real_promise_and_rests_on_a_source_of_the_record(said):
    account = promises.account(said)
    about = KEYS[promises.ABOUT]
    assert isinstance(about, Commitment)
    assert account.about_ref == id_of(about, promises.RECORDER)
    assert said.party in about.parties
    assert isinstance(KEYS[said.source], Source)
    assert [one.source_ref for one in account.cites] == [id_of(KEYS[said.source], promises.RECORDER)]
    assert "took no part" in account.title


def test_the_keys_that_the_steps_name_stand_in_the_record():
    assert {cooperation.TCCS, cooperation.TOKYO, *cooperation.PAIR, promises.ABOUT} <= KEYS.keys()
    assert [one for one in RECORD if isinstance(one, Evidence)]


def test_sources_go_before_what_cites_them():
    turns = [cooperation.turn(one) for one in sorted(RECORD, key=cooperation.turn)]
    assert turns == sorted(turns)
    assert {type(one) for one in RECORD if cooperation.turn(one) == 0} == {Source}


def test_json_of_a_run_keeps_its_keys():
    from secretariat.demo.tally import Tally

    tally = Tally()
    tally.register["board_ms"] = 12.5
    told = tally.as_dict(PARTIES)
    promised = {"published", "granted", "delivered", "receipts", "leaks", "nodes", "withheld"}
    assert promised | {"latency_ms", "objects_per_s", "register"} == set(told)
    assert msgspec.json.decode(msgspec.json.encode(told))["register"] == {"board_ms": 12.5}
    assert Tally().register == {}
