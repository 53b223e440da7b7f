"""What agents are told to do: the rules of each object."""

from __future__ import annotations

import math
from typing import Any
from uuid import uuid4

import pytest
from pydantic import ValidationError

from focal_data.domain.config import (
    Agent,
    AgentSettings,
    AnchorMigrationPolicy,
    MigrationPlan,
    MigrationPlanStatus,
    MigrationScenario,
    Rule,
    Scenario,
    ScenarioArchive,
    ScenarioStep,
    Scope,
    ScopeFilter,
    StepTransition,
    Template,
    TemplateMode,
    Variable,
    VariableUpdatePolicy,
)
from focal_data.ids import NO_TENANT, new_id

AGENT = new_id()


def rule(**fields: Any) -> Rule:
    return Rule(
        **{"agent_id": AGENT, "name": "Greet", "condition_text": "hi", "action_text": "greet"} | fields
    )


def scenario(*steps: ScenarioStep, **fields: Any) -> Scenario:
    given = {"agent_id": AGENT, "name": "Returns", "entry_step_id": steps[0].id if steps else new_id()}
    return Scenario(**given | {"steps": steps} | fields)


def plan(**fields: Any) -> MigrationPlan:
    given = {"scenario_id": new_id(), "from_version": 1, "to_version": 2}
    return MigrationPlan(**given | {"scenario_checksum_v1": "a", "scenario_checksum_v2": "b"} | fields)


def test_a_new_agent_needs_a_name_only() -> None:
    """The rest has defaults, and the store's part is empty."""
    agent = Agent(name="Ada")
    assert (NO_TENANT, 0, None, None) == (agent.tenant_id, agent.revision, agent.created_at, agent.deleted_at)
    assert (True, 1, 0.7, 1024) == (
        agent.enabled,
        agent.current_version,
        agent.settings.temperature,
        agent.settings.max_tokens,
    )


@pytest.mark.parametrize("name", ["", "x" * 256])
def test_an_agents_name_is_1_to_255_characters(name: str) -> None:
    """Shorter or longer is refused."""
    with pytest.raises(ValidationError):
        Agent(name=name)


@pytest.mark.parametrize("temperature", [-0.1, 2.1, math.nan, math.inf])
def test_temperature_is_0_to_2(temperature: float) -> None:
    """Anything else is refused."""
    with pytest.raises(ValidationError):
        AgentSettings(temperature=temperature)


def test_max_tokens_is_at_least_1() -> None:
    """Zero is refused."""
    with pytest.raises(ValidationError):
        AgentSettings(max_tokens=0)


def test_a_rule_is_global_unless_said_otherwise() -> None:
    """A new rule applies everywhere, is enabled, and fires as often as it likes."""
    made = rule()
    assert (Scope.GLOBAL, None, True, 0) == (
        made.scope,
        made.scope_id,
        made.enabled,
        made.max_fires_per_session,
    )


@pytest.mark.parametrize("scope", ["scenario", "step"])
@pytest.mark.parametrize("make", [rule, lambda **f: Template(agent_id=AGENT, name="Bye", text="Bye", **f)])
def test_scope_id_is_required_unless_global(make: Any, scope: str) -> None:
    """A rule or template of a scenario or step says which."""
    with pytest.raises(ValidationError, match="scope_id is required"):
        make(scope=scope)


def test_a_global_scope_has_no_id() -> None:
    """An id without its scope is a slip, and is refused."""
    with pytest.raises(ValidationError, match="scope_id must be left out"):
        rule(scope_id=new_id())


@pytest.mark.parametrize("priority", [-101, 101])
def test_priority_is_minus_100_to_100(priority: int) -> None:
    """Anything else is refused."""
    with pytest.raises(ValidationError, match="priority"):
        rule(priority=priority)


@pytest.mark.parametrize("field", ["condition_text", "action_text"])
def test_a_rule_has_a_condition_and_an_action(field: str) -> None:
    """Neither may be empty."""
    with pytest.raises(ValidationError, match=field):
        rule(**{field: ""})


@pytest.mark.parametrize("field", ["max_fires_per_session", "cooldown_turns"])
def test_counts_are_not_negative(field: str) -> None:
    """Nor beyond 32 bits."""
    for bad in (-1, 2**31):
        with pytest.raises(ValidationError, match=field):
            rule(**{field: bad})


def test_a_scenario_begins_at_one_of_its_steps() -> None:
    """An entry step that is none of them is refused, no steps at all included."""
    with pytest.raises(ValidationError, match="entry_step_id"):
        scenario(ScenarioStep(name="Ask"), entry_step_id=new_id())
    with pytest.raises(ValidationError, match="entry_step_id"):
        scenario()


def test_a_transition_leads_to_a_step_of_the_scenario() -> None:
    """A transition out of the scenario is refused."""
    astray = StepTransition(to_step_id=new_id(), condition_text="yes")
    with pytest.raises(ValidationError, match="to_step_id"):
        scenario(ScenarioStep(name="Ask", transitions=[astray]))


def test_a_step_may_lead_to_itself() -> None:
    """A transition's target may be any step."""
    step = ScenarioStep(name="Ask")
    again = step.evolve(transitions=[StepTransition(to_step_id=step.id, condition_text="unclear")])
    assert again.id == scenario(again).steps[0].transitions[0].to_step_id


def test_steps_have_ids_that_differ() -> None:
    """Two steps of one id are refused."""
    step = ScenarioStep(name="Ask")
    with pytest.raises(ValidationError, match="steps"):
        scenario(step, step)


def test_an_archive_is_of_its_own_scenario() -> None:
    """An id or a version other than the scenario's is refused."""
    kept = scenario(ScenarioStep(name="Ask"))
    with pytest.raises(ValidationError, match="scenario_id"):
        ScenarioArchive(scenario_id=new_id(), version=1, scenario=kept)
    with pytest.raises(ValidationError, match="version"):
        ScenarioArchive(scenario_id=kept.id, version=2, scenario=kept)


@pytest.mark.parametrize("name", ["order", "_x", "a1_", "a" * 50])
def test_names_of_variables(name: str) -> None:
    """A name is a small word of letters, digits and underscores."""
    assert name == Variable(agent_id=AGENT, name=name).name


@pytest.mark.parametrize("name", ["", "1a", "Order", "a-b", "a\n", "é", "a" * 51])
def test_names_that_variables_can_not_have(name: str) -> None:
    """Anything else is refused."""
    with pytest.raises(ValidationError, match="name"):
        Variable(agent_id=AGENT, name=name)


def test_a_variable_may_default_to_any_json() -> None:
    """Text, numbers, lists and objects."""
    assert [1, {"a": None}] == Variable(
        agent_id=AGENT, name="x", default_value=[1, {"a": None}]
    ).default_value


def test_a_plan_leads_to_another_version() -> None:
    """A plan from a version to itself is refused."""
    with pytest.raises(ValidationError, match="to_version"):
        plan(to_version=1)


def test_a_plan_has_one_policy_for_each_anchor() -> None:
    """Two policies for one anchor are refused."""
    policy = AnchorMigrationPolicy(anchor_content_hash="h", anchor_name="Ask")
    with pytest.raises(ValidationError, match="anchor_policies"):
        plan(anchor_policies=[policy, policy])


def test_session_ages_are_in_order() -> None:
    """A least age above the greatest is refused."""
    with pytest.raises(ValidationError, match="min_session_age_days"):
        ScopeFilter(min_session_age_days=2, max_session_age_days=1)


def test_an_unknown_status_is_refused() -> None:
    """Only the values of the enumeration are taken, as text or as members."""
    assert MigrationPlanStatus.APPROVED == plan(status="approved").status
    with pytest.raises(ValidationError, match="status"):
        plan(status="APPROVED")


@pytest.mark.parametrize(
    ("expected", "enumeration"),
    [
        ("global scenario step", Scope),
        ("suggest exclusive fallback", TemplateMode),
        (
            "on_each_turn on_demand on_scenario_entry on_session_start replace append merge",
            VariableUpdatePolicy,
        ),
        ("draft approved deployed superseded rejected", MigrationPlanStatus),
        ("clean_graft gap_fill re_route", MigrationScenario),
    ],
)
def test_enumerations(expected: str, enumeration: Any) -> None:
    """The values are those of the contract."""
    assert expected.split() == [member.value for member in enumeration]


def test_any_uuid_may_be_an_id() -> None:
    """Ids from elsewhere need not be UUIDv7."""
    given = uuid4()
    assert given == Agent(name="Ada", id=given).id
