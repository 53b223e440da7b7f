"""What happened. What a record names need not be stored: it may be gone, or may never have been."""

from __future__ import annotations

import factory

from focal_data.domain.audit import AuditEvent, ToolCall, TurnRecord
from focal_data.testing.factories import chance
from focal_data.testing.factories.base import (
    NEW_ID,
    DomainFactory,
    Link,
    Stores,
    ValueFactory,
    drawn,
    id_of,
    picked,
)


class ToolCallFactory(ValueFactory[ToolCall]):
    class Meta:
        model = ToolCall

    tool_id = picked(("orders.find", "invoices.send"))
    tool_name = factory.LazyAttribute(lambda call: call.tool_id.replace(".", " "))
    input = factory.LazyFunction(lambda: {"number": chance.number(1000, 9999)})
    output = factory.LazyFunction(lambda: {"found": True})
    success = True
    latency_ms = drawn(5, 900)


class TurnRecordFactory(DomainFactory[TurnRecord]):
    """A turn of a session of its own, unless ``session_id`` says which; then give it a ``turn_number``, too."""

    class Meta:
        model = TurnRecord

    class Params:
        agent = Link()
        customer_profile = Link()

    id = NEW_ID
    session_id = NEW_ID
    customer_profile_id = id_of("customer_profile")
    agent_id = id_of("agent", otherwise=chance.new_id)
    turn_number = drawn(1, 2_000_000_000)
    user_message = picked(("Where is my order?", "I would like to return the lamp.", "Thanks!"))
    agent_response = picked(("Let me look that up.", "Of course. Here is the label.", "You are welcome."))
    matched_rule_ids = factory.LazyFunction(lambda: [chance.new_id()])
    scenario_state = factory.LazyFunction(lambda: {"asked": True})
    context_extracted = factory.LazyFunction(lambda: {"order_number": chance.number(1000, 9999)})
    tool_calls = factory.LazyFunction(lambda: [ToolCallFactory.build()])
    token_usage = factory.LazyAttribute(lambda turn: {"total_tokens": turn.tokens_used})
    tokens_used = drawn(50, 5000)
    latency_ms = drawn(100, 9000)

    @classmethod
    async def _store(cls, stores: Stores, entity: TurnRecord) -> TurnRecord:
        return await stores.audit.save_turn(entity)


class AuditEventFactory(DomainFactory[AuditEvent]):
    class Meta:
        model = AuditEvent

    class Params:
        customer_profile = Link()
        turn = Link()

    id = NEW_ID
    event_type = picked(("consent.granted", "handover.requested", "rule.changed"))
    event_data = factory.LazyFunction(lambda: {"by": chance.distinct("editor")})
    session_id = NEW_ID
    customer_profile_id = id_of("customer_profile")
    turn_id = id_of("turn")

    @classmethod
    async def _store(cls, stores: Stores, entity: AuditEvent) -> AuditEvent:
        return await stores.audit.save_event(entity)
