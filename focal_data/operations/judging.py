"""What is wrong with one chain, row after row: pure, so that nothing of it needs a database."""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import orjson

from focal_data.domain.chain import GENESIS, AuditKeys, AuditKind, ChainHead, row_hash, text_digest

MAX_FINDINGS: Final = 1000
"""Findings that a report holds; further ones are counted."""

_WINDOW: Final = 100
"""So far from where it lies, the true place of a row is looked for."""

Row = Mapping[str, Any]


class Problem(StrEnum):
    """What was found."""

    CHANGED = "changed"
    """Something in the row is not what was written."""
    TEXT_CHANGED = "text changed"
    """The personal text is not what was written, and was not erased."""
    REMOVED = "removed"
    """Rows that were written are not there."""
    INSERTED = "inserted"
    """A row that the keys did not write."""
    REORDERED = "reordered"
    """A row that was written with another number."""
    UNCHAINED = "unchained"
    """A row without a chain, of a tenant that has one: stored without keys, or behind our back."""
    HEAD_MISSING = "head missing"
    HEAD_SET_BACK = "head set back"
    """Rows that were written lie behind the head."""
    HEAD_CHANGED = "head changed"
    """The head names its newest row by another hash."""
    EXPORT_MISSED = "behind the export"
    """The chain does not have the row that an exported head names."""
    KEY_MISSING = "key missing"
    """Not tampering: the key that wrote the row is not among those that are set, so nobody can tell."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. What is ``None`` does not apply: a removed row has no id."""

    problem: Problem
    tenant_id: UUID
    chain_id: UUID | None = None
    sequence: int | None = None
    table: str | None = None
    row_id: UUID | None = None
    detail: str = ""


@dataclass
class AuditReport:
    """What a verification found."""

    keys: tuple[str, ...] = ()
    """The ids of the keys that were set, the newest first."""
    rows: int = 0
    """Rows that are chained."""
    chains: int = 0
    erased: int = 0
    """Rows whose text was erased; their facts are verified all the same."""
    unchained: int = 0
    """Rows without a chain. Where a tenant has a chain, each of them is a finding as well."""
    counts: dict[Problem, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    """The first ``MAX_FINDINGS``, by tenant, chain and place; ``counts`` has them all."""

    @property
    def intact(self) -> bool:
        """Whether nothing was found."""
        return not self.counts

    @property
    def full(self) -> bool:
        """Whether further findings are only counted."""
        return len(self.findings) >= MAX_FINDINGS

    def add(self, finding: Finding) -> None:
        self.counts[finding.problem] = self.counts.get(finding.problem, 0) + 1
        if not self.full:
            self.findings.append(finding)


@dataclass(frozen=True, slots=True)
class Judged:
    """A row without its content: where it lies, and what was found in it."""

    kind: AuditKind
    id: UUID
    sequence: int
    hash: bytes
    previous: bytes
    problem: Problem | None
    detail: str = ""

    @property
    def genuine(self) -> bool:
        """Whether its facts are those that were written, as far as anybody can tell."""
        return self.problem in (None, Problem.TEXT_CHANGED, Problem.KEY_MISSING)


def judged(kind: AuditKind, row: Row, keys: AuditKeys | None, *, seek: bool) -> Judged:
    """What ``row``, as the database has it with its JSON as text, says of itself. ``seek``: look for its true place, too."""
    try:
        read = {name: _read(kind, name, value) for name, value in row.items()}
        problem, detail = _of_row(kind, read, keys, seek)
    except (ValueError, TypeError, OverflowError):  # what no store of ours writes
        problem, detail = Problem.CHANGED, "it can't be read"
    place = {"id": row["id"], "sequence": row["chain_sequence"] or 0}
    return Judged(
        kind, **place, hash=row["hash"], previous=row["previous_hash"], problem=problem, detail=detail
    )


def _read(kind: AuditKind, name: str, value: Any) -> Any:
    return orjson.loads(value) if name in JSON_COLUMNS[kind.name] and value is not None else value


def _of_row(kind: AuditKind, row: Row, keys: AuditKeys | None, seek: bool) -> tuple[Problem | None, str]:
    key = keys.get(row["hash_key_id"]) if keys else None
    if key is not None and not _is(row["hash"], row_hash(kind, row, key)):
        place = _true_place(kind, row, key) if seek else None
        return (
            (Problem.CHANGED, "")
            if place is None
            else (Problem.REORDERED, f"it was written as number {place}")
        )
    wrong = _wrong_text(kind, row)
    if wrong:
        return Problem.TEXT_CHANGED, wrong
    return (
        (None, "") if key is not None else (Problem.KEY_MISSING, f"the key {row['hash_key_id']} is not set")
    )


def _wrong_text(kind: AuditKind, row: Row) -> str:
    salt = row["salt"]
    if salt is not None:
        if row["erased_at"] is not None:
            return "it is marked as erased, and was not"
        return "" if _is(row["text_digest"], text_digest(kind, row, salt)) else "it is not what was written"
    if row["erased_at"] is None:
        return "its salt is gone, and it is not marked as erased"
    return (
        ""
        if all(row[name] == value for name, value in kind.erased.items())
        else "there is text in an erased row"
    )


def _true_place(kind: AuditKind, row: Row, key: bytes) -> int | None:
    there = row["chain_sequence"]
    for place in range(max(1, there - _WINDOW), there + _WINDOW):
        if _is(row["hash"], row_hash(kind, {**row, "chain_sequence": place}, key)):
            return place
    return None


def _is(stored: object, expected: bytes) -> bool:
    return isinstance(stored, bytes) and hmac.compare_digest(stored, expected)


class ChainJudge:
    """One chain from its first row to its head. What it finds goes to ``report``."""

    def __init__(
        self,
        report: AuditReport,
        key: tuple[UUID, UUID],
        *,
        head: ChainHead | None,
        exported: ChainHead | None,
    ) -> None:
        self._report = report
        self._tenant_id, self._chain_id = key
        self._head, self._exported = head, exported
        self._end = 0
        self._hashes: Collection[bytes] = (GENESIS,)
        self._sound = True
        """Whether what the next row should refer to is known."""

    def add(self, rows: list[Judged]) -> None:
        """The rows of the next number: one, or somebody has been here."""
        genuine = [row for row in rows if row.genuine]
        foreign = [row for row in rows if not row.genuine]
        if not genuine and foreign and not self._beyond(foreign[0]):
            genuine, foreign = foreign[:1], foreign[1:]
        for row in foreign:
            self._tell_foreign(row)
        if genuine:
            self._follow(genuine)

    def end(self) -> None:
        """There are no further rows."""
        exported, head = self._exported, self._head
        if exported is not None and exported.sequence > self._end:
            detail = f"exported at number {exported.sequence}, it ends at {self._end}"
            self._tell(Problem.EXPORT_MISSED, sequence=exported.sequence, detail=detail)
        if head is None:
            if self._end:
                self._tell(Problem.HEAD_MISSING)
        elif head.sequence > self._end:
            self._tell_removed(self._end + 1, head.sequence)
        elif head.sequence < self._end:
            detail = f"it is at number {head.sequence}, and rows were written up to {self._end}"
            self._tell(Problem.HEAD_SET_BACK, sequence=head.sequence, detail=detail)
        elif self._sound and head.hash not in self._hashes:
            self._tell(Problem.HEAD_CHANGED, sequence=head.sequence)

    def _beyond(self, row: Judged) -> bool:
        """Whether it lies where no row was written: behind the head, or in a chain that has neither head nor row."""
        return self._end == 0 if self._head is None else row.sequence > self._head.sequence

    def _tell_foreign(self, row: Judged) -> None:
        moved = row.problem is Problem.REORDERED
        self._tell(Problem.REORDERED if moved else Problem.INSERTED, row=row, detail=row.detail)

    def _follow(self, rows: list[Judged]) -> None:
        first = rows[0]
        gap = first.sequence > self._end + 1
        if gap:
            self._tell_removed(self._end + 1, first.sequence - 1)
        for row in rows:
            if row.problem is not None:
                self._tell(row.problem, row=row, detail=row.detail)
        for row in rows[1:]:
            self._tell(Problem.HEAD_SET_BACK, row=row, detail="two rows were written with this number")
        if first.genuine and self._sound and not gap and first.previous not in self._hashes:
            self._tell(Problem.REMOVED, row=first, detail="the row that it was written behind is gone")
        self._compare(rows)
        self._end, self._hashes, self._sound = first.sequence, [row.hash for row in rows], first.genuine

    def _compare(self, rows: list[Judged]) -> None:
        exported = self._exported
        if exported is None or exported.sequence != rows[0].sequence:
            return
        if exported.hash not in [row.hash for row in rows]:
            self._tell(Problem.EXPORT_MISSED, row=rows[0], detail="another row was exported with this number")

    def _tell_removed(self, first: int, last: int) -> None:
        numbers = f"number {first}" if first == last else f"numbers {first} to {last}"
        self._tell(Problem.REMOVED, sequence=first, detail=numbers)

    def _tell(
        self, problem: Problem, *, row: Judged | None = None, sequence: int | None = None, detail: str = ""
    ) -> None:
        place: dict[str, Any] = {"sequence": sequence}
        if row is not None:
            place = {"sequence": row.sequence, "table": row.kind.table, "row_id": row.id}
        self._report.add(Finding(problem, self._tenant_id, self._chain_id, **place, detail=detail))


JSON_COLUMNS: Final = {
    "turn": ("scenario_state", "context_extracted", "tool_calls", "token_usage"),
    "event": ("event_data",),
}
"""The columns of each kind that are read as text: the driver's decoder would fail on what isn't ours."""
