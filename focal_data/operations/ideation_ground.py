"""What importing and exporting ideation sessions have in common: what is chosen, what became of each, and the report."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from focal_data.errors import ConflictError, CorruptDataError, InvalidDataError, NotFoundError, RetryableError
from focal_data.redis.ideation_legacy import Finding

NAMED: Final = 1000
"""Findings of each kind that a report names; of others it tells how many there are."""

_PATHS: Final = 5
"""Paths that a reason names."""

REFUSED: Final = (ConflictError, CorruptDataError, InvalidDataError, NotFoundError, RetryableError)
"""What one session may be refused with: anything else is about a server, and ends the run."""


class Outcome(StrEnum):
    """What became of a session, or would."""

    WRITTEN = "written"
    REPLACED = "replaced"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    CONFLICT = "conflict"
    FAILED = "failed"


BAD: Final = (Outcome.CONFLICT, Outcome.FAILED)


@dataclass(frozen=True, slots=True)
class Choice:
    """What is to be done. A session that is there already, and not the same, is a conflict unless one of these says."""

    dry_run: bool = False
    skip_existing: bool = False
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One session that is done with."""

    session_id: str
    outcome: Outcome
    findings: tuple[Finding, ...] = ()


Watch = Callable[[Step], None]


@dataclass
class Findings:
    """The first of them, and how many there are."""

    count: int = 0
    named: list[Finding] = field(default_factory=list)

    def add(self, finding: Finding) -> None:
        self.count += 1
        if len(self.named) < NAMED:
            self.named.append(finding)


@dataclass
class TransferReport:
    """How far it got, and what it found. It grows while the run goes on, and holds no content."""

    dry_run: bool = False
    total: int = 0
    """Sessions to be looked at."""
    sessions: Counter[Outcome] = field(default_factory=Counter)
    parts: Counter[str] = field(default_factory=Counter)
    """What was written with them, by kind."""
    notes: Counter[str] = field(default_factory=Counter)
    """What was not taken as it stands, and how often."""
    problems: Findings = field(default_factory=Findings)
    """What failed."""
    remarks: Findings = field(default_factory=Findings)
    """What was left behind, and is no failure."""

    @property
    def failed(self) -> bool:
        """Whether anything failed."""
        return self.problems.count > 0

    def add(self, step: Step, counts: Mapping[str, int]) -> None:
        """Put down a session, with its number of parts."""
        self.sessions[step.outcome] += 1
        if step.outcome in (Outcome.WRITTEN, Outcome.REPLACED):
            self.parts.update(counts)
        for finding in step.findings:
            (self.problems if step.outcome in BAD else self.remarks).add(finding)


def conflict(differences: Sequence[str], what: str = "is there, and not the same") -> str:
    """What is said of a session that is there and differs, by the first of its paths."""
    more = f" and {len(differences) - _PATHS} more" if len(differences) > _PATHS else ""
    return f"{what}: {', '.join(differences[:_PATHS])}{more}"


async def in_lanes(number: int, lane: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run so many of ``lane`` at once; the first that raises, or to be cancelled, ends them all, and is waited for."""
    tasks = [asyncio.create_task(lane()) for _ in range(number)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
