"""Trust in the story: what was agreed is signed by each party, and every log is vouched for by the others.

The acts are those of pages and commands; every state told here is what the nodes themselves answer, and they
have to answer alike.
"""

from __future__ import annotations

from secretariat.base.clock import now
from secretariat.demo.delivery import until
from secretariat.demo.nodes import DemoNode
from secretariat.demo.stage import REALM, Stage
from secretariat.ledger import joint_service
from secretariat.ledger.joint import Stance

RESERVATION = "SYNTHETIC reservation: point 2 does not bind us to a date."


class Trust:
    """The steps about signatures and logs, on the stage of the story."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.cluster = stage.cluster
        self.tell = stage.voice.tell

    def joint_statement(self, stix_id: str) -> None:
        """KR puts its advisory to signature; one party signs, one reserves, the last one makes it agreed."""
        kr, others = self.cluster["KR"], ["CN", "JP", "US"]
        digest = joint_service.propose(kr.node, REALM, stix_id, others, by="kr-releaser", now=now())
        page = f"/ledger/joint/{digest.hex()}"
        asked = until(lambda: all(_state(self.cluster[one], digest) is not None for one in others))
        self.tell(
            "KR puts its advisory to signature: CN, JP and US are asked to sign that very version",
            kr.page(page),
            held=asked,
        )
        if not asked:
            return
        self._say("JP", digest, "signed", "")
        self._say("CN", digest, "reservation", RESERVATION)
        waits = until(lambda: _state(kr, digest) == "open" and _silent(kr, digest) == ["US"])
        self.tell("JP signs, CN signs with a reservation of its own words; US has not answered, so it is not"
                  " agreed", kr.page(page), held=waits)  # fmt: skip
        self._say("US", digest, "signed", "")
        agreed = until(lambda: all(_state(one, digest) == "agreed-with-reservations" for one in self.cluster))
        self.tell(
            "US signs: agreed, with one reservation; all four nodes hold all four signatures",
            self.cluster["JP"].page(page),
            held=agreed,
        )

    def _say(self, party: str, digest: bytes, stance: Stance, text: str) -> None:
        one = self.cluster[party]
        by = f"{party.lower()}-releaser"
        joint_service.say(one.node, REALM, digest, stance, text, by=by, now=now())


def _state(one: DemoNode, digest: bytes) -> str | None:
    """How the statement stands at a node; None where it has not arrived."""
    with one.node.database.app(REALM) as tx:
        return next((f.outcome for f in joint_service.newest(tx, 10) if f.kept.digest == digest), None)


def _silent(one: DemoNode, digest: bytes) -> list[str]:
    with one.node.database.app(REALM) as tx:
        return joint_service.standing(tx, digest).silent
