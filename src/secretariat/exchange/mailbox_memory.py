"""Letters and correspondences of a node in memory: the `MailStore` of mailbox.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secretariat.base.clock import parse_stamp, stamp
from secretariat.exchange.letters import Held, Sealed
from secretariat.exchange.mailbox import Mail

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from secretariat.exchange.memory import Memory


class MemoryMail:
    """What one transaction on a `Memory` sees of mail."""

    def __init__(self, memory: Memory, now: datetime) -> None:
        self._mail, self._at = memory, now

    def mail(self, party: str) -> Mail:
        return self._mail.mail.get(party, Mail(party=party))

    def lock_mail(self, party: str) -> Mail:
        return self.mail(party)

    def save_mail(self, mail: Mail) -> None:
        self._mail.mail[mail.party] = mail

    def allow_mail(self, party: str, by: str) -> None:
        self._mail.mail_users[party] = by

    def forbid_mail(self, party: str) -> None:
        self._mail.mail_users.pop(party, None)
        self._mail.letters = [
            one for one in self._mail.letters if party not in {one.letter.party, one.letter.to}
        ]

    def mail_users(self) -> Collection[str]:
        return list(self._mail.mail_users)

    def last_posted(self, sender: str, to: str) -> tuple[int, bytes] | None:
        return self._mail.posted.get((sender, to))

    def used(self, sender: str) -> tuple[int, int]:
        sizes = [len(one.letter.box) for one in self._mail.letters if one.letter.party == sender]
        return len(sizes), sum(sizes)

    def keep_letter(self, letter: Sealed, digest: bytes) -> None:
        self._mail.letter_ids += 1
        self._mail.letters.append(Held(self._mail.letter_ids, stamp(self._at), letter))
        self._mail.posted[letter.party, letter.to] = (letter.number, digest)

    def letters_for(self, reader: str, limit: int) -> Sequence[Held]:
        return [one for one in self._mail.letters if one.letter.to == reader][:limit]

    def drop_letters(self, reader: str, numbers: Mapping[str, int], thrown: Sequence[int]) -> int:
        return self._drop(
            [
                one
                for one in self._mail.letters
                if one.letter.to == reader
                and (one.letter.number <= numbers.get(one.letter.party, -1) or one.id in thrown)
            ]
        )

    def expire_letters(self, before: datetime) -> int:
        return self._drop([one for one in self._mail.letters if parse_stamp(one.at) < before])

    def _drop(self, gone: Collection[Held]) -> int:
        ids = {one.id for one in gone}
        self._mail.letters = [one for one in self._mail.letters if one.id not in ids]
        return len(ids)
