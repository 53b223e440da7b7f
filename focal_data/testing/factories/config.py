"""Agents, and what they are told to do."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, ClassVar

import factory

from focal_data.domain.config import (
    Agent,
    AgentSettings,
    AnchorMigrationPolicy,
    AnchorTransformation,
    MigrationPlan,
    MigrationScenario,
    MigrationSummary,
    Rule,
    Scenario,
    ScenarioArchive,
    ScenarioStep,
    Scope,
    StepTransition,
    Template,
    ToolActivation,
    TransformationMap,
    Variable,
)
from focal_data.testing.factories import chance
from focal_data.testing.factories.base import (
    DIGEST,
    EMBEDDED,
    NEW_ID,
    TIME,
    DomainFactory,
    E,
    Link,
    Parent,
    Stores,
    ValueFactory,
    drawn,
    id_of,
    named,
    picked,
)

_MODELS = ("claude-haiku-5-5", "gpt-6-luna")
_TOOLS = ("orders.find", "orders.cancel", "invoices.send", "appointments.book")
_CONDITIONS = (
    "the customer asks where an order is",
    "the customer wants to return something",
    "the customer mentions a lawyer",
    "the customer asks for a discount",
)
_ACTIONS = (
    "Look the order up before answering.",
    "Explain the return policy in two sentences.",
    "Hand the conversation over to a person.",
    "Offer the current promotion, and no more than that.",
)
_FIELDS = ("email", "order_number", "birthday", "shipping_address")

_SCOPE_ID: Any = factory.LazyAttribute(
    lambda scoped: None if scoped.scope == Scope.GLOBAL else chance.new_id()
)


class AgentSettingsFactory(ValueFactory[AgentSettings]):
    class Meta:
        model = AgentSettings

    llm_provider = "anthropic"
    llm_model = picked(_MODELS)
    temperature = picked((0.0, 0.3, 0.7))
    max_tokens = picked((512, 1024, 4096))


class AgentFactory(DomainFactory[Agent]):
    class Meta:
        model = Agent

    id = NEW_ID
    name = named("Ada", "Basil", "Clara", "Dorian")
    description = picked(("Answers customers of a furniture shop.", "Takes bookings.", "Explains invoices."))
    system_prompt = "You are friendly, brief and exact."
    default_model = picked(_MODELS)
    settings = factory.SubFactory(AgentSettingsFactory)

    @classmethod
    async def _store(cls, stores: Stores, entity: Agent) -> Agent:
        return await stores.config.save_agent(entity)


class AgentPartFactory(DomainFactory[E]):
    """What hangs on an agent: ``agent=…`` or ``agent_id=…``, or one is made."""

    class Meta:
        abstract = True

    class Params:
        agent = Parent(AgentFactory)

    id = NEW_ID
    agent_id = id_of("agent")


class RuleFactory(AgentPartFactory[Rule]):
    """Global unless ``scope`` says otherwise, which then gets an id; ``embedded=True`` for one with a vector."""

    class Meta:
        model = Rule

    class Params:
        embedded = EMBEDDED

    name = named("Orders", "Returns", "Complaints", "Prices")
    description = "What to do, and when."
    condition_text = picked(_CONDITIONS)
    action_text = picked(_ACTIONS)
    action_type = picked(("respond", "call_tool", "escalate"))
    action_config = factory.LazyFunction(lambda: {"tone": chance.pick(("warm", "formal"))})
    scope = Scope.GLOBAL
    scope_id = _SCOPE_ID
    priority = drawn(-100, 100)
    max_fires_per_session = drawn(0, 5)
    cooldown_turns = drawn(0, 3)
    attached_tool_ids = factory.LazyFunction(lambda: chance.some(_TOOLS))

    @classmethod
    async def _store(cls, stores: Stores, entity: Rule) -> Rule:
        return await stores.config.save_rule(entity)


class StepTransitionFactory(ValueFactory[StepTransition]):
    class Meta:
        model = StepTransition

    to_step_id = NEW_ID
    condition_text = picked(_CONDITIONS)
    priority = drawn(0, 10)
    condition_fields = factory.LazyFunction(lambda: chance.some(_FIELDS))


class ScenarioStepFactory(ValueFactory[ScenarioStep]):
    class Meta:
        model = ScenarioStep

    id = NEW_ID
    name = named("Ask", "Look up", "Confirm", "Hand over")
    description = "What happens here."
    tool_ids = factory.LazyFunction(lambda: chance.some(_TOOLS))
    collects_profile_fields = factory.LazyFunction(lambda: chance.some(_FIELDS))


def _steps() -> list[ScenarioStep]:
    """Two or more, each leading to the next."""
    steps = ScenarioStepFactory.build_batch(chance.number(2, 4))
    leading = [
        step.evolve(transitions=[StepTransitionFactory.build(to_step_id=following.id)])
        for step, following in pairwise(steps)
    ]
    return [leading[0].evolve(is_entry=True), *leading[1:], steps[-1].evolve(is_terminal=True)]


class ScenarioFactory(AgentPartFactory[Scenario]):
    """Two to four steps in a row, from the first on; ``embedded=True`` for one with a vector."""

    class Meta:
        model = Scenario

    class Params:
        embedded = EMBEDDED

    name = named("Return an item", "Book an appointment", "Change an address")
    description = "A conversation with a plan."
    steps = factory.LazyFunction(_steps)
    entry_step_id = factory.LazyAttribute(lambda scenario: scenario.steps[0].id)
    entry_condition_text = picked(_CONDITIONS)
    content_hash = DIGEST
    tags = factory.LazyFunction(lambda: chance.some(("support", "sales", "onboarding")))

    @classmethod
    async def _store(cls, stores: Stores, entity: Scenario) -> Scenario:
        return await stores.config.save_scenario(entity)


_ARCHIVED = {"scenario_id": "id", "version": "version"}


class _ArchivedScenario(Link):
    """The scenario of an archive, with the id and version that were given for it."""

    def evaluate(self, instance: Any, step: Any, extra: dict[str, Any]) -> Any:
        known = {"agent_id": chance.new_id()} | instance.archived | extra
        return ScenarioFactory.build(tenant_id=instance.tenant_id, **known)


class ScenarioArchiveFactory(DomainFactory[ScenarioArchive]):
    """A scenario as it once was, which need not be stored itself: ``scenario=…``, or one is made."""

    class Meta:
        model = ScenarioArchive

    class Params:
        archived: ClassVar[dict[str, Any]] = {}

    id = NEW_ID
    scenario = _ArchivedScenario()
    scenario_id = factory.SelfAttribute("scenario.id")
    version = factory.SelfAttribute("scenario.version")

    @classmethod
    def _agreed(cls, given: dict[str, Any]) -> dict[str, Any]:
        if given.get("scenario") is None and "archived" not in given:
            rest = {name: value for name, value in given.items() if name not in {*_ARCHIVED, "scenario"}}
            given = rest | {"archived": {own: given[key] for key, own in _ARCHIVED.items() if key in given}}
        return super()._agreed(given)

    @classmethod
    async def _store(cls, stores: Stores, entity: ScenarioArchive) -> ScenarioArchive:
        return await stores.config.archive_scenario_version(entity.scenario)


class TemplateFactory(AgentPartFactory[Template]):
    """Global unless ``scope`` says otherwise, which then gets an id."""

    class Meta:
        model = Template

    name = named("Greeting", "Apology", "Farewell")
    text = picked(("Hello {name}, how can I help?", "I am sorry about that.", "Thank you, and goodbye."))
    scope = Scope.GLOBAL
    scope_id = _SCOPE_ID
    conditions = picked(_CONDITIONS)

    @classmethod
    async def _store(cls, stores: Stores, entity: Template) -> Template:
        return await stores.config.save_template(entity)


class VariableFactory(AgentPartFactory[Variable]):
    class Meta:
        model = Variable

    name = factory.LazyFunction(lambda: chance.distinct(chance.pick(_FIELDS), "_"))
    description = "What the agent may look up."
    default_value = factory.LazyFunction(lambda: {"known": False})
    resolver_tool_id = picked(_TOOLS)
    cache_ttl_seconds = drawn(0, 3600)

    @classmethod
    async def _store(cls, stores: Stores, entity: Variable) -> Variable:
        return await stores.config.save_variable(entity)


class ToolActivationFactory(AgentPartFactory[ToolActivation]):
    class Meta:
        model = ToolActivation

    tool_id = named(*_TOOLS)
    policy_override = factory.LazyFunction(lambda: {"confirm": True})
    enabled_at = TIME

    @classmethod
    async def _store(cls, stores: Stores, entity: ToolActivation) -> ToolActivation:
        return await stores.config.save_tool_activation(entity)


class AnchorTransformationFactory(ValueFactory[AnchorTransformation]):
    class Meta:
        model = AnchorTransformation

    anchor_content_hash = DIGEST
    anchor_name = named("Ask", "Confirm")
    anchor_node_id_v1 = NEW_ID
    anchor_node_id_v2 = NEW_ID
    migration_scenario = picked(MigrationScenario)


class AnchorMigrationPolicyFactory(ValueFactory[AnchorMigrationPolicy]):
    class Meta:
        model = AnchorMigrationPolicy

    anchor_content_hash = DIGEST
    anchor_name = named("Ask", "Confirm")


class MigrationPlanFactory(DomainFactory[MigrationPlan]):
    """From one version of a scenario to the next; ``scenario=…`` or ``scenario_id=…``, which need not be stored."""

    class Meta:
        model = MigrationPlan

    class Params:
        scenario = Link()

    id = NEW_ID
    scenario_id = id_of("scenario", otherwise=chance.new_id)
    from_version = drawn(1, 100)
    to_version = factory.LazyAttribute(lambda plan: plan.from_version + 1)
    scenario_checksum_v1 = DIGEST
    scenario_checksum_v2 = DIGEST
    transformation_map = factory.LazyFunction(
        lambda: TransformationMap(anchors=[AnchorTransformationFactory.build()])
    )
    anchor_policies = factory.LazyFunction(lambda: [AnchorMigrationPolicyFactory.build()])
    summary = factory.LazyFunction(
        lambda: MigrationSummary(counts={"sessions": chance.number(0, 99)}, warnings=["A field is new."])
    )
    created_by = named("editor")

    @classmethod
    async def _store(cls, stores: Stores, entity: MigrationPlan) -> MigrationPlan:
        return await stores.config.save_migration_plan(entity)
