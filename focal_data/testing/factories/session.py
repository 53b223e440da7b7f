"""Live conversations. What a session names need not be stored."""

from __future__ import annotations

import factory

from focal_data.domain.profile import Channel
from focal_data.domain.session import PendingMigration, Session, StepVisit
from focal_data.errors import UsageError
from focal_data.stores.session import SessionStore
from focal_data.testing.factories import chance
from focal_data.testing.factories.base import (
    DIGEST,
    NEW_ID,
    TIME,
    DomainFactory,
    Link,
    Stores,
    ValueFactory,
    drawn,
    id_of,
    named,
    picked,
)


class StepVisitFactory(ValueFactory[StepVisit]):
    class Meta:
        model = StepVisit

    step_id = NEW_ID
    step_name = picked(("Ask", "Look up", "Confirm"))
    entered_at = TIME
    turn_number = drawn(1, 40)
    transition_reason = "The customer agreed."
    step_content_hash = DIGEST


class PendingMigrationFactory(ValueFactory[PendingMigration]):
    class Meta:
        model = PendingMigration

    target_version = drawn(2, 9)
    anchor_content_hash = DIGEST
    migration_plan_id = NEW_ID
    marked_at = TIME


class SessionFactory(DomainFactory[Session]):
    """One that stands in a scenario, at the step it visited last, so that everything finds it that can find a session."""

    class Meta:
        model = Session

    class Params:
        agent = Link()
        customer_profile = Link()

    session_id = NEW_ID
    agent_id = id_of("agent", otherwise=chance.new_id)
    channel = picked(Channel)
    channel_user_id = named("user")
    customer_profile_id = id_of("customer_profile", otherwise=chance.new_id)
    active_scenario_id = NEW_ID
    active_scenario_version = drawn(1, 9)
    step_history = factory.LazyFunction(lambda: [StepVisitFactory.build()])
    active_step_id = factory.LazyAttribute(
        lambda session: session.step_history[-1].step_id if session.step_history else None
    )
    rule_fires = factory.LazyFunction(lambda: {chance.new_id(): chance.number(1, 5)})
    variables = factory.LazyFunction(lambda: {"order_number": chance.number(1000, 9999)})
    variable_updated_at = factory.LazyFunction(lambda: {"order_number": chance.time()})
    turn_count = drawn(1, 40)
    scenario_checksum = DIGEST

    @classmethod
    async def _store(cls, stores: Stores, entity: Session) -> Session:
        sessions: SessionStore | None = getattr(stores, "sessions", None)
        if sessions is None:
            raise UsageError("sessions stand outside of transactions: create them in the tenant")
        return await sessions.save(entity)
