"""The demo from the first engine to the last figure; what is shown meanwhile is the caller's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, closing, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Protocol

from focal_data.cli.demo.answering import MOST_ASKED, Answering, live_plan
from focal_data.cli.demo.conversation import Conversations
from focal_data.cli.demo.counting import rows_of, sessions_of
from focal_data.cli.demo.facts import Facts, Isolation, Search, TenantFacts
from focal_data.cli.demo.isolation import look_across, together
from focal_data.cli.demo.latency import Latencies
from focal_data.cli.demo.messages import Message
from focal_data.cli.demo.pipeline import AT_ONCE, MOST_EVENTS, Window, by_customer, windows
from focal_data.cli.demo.plans import nobody, plan_for
from focal_data.cli.demo.questions import asked
from focal_data.cli.demo.records import BadLine
from focal_data.cli.demo.setup import Stage, set_up
from focal_data.cli.demo.transcripts import Checked, read
from focal_data.cli.demo.turns import events
from focal_data.data_layer import DataLayer, PostgresDataLayer
from focal_data.database.scope import Transaction
from focal_data.database.tenancy import identity
from focal_data.errors import InvalidDataError
from focal_data.ids import NO_TENANT
from focal_data.migration import runner
from focal_data.providers.embedding.base import EmbeddingProvider
from focal_data.providers.embedding.local import LocalEmbeddingProvider
from focal_data.providers.llm.base import LLMProvider
from focal_data.settings import Settings
from focal_data.stores.base import MAX_LIMIT


class Watcher(Protocol):
    """What is told while the demo runs."""

    def opened(self, engines: dict[str, str]) -> None:
        """The engines are up and at head."""

    def begins(self, name: str, messages: int) -> None:
        """The next transcript."""

    def advanced(self) -> None:
        """One message more."""


@dataclass
class Carried:
    """A transcript that was carried."""

    checked: Checked
    stage: Stage
    messages: int
    new_messages: int


class Run:
    """One run over some transcripts, which were checked. ``llm`` answers instead of the agent in them."""

    def __init__(
        self,
        data: PostgresDataLayer,
        model: EmbeddingProvider,
        watcher: Watcher,
        llm: LLMProvider | None = None,
    ) -> None:
        self._data = data
        self._model = model
        self._llm = llm
        self._watcher = watcher
        self._latencies = Latencies()

    async def all(self, transcripts: Sequence[Checked]) -> Facts:
        """Carry all of them, ask, look across, and count."""
        started = perf_counter()
        engines = await _versions(self._data)
        if self._llm is not None:
            engines["model"] = self._llm.model_id
        self._watcher.opened(engines)
        carried = [await self._carried(checked) for checked in transcripts]
        searches = [search for one in carried async for search in self._asked(one.stage)]
        return Facts(
            tenants=[await _counted(one) for one in carried],
            searches=searches,
            isolation=await self._isolation([one.stage for one in carried]),
            latency_ms=self._latencies.percentiles(),
            engines=engines,
            seconds=round(perf_counter() - started, 3),
        )

    def _asked(self, stage: Stage) -> AsyncIterator[Search]:
        return asked(stage, self._model, self._latencies)

    async def _carried(self, checked: Checked) -> Carried:
        plan, count = plan_for(checked.path, checked.questions), checked.messages
        if self._llm is not None:
            plan, count = live_plan(plan, self._llm.vendor), 2 * checked.customers
        stage = await set_up(self._data.tenant(plan.tenant_id), plan, self._model)
        conversations = Conversations(stage, self._latencies)
        self._watcher.begins(plan.tenant, count)
        with self._answering(stage) as answering:
            async for window in self._windows(checked.path, stage, answering):
                await self._carry(window, conversations)
        return Carried(checked, stage, count, conversations.new_messages)

    def _answering(self, stage: Stage) -> AbstractContextManager[Answering | None]:
        if self._llm is None:
            return nullcontext()
        return closing(Answering(stage, self._llm, self._model, self._latencies))

    def _windows(self, path: Path, stage: Stage, answering: Answering | None) -> AsyncIterator[Window]:
        messages, most = _messages(path), MOST_EVENTS
        if answering is not None:
            messages, most = answering.messages(messages), 2 * MOST_ASKED
        return windows(events(messages), stage, self._model, most=most)

    async def _carry(self, window: Window, conversations: Conversations) -> None:
        """The window's customers side by side, the messages of each in their order."""
        customers = iter(by_customer(window))

        async def worker() -> None:
            for steps in customers:
                async for step in conversations.carry_all(steps):
                    if step.event.message is not None:
                        self._watcher.advanced()

        async with asyncio.TaskGroup() as group:
            for _ in range(min(AT_ONCE, self._data.settings.pool_size)):
                group.create_task(worker())

    async def _isolation(self, stages: Sequence[Stage]) -> Isolation:
        """Each tenant as its neighbour sees it; a single one as a tenant without anything does."""
        others = [stage.tenant for stage in (*stages[1:], stages[0])]
        if len(stages) == 1:
            others = [self._data.tenant(nobody(stages[0].tenant.tenant_id))]
        return together(
            [await look_across(self._data, stage, other) for stage, other in zip(stages, others, strict=True)]
        )


async def carry_out(
    transcripts: Sequence[Checked],
    settings: Settings,
    data_dir: Path | None,
    watcher: Watcher,
    llm: LLMProvider | None = None,
) -> Facts:
    """The demo, on the engines that ``settings`` name, or on its own. ``llm`` answers, if there is one, and is closed."""
    model = LocalEmbeddingProvider()
    loading = asyncio.create_task(model.embed("ready"))
    try:
        async with llm or nullcontext(), engines(settings, data_dir) as data:
            await loading
            return await Run(data, model, watcher, llm).all(transcripts)
    finally:
        loading.cancel()
        with suppress(asyncio.CancelledError):
            await loading


def uses_settings(settings: Settings, data_dir: Path | None) -> bool:
    """Whether the demo runs on the engines that the settings name. Raises ``SettingsError`` where they name only one."""
    if data_dir is not None or (settings.database_url is None and settings.redis_url is None):
        return False
    return bool(settings.service_url() and settings.sessions_url())


@asynccontextmanager
async def engines(settings: Settings, data_dir: Path | None) -> AsyncIterator[PostgresDataLayer]:
    """A data layer at head. Those that the settings name are migrated as their owner; without any, they are our own."""
    if uses_settings(settings, data_dir):
        await runner.upgrade(settings)
        async with DataLayer.open(settings) as data:
            yield data
    else:
        async with DataLayer.embedded(data_dir) as data:
            yield data


async def _versions(data: PostgresDataLayer) -> dict[str, str]:
    async with Transaction(data.database, NO_TENANT) as tx:
        who = await identity(tx.connection)
    facts = await data.redis.info()
    redis = f"Valkey {facts['valkey_version']}" if "valkey_version" in facts else facts["redis_version"]
    version = f"{who.server_version // 10_000}.{who.server_version % 10_000}"
    return {"postgresql": version, "pgvector": str(who.extension_version), "redis": redis, "role": who.role}


async def _counted(one: Carried) -> TenantFacts:
    tenant, plan = one.stage.tenant, one.stage.plan
    sessions = len(await tenant.sessions.list_by_agent(one.stage.agent.id, limit=MAX_LIMIT))
    if sessions == MAX_LIMIT:
        sessions = await sessions_of(tenant, plan.tenant_id)
    return TenantFacts(
        name=plan.tenant,
        tenant_id=plan.tenant_id,
        file=one.checked.path.name,
        messages=one.messages,
        new_messages=one.new_messages,
        rows=await rows_of(plan.tenant_id, tenant),
        sessions=sessions,
    )


def _messages(path: Path) -> Iterator[Message]:
    """The messages of a file that was checked, and has not changed since."""
    for found in read(path):
        if isinstance(found, BadLine):
            raise InvalidDataError(f"{path}:{found.line}", f"{found.reason} (it changed while it was read)")
        yield found
