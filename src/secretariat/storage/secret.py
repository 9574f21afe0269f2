"""The passwords of a node's database roles, in `database.secret` (mode 0600) of the data folder."""

from __future__ import annotations

import secrets
from pathlib import Path

import msgspec

from secretariat.base.errors import StateError
from secretariat.base.private import write_private

FILE = "database.secret"


class Secret(msgspec.Struct, frozen=True):
    """`superuser`: of the embedded server, for init and migrations; `app`: of the application's roles."""

    superuser: str
    app: str

    @classmethod
    def new(cls) -> Secret:
        """Draw fresh passwords."""
        return cls(secrets.token_urlsafe(32), secrets.token_urlsafe(32))

    @classmethod
    def exists(cls, data: Path) -> bool:
        """Say whether the data folder has passwords."""
        return (data / FILE).exists()

    @classmethod
    def load(cls, data: Path) -> Secret:
        """Read the passwords. Refuses a data folder without them."""
        path = data / FILE
        try:
            return msgspec.json.decode(path.read_bytes(), type=Secret)
        except (OSError, msgspec.DecodeError) as error:
            raise StateError(f"cannot read {path}", advice="restore the data folder from a backup") from error

    def save(self, data: Path) -> None:
        """Write the passwords for their owner only."""
        write_private(data / FILE, msgspec.json.encode(self))
