"""All embeddings of a tenant made anew by another model, while searches go on with the old ones until all are there.

What the new model makes is staged beside; nothing that is searched changes. When all of it is there, one transaction puts it in
its place: until it ends, searches by the old model find everything, and from then on those by the new one. Who is killed
loses the batch that was under way, and runs it again.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from focal_data.database.engine import Database
from focal_data.database.scope import Row, TenantScope, Transaction
from focal_data.database.statement import Statement
from focal_data.domain.base import UtcDatetime, ValueObject
from focal_data.domain.embedding import Embedding
from focal_data.domain.embedding_text import Embeddable, embedding_text
from focal_data.errors import ConflictError, ContentFilterError, InvalidDataError, UsageError
from focal_data.ids import TenantId
from focal_data.providers.embedding.base import EmbeddingProvider
from focal_data.repositories import reembedding as sql
from focal_data.repositories.reembedding import KINDS, Kind, Pending, ToEmbed
from focal_data.telemetry import log_failure

Progress = Callable[[int, int], None]
"""Told how many are embedded, and of how many; others may be added meanwhile."""

ROUNDS: Final = 5
"""How often is looked again for what others wrote meanwhile; in the last, what is there is put in its place all the same."""

PUT_AT_ONCE: Final = 1000
"""Embeddings that one statement puts in their place."""

MAX_BATCH: Final = 2048
_TOLD: Final = 10
_BYTES_OF_A_TOKEN: Final = 4


class Pace:
    """At most ``per_minute`` texts a minute: after a batch, the next one waits as long as its texts take."""

    def __init__(
        self,
        per_minute: float | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        if per_minute is not None and not per_minute > 0:
            raise InvalidDataError("per_minute", "must be above 0")
        self._seconds = 60.0 / per_minute if per_minute else 0.0
        self._clock, self._sleep = clock, sleep
        self._free_at = 0.0

    async def take(self, texts: int) -> None:
        """Wait until it is their turn."""
        if not self._seconds:
            return
        now = self._clock()
        if now < self._free_at:
            await self._sleep(self._free_at - now)
        self._free_at = max(now, self._free_at) + texts * self._seconds


@dataclass(frozen=True, kw_only=True)
class EmbeddingJob:
    """What is embedded, and how fast."""

    which: ToEmbed = ToEmbed.OTHER
    """What has an embedding of another model; or what has none; or both."""
    text: Callable[[Embeddable], str | None] = embedding_text
    """The text of a thing. Made of other fields than ``domain/embedding_text.py`` says, a change of those may be missed."""
    batch_size: int = 256
    """Texts that are handed to the model together, and lost when it is killed: 1 to 2048."""
    pace: Pace = Pace(None)  # noqa: RUF009  (without a rate it has no state)
    skip_refused: bool = False
    """Go on without what the model refused: it keeps its old embedding, which searches by the new model don't see."""


class ReembeddingReceipt(ValueObject):
    """What was embedded anew in one tenant, or would be (``dry_run``), by table. Nothing personal."""

    tenant_id: TenantId
    model: str
    counts: dict[str, int]
    """Embeddings that were put in their place, also those that an earlier run had made; in a dry run, texts still to embed."""
    tokens: int
    """Of the texts that were embedded, or would be: estimated as a quarter of their bytes in UTF-8, rounded up for each."""
    refused: dict[str, list[UUID]]
    """What the model refused, or what has an embedding and no text."""
    left: int
    """What others wrote with another model while this ended: run it again when they use the new one."""
    dry_run: bool
    started_at: UtcDatetime
    finished_at: UtcDatetime


async def reembed(
    database: Database,
    scope: TenantScope,
    model: EmbeddingProvider,
    job: EmbeddingJob,
    *,
    progress: Progress | None = None,
    dry_run: bool = False,
) -> ReembeddingReceipt:
    """See ``TenantOperations.reembed``."""
    if not 1 <= job.batch_size <= MAX_BATCH:
        raise InvalidDataError("batch_size", f"must be from 1 to {MAX_BATCH}")
    run = _Run(scope, model, job, progress or _untold)
    started = scope.now()
    if dry_run:
        await run.rehearse()
    else:
        async with sql.alone(database, scope.tenant_id):
            await run.through()
    return run.receipt(started, dry_run=dry_run)


class _NotYetError(Exception):
    """Something was written with the old model while the new embeddings were put in their place: all of that is undone."""


class _Run:
    """One tenant."""

    def __init__(
        self, scope: TenantScope, model: EmbeddingProvider, job: EmbeddingJob, tell: Progress
    ) -> None:
        self._scope, self._model, self._job, self._tell = scope, model, job, tell
        self._bound = {"tenant_id": scope.tenant_id, "model": model.model_id}
        self._counts: Counter[str] = Counter()
        self._refused: dict[str, list[UUID]] = {}
        self._tokens = self._left = self._done = self._total = 0

    async def rehearse(self) -> None:
        """Count, and change nothing."""
        await self._refuse_mixing()
        await self._look()
        for kind in KINDS:
            async for batch in self._batches(kind):
                self._counts[kind.name] += sum(1 for one in batch if self._text(one) is not None)
                self._estimate(batch)

    async def through(self) -> None:
        """Until all is in its place."""
        await self._refuse_mixing()
        await self._execute(sql.discard(), {})
        await self._look()
        for number in range(ROUNDS if self._total else 0):
            await self._stage()
            await self._look_at_refused()
            if await self._cut_over(last=number == ROUNDS - 1):
                return

    def receipt(self, started: UtcDatetime, *, dry_run: bool) -> ReembeddingReceipt:
        """What has been done."""
        return ReembeddingReceipt(
            tenant_id=self._scope.tenant_id,
            model=self._model.model_id,
            counts=dict(+self._counts),
            tokens=self._tokens,
            refused=self._refused,
            left=self._left,
            dry_run=dry_run,
            started_at=started,
            finished_at=self._scope.now(),
        )

    async def _look(self) -> None:
        """How much there is to do, and how much of it is done."""
        self._total = await self._counted(sql.wanting)
        self._done = self._total - await self._counted(sql.left)
        self._tell(self._done, self._total)

    async def _refuse_mixing(self) -> None:
        for kind in KINDS if self._job.which is ToEmbed.MISSING else ():
            if await self._count(sql.wanting(kind, ToEmbed.OTHER)):
                raise ConflictError(
                    f"{kind.name} of this tenant have embeddings of another model than {self._model.model_id},"
                    " and no search would find both: fill with that one, or embed all anew"
                )

    async def _stage(self) -> None:
        for kind in KINDS:
            async for batch in self._batches(kind):
                texts = [self._text(one) for one in batch]
                made = iter(await self._embedded([text for text in texts if text is not None]))
                embeddings = [None if text is None else next(made) for text in texts]
                await self._keep(kind, list(zip(batch, embeddings, strict=True)))
                self._estimate(batch)
                self._done += len(batch)
                self._tell(self._done, max(self._done, self._total))

    async def _batches(self, kind: Kind) -> AsyncIterator[list[Pending]]:
        """One pass, of as many as there are when it begins, or others who write could keep it going."""
        place, statement, size = sql.FIRST, sql.pending(kind, self._job.which), self._job.batch_size
        rows: Sequence[Row] = [{}] * size
        left = await self._count(sql.left(kind, self._job.which))
        while left > 0 and len(rows) == size:
            values = {**self._bound, **place, "limit": size}
            rows = await self._scope.fetch(statement, values, custom_plan=True)
            left -= len(rows)
            if batch := sql.read(kind, rows):
                yield batch
                place = batch[-1].place

    async def _embedded(self, texts: Sequence[str]) -> list[Embedding | None]:
        """One for each, ``None`` for a text that the model refuses: found by halves, as no model tells which it was."""
        if not texts:
            return []
        await self._job.pace.take(len(texts))
        try:
            made = await self._model.embed_batch(texts)
            if len(made) != len(texts):
                raise UsageError("this provider makes more or fewer embeddings than it is given texts")
            return [self._usable(one) for one in made]
        except (InvalidDataError, ContentFilterError) as error:
            if len(texts) == 1:
                log_failure("reembedding", "embed", error=type(error), tenant=self._scope.tenant_id)
                return [None]
        half = len(texts) // 2
        return [*await self._embedded(texts[:half]), *await self._embedded(texts[half:])]

    def _usable(self, made: Embedding) -> Embedding | None:
        if made.model != self._model.model_id:
            raise UsageError("this provider's embeddings have another model than its model_id")
        if len(made) != self._model.dimensions:
            raise UsageError("this provider's embeddings have another length than its dimensions")
        try:
            return made.rounded()
        except ValueError:
            return None

    async def _keep(self, kind: Kind, made: Sequence[tuple[Pending, Embedding | None]]) -> None:
        """Stage ``made``, but not of what was changed or deleted meanwhile."""
        ids = {**self._bound, "ids": [one.id for one, _ in made]}

        async def work(tx: Transaction) -> None:
            rows = await tx.fetch(sql.held(kind), ids)
            there = {(row["id"], row["of_revision"]): row["digest"] for row in rows}
            same = [pair for pair in made if there.get((pair[0].id, pair[0].revision)) == pair[0].digest]
            kept = [self._bound | row for row in sql.staged_rows(kind, same, self._model.model_id)]
            await tx.execute_many(sql.stage(kind), kept)

        await self._scope.run(work)

    async def _look_at_refused(self) -> None:
        found: defaultdict[str, list[UUID]] = defaultdict(list)
        for kind in KINDS:
            rows = await self._scope.fetch(sql.refused(kind, self._job.which), self._bound)
            found[kind.name] += [UUID(int=row["id"].int) for row in rows]
        self._refused = {name: ids for name, ids in found.items() if ids}
        if self._refused and not self._job.skip_refused:
            raise ConflictError(_told(self._refused))

    async def _cut_over(self, *, last: bool) -> bool:
        """Put everything in its place at one moment; ``False`` when something new came in between, and nothing was done."""

        async def work(tx: Transaction) -> Counter[str]:
            await tx.fetch(sql.hold_agents(), self._bound)
            await self._refuse_new(tx, last)
            counts = Counter({kind.name: await self._put(tx, kind) for kind in KINDS})
            await self._refuse_new(tx, last)
            await tx.execute(sql.clear(), self._bound)
            return counts

        try:
            self._counts += await self._scope.run(work, custom_plan=True)
        except _NotYetError:
            return False
        self._left = await self._counted(sql.left) - sum(map(len, self._refused.values()))
        return True

    async def _refuse_new(self, tx: Transaction, last: bool) -> None:
        for kind in () if last else KINDS:
            if await self._count(sql.left(kind, self._job.which), tx):
                raise _NotYetError

    async def _put(self, tx: Transaction, kind: Kind) -> int:
        """In batches: a statement has its time-out, and all of them are one transaction."""
        count, after = 0, UUID(int=0)
        for row in await tx.fetch(sql.marks(kind), self._bound | {"every": PUT_AT_ONCE}):
            values = self._bound | {"after": after, "until": row["id"]}
            count += await tx.execute(sql.put(kind, self._job.which), values)
            after = row["id"]
        return count

    def _text(self, one: Pending) -> str | None:
        """What is embedded, or ``None`` where there is nothing."""
        text = self._job.text(one.thing)
        return text if text is not None and text.strip() else None

    def _estimate(self, batch: Sequence[Pending]) -> None:
        sizes = (len(text.encode()) for one in batch if (text := self._text(one)))
        self._tokens += sum(-(-size // _BYTES_OF_A_TOKEN) for size in sizes)

    async def _counted(self, statement: Callable[[Kind, ToEmbed], Statement]) -> int:
        return sum([await self._count(statement(kind, self._job.which)) for kind in KINDS])

    async def _count(self, statement: Statement, tx: Transaction | None = None) -> int:
        rows: Sequence[Mapping[str, Any]] = await (tx or self._scope).fetch(
            statement, self._bound, custom_plan=True
        )
        count: int = rows[0]["count"]
        return count

    async def _execute(self, statement: Statement, values: Mapping[str, Any]) -> int:
        return await self._scope.execute(statement, {**self._bound, **values})


def _told(refused: Mapping[str, Sequence[UUID]]) -> str:
    """What can be done about them; the first few by their ids."""
    named = [f"{kind} {id_}" for kind, ids in refused.items() for id_ in ids]
    more = f" and {len(named) - _TOLD} more" if len(named) > _TOLD else ""
    return (
        f"the model can't embed {len(named)} of the texts: {', '.join(named[:_TOLD])}{more}; nothing was put in its place,"
        " and what is embedded is kept: change them, or go on without them (skip_refused)"
    )


def _untold(done: int, total: int) -> None:
    """Nobody wants to know."""
