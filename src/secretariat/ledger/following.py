"""What a partner's log may show next: it may only grow, and only by proof. No I/O.

Rules, the one place where they stand:

1. A checkpoint of a smaller tree than was shown before takes entries back (`log-rolled-back`). Another root
   at the size shown before is a second history (`log-contradicts`). Either is two notes that the log's key
   signed and that cannot both be true: evidence for anybody, and the log is suspended until a person looks.
2. A proof that does not lead from the kept tree to the shown one proves nothing against the log: whoever
   carried it may have broken it (`log-unproven`). The page is refused, the log stays as it is kept, and it is
   asked again. A log that forked beyond the kept size can never bring such a proof, so nothing of the fork is
   ever believed.
3. Between two checkpoints of one tree there is nothing to prove, and a proof that comes all the same is one
   that does not lead there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from secretariat.base.errors import ProofError
from secretariat.ledger import merkle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secretariat.ledger.checkpoint import Checkpoint


class UnprovenError(ProofError):
    """The proof that came along does not lead from what is kept to what is shown."""

    code = "log-unproven"


class ContradictionError(ProofError):
    """The log takes back what it showed: its own key signed both. `code` says in which way."""

    code = "log-contradicts"


class RolledBackError(ContradictionError):
    """The log shows fewer entries than before."""

    code = "log-rolled-back"


def check_next(
    party: str, origin: str, size: int, root: bytes, shown: Checkpoint, proof: Sequence[bytes]
) -> None:
    """Say nothing when `shown`, verified, continues the kept tree of (size, root); else raise as above."""
    if shown.size < size:
        raise RolledBackError(
            f"{party}'s log has {shown.size} entries where {size} were shown before",
            where=origin,
            advice=f"{party}'s node may run on an old backup; talk to its operator before you resume it",
        )
    if shown.size == size and shown.root != root:
        raise ContradictionError(
            f"{party} signed two different logs of {size} entries",
            where=origin,
            advice="both signed checkpoints are kept: together they prove it to anybody",
        )
    if merkle.verify_consistency(size, shown.size, root, shown.root, proof):
        return
    if shown.size == size:
        raise UnprovenError(
            f"a proof came with the checkpoint of the same {size} entries that are kept, and proves nothing",
            where=origin,
            advice="the page was put together wrongly on the way; it is asked for again",
        )
    raise UnprovenError(
        f"nothing proves that {party}'s log of {shown.size} entries continues the {size} shown before",
        where=origin,
        advice="it is asked for again; if it stays so, compare checkpoints with the partner",
    )
