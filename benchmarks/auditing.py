"""What the chain costs: turns and events saved by 32 writers at once, with keys and without, on one server.

The server is a durable one, as in production: a commit waits until it is on disk. ``fsync off`` shows the processors' part
alone: it has no limit, since nobody keeps an audit that way.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import UUID, uuid4

from pydantic import SecretStr

from benchmarks.ground import Ground
from benchmarks.timing import Operation, Work
from focal_data.data_layer import DataLayer, Tenant
from focal_data.domain.audit import AuditEvent, ToolCall, TurnRecord
from focal_data.embedded import EmbeddedEngines
from focal_data.migration import runner
from focal_data.settings import Settings
from focal_data.testing.engines import Source, source

UNCHAINED = "ours without keys"
WRITERS, TURNS = 32, 8
KEYS = SecretStr("bench:" + "k" * 64)

Write = Callable[[Tenant, UUID, int], Awaitable[object]]


@asynccontextmanager
async def audit_works(ground: Ground) -> AsyncIterator[list[Work]]:
    """Each writer with a session of its own, or all without one; a round is eight rows of each."""
    async with AsyncExitStack() as stack:
        here = await _tenants(stack, ground.settings)
        works = []
        if source() is Source.EMBEDDED:
            durable = await _tenants(stack, await _durable(stack))
            works = [_work("fsync off: 32 writers, turns of their sessions", here, _save_turn, None)]
        else:
            durable = here  # servers of others are durable
        yield [
            _work("32 writers, turns of their sessions", durable, _save_turn, 1.3),
            _work("32 writers, events of no session", durable, _save_event, 1.3),
            *works,
        ]


async def _durable(stack: AsyncExitStack) -> Settings:
    folder = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
    engines = await stack.enter_async_context(await EmbeddedEngines.start_async(f"{folder}/data"))
    settings = Settings.of(database_url=engines.database_url, redis_url=engines.redis_url)
    await runner.upgrade(settings)
    return settings


async def _tenants(stack: AsyncExitStack, settings: Settings) -> dict[str, Tenant]:
    plain = settings.model_copy(update={"pool_size": WRITERS})
    with_keys = plain.model_copy(update={"audit_keys": KEYS})
    layers = {"ours": DataLayer.open(with_keys), UNCHAINED: DataLayer.open(plain)}
    return {name: (await stack.enter_async_context(data)).tenant(uuid4()) for name, data in layers.items()}


def _work(name: str, tenants: Mapping[str, Tenant], write: Write, limit: float | None) -> Work:
    contenders = {contender: _writers(tenant, write) for contender, tenant in tenants.items()}
    limits = {} if limit is None else {UNCHAINED: limit}
    return Work(name, contenders, limits, rounds=40, operations=1)


def _writers(tenant: Tenant, write: Write) -> Operation:
    async def one() -> None:
        session_id = uuid4()
        for number in range(1, TURNS + 1):
            await write(tenant, session_id, number)

    async def together() -> None:
        await asyncio.gather(*(one() for _ in range(WRITERS)))

    return together


async def _save_turn(tenant: Tenant, session_id: UUID, number: int) -> None:
    call = ToolCall(
        tool_id="orders",
        tool_name="look up an order",
        input={"number": "A-4711", "fields": ["state", "carrier"]},
        output={"state": "on its way", "carrier": "a van", "weight": 2.5},
        success=True,
        latency_ms=87,
    )
    turn = TurnRecord(
        session_id=session_id,
        agent_id=uuid4(),
        turn_number=number,
        user_message="where is my parcel? " * 8,
        agent_response="it is on its way, and will be there tomorrow before noon. " * 8,
        matched_rule_ids=[uuid4(), uuid4()],
        scenario_state={"step": "tracking", "attempts": 1},
        context_extracted={"intent": "tracking", "order": "A-4711", "confidence": 0.93},
        tool_calls=[call],
        token_usage={"prompt": 812, "completion": 96},
        tokens_used=908,
        latency_ms=1240,
    )
    await tenant.audit.save_turn(turn)


async def _save_event(tenant: Tenant, _: UUID, number: int) -> None:
    await tenant.audit.save_event(AuditEvent(event_type="ticked", event_data={"number": number}))
