"""Record files made to harm or to slip through: each is refused, with the place, before anything is built."""

from __future__ import annotations

import time

import pytest

from secretariat.base.errors import SecretariatError
from secretariat.register import rules, yaml_form
from secretariat.register.parties import states

HEAD = """
sources:
- {id: S1, title: "A", date: "2012-01-01", kind: press, lang: en}
facts:
- {id: c-1, kind: commitment, title: P, date: "2012-01-01", parties: [JP], by: [JP], due: null}
"""
FACT = '- {id: x, kind: meeting, date: "2012-03-01", parties: [JP], title: '
BOMB = 'a: &a ["x","x","x","x","x","x","x","x","x"]\n' + "".join(
    f"{one}: &{one} [{','.join(['*' + chr(ord(one) - 1)] * 9)}]\n" for one in "bcdefghi"
)
HOSTILE = {
    "nested lists": ("facts: " + "[" * 100_000 + "]" * 100_000, "line 1"),
    "nested rows": (HEAD + FACT + "T, summary: " + "{a: " * 3000 + "1" + "}" * 3000 + "}", "line 6"),
    "nested dashes": ("facts:\n" + "- " * 50_000 + "x", "line 2"),
    "a bomb of references": (BOMB + "facts: *i\n", "line 2"),
    "a row in itself": (HEAD + "- &q {id: x, kind: meeting, title: T, parties: [JP], summary: *q}", "line 6"),
    "a tag that runs code": (HEAD + '- !!python/object/apply:os.system ["touch /tmp/x"]', "line 6"),
    "a list as a key": (HEAD + FACT + "T, [a]: 8}", "line 6"),
    "a key twice": (HEAD + FACT + "T, title: U}", "line 6"),
    "a list as a source": (HEAD + FACT + "T, refs: [{s: [S1]}]}", "facts/x/refs/s"),
    "a list as a quotation": (HEAD + FACT + "T, refs: [{s: S1, span: [a]}]}", "facts/x/refs/span"),
    "an offset below zero": (
        HEAD + FACT + "T, refs: [{s: S1, span: a, start: -5, end: 0}]}",
        "facts/x/refs/start",
    ),
    "a number as sources": (HEAD + FACT + "T, accounts: [{by: a, s: 5, position: agrees}]}", "accounts/1/s"),
    "a list in sources": (
        HEAD + FACT + "T, accounts: [{by: a, s: [[S1]], position: agrees}]}",
        "accounts/1/s",
    ),
    "a list as a promise": (HEAD + FACT + "T, evidence: [{for: [c-1], says: done}]}", "evidence/1/for"),
    "a list as a pair": (HEAD + "overlaps:\n- {a: [c-1], b: c-1}", "overlaps/0/a"),
    "a NUL character": (HEAD + FACT + '"M\\0N"}', "facts/x"),
    "a round beyond measure": (HEAD + FACT + "T, round: 1099511627776}", "facts/x/round"),
    "100,000 parties": (
        HEAD + FACT.replace("[JP]", f"[{','.join(['JP'] * 100_000)}]") + "T}",
        "facts/x/parties",
    ),
    "a zone on Mars": (HEAD + FACT + "T, zone: Mars/Base}", "facts/x/zone"),
    "a source by way of itself": (HEAD.replace("lang: en}", "lang: en, via: S1}"), "sources/S1/via"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_refused_with_its_place_and_in_bounded_time(name):
    text, where = HOSTILE[name]
    started = time.perf_counter()
    with pytest.raises(SecretariatError) as refused:
        for one in yaml_form.read(text.encode(), "JP").drafts:
            rules.check(one.draft, states(), where=one.where)
    assert where in str(refused.value.where)
    assert refused.value.advice
    assert time.perf_counter() - started < 20


def test_a_file_beyond_measure_is_not_read(monkeypatch):
    monkeypatch.setattr(yaml_form, "BYTES", 100)
    with pytest.raises(SecretariatError, match="more than the 100"):
        yaml_form.read(HEAD.encode(), "JP")
