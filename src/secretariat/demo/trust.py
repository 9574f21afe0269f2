"""Trust in the story: what was agreed is signed by each party, and every log is vouched for by the others.

The acts are those of pages and commands; every state told here is what the nodes themselves answer, and they
have to answer alike.
"""

from __future__ import annotations

from secretariat.base.clock import now
from secretariat.demo.delivery import until
from secretariat.demo.nodes import DemoNode
from secretariat.demo.stage import REALM, Stage
from secretariat.ledger import joint_service, witnessing
from secretariat.ledger import service as ledger
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

    def evidence(self) -> None:
        """KR's newest grant to JP: JP vouches for it as recipient, US as uninvolved party."""
        kr = self.cluster["KR"]
        with kr.node.database.app(REALM) as tx:
            lines = ledger.list_entries(tx, kinds=["grant"], recipient="JP", limit=1)
        position = lines[0].position if lines else 0
        final = until(lambda: _stands(kr, position, "JP") == "final")
        self.tell(
            f"KR's entry {position}, a grant to JP, is final: JP and an uninvolved party signed that they saw"
            " KR's log with it; whoever shows another log from now on is found out",
            kr.page(f"/ledger/entries/{position}"),
            held=final,
        )

    def _say(self, party: str, digest: bytes, stance: Stance, text: str) -> None:
        one = self.cluster[party]
        by = f"{party.lower()}-releaser"
        joint_service.say(one.node, REALM, digest, stance, text, by=by, now=now())


def _state(one: DemoNode, digest: bytes) -> str | None:
    """How the statement stands at a node; None where it has not arrived."""
    with one.node.database.app(REALM) as tx:
        return next((f.outcome for f in joint_service.newest(tx, 10) if f.kept.digest == digest), None)


def _stands(one: DemoNode, position: int, recipient: str) -> str:
    """What stands behind an entry of a node's own log."""
    with one.node.database.app(REALM) as tx:
        ring = one.node.keyring(REALM)
        return witnessing.standing_of_own(tx, ring, position, recipient).state


def _silent(one: DemoNode, digest: bytes) -> list[str]:
    with one.node.database.app(REALM) as tx:
        return joint_service.standing(tx, digest).silent
