"""Existing ideation deployments' data, from Redis into PostgreSQL: one session with everything that hangs on it at a time.

Each is a transaction of its own that also reads back what it wrote, so a run may end at any moment and be repeated: what is
there and the same is left as it is. It needs a service's rights and no more.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from focal_data.database.scope import Scope, Transaction
from focal_data.domain.ideation_archive import IdeationArchive
from focal_data.errors import ConflictError, CorruptDataError, InvalidDataError
from focal_data.operations.ideation_ground import (
    REFUSED,
    Choice,
    Outcome,
    Step,
    TransferReport,
    Watch,
    conflict,
    in_lanes,
)
from focal_data.redis import keys
from focal_data.redis.ideation_legacy import Finding, LegacyIdeation, Reading, shown
from focal_data.repositories.ideation_archive import IdeationArchives
from focal_data.repositories.ideation_rehearsal import IdeationRehearsal

LANES: Final = 4
"""Sessions that are under way at once: while one waits for PostgreSQL, another is read or checked."""

_EMPTY: Final = Reading()


class IdeationImport:
    """One run, into one tenant."""

    def __init__(self, source: LegacyIdeation, scope: Scope, choice: Choice = Choice()) -> None:  # noqa: B008
        self._source = source
        self._scope = scope
        self._choice = choice
        self._rehearsal = IdeationRehearsal(scope)
        self.report = TransferReport(dry_run=choice.dry_run)
        """How far it got: also when it was interrupted."""

    async def run(self, watch: Watch = lambda _: None) -> TransferReport:
        """Import every session, and name every key that was left behind; ``watch`` is told of each session.

        A session that can't be read or kept is named, and the others go on. Raises as the servers do when they are lost.
        """
        sessions = await self._source.sessions()
        self.report.total = len(sessions)
        names = iter(sorted(sessions))
        await in_lanes(LANES, lambda: self._lane(names, watch))
        async for finding in self._source.leftovers(sessions):
            self.report.remarks.add(finding)
        return self.report

    async def _lane(self, names: Iterator[bytes], watch: Watch) -> None:
        """Import one after the other of those that nobody else has taken."""
        for name in names:
            reading, step = await self._import(name)
            self.report.notes.update(reading.notes)
            archive = reading.archive
            self.report.add(step, {} if archive is None else archive.counts)
            watch(step)

    async def _import(self, name: bytes) -> tuple[Reading, Step]:
        try:
            session_id = name.decode()
        except UnicodeDecodeError:
            return _EMPTY, Step(shown(name), Outcome.FAILED, (self._finding(name, "is not UTF-8"),))
        try:
            return await self._read_and_kept(session_id)
        except REFUSED as error:
            return _EMPTY, Step(session_id, Outcome.FAILED, (self._finding(name, str(error)),))

    async def _read_and_kept(self, session_id: str) -> tuple[Reading, Step]:
        if self._choice.skip_existing and await IdeationArchives(self._scope).among([session_id]):
            return _EMPTY, Step(session_id, Outcome.SKIPPED)
        reading = await self._source.read(session_id)
        if reading.problems:
            return reading, Step(session_id, Outcome.FAILED, tuple(reading.problems))
        archive = reading.archive
        if archive is None:  # it was removed meanwhile, with what there was to import
            return reading, Step(session_id, Outcome.SKIPPED)
        outcome, differences = await self._settled(archive)
        if self._choice.dry_run and outcome in (Outcome.WRITTEN, Outcome.REPLACED):
            await self._rehearsal.put(archive)
        reason = "" if reading.indexed else "is not named in its user's index"
        if outcome is Outcome.CONFLICT:
            reason = conflict(differences)
        findings = (self._finding(session_id.encode(), reason),) if reason else ()
        return reading, Step(session_id, outcome, findings)

    async def _settled(self, archive: IdeationArchive) -> tuple[Outcome, list[str]]:
        try:
            return await self._scope.run(lambda tx: self._put(tx, archive))
        except (ConflictError, InvalidDataError):
            # Somebody may have imported it meanwhile, and then it is there; otherwise it is found out which row it is.
            return await self._scope.run(lambda tx: self._put(tx, archive, seeking=True))

    async def _put(
        self, tx: Transaction, archive: IdeationArchive, *, seeking: bool = False
    ) -> tuple[Outcome, list[str]]:
        archives, choice = IdeationArchives(tx), self._choice
        stored = await archives.get(archive.session.id)
        differences = [] if stored is None else archive.differences(stored)
        if stored is not None and not differences:
            return Outcome.UNCHANGED, []
        if stored is not None and not choice.overwrite:
            return Outcome.CONFLICT, differences
        if not choice.dry_run:
            put = archives.put if stored is None else archives.replace
            await put(archive, seeking=seeking)
            await self._verify(archives, archive)
        return Outcome.WRITTEN if stored is None else Outcome.REPLACED, []

    async def _verify(self, archives: IdeationArchives, archive: IdeationArchive) -> None:
        """Raise unless what is stored is the same, field by field; nothing of it stays then."""
        stored = await archives.get(archive.session.id)
        differences = ["session"] if stored is None else archive.differences(stored)
        if differences:
            raise CorruptDataError("PostgreSQL", conflict(differences, "gave back something else"))

    def _finding(self, name: bytes, reason: str) -> Finding:
        return Finding(shown(keys.LEGACY_SESSIONS + name), reason)
