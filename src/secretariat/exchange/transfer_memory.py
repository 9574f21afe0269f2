"""Transfers of a node in memory: the `TransferStore` of transfer.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secretariat.exchange.transfer import Carried, Handover

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secretariat.exchange.memory import Memory


class MemoryTransfers:
    """What one transaction on a `Memory` sees of transfers."""

    _m: Memory

    def handover(self, party: str) -> Handover:
        return self._m.handovers.get(party, Handover(party=party))

    def lock_handover(self, party: str) -> Handover:
        return self.handover(party)

    def save_handover(self, state: Handover) -> None:
        self._m.handovers[state.party] = state

    def note_carried(self, one: Carried) -> None:
        self._m.carried.insert(0, one)

    def carried(self, party: str | None = None, limit: int = 200) -> Sequence[Carried]:
        return [one for one in self._m.carried if party in {None, one.party}][:limit]
