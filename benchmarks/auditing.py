"""What the chain costs: turns saved by many writers at once, with keys and without, on one server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

from pydantic import SecretStr

from benchmarks.ground import Ground
from benchmarks.timing import Operation, Work
from focal_data.data_layer import DataLayer, Tenant
from focal_data.domain.audit import AuditEvent, ToolCall, TurnRecord

UNCHAINED = "ours without keys"
WRITERS, TURNS = 32, 8
KEYS = SecretStr("bench:" + "k" * 64)

Write = Callable[[Tenant, UUID, int], Awaitable[object]]


@asynccontextmanager
async def audit_works(ground: Ground) -> AsyncIterator[list[Work]]:
    """32 writers at once, each with a session of its own or all without one; a round is eight rows of each."""
    settings = ground.settings.model_copy(update={"pool_size": 10})
    with_keys = settings.model_copy(update={"audit_keys": KEYS})
    async with DataLayer.open(settings) as plain, DataLayer.open(with_keys) as chained:
        tenants = {"ours": chained.tenant(uuid4()), UNCHAINED: plain.tenant(uuid4())}
        yield [
            _work("32 writers, turns of their sessions", tenants, _save_turn),
            _work("32 writers, events of no session", tenants, _save_event),
        ]


def _work(name: str, tenants: Mapping[str, Tenant], write: Write) -> Work:
    contenders = {contender: _writers(tenant, write) for contender, tenant in tenants.items()}
    return Work(name, contenders, {UNCHAINED: 1.3}, rounds=40, operations=1)


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
