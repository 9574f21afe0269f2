"""Letters and correspondences in a node's store in PostgreSQL: the `MailStore` of mailbox.py.

See there for what each method promises.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from secretariat.exchange.mailbox import Mail
from secretariat.exchange.mailbox_store import read_letters
from secretariat.exchange.postgres_transaction import Transaction
from secretariat.storage.engine import raw

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from secretariat.exchange.letters import Held, Sealed


class MailRows(Transaction):
    """Mail in the store."""

    def lock_mail(self, party: str) -> Mail:
        raw(self.tx).execute(
            "INSERT INTO mail (party, state, box) VALUES (%s, %s::jsonb, '') ON CONFLICT DO NOTHING",
            (party, msgspec.json.encode(Mail(party=party)).decode()),
        )
        raw(self.tx).execute("SELECT 1 FROM mail WHERE party = %s FOR UPDATE", (party,))
        return self.mail(party)

    def mail(self, party: str) -> Mail:
        row = raw(self.tx).execute("SELECT state::text, box FROM mail WHERE party = %s", (party,)).fetchone()
        if row is None:
            return Mail(party=party)
        return msgspec.structs.replace(msgspec.json.decode(row[0], type=Mail), box=bytes(row[1]))

    def save_mail(self, mail: Mail) -> None:
        state = msgspec.json.encode(msgspec.structs.replace(mail, box=b"")).decode()
        raw(self.tx).execute(
            "INSERT INTO mail (party, state, box) VALUES (%s, %s::jsonb, %s)"
            " ON CONFLICT (party) DO UPDATE SET state = excluded.state, box = excluded.box",
            (mail.party, state, mail.box),
        )

    def allow_mail(self, party: str, by: str) -> None:
        raw(self.tx).execute(
            "INSERT INTO mailbox_user (party, allowed_by, at) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            (party, by, self.now),
        )

    def forbid_mail(self, party: str) -> None:
        raw(self.tx).execute("DELETE FROM mailbox_user WHERE party = %s", (party,))
        raw(self.tx).execute("DELETE FROM letter WHERE sender = %s OR reader = %s", (party, party))

    def mail_users(self) -> Collection[str]:
        rows = raw(self.tx).execute("SELECT party FROM mailbox_user ORDER BY party")
        return [party for (party,) in rows]

    def last_posted(self, sender: str, to: str) -> tuple[int, bytes] | None:
        # The writer's row is locked first: its limits and numbers are then counted by one letter at a time.
        raw(self.tx).execute("SELECT 1 FROM mailbox_user WHERE party = %s FOR UPDATE", (sender,))
        row = (
            raw(self.tx)
            .execute(
                "SELECT number, digest FROM letter_posted WHERE sender = %s AND reader = %s", (sender, to)
            )
            .fetchone()
        )
        return None if row is None else (row[0], bytes(row[1]))

    def used(self, sender: str) -> tuple[int, int]:
        row = (
            raw(self.tx)
            .execute(
                "SELECT count(*), coalesce(sum(length(box)), 0)::int8 FROM letter WHERE sender = %s",
                (sender,),
            )
            .fetchone()
        )
        assert row is not None
        return row[0], row[1]

    def keep_letter(self, letter: Sealed, digest: bytes) -> None:
        raw(self.tx).execute(
            "INSERT INTO letter (sender, reader, number, key, box, at) VALUES (%s, %s, %s, %s, %s, %s)",
            (letter.party, letter.to, letter.number, letter.key, letter.box, self.now),
        )
        raw(self.tx).execute(
            "INSERT INTO letter_posted (sender, reader, number, digest) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (sender, reader) DO UPDATE SET number = excluded.number, digest = excluded.digest",
            (letter.party, letter.to, letter.number, digest),
        )

    def letters_for(self, reader: str, limit: int) -> Sequence[Held]:
        return read_letters(self.tx, self.realm, reader, limit)

    def drop_letters(self, reader: str, numbers: Mapping[str, int], thrown: Sequence[int]) -> int:
        gone = raw(self.tx).execute(
            "DELETE FROM letter WHERE reader = %s AND (id = ANY(%s) OR EXISTS (SELECT 1"
            " FROM unnest(%s::text[], %s::int8[]) AS n (s, m) WHERE s = sender AND number <= m))",
            (reader, list(thrown), list(numbers), list(numbers.values())),
        )
        return gone.rowcount

    def expire_letters(self, before: datetime) -> int:
        return raw(self.tx).execute("DELETE FROM letter WHERE at < %s", (before,)).rowcount
