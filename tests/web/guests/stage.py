"""What the stories of guests at a host share: made-up reports, and how they are brought in."""

from __future__ import annotations

import io
import json
import uuid
from datetime import timedelta

from secretariat.base.clock import now
from secretariat.base.settings import Limits
from secretariat.exchange import service
from secretariat.people import service as people
from secretariat.people.model import Scope
from secretariat.people.store import person_by_login
from secretariat.records.service import import_stream

PASSWORD = "correct horse battery"


CLEAR = "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487"


SECRET = "never for guests 7f3a"


def report(name, *, marking=None, number=None):
    stix_id = f"report--{number or uuid.uuid4()}"
    return stix_id, {
        "type": "report",
        "spec_version": "2.1",
        "id": stix_id,
        "created": "2026-11-01T00:00:00.000Z",
        "modified": "2026-11-01T00:00:00.000Z",
        "name": name,
        "published": "2026-11-01T00:00:00.000Z",
        "object_refs": ["indicator--7c1f6c5a-6d3e-4b7e-9d37-0a5e1f2b3c4e"],
        **({"object_marking_refs": [marking]} if marking else {}),
    }


def bundle(*objects):
    return json.dumps({"type": "bundle", "id": f"bundle--{uuid.uuid4()}", "objects": list(objects)}).encode()


def bring(node, *objects):
    result = import_stream(node.database, "live", node.party, io.BytesIO(bundle(*objects)))
    assert result.accepted == len(objects), result


def rows_of(tx, stix_id):
    asked = "SELECT originator, source, state FROM object_version WHERE stix_id = %s"
    return [tuple(row) for row in tx.exec_driver_sql(asked, (stix_id,))]


def person(node, login):
    with node.database.app("live") as tx:
        return person_by_login(tx, login)


def reading(tx, reader):
    """Give the collections' ids by name and a client's secret for a party's tools."""
    _token, word = people.create_token(
        tx, label="tools", reader=reader, scopes=[Scope.READ, Scope.WRITE], lifetime=timedelta(days=1),
        by="admin", limits=Limits(), now=now(),
    )  # fmt: skip
    rows = tx.exec_driver_sql("SELECT kind || '/' || reader, taxii FROM collection")
    return word, {row[0]: str(row[1]) for row in rows}


def take(sender, receiver, guest=""):
    place = service.place(receiver, "live", sender.party, guest=guest)
    page, _carried = service.make_page(
        sender, "live", guest or receiver.party, place.after, place.size, now=now()
    )
    service.take_page(receiver, "live", sender.party, page, guest=guest, now=now())
