"""Lists and pages: their order, what narrows them, and what is no limit, no offset and no filter."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from focal_data.domain.config import MigrationPlanStatus, Scope
from focal_data.errors import DuplicateError, InvalidDataError
from focal_data.ids import new_id
from focal_data.stores.config import ConfigStore
from focal_data.testing.contracts.config.base import ConfigContract
from focal_data.testing.contracts.config.kinds import (
    PLAN,
    RULE,
    SCENARIO,
    TEMPLATE,
    TOOL,
    Kind,
    a_plan,
    a_rule,
    an_agent,
    each,
)

ID = new_id()
BAD_LIMITS = [0, -1, 1001, 2**31, True, 1.0, "1", None]
BAD_OFFSETS = [-1, 2**31, False, 1.0, "0", None]

Call = Callable[[ConfigStore], Awaitable[object]]

BAD_ARGUMENTS: dict[str, tuple[str, Call]] = {
    "no agent": ("agent_id", lambda s: s.get_agent("s3cr3t")),  # type: ignore[arg-type]
    "an id as text": ("agent_id", lambda s: s.get_agent(str(ID))),  # type: ignore[arg-type]
    "nothing": ("agent_id", lambda s: s.get_agent(None)),  # type: ignore[arg-type]
    "a list": ("agent_id", lambda s: s.get_agent([ID])),  # type: ignore[arg-type]
    "no agent to delete": ("agent_id", lambda s: s.delete_agent("s3cr3t")),  # type: ignore[arg-type]
    "no agent to restore": ("agent_id", lambda s: s.restore_agent(5)),  # type: ignore[arg-type]
    "no rule": ("rule_id", lambda s: s.get_rule("s3cr3t")),  # type: ignore[arg-type]
    "no rule to delete": ("rule_id", lambda s: s.delete_rule("s3cr3t")),  # type: ignore[arg-type]
    "no rule to restore": ("rule_id", lambda s: s.restore_rule("s3cr3t")),  # type: ignore[arg-type]
    "rules of nobody": ("agent_id", lambda s: s.get_rules("s3cr3t")),  # type: ignore[arg-type]
    "no scope": ("scope", lambda s: s.get_rules(ID, scope="s3cr3t")),  # type: ignore[arg-type]
    "scopes": ("scope", lambda s: s.get_rules(ID, scope=[Scope.STEP])),  # type: ignore[arg-type]
    "no scope's id": ("scope_id", lambda s: s.get_templates(ID, Scope.STEP, "s3cr3t")),  # type: ignore[arg-type]
    "no scenario": ("scenario_id", lambda s: s.get_scenario("s3cr3t")),  # type: ignore[arg-type]
    "scenarios of nobody": ("agent_id", lambda s: s.get_scenarios("s3cr3t")),  # type: ignore[arg-type]
    "no template": ("template_id", lambda s: s.delete_template("s3cr3t")),  # type: ignore[arg-type]
    "no variable": ("variable_id", lambda s: s.restore_variable("s3cr3t")),  # type: ignore[arg-type]
    "variables of nobody": ("agent_id", lambda s: s.get_variables("s3cr3t")),  # type: ignore[arg-type]
    "a name with NUL": ("name", lambda s: s.get_variable_by_name(ID, "s3cr3t\0")),
    "a name with a surrogate": ("name", lambda s: s.get_variable_by_name(ID, "s3cr3t\ud800")),
    "a name that is none": ("name", lambda s: s.get_variable_by_name(ID, None)),  # type: ignore[arg-type]
    "a name in bytes": ("name", lambda s: s.get_variable_by_name(ID, b"s3cr3t")),  # type: ignore[arg-type]
    "a tool with NUL": ("tool_id", lambda s: s.get_tool_activation(ID, "s3cr3t\0")),
    "a tool to delete": ("tool_id", lambda s: s.delete_tool_activation(ID, 5)),  # type: ignore[arg-type]
    "tools of nobody": ("agent_id", lambda s: s.get_tool_activations("s3cr3t")),  # type: ignore[arg-type]
    "no plan": ("plan_id", lambda s: s.get_migration_plan("s3cr3t")),  # type: ignore[arg-type]
    "no plan to delete": ("plan_id", lambda s: s.delete_migration_plan(None)),  # type: ignore[arg-type]
    "a version": ("to_version", lambda s: s.get_migration_plan_for_versions(ID, 1, "2")),  # type: ignore[arg-type]
    "a large version": ("from_version", lambda s: s.get_migration_plan_for_versions(ID, 2**31, 1)),
    "plans of nothing": ("scenario_id", lambda s: s.list_migration_plans("s3cr3t")),  # type: ignore[arg-type]
    "no status": ("status", lambda s: s.list_migration_plans(status="s3cr3t")),  # type: ignore[arg-type]
    "a number for a status": ("status", lambda s: s.list_migration_plans(status=5)),  # type: ignore[arg-type]
    "an archive's version": ("version", lambda s: s.get_archived_scenario(ID, 1.0)),  # type: ignore[arg-type]
    "an archive of nothing": ("scenario_id", lambda s: s.get_archived_scenario("s3cr3t", 1)),  # type: ignore[arg-type]
    "no scenario to archive": ("entity", lambda s: s.archive_scenario_version(a_rule(ID))),  # type: ignore[arg-type]
    "nothing to archive": ("entity", lambda s: s.archive_scenario_version(None)),  # type: ignore[arg-type]
}


class ListingContract(ConfigContract):
    """Order, narrowing and paging."""

    async def test_agents_are_paged_in_the_order_of_their_ids(self, config: ConfigStore) -> None:
        """Whatever the order of their saving; the total counts all, also behind the last page."""
        made = [an_agent() for _ in range(5)]
        for agent in reversed(made):
            await config.save_agent(agent)
        ids = [agent.id for agent in made]
        for limit, offset in ((1, 0), (2, 1), (2, 4), (5, 0), (1000, 0), (3, 5), (1, 2**31 - 1)):
            page, total = await config.get_agents(limit=limit, offset=offset)
            assert (ids[offset : offset + limit], 5) == ([agent.id for agent in page], total)

    async def test_twenty_agents_are_a_page(self, config: ConfigStore) -> None:
        """When no limit is given."""
        for _ in range(21):
            await config.save_agent(an_agent())
        page, total = await config.get_agents()
        assert (20, 21) == (len(page), total)

    async def test_the_total_counts_what_is_asked_for(self, config: ConfigStore) -> None:
        """Enabled ones, deleted ones, or all."""
        on, off, gone = [
            await config.save_agent(an_agent(enabled=enabled)) for enabled in (True, False, True)
        ]
        await config.delete_agent(gone.id)
        asked: list[tuple[dict[str, bool], set[Any]]] = [
            ({}, {on.id, off.id}),
            ({"enabled_only": True}, {on.id}),
            ({"include_deleted": True}, {on.id, off.id, gone.id}),
            ({"enabled_only": True, "include_deleted": True}, {on.id, gone.id}),
        ]
        for options, expected in asked:
            page, total = await config.get_agents(**options)
            assert (expected, len(expected)) == ({agent.id for agent in page}, total)
            page, total = await config.get_agents(**options, limit=1, offset=9)
            assert ([], len(expected)) == (page, total)

    async def test_a_tenant_without_agents_has_none(self, config: ConfigStore, others: ConfigStore) -> None:
        """Whatever another has."""
        await others.save_agent(an_agent())
        assert ([], 0) == await config.get_agents(include_deleted=True)

    async def test_rules_are_listed_by_priority(self, config: ConfigStore) -> None:
        """The greatest first, then by id."""
        agent = await config.save_agent(an_agent())
        made = [a_rule(agent.id, priority=priority) for priority in (0, 100, -100, 0, 100)]
        for rule in reversed(made):
            await config.save_rule(rule)
        assert [made[n].id for n in (1, 4, 0, 3, 2)] == [rule.id for rule in await config.get_rules(agent.id)]

    @each((RULE, SCENARIO, TOOL))
    async def test_disabled_ones_are_listed_on_request(self, config: ConfigStore, kind: Kind) -> None:
        """By default only the enabled ones."""
        on = await kind.stored(config)
        off = await kind.save(config, kind.make(on.agent_id, enabled=False))
        get = getattr(config, f"get_{kind.name}s")
        assert [on] == await get(on.agent_id)
        assert [on, off] == await get(on.agent_id, enabled_only=False)
        assert off == await kind.get(config, off)

    @each((RULE, TEMPLATE))
    async def test_those_of_one_scope_are_listed(self, config: ConfigStore, kind: Kind) -> None:
        """A scope without an id takes all of that scope, an id without a scope what has that id."""
        step, agent = new_id(), await config.save_agent(an_agent())
        everywhere, here, there, scenario = [
            await kind.save(config, kind.make(agent.id, scope=scope, scope_id=scope_id))
            for scope, scope_id in (
                (Scope.GLOBAL, None),
                (Scope.STEP, step),
                (Scope.STEP, new_id()),
                (Scope.SCENARIO, step),
            )
        ]
        get = getattr(config, f"get_{kind.name}s")
        assert [everywhere, here, there, scenario] == await get(agent.id)
        assert [everywhere] == await get(agent.id, Scope.GLOBAL)
        assert [here, there] == await get(agent.id, Scope.STEP)
        assert [here] == await get(agent.id, Scope.STEP, step)
        assert [scenario] == await get(agent.id, Scope.SCENARIO, step)
        assert [here, scenario] == await get(agent.id, scope_id=step)
        assert [] == await get(agent.id, Scope.STEP, new_id())
        assert [] == await get(agent.id, Scope.GLOBAL, step)
        assert [] == await get(new_id(), Scope.STEP, step)

    async def test_the_newest_plans_come_first(self, config: ConfigStore, others: ConfigStore) -> None:
        """Of one scenario or of all, in one status or in any, as many as asked for."""
        scenario = new_id()
        made = [
            a_plan(scenario_id=scenario, to_version=2, status=MigrationPlanStatus.DRAFT),
            a_plan(scenario_id=scenario, to_version=3, status=MigrationPlanStatus.DEPLOYED),
            a_plan(status=MigrationPlanStatus.DRAFT),
        ]
        for plan in made:
            await config.save_migration_plan(plan)
        first, second, third = [plan.id for plan in made]
        asked: list[tuple[dict[str, Any], list[Any]]] = [
            ({}, [third, second, first]),
            ({"limit": 2}, [third, second]),
            ({"scenario_id": scenario}, [second, first]),
            ({"scenario_id": scenario, "limit": 1}, [second]),
            ({"status": MigrationPlanStatus.DRAFT}, [third, first]),
            ({"scenario_id": scenario, "status": MigrationPlanStatus.DRAFT}, [first]),
            ({"status": MigrationPlanStatus.REJECTED}, []),
            ({"scenario_id": new_id()}, []),
        ]
        for options, expected in asked:
            assert expected == [plan.id for plan in await config.list_migration_plans(**options)]
        assert [] == await others.list_migration_plans()

    async def test_fifty_plans_are_listed(self, config: ConfigStore) -> None:
        """When no limit is given."""
        for _ in range(51):
            await config.save_migration_plan(a_plan())
        assert 50 == len(await config.list_migration_plans())

    async def test_a_plan_is_found_by_its_versions(self, config: ConfigStore, others: ConfigStore) -> None:
        """And a scenario has one for each pair of them."""
        plan = await PLAN.stored(config)
        back = await config.save_migration_plan(
            a_plan(scenario_id=plan.scenario_id, from_version=2, to_version=1)
        )
        assert plan == await config.get_migration_plan_for_versions(plan.scenario_id, 1, 2)
        assert back == await config.get_migration_plan_for_versions(plan.scenario_id, 2, 1)
        assert await config.get_migration_plan_for_versions(plan.scenario_id, 1, 3) is None
        assert await others.get_migration_plan_for_versions(plan.scenario_id, 1, 2) is None
        with pytest.raises(DuplicateError) as caught:
            await config.save_migration_plan(a_plan(scenario_id=plan.scenario_id))
        assert ("scenario_id", "from_version", "to_version") == caught.value.fields
        await config.delete_migration_plan(plan.id)
        again = await config.save_migration_plan(a_plan(scenario_id=plan.scenario_id))
        assert again == await config.get_migration_plan_for_versions(plan.scenario_id, 1, 2)

    async def test_plans_outlive_their_scenario(self, config: ConfigStore) -> None:
        """They name it, and need none."""
        scenario = await SCENARIO.stored(config)
        plan = await config.save_migration_plan(a_plan(scenario_id=scenario.id))
        await config.delete_scenario(scenario.id)
        assert [plan] == await config.list_migration_plans(scenario.id)

    @pytest.mark.parametrize("limit", BAD_LIMITS, ids=repr)
    async def test_a_limit_is_one_to_a_thousand(self, config: ConfigStore, limit: Any) -> None:
        """Anything else names it."""
        for call in (config.get_agents, config.list_migration_plans):
            with pytest.raises(InvalidDataError) as caught:
                await call(limit=limit)
            assert "limit" == caught.value.field

    @pytest.mark.parametrize("offset", BAD_OFFSETS, ids=repr)
    async def test_an_offset_is_not_negative(self, config: ConfigStore, offset: Any) -> None:
        """Anything else names it."""
        with pytest.raises(InvalidDataError) as caught:
            await config.get_agents(offset=offset)
        assert "offset" == caught.value.field

    @pytest.mark.parametrize("name", BAD_ARGUMENTS)
    async def test_a_bad_argument_is_named(self, config: ConfigStore, name: str) -> None:
        """And its value is not told."""
        field, call = BAD_ARGUMENTS[name]
        with pytest.raises(InvalidDataError) as caught:
            await call(config)
        assert field == caught.value.field
        assert "s3cr3t" not in str(caught.value)
