"""All decisions of one release for one recipient: what it gets under which articles, and what it does not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from secretariat.agreements.model import DENY, ENGINE, MAY, Decision
from secretariat.agreements.recompute import COMPANY, moment_text, row_for
from secretariat.agreements.release_model import Basis, Withheld
from secretariat.ledger.entries import Draft, GrantRow, LogPin
from secretariat.ledger.entries import Grant as GrantBody

if TYPE_CHECKING:
    from secretariat.agreements.book import Book
    from secretariat.agreements.facts import Known
    from secretariat.agreements.release_batch import Batch
    from secretariat.records.markings import Label


class Class:
    """One recipient's versions of one TLP under equal articles, marks, term and duties."""

    def __init__(self, decision: Decision, tlp: str | None) -> None:
        self.decision = decision
        self.tlp = tlp
        self.members: list[int] = []
        """Places in the batch."""

    def row(self, roots: Sequence[str]) -> GrantRow:
        return row_for(self.decision, [roots[one] for one in self.members] if roots else (), self.tlp)


class Answer:
    """All decisions of one batch for one recipient."""

    def __init__(self, batch: Batch, party: str, book: Book, known: Known) -> None:
        self.batch = batch
        self.party = party
        self.book = book
        self.facts = known.facts
        self.evidence = known.evidence
        self.classes: list[Class] = []
        self.denied: dict[tuple[str, str | None], list[int]] = {}
        self.matrix: list[list[Any]] = []
        self.partials: list[int] = []
        """Row ids of what it holds with more left out than now."""
        self.count = 0

    def decide_all(self) -> None:
        """Decide label by label; object by object where a consent may name single objects."""
        batch, classes = self.batch, dict[Any, Class]()
        there, self.partials = batch.granted(self.party)
        whole = not there and not batch.any_from(self.party)
        for number, (label, members) in enumerate(batch.by_label.items()):
            fresh = (
                members
                if whole
                else [one for one in members if one not in there and not batch.is_from(one, self.party)]
            )
            foreign = label.orig != batch.node.party or any(
                parent.orig != batch.node.party for parent in label.derived_from
            )
            if foreign and self.facts.consents:
                for one in fresh:
                    self._sort(
                        classes, batch.decide(self, label, batch.versions[one].stix_id), [one], label, number
                    )
            elif fresh:
                self._sort(classes, batch.decide(self, label, None), fresh, label, number)
        self.classes = [group for group in classes.values() if group.members]
        if batch.has_company:
            self._add_company(there)
            self._company_first()
        self.count = sum(len(one.members) for one in self.classes)

    def _sort(
        self,
        classes: dict[Any, Class],
        decision: Decision,
        members: list[int],
        label: Label,
        label_number: int,
    ) -> None:
        missing = decision.missing.text if decision.missing is not None else None
        self.matrix.append([label_number, len(members), decision.outcome, decision.article, missing])
        if decision.outcome == MAY:
            tlp = label.tlp
            key = (
                tlp,
                decision.article,
                decision.because,
                decision.marks,
                decision.conditions,
                decision.obligations,
                decision.until,
            )
            classes.setdefault(key, Class(decision, tlp)).members.extend(members)
        elif decision.outcome == DENY:
            self.denied.setdefault((decision.article, missing), []).extend(members)

    def _add_company(self, there: set[int]) -> None:
        """Add what granted objects refer to (rule 4), under the articles of the first that refers to it."""
        batch = self.batch
        have = there | {one for group in self.classes for one in group.members}
        for group in list(self.classes):
            wanted = {
                companion
                for one in group.members
                for companion in batch.company.get(one, ())
                if companion not in have and not batch.is_from(companion, self.party)
            }
            group.members.extend(sorted(wanted))
            have |= wanted
        for members in self.denied.values():
            members[:] = [one for one in members if one not in have]

    def _company_first(self) -> None:
        """Put what others refer to before them: a receiver that has the marking need not let objects wait."""
        versions = self.batch.versions
        for group in self.classes:
            group.members.sort(key=lambda one: versions[one].type not in COMPANY)
        self.classes.sort(key=lambda group: versions[group.members[0]].type not in COMPANY)

    def draft(self, publication: int, basis: Basis, purpose: str | None, pin: LogPin, now: datetime) -> Draft:
        body = GrantBody(
            to=self.party,
            publication=publication,
            instruments=self.book.hash,
            engine=ENGINE,
            rows=[self._row(group) for group in self.classes],
            basis=msgspec.to_builtins(basis),
            purpose=purpose,
            route=None,
            true_on=moment_text(now),
            known_by=msgspec.to_builtins(pin),
            facts={
                **msgspec.to_builtins(msgspec.structs.replace(self.facts, consents=())),
                "evidence": [{"origin": origin, "position": number} for origin, number in self.evidence],
            },
        )
        return Draft("grant", self.party, body)

    def _row(self, group: Class) -> GrantRow:
        row, missing = group.row(self.batch.roots), self.batch.missing
        partials = {self.batch.roots[one]: list(missing[one]) for one in group.members if one in missing}
        return msgspec.structs.replace(row, left_out=partials) if partials else row

    def withheld(self, now: datetime) -> list[Withheld]:
        """Say what this recipient did not get."""
        return [
            Withheld(
                self.party,
                [self.batch.versions[one].stix_id for one in members],
                now.date().isoformat(),
                article,
                missing,
            )
            for (article, missing), members in self.denied.items()
            if members
        ]
