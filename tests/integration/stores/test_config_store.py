"""The config store in PostgreSQL: what goes in comes out, and what goes with an agent comes back with it."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from focal_data.data_layer import DataLayer, Tenant
from focal_data.domain.config import (
    Agent,
    AgentSettings,
    MigrationPlan,
    MigrationPlanStatus,
    Rule,
    Scenario,
    ScenarioStep,
    Scope,
    StepTransition,
    Template,
    TemplateMode,
    ToolActivation,
    Variable,
    VariableUpdatePolicy,
)
from focal_data.domain.embedding import Embedding
from focal_data.domain.filters import RuleFilter, ScenarioFilter
from focal_data.errors import (
    ConflictError,
    DuplicateError,
    InvalidDataError,
    NotFoundError,
    StaleRevisionError,
)
from focal_data.repositories.agents import AgentRepository
from focal_data.repositories.config import RuleRepository
from focal_data.stores.config import ConfigStore


@pytest.fixture
def config(tenant: Tenant) -> ConfigStore:
    """The store of a tenant of this test alone."""
    return tenant.config


@pytest.fixture
async def agent(config: ConfigStore) -> Agent:
    """A stored agent."""
    return await config.save_agent(Agent(name="Ada"))


def a_rule(agent: Agent, **changes: object) -> Rule:
    """A rule of ``agent``."""
    given = {"agent_id": agent.id, "name": "greet", "condition_text": "a greeting", "action_text": "greet"}
    return Rule.model_validate(given | changes)


def a_scenario(agent: Agent, **changes: object) -> Scenario:
    """A scenario of two steps."""
    last = ScenarioStep(name="say goodbye", is_terminal=True)
    first = ScenarioStep(
        name="greet", transitions=[StepTransition(to_step_id=last.id, condition_text="done")]
    )
    given = {"agent_id": agent.id, "name": "talk", "entry_step_id": first.id, "steps": [first, last]}
    return Scenario.model_validate(given | changes)


async def test_an_agent_comes_back_as_it_was_stored(config: ConfigStore) -> None:
    """With every field, and the store's revision and times."""
    settings = AgentSettings(llm_provider="anthropic", llm_model="a model", temperature=0.1, max_tokens=9)
    agent = Agent(
        name="Ädå 🦊",
        description="d",
        system_prompt="s",
        default_model="m",
        enabled=False,
        current_version=3,
        settings=settings,
    )
    stored = await config.save_agent(agent)
    assert stored == await config.get_agent(agent.id)
    ours = {"revision", "created_at", "updated_at", "tenant_id"}
    assert agent.model_dump(exclude=ours) == stored.model_dump(exclude=ours)
    assert 1 == stored.revision


async def test_a_rule_comes_back_with_its_embedding_at_half_precision(
    config: ConfigStore, agent: Agent
) -> None:
    """What save returns is what get returns."""
    rule = a_rule(
        agent,
        action_config={"a": [1, {"b": None}], "ü": "🦊"},
        attached_tool_ids=["x"],
        attached_template_ids=[uuid4()],
        embedding=Embedding([0.1, 0.2, 0.3], model="m"),
    )
    stored = await config.save_rule(rule)
    assert stored == await config.get_rule(rule.id)
    assert Embedding([0.1, 0.2, 0.3], model="m").rounded() == stored.embedding


async def test_a_scenario_comes_back_with_its_steps(config: ConfigStore, agent: Agent) -> None:
    """The typed documents are whole."""
    stored = await config.save_scenario(a_scenario(agent, tags=["a", "b"]))
    assert stored == await config.get_scenario(stored.id)


async def test_an_archived_scenario_stays_as_it_was(config: ConfigStore, agent: Agent) -> None:
    """Whatever becomes of the scenario; and a version is archived once."""
    scenario = await config.save_scenario(a_scenario(agent))
    await config.archive_scenario_version(scenario)
    await config.save_scenario(scenario.evolve(name="other", version=2))
    assert scenario == await config.get_archived_scenario(scenario.id, 1)
    assert await config.get_archived_scenario(scenario.id, 2) is None
    with pytest.raises(DuplicateError):
        await config.archive_scenario_version(scenario)


async def test_templates_variables_tools_and_plans_come_back(config: ConfigStore, agent: Agent) -> None:
    """Each by the ways there are to get it."""
    template = await config.save_template(
        Template(agent_id=agent.id, name="t", text="hello", mode=TemplateMode.FALLBACK, conditions="any")
    )
    variable = await config.save_variable(
        Variable(
            agent_id=agent.id, name="plan", default_value={"a": 1}, update_policy=VariableUpdatePolicy.MERGE
        )
    )
    tool = await config.save_tool_activation(
        ToolActivation(agent_id=agent.id, tool_id="crm", policy_override={"a": 1})
    )
    plan = await config.save_migration_plan(
        MigrationPlan(
            scenario_id=uuid4(),
            from_version=1,
            to_version=2,
            scenario_checksum_v1="a",
            scenario_checksum_v2="b",
        )
    )
    assert [template] == await config.get_templates(agent.id)
    assert variable == await config.get_variable_by_name(agent.id, "plan")
    assert [tool] == await config.get_tool_activations(agent.id)
    assert tool == await config.get_tool_activation(agent.id, "crm")
    assert plan == await config.get_migration_plan_for_versions(plan.scenario_id, 1, 2)
    assert [plan] == await config.list_migration_plans(plan.scenario_id, MigrationPlanStatus.DRAFT)
    assert [] == await config.list_migration_plans(plan.scenario_id, MigrationPlanStatus.DEPLOYED)
    assert await config.delete_tool_activation(agent.id, "crm")
    assert await config.delete_migration_plan(plan.id)
    assert await config.get_tool_activation(agent.id, "crm") is None
    assert await config.get_migration_plan(plan.id) is None


async def test_rules_are_listed_by_priority(config: ConfigStore, agent: Agent) -> None:
    """The greatest first, then by id; disabled ones on request."""
    low, high, off = [
        await config.save_rule(a_rule(agent, **changes))
        for changes in ({"priority": -5}, {"priority": 5}, {"enabled": False})
    ]
    assert [high, low] == await config.get_rules(agent.id)
    assert [high, off, low] == await config.get_rules(agent.id, enabled_only=False)


async def test_rules_of_one_scope_are_listed(config: ConfigStore, agent: Agent) -> None:
    """A scope without an id takes every rule of that scope."""
    step = uuid4()
    everywhere = await config.save_rule(a_rule(agent))
    here = await config.save_rule(a_rule(agent, scope=Scope.STEP, scope_id=step))
    assert [everywhere] == await config.get_rules(agent.id, Scope.GLOBAL)
    assert [here] == await config.get_rules(agent.id, Scope.STEP)
    assert [here] == await config.get_rules(agent.id, Scope.STEP, step)
    assert [] == await config.get_rules(agent.id, Scope.STEP, uuid4())


async def test_agents_are_paged_with_their_total(config: ConfigStore) -> None:
    """The total counts all of them, also behind the last page."""
    agents = [await config.save_agent(Agent(name=str(n), enabled=n != 1)) for n in range(3)]
    assert (agents[1:], 3) == await config.get_agents(limit=2, offset=1)
    assert ([], 3) == await config.get_agents(offset=9)
    assert ([agents[0], agents[2]], 2) == await config.get_agents(enabled_only=True)


@pytest.mark.parametrize("changes", [{"limit": 0}, {"limit": 1001}, {"limit": True}, {"offset": -1}])
async def test_a_page_out_of_range_names_its_argument(config: ConfigStore, changes: dict[str, int]) -> None:
    """Limits are 1 to 1000, offsets not negative."""
    with pytest.raises(InvalidDataError) as caught:
        await config.get_agents(**changes)  # type: ignore[arg-type]
    assert caught.value.field in changes


async def test_the_nearest_rules_come_first(config: ConfigStore, agent: Agent) -> None:
    """By exact cosine similarity; other models and other scopes are left out."""
    near = await config.save_rule(a_rule(agent, embedding=Embedding([1, 0], model="m")))
    far = await config.save_rule(
        a_rule(agent, embedding=Embedding([0, 1], model="m"), scope=Scope.STEP, scope_id=uuid4())
    )
    await config.save_rule(a_rule(agent, embedding=Embedding([1, 0], model="another")))
    await config.save_rule(a_rule(agent))
    query = Embedding([4, 3], model="m")
    hits = await config.vector_search_rules(agent.id, query)
    assert [near.id, far.id] == [hit.item.id for hit in hits]
    assert pytest.approx([0.8, 0.6]) == [hit.score for hit in hits]
    assert [near.id] == [
        hit.item.id for hit in await config.vector_search_rules(agent.id, query, min_score=0.7)
    ]
    filters = RuleFilter(scopes=((Scope.STEP, None),))
    assert [far.id] == [
        hit.item.id for hit in await config.vector_search_rules(agent.id, query, filters=filters)
    ]
    assert [] == await config.vector_search_rules(agent.id, query, filters=RuleFilter(scopes=()))


async def test_the_nearest_scenarios_can_be_narrowed_by_tags(config: ConfigStore, agent: Agent) -> None:
    """Any of the tags will do."""
    scenario = await config.save_scenario(
        a_scenario(agent, tags=["a", "b"], embedding=Embedding([1], model="m"))
    )
    query = Embedding([1], model="m")
    for tags, expected in ((("b", "c"), [scenario.id]), (("c",), [])):
        hits = await config.vector_search_scenarios(agent.id, query, filters=ScenarioFilter(tags=tags))
        assert expected == [hit.item.id for hit in hits]


async def test_a_stale_writer_learns_the_current_revision(config: ConfigStore, agent: Agent) -> None:
    """And changes nothing."""
    current = await config.save_agent(agent.evolve(description="new"))
    with pytest.raises(StaleRevisionError) as caught:
        await config.save_agent(agent.evolve(description="stale"))
    assert 2 == caught.value.current_revision
    assert current == await config.get_agent(agent.id)


async def test_of_fifty_writers_of_one_revision_one_wins(config: ConfigStore, agent: Agent) -> None:
    """The others are stale."""
    writers = (config.save_agent(agent.evolve(description=str(n))) for n in range(50))
    outcomes = await asyncio.gather(*writers, return_exceptions=True)
    assert 1 == sum(isinstance(outcome, Agent) for outcome in outcomes)
    assert 49 == sum(isinstance(outcome, StaleRevisionError) for outcome in outcomes)


async def test_what_was_never_stored_can_not_be_updated(config: ConfigStore) -> None:
    """It is not found."""
    with pytest.raises(NotFoundError):
        await config.save_agent(Agent(name="Ada", revision=1))


async def test_a_name_is_taken_until_its_agent_is_deleted(config: ConfigStore, agent: Agent) -> None:
    """And then the old one can't come back under it."""
    with pytest.raises(DuplicateError) as caught:
        await config.save_agent(Agent(name="Ada"))
    assert ("name",) == caught.value.fields
    await config.delete_agent(agent.id)
    await config.save_agent(Agent(name="Ada"))
    with pytest.raises(DuplicateError):
        await config.restore_agent(agent.id)


async def test_an_agents_parts_go_and_come_back_with_it(config: ConfigStore, agent: Agent) -> None:
    """Those that were deleted before stay deleted."""
    kept, gone = [await config.save_rule(a_rule(agent)) for _ in range(2)]
    variable = await config.save_variable(Variable(agent_id=agent.id, name="v"))
    await config.delete_rule(gone.id)
    assert await config.delete_agent(agent.id)
    assert await config.get_rule(kept.id) is None
    deleted = await config.get_variable(variable.id, include_deleted=True)
    whole = await config.get_agent(agent.id, include_deleted=True)
    assert deleted is not None and whole is not None
    assert whole.deleted_at == deleted.deleted_at is not None
    restored = await config.restore_agent(agent.id)
    assert restored == await config.get_agent(agent.id)
    assert [kept.id] == [rule.id for rule in await config.get_rules(agent.id)]
    assert [variable.id] == [found.id for found in await config.get_variables(agent.id)]


async def test_a_deleted_agent_gets_no_new_parts(config: ConfigStore, agent: Agent) -> None:
    """Not by adding, not by adding many, not by moving, not by restoring."""
    rule, other = await config.save_rule(a_rule(agent)), await config.save_agent(Agent(name="Bob"))
    await config.delete_agent(other.id)
    with pytest.raises(NotFoundError):
        await config.save_rule(a_rule(other))
    with pytest.raises(NotFoundError):
        await config.save_rule(rule.evolve(agent_id=other.id))
    await config.delete_agent(agent.id)
    with pytest.raises(ConflictError):
        await config.restore_rule(rule.id)


async def test_repositories_restore_as_the_store_does(
    tenant: Tenant, config: ConfigStore, agent: Agent
) -> None:
    """A part stays deleted while its agent is, and comes back with it."""
    rule = await config.save_rule(a_rule(agent))
    await config.delete_agent(agent.id)
    assert not await RuleRepository(tenant).restore(rule.id)
    assert await AgentRepository(tenant).restore(agent.id)
    assert [rule.id] == [found.id for found in await config.get_rules(agent.id)]
    assert not await AgentRepository(tenant).restore(agent.id)


async def test_many_are_added_or_none(tenant: Tenant, agent: Agent) -> None:
    """A bad one is named by its place, and nothing is stored."""
    rules = RuleRepository(tenant)
    bad = Rule.model_construct(**{**a_rule(agent).__dict__, "name": "a\x00b"})
    with pytest.raises(InvalidDataError) as caught:
        await rules.add_many([a_rule(agent), bad])
    assert "[1].name" == caught.value.field
    assert 0 == await rules.count()
    assert 3 == len(await rules.add_many([a_rule(agent) for _ in range(3)]))
    assert 3 == await rules.count()


async def test_another_tenant_sees_and_changes_nothing(
    data: DataLayer, config: ConfigStore, agent: Agent
) -> None:
    """It can't read, update, delete, restore or refer to it."""
    rule, other = await config.save_rule(a_rule(agent)), data.tenant(uuid4()).config
    assert await other.get_agent(agent.id) is None
    assert ([], 0) == await other.get_agents()
    assert not await other.delete_agent(agent.id)
    with pytest.raises(InvalidDataError, match="tenant_id"):
        await other.save_agent(agent.evolve(description="mine"))
    with pytest.raises(NotFoundError):
        await other.save_rule(a_rule(agent))
    with pytest.raises(NotFoundError):
        await other.restore_rule(rule.id)
    assert agent == await config.get_agent(agent.id)


async def test_a_change_after_saving_changes_nothing_stored(config: ConfigStore, agent: Agent) -> None:
    """Neither in what was handed over nor in what came back."""
    given = {"a": {"b": [1]}}
    rule = a_rule(agent, action_config=given)
    stored = await config.save_rule(rule)
    given["a"]["b"].append(2)
    stored.action_config["a"] = 3
    found = await config.get_rule(rule.id)
    assert found is not None
    assert {"a": {"b": [1]}} == found.action_config
