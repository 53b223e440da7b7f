"""Ideation sessions from PostgreSQL back to where an existing deployment keeps them, so that one can go back to it.

A session is written whole, and read back; on a cluster, key by key, itself last. A run may end at any moment and be repeated.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from focal_data.database.scope import Scope
from focal_data.domain.ideation_archive import IdeationArchive
from focal_data.errors import CorruptDataError
from focal_data.operations.ideation_ground import (
    BAD,
    REFUSED,
    Choice,
    Outcome,
    Step,
    TransferReport,
    Watch,
    conflict,
)
from focal_data.redis import keys
from focal_data.redis.ideation_legacy import Finding, LegacyIdeation, Reading, shown
from focal_data.repositories.ideation_archive import IdeationArchives

_BATCH = 1000


class IdeationExport:
    """One run, out of one tenant."""

    def __init__(self, target: LegacyIdeation, scope: Scope, choice: Choice = Choice()) -> None:  # noqa: B008
        self._target = target
        self._archives = IdeationArchives(scope)
        self._choice = choice
        self.report = TransferReport(dry_run=choice.dry_run)
        """How far it got: also when it was interrupted."""

    async def run(self, watch: Watch = lambda _: None) -> TransferReport:
        """Export every session of the tenant; ``watch`` is told of each. Raises as the servers do when they are lost."""
        self.report.total = await self._archives.count()
        async for session_id in self._sessions():
            await self._export(session_id, watch)
        await self._count_strangers()
        return self.report

    async def _sessions(self) -> AsyncIterator[str]:
        after = ""
        while ids := await self._archives.ids(after, limit=_BATCH):
            for session_id in ids:
                yield session_id
            after = ids[-1]

    async def _export(self, session_id: str, watch: Watch) -> None:
        try:
            archive = await self._archives.get(session_id)
            if archive is None:  # it was removed meanwhile
                return
            counted = replace(archive, drafts=archive.drafts[-1:])
            outcome, reason = await self._written(counted)
        except REFUSED as error:
            archive, outcome, reason = None, Outcome.FAILED, str(error)
        if archive is not None and outcome not in BAD and (earlier := len(archive.drafts) - 1) > 0:
            self.report.notes["an earlier draft has no place there, and is left out"] += earlier
        findings = (Finding(shown(keys.legacy_session(session_id)[0]), reason),) if reason else ()
        step = Step(session_id, outcome, findings)
        self.report.add(step, {} if archive is None else counted.counts)
        watch(step)

    async def _written(self, archive: IdeationArchive) -> tuple[Outcome, str]:
        choice, there = self._choice, await self._target.read(archive.session.id)
        differences = _differences(archive, there)
        if there.session is not None and not differences and there.indexed:
            return Outcome.UNCHANGED, ""
        if differences and choice.skip_existing:
            return Outcome.SKIPPED, ""
        if differences and not choice.overwrite:
            return Outcome.CONFLICT, conflict(differences)
        if not choice.dry_run:
            await self._target.write(archive)
            await self._verify(archive)
        return (Outcome.REPLACED if differences else Outcome.WRITTEN), ""

    async def _verify(self, archive: IdeationArchive) -> None:
        differences = _differences(archive, await self._target.read(archive.session.id))
        if differences:
            raise CorruptDataError("Redis", conflict(differences, "gave back something else"))

    async def _count_strangers(self) -> None:
        """Put down how many sessions are there and not the tenant's: who goes back would find them again."""
        names = [name.decode(errors="replace") for name in await self._target.sessions()]
        for start in range(0, len(names), _BATCH):
            batch = names[start : start + _BATCH]
            if strangers := len(batch) - len(await self._archives.among(batch)):
                self.report.notes["a session there is none of the tenant's, and stays as it is"] += strangers


def _differences(archive: IdeationArchive, there: Reading) -> list[str]:
    """What is there and is not the same. As long as the session isn't there, it is none that a part is missing."""
    if there.problems:
        return [f"{problem.key} {problem.reason}" for problem in there.problems]
    if there.archive is not None:
        return archive.differences(there.archive)
    begun = IdeationArchive(
        archive.session,
        there.messages or archive.messages,
        there.requirements or archive.requirements,
        there.maturity or archive.maturity,
        there.drafts or archive.drafts,
        there.stories or archive.stories,
    )
    return archive.differences(begun)
