"""Who may do what: one enum of permissions, one table role x permission, one sentence per right.

Nothing else in the project grants a right to a person. A page names one `Permission`; a person has it
when one of its roles has it in `TABLE`. Tokens carry scopes, never roles: a tool is not a person.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from secretariat.base.errors import SecretariatError


class Permission(StrEnum):
    """Every right there is on pages and commands."""

    READ_REPORTS = "reports.read"
    WRITE_REPORTS = "reports.write"
    PROPOSE_RELEASE = "release.propose"
    APPROVE_RELEASE = "release.approve"
    WITHDRAW = "report.withdraw"
    READ_AGREEMENTS = "agreements.read"
    EDIT_AGREEMENTS = "agreements.edit"
    READ_LEDGER = "ledger.read"
    READ_REGISTER = "register.read"
    EDIT_REGISTER = "register.edit"
    USE_WATCH = "watch.use"
    RUN_DRILL = "drill.run"
    READ_ASSURANCE = "assurance.read"
    EDIT_ASSURANCE = "assurance.edit"
    READ_READ_LOG = "readlog.read"
    MANAGE_TOKENS = "tokens.manage"
    MANAGE_PEERS = "peers.manage"
    MANAGE_PEOPLE = "people.manage"
    GUEST_READ = "guest.read"
    GUEST_WRITE = "guest.write"
    GUEST_RELEASE = "guest.release"


SENTENCES: dict[Permission, str] = {
    Permission.READ_REPORTS: "Read the reports that this party wrote or was granted.",
    Permission.WRITE_REPORTS: "Write and import reports as drafts; only a release lets a draft leave.",
    Permission.PROPOSE_RELEASE: "Ask the agreements who may get a report, and propose its release.",
    Permission.APPROVE_RELEASE: "Say DO on a decision that says MAY, or approve what another proposed.",
    Permission.WITHDRAW: "Withdraw a report of this party from everyone who holds it.",
    Permission.READ_AGREEMENTS: "Read instruments and ask what may flow between whom, on any day.",
    Permission.EDIT_AGREEMENTS: "Record instruments, their status, consents and house rules of this party.",
    Permission.READ_LEDGER: "Read and verify the log, its checkpoints, proofs and receipts.",
    Permission.READ_REGISTER: "Read meetings, commitments, projects and boards.",
    Permission.EDIT_REGISTER: "Record meetings, commitments, evidence and accounts.",
    Permission.USE_WATCH: "Match against own telemetry, run hunts, export rules.",
    Permission.RUN_DRILL: "Plan and run exercises in the exercise realm.",
    Permission.READ_ASSURANCE: "Read criteria, evidence, findings and handling audits.",
    Permission.EDIT_ASSURANCE: "Record evidence and findings, sign audit reports.",
    Permission.READ_READ_LOG: "See who read which report, and when.",
    Permission.MANAGE_TOKENS: "Create and revoke the tokens with which tools connect.",
    Permission.MANAGE_PEERS: "Invite, accept and suspend other parties' nodes.",
    Permission.MANAGE_PEOPLE: "Add and disable persons and give them roles.",
    Permission.GUEST_READ: "As a guest: read what was granted to this party, and what it wrote.",
    Permission.GUEST_WRITE: "As a guest: write drafts for this party.",
    Permission.GUEST_RELEASE: "As a guest: say DO for this party, and withdraw what it published.",
}


class Role(StrEnum):
    """The seven ways to work on a node (product.md, who uses it, and the node's administrator)."""

    ANALYST = "analyst"
    RELEASER = "releaser"
    OFFICER = "officer"
    PLANNER = "planner"
    AUDITOR = "auditor"
    INTEGRATOR = "integrator"
    ADMIN = "admin"


PURPOSES: dict[Role, str] = {
    Role.ANALYST: "Reads what partners shared, writes drafts, asks who may get them, matches own logs.",
    Role.RELEASER: "Says DO, or not; withdraws; signs joint statements and standing releases.",
    Role.OFFICER: "Keeps the Register: meetings, promises, evidence, requests, instruments.",
    Role.PLANNER: "Plans and runs exercises.",
    Role.AUDITOR: "Checks how things were handled: log, evidence, who read what.",
    Role.INTEGRATOR: "Connects tools: tokens, TAXII, imports.",
    Role.ADMIN: "Runs the node: people, partners, keys, tokens; reads no report.",
}
"""What each role is for, in a sentence."""

_READ = frozenset(
    {
        Permission.READ_REPORTS,
        Permission.READ_AGREEMENTS,
        Permission.READ_LEDGER,
        Permission.READ_REGISTER,
    }
)

TABLE: dict[Role, frozenset[Permission]] = {
    Role.ANALYST: _READ | {Permission.WRITE_REPORTS, Permission.PROPOSE_RELEASE, Permission.USE_WATCH},
    Role.RELEASER: _READ
    | {
        Permission.WRITE_REPORTS,
        Permission.PROPOSE_RELEASE,
        Permission.APPROVE_RELEASE,
        Permission.WITHDRAW,
        Permission.EDIT_AGREEMENTS,
        Permission.USE_WATCH,
    },
    Role.OFFICER: _READ | {Permission.EDIT_REGISTER, Permission.EDIT_AGREEMENTS, Permission.READ_ASSURANCE},
    Role.PLANNER: _READ | {Permission.RUN_DRILL},
    Role.AUDITOR: _READ | {Permission.READ_ASSURANCE, Permission.EDIT_ASSURANCE, Permission.READ_READ_LOG},
    Role.INTEGRATOR: frozenset(
        {Permission.READ_REPORTS, Permission.READ_LEDGER, Permission.WRITE_REPORTS, Permission.MANAGE_TOKENS}
    ),
    Role.ADMIN: frozenset(
        {
            Permission.READ_LEDGER,
            Permission.READ_AGREEMENTS,
            Permission.READ_READ_LOG,
            Permission.MANAGE_TOKENS,
            Permission.MANAGE_PEERS,
            Permission.MANAGE_PEOPLE,
        }
    ),
}
"""An administrator runs the node and does not read reports: the two are kept apart on purpose."""


_GUEST_READ = frozenset({Permission.GUEST_READ})
GUEST_TABLE: dict[Role, frozenset[Permission]] = {
    Role.ANALYST: _GUEST_READ | {Permission.GUEST_WRITE},
    Role.RELEASER: _GUEST_READ | {Permission.GUEST_WRITE, Permission.GUEST_RELEASE},
    Role.OFFICER: _GUEST_READ,
    Role.AUDITOR: _GUEST_READ,
}
"""What the same roles may do for a person of a guest: these rights and no other, whatever `TABLE` says.

A role that is missing here cannot be given to a guest's person; the host's own persons have no such right.
"""


class Scope(StrEnum):
    """What a token may be used for."""

    READ = "read"
    WRITE = "write"
    CALENDAR = "calendar"
    """Fetches the calendar of the Register, and nothing else."""


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A human being who signs in; never a tool."""

    id: UUID
    login: str
    name: str
    language: str
    roles: frozenset[Role]
    created_at: datetime
    disabled_at: datetime | None = None
    office: str | None = None
    party: str | None = None
    """The guest whose person this is; None: the node's own party."""

    def may(self, permission: str) -> bool:
        """Whether one of this person's roles has `permission`; a disabled person may nothing."""
        table = TABLE if self.party is None else GUEST_TABLE
        return self.disabled_at is None and any(permission in table.get(role, ()) for role in self.roles)


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A tool's credential as it may be listed: without its secret, which nobody can show again."""

    id: UUID
    label: str
    reader: str
    scopes: frozenset[Scope]
    created_at: datetime
    expires_at: datetime
    created_by: str
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None


class TokenIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """What a presented token proves: for which party it reads, and what it may do."""

    id: UUID
    label: str
    reader: str
    scopes: frozenset[Scope]
    expires_at: datetime

    @property
    def may_write(self) -> bool:
        """Whether it may post and delete in its party's own collection."""
        return Scope.WRITE in self.scopes


class ReadEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the read log: who looked at what, from which page."""

    at: datetime
    who: str
    subject: str
    page: str


class SignInError(SecretariatError):
    """Login and password do not fit, or the person is disabled: the answer is the same for all three."""

    code = "sign-in-refused"
    status = 401


class AttemptsError(SecretariatError):
    """Too many failed attempts for this login or from this address."""

    code = "too-many-attempts"
    status = 429
