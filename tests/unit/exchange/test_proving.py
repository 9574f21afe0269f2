"""What was proven ahead of a page counts for exactly those bytes under exactly those keys."""

from __future__ import annotations

import msgspec
import pytest

from secretariat.base.errors import SecretariatError
from secretariat.base.settings import Limits
from secretariat.exchange import wire
from secretariat.exchange.proving import Ahead, prove, prove_ahead
from secretariat.exchange.wire import CarriedEntry, CarriedObject, Counts, Cursor, Page
from secretariat.ledger import object_signature
from secretariat.ledger.keys import Signer
from secretariat.ledger.property_tree import root_of
from secretariat.records import stix
from secretariat.records.canonical import canonical

KR, OTHER = Signer.from_seed(b"\x02" * 32), Signer.from_seed(b"\x03" * 32)
KEYS = {"KR": {KR.key_id: KR.public}, "US": {}}
SALT = b"s" * 32
VALUE = {
    "type": "domain-name",
    "spec_version": "2.1",
    "id": "domain-name--4a6c2e2e-9e7b-4b5f-8f0c-8f1f3f6a7b01",
    "value": "a.example",
}


def carried(value=VALUE, *, signer=KR, originator="KR", data=None, salt=SALT, **more) -> CarriedObject:
    written = canonical(value) if data is None else data
    root = root_of(canonical(value), SALT)
    signature = object_signature.sign_object(value, root, signer)
    return CarriedObject(root.hex(), msgspec.Raw(written), salt, msgspec.Raw(signature), originator, **more)


def page(*objects: CarriedObject) -> Page:
    entry = CarriedEntry(1, b"e" * 32, (), total=len(objects), objects=objects)
    return Page(
        v=wire.VERSION,
        realm="live",
        origin="kr.example/live",
        party="KR",
        to="JP",
        after=Cursor(),
        next=Cursor(2),
        since=0,
        checkpoint="",
        consistency=(),
        entries=(entry,),
        count=Counts(1, len(objects), 0),
        hash="0" * 64,
    )


def ahead_of(*objects: CarriedObject) -> Ahead:
    return prove_ahead(page(*objects), lambda party: KEYS.get(party, {}), Limits(), stix.check)


def found(ahead: Ahead, one: CarriedObject, keys=KEYS["KR"]):
    return ahead.find(bytes(one.object), one.salt or b"", bytes(one.signature), keys)


def test_a_whole_object_is_found_again_with_its_root_and_value():
    one = carried()
    proven = found(ahead_of(one), one)
    assert (proven.root.hex(), proven.value, proven.unfit) == (one.root, VALUE, None)


CHANGED = {
    "other bytes": {"object": msgspec.Raw(canonical({**VALUE, "value": "b.example"}))},
    "another salt": {"salt": b"t" * 32},
    "another signature": {
        "signature": msgspec.Raw(object_signature.sign_object(VALUE, root_of(canonical(VALUE), SALT), OTHER))
    },
}


@pytest.mark.parametrize("name", CHANGED)
def test_nothing_is_found_for(name):
    one = carried()
    assert found(ahead_of(one), msgspec.structs.replace(one, **CHANGED[name])) is None


@pytest.mark.parametrize(
    "keys", [{}, {OTHER.key_id: OTHER.public}, {**KEYS["KR"], OTHER.key_id: OTHER.public}]
)
def test_nothing_is_found_once_the_originators_keys_are_others(keys):
    one = carried()
    assert found(ahead_of(one), one, keys) is None


LEFT = {
    "signed by another key": carried(signer=OTHER),
    "changed after signing": carried(data=canonical({**VALUE, "value": "b.example"})),
    "not canonical": carried(data=b" " + canonical(VALUE)),
    "not JSON": carried(data=b"{"),
    "of an originator not enrolled here": carried(originator="US"),
    "of nobody": carried(originator=None),
    "without salt": carried(salt=None),
    "a short salt": carried(salt=b"s"),
    "a partial": carried(leaves=("0" * 64,)),
    "gone": CarriedObject("0" * 64, gone="withdrawn"),
}


@pytest.mark.parametrize("name", LEFT)
def test_what_does_not_hold_or_needs_the_grant_is_left_for_later(name):
    one = LEFT[name]
    data = b"" if one.object is msgspec.UNSET else bytes(one.object)
    signature = b"" if one.signature is msgspec.UNSET else bytes(one.signature)
    assert ahead_of(one).find(data, one.salt or b"", signature, KEYS["KR"]) is None


def test_what_is_no_stix_is_known_as_that():
    one = carried({**VALUE, "value": 7})
    assert found(ahead_of(one), one).unfit.where == "/value"


def test_one_broken_object_does_not_keep_the_others_from_being_proven():
    good, bad = carried(), carried({**VALUE, "value": "c.example"}, signer=OTHER)
    ahead = ahead_of(bad, good, bad)
    assert found(ahead, good) is not None
    assert found(ahead, bad) is None


def test_without_keys_the_root_is_computed_and_nothing_verified():
    one = carried(signer=OTHER)
    arguments = (bytes(one.object), SALT, bytes(one.signature))
    assert prove(*arguments, {}, Limits(), None, "").root.hex() == one.root
    with pytest.raises(SecretariatError, match="unknown key"):
        prove(*arguments, KEYS["KR"], Limits(), None, "")
