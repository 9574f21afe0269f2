"""Standing releases: what they never cover, and when they end."""

import importlib.util
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from secretariat.agreements import workflow
from secretariat.agreements.workflow import Terms
from secretariat.base.errors import DeniedError, InputError, StateError

_spec = importlib.util.spec_from_file_location("releasing", Path(__file__).parent / "test_release.py")
releasing = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(releasing)

NOW = releasing.NOW


def begun(jp, *, days=1, needs_second=False, **terms):
    asked = Terms(**{"partners": ["KR"], "purpose": "network_defence", "types": ["indicator"], **terms})
    return workflow.begin_standing(
        jp, "live", asked, title="x", by=["anna"], days=days, needs_second=needs_second, now=NOW
    )


def under(jp, number, *versions, now=NOW):
    return workflow.publish_standing(jp, "live", versions, number, now=now)


def amber(**label):
    made = releasing.version(releasing.indicator("AMBER"))
    return msgspec.structs.replace(made, label=msgspec.structs.replace(made.label, **label))


NEVER = {
    "originator control": {"controls": ("OC",)},
    "originator control by its other name": {"controls": ("ORCON",)},
    "classified, with a colour beside it": {"level": "III", "scheme": "ROK_MIL"},
    "made from something classified": {
        "derived_from": (msgspec.structs.replace(amber().label, level="III", scheme="ROK_MIL"),)
    },
    "AMBER+STRICT": {"tlp": "AMBER+STRICT"},
    "RED": {"tlp": "RED"},
    "without a colour": {"tlp": None},
}


@pytest.mark.parametrize("label", NEVER.values(), ids=NEVER)
def test_it_never_covers(node, label):
    jp = releasing.prepared(node, "KR")
    jp.settings.ceiling = {"ROK_MIL": "I"}
    number = begun(jp).id
    with pytest.raises(DeniedError, match="its marking is above AMBER"):
        under(jp, number, amber(), amber(**label))
    assert releasing.readable(jp, "KR") == set(), "all or nothing"


def test_it_covers_its_class_and_every_grant_names_it(node):
    jp = releasing.prepared(node, "KR")
    number = begun(jp).id
    one = amber()
    done = under(jp, number, one)
    assert releasing.readable(jp, "KR") == {one.stix_id}
    assert done.granted == {"KR": 1}
    with jp.database.app("live") as tx:
        assert [use.entry for use in workflow.uses_of(tx, number)] == [done.publication + 1]


def test_another_type_than_its_own_is_refused(node):
    jp = releasing.prepared(node, "KR")
    number = begun(jp, types=["malware"]).id
    with pytest.raises(DeniedError, match="not among its types"):
        under(jp, number, amber())


def test_its_count_holds_at_the_edge_and_begins_anew_the_next_day(node):
    jp = releasing.prepared(node, "KR")
    number = begun(jp, per_day=2, days=3).id
    under(jp, number, amber(), amber())
    with pytest.raises(DeniedError, match="2 of 2 a day are used"):
        under(jp, number, amber())
    under(jp, number, amber(), now=NOW + timedelta(days=1))


@pytest.mark.parametrize("apart", [timedelta(seconds=-1), timedelta(days=1)], ids=["before", "at its end"])
def test_it_covers_nothing_outside_its_term(node, apart):
    jp = releasing.prepared(node, "KR")
    number = begun(jp, days=1).id
    with pytest.raises(StateError, match="has ended"):
        under(jp, number, amber(), now=NOW + apart)


def test_revoked_it_ends_at_once_and_only_once(node):
    jp = releasing.prepared(node, "KR")
    number = begun(jp).id
    workflow.end_standing(jp, "live", number, by="ben", now=NOW)
    with pytest.raises(StateError, match="has ended"):
        under(jp, number, amber())
    with pytest.raises(StateError, match="has ended"):
        workflow.end_standing(jp, "live", number, by="ben", now=NOW)


def test_what_waits_for_a_second_signature_covers_nothing_and_not_the_first_person_gives_it(node):
    jp = releasing.prepared(node, "KR")
    number = begun(jp, needs_second=True).id
    with pytest.raises(StateError, match="a second person must sign"):
        under(jp, number, amber())
    with pytest.raises(DeniedError, match="a second person must sign"):
        workflow.sign_standing(jp, "live", number, by="anna", now=NOW)
    workflow.sign_standing(jp, "live", number, by="ben", now=NOW)
    assert under(jp, number, amber()).granted == {"KR": 1}


TOO_WIDE = {
    "above AMBER": {"highest": "AMBER+STRICT"},
    "a colour that is none": {"highest": "PURPLE"},
    "nobody": {"partners": []},
    "no count": {"per_day": 0},
    "no day": {"days": 0},
    "past the limit": {"days": 91},
}


@pytest.mark.parametrize("terms", TOO_WIDE.values(), ids=TOO_WIDE)
def test_too_wide_terms_are_refused(node, terms):
    jp = releasing.prepared(node, "KR")
    with pytest.raises(InputError):
        begun(jp, **terms)
    with jp.database.app("live") as tx:
        assert workflow.standings(tx) == []


def identity(**more):
    stamp = "2026-11-20T08:00:00.000Z"
    made = {"type": "identity", "spec_version": "2.1", "created": stamp, "modified": stamp, "name": "Team"}
    return {**made, "id": "identity--6ba7b810-9dad-41d1-80b4-00c04fd430c8", **more}


def test_who_made_it_comes_along_without_being_of_its_types_or_counted(node):
    jp = releasing.prepared(node, "KR")
    number = begun(jp, per_day=1).id
    who = releasing.version(identity())
    one = releasing.version(releasing.indicator("AMBER", created_by_ref=who.stix_id))
    under(jp, number, one, who)
    assert releasing.readable(jp, "KR") == {one.stix_id, who.stix_id}


def test_an_identity_that_nothing_covered_refers_to_is_refused(node):
    jp = releasing.prepared(node, "KR")
    number = begun(jp).id
    with pytest.raises(DeniedError, match="not among its types"):
        under(jp, number, amber(), releasing.version(identity()))


def test_what_comes_along_is_never_marked_above_its_colour(node):
    jp = releasing.prepared(node, "KR")
    number = begun(jp).id
    who = releasing.version(identity(object_marking_refs=[releasing.tlp_marking("RED")["id"]]))
    one = releasing.version(releasing.indicator("AMBER", created_by_ref=who.stix_id))
    with pytest.raises(DeniedError, match="above AMBER"):
        under(jp, number, one, who)
