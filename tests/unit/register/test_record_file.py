"""The record as a file: nothing is lost, spans stand at their offsets, what is wrong is refused whole."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from secretariat.base.errors import InputError, SecretariatError
from secretariat.register import record_file, store, yaml_form
from secretariat.register.model import View
from secretariat.register.sample import sample

NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)
SHARED = Path(__file__).parents[4] / "shared"
RECORD = SHARED / "record" / "trilateral-record.yaml"
DOCUMENTS = SHARED / "documents"


def records():
    """Give the records to test with: the one the package ships, and the real one where it is at hand."""
    found = {"sample": sample()}
    if RECORD.exists():
        found["real"] = RECORD.read_bytes()
    return found


@pytest.mark.parametrize("data", records().values(), ids=records().keys())
def test_it_comes_back_equal(node, data):
    jp = node("JP")
    done = record_file.import_bytes(jp, "live", data, by="aoki", now=NOW)
    given = yaml.safe_load(data)
    with jp.database.app("live") as tx:
        back = record_file.export(tx, View.on("2026-11-22"), originator="JP", record=done.record)
        written = yaml.safe_load(yaml_form.dump(back))

    assert (done.facts, done.sources) == (len(given["facts"]), len(given["sources"])) == (203, 188)
    assert written["meta"] == given["meta"]
    assert written["sources"] == given["sources"]
    assert written["facts"] == given["facts"]
    assert written["overlaps"] == given["overlaps"]
    assert written["not_overlaps"] == given["not_overlaps"]


@pytest.mark.skipif(not RECORD.exists(), reason="the shared record is not at hand")
def test_every_span_stands_at_its_offsets(node):
    jp = node("JP")
    done = record_file.import_file(jp, "live", RECORD, documents=DOCUMENTS, by="aoki", now=NOW)
    assert (done.spans, done.unread, done.warnings) == (63, 0, [])

    texts = {path.name: path.read_text() for path in DOCUMENTS.glob("*.txt")}
    with jp.database.app("live") as tx:
        seeds = {
            one.stix_id: texts[one.body["seed"]]
            for one in store.statements(tx, View.on("2026-11-22"), types=["sct-source"])
            if "seed" in one.body
        }
        rows = store.statements(tx, View.on("2026-11-22"), limit=10_000)
    quoted = [cite for row in rows for cite in row.cites if "quote" in cite]
    assert len(quoted) == 63
    assert all(seeds[one["source_ref"]][one["start"] : one["end"]] == one["quote"] for one in quoted)


def test_the_same_file_again_changes_nothing_and_a_changed_one_amends(node):
    jp = node("JP")
    data = sample()
    record_file.import_bytes(jp, "live", data, by="aoki", now=NOW)
    again = record_file.import_bytes(jp, "live", data, by="aoki", now=NOW + timedelta(hours=1))
    assert (again.written, again.amended) == (0, 0)

    value = yaml.safe_load(data)
    value["facts"][0]["place"] = "Elsewhere"
    changed = record_file.import_bytes(
        jp,
        "live",
        yaml.safe_dump(value, allow_unicode=True).encode(),
        by="aoki",
        now=NOW + timedelta(hours=2),
    )
    assert (changed.written, changed.amended) == (1, 1)


SMALL = """
meta: {title: Small}
sources:
- {id: S1, title: A note, date: "2012-06-26", kind: press, lang: en}
facts:
- {id: c-1, kind: commitment, title: Promise, date: "2012-06", known: "2012-06-26", status: single,
   parties: [JP], by: [JP], due: "2012-12-31", refs: [{s: S1}]}
- {id: m-1, kind: meeting, title: Meeting, date: "2012-07-01", known: "2012-07-02", status: single,
   parties: [JP], refs: [], evidence: [{for: c-1, says: progress}]}
"""

BAD = {
    "not UTF-8": (SMALL.encode() + b"\xff", "record"),
    "not YAML": (b"facts: [", "line"),
    "a key twice": (SMALL.replace("kind: press", "kind: press, kind: copy").encode(), "line"),
    "a key nobody reads": (
        SMALL.replace("parties: [JP], by", "colour: red, parties: [JP], by").encode(),
        "c-1",
    ),
    "a kind that is none": (SMALL.replace("kind: meeting", "kind: party").encode(), "m-1/kind"),
    "a status that is none": (SMALL.replace("status: single", "status: sure").encode(), "status"),
    "an impossible date": (SMALL.replace("2012-07-01", "2012-07-32").encode(), "m-1"),
    "due before promised": (SMALL.replace("2012-12-31", "2011-12-31").encode(), "c-1/due"),
    "evidence before its commitment": (SMALL.replace("2012-07-01", "2011-07-01").encode(), "evidence"),
    "a source that is none": (SMALL.replace("{s: S1}", "{s: S2}").encode(), "c-1"),
    "evidence for nothing": (SMALL.replace("for: c-1", "for: c-2").encode(), "evidence"),
    "a party that is none": (SMALL.replace("parties: [JP], refs", "parties: [QQQ], refs").encode(), "m-1"),
    "an id twice": (SMALL.replace("id: m-1", "id: c-1").encode(), "c-1"),
    "facts that are no list": (b"facts: 3", "facts"),
    "a list": (b"- 3", "record"),
}


@pytest.mark.parametrize(("data", "where"), BAD.values(), ids=BAD.keys())
def test_what_is_wrong_is_refused_whole(node, data, where):
    jp = node("JP")
    with pytest.raises(SecretariatError) as refused:
        record_file.import_bytes(jp, "live", data, by="aoki", now=NOW)

    assert where in str(refused.value.where)
    assert refused.value.advice
    with jp.database.app("live") as tx:
        assert store.statements(tx, View.on("2026-11-22")) == []


def test_words_that_are_not_in_the_document(node, tmp_path):
    jp = node("JP")
    (tmp_path / "a.txt").write_text("Nothing was agreed.")
    data = SMALL.replace("id: S1", "id: S1, seed: a.txt").replace("{s: S1}", "{s: S1, span: All was agreed}")
    with pytest.raises(InputError, match="do not stand in"):
        record_file.import_bytes(jp, "live", data.encode(), documents=tmp_path, by="aoki", now=NOW)


def test_a_changed_document_is_kept_beside_the_older(node, tmp_path):
    jp = node("JP")
    data = SMALL.replace("id: S1", "id: S1, seed: a.txt").encode()
    (tmp_path / "a.txt").write_text("Nothing was agreed.")
    record_file.import_bytes(jp, "live", data, documents=tmp_path, by="aoki", now=NOW)
    (tmp_path / "a.txt").write_text("Something was agreed.")
    done = record_file.import_bytes(jp, "live", data, documents=tmp_path, by="aoki", now=NOW)

    assert "another text" in done.warnings[0]
