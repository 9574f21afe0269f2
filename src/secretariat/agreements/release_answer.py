"""All decisions of one release for one recipient: what it gets under which articles, and what it does not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from secretariat.agreements.keeping_back import Kept, by_duty, decide_object, has_parts, kept_back
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
        self.kept_back: dict[int, tuple[str, ...]] = {}
        """What the decision leaves out for this recipient, by place (keeping_back.py)."""
        self._held: dict[int, Sequence[str]] = {}
        self.count = 0

    def decide_all(self) -> None:
        """Decide label by label; object by object where a consent may name single objects."""
        batch, classes = self.batch, dict[Any, Class]()
        self._held = batch.held(self.party)
        there = {one for one, names in self._held.items() if not set(names) > set(batch.missing.get(one, ()))}
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
                    self._alone(classes, one, number, batch.versions[one].stix_id)
                continue
            parted = [one for one in fresh if has_parts(batch.versions[one])] if batch.has_parts else []
            for one in parted:
                self._alone(classes, one, number, None)
            alike = [one for one in fresh if one not in set(parted)] if parted else fresh
            if alike:
                decision = batch.decide(self, label, None)
                if kept_back(decision.obligations):
                    for one in alike:
                        found = by_duty(batch.versions[one], decision, label)
                        self._sort_kept(classes, found, one, number)
                else:
                    self._sort(classes, decision, alike, label, number)
        granted = {one for group in classes.values() for one in group.members}
        self.partials = [batch.id_at(one) for one in self._held.keys() & granted]
        self.classes = [group for group in classes.values() if group.members]
        if batch.has_company:
            self._add_company(there)
            self._company_first()
        self.count = sum(len(one.members) for one in self.classes)

    def _alone(self, classes: dict[Any, Class], one: int, number: int, object_id: str | None) -> None:
        """Decide one object by itself: as a whole, else without what its parts' markings keep back."""
        batch = self.batch
        found = decide_object(
            batch.versions[one],
            lambda label: batch.decide(self, label, object_id),
            batch.markings,
            batch.node.settings.default_tlp,
        )
        self._sort_kept(classes, found, one, number)

    def _sort_kept(self, classes: dict[Any, Class], found: Kept, one: int, number: int) -> None:
        names = {*(name for name, _article in found.left_out), *self.batch.missing.get(one, ())}
        if found.decision.outcome == MAY and one in self._held and names >= set(self._held[one]):
            return  # it holds as much already
        if found.left_out:
            self.kept_back[one] = tuple(name for name, _article in found.left_out)
        self._sort(classes, found.decision, [one], found.label, number)

    def missing_of(self, place: int) -> tuple[str, ...]:
        """Name what this recipient does not get of one version: chosen by a person, missing, kept back."""
        names = {*self.batch.missing.get(place, ()), *self.kept_back.get(place, ())}
        return tuple(sorted(names, key=lambda name: name.encode("utf-16-be")))

    def by_missing(self, members: Sequence[int]) -> Iterable[tuple[tuple[str, ...], Sequence[int]]]:
        """Sort versions by what their recipient does not get."""
        if not self.batch.missing and not self.kept_back:
            return [((), members)]
        groups: dict[tuple[str, ...], list[int]] = {}
        for one in members:
            groups.setdefault(self.missing_of(one), []).append(one)
        return groups.items()

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
            if kept_back(group.decision.obligations):
                wanted = {one for one in wanted if not self._held_whole(one, group.decision)}
            group.members.extend(sorted(wanted))
            have |= wanted
        for members in self.denied.values():
            members[:] = [one for one in members if one not in have]

    def _held_whole(self, one: int, decision: Decision) -> bool:
        """Whether what goes whole or not at all would carry what the decision keeps back."""
        return (
            by_duty(self.batch.versions[one], decision, self.batch.versions[one].label).decision.outcome
            != MAY
        )

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
        row = group.row(self.batch.roots)
        partials = {
            self.batch.roots[one]: list(names) for one in group.members if (names := self.missing_of(one))
        }
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
