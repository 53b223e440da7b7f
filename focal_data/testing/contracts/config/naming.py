"""Names that are taken, and free again."""

from __future__ import annotations

import asyncio

import pytest

from focal_data.domain.config import Agent
from focal_data.errors import DuplicateError, InvalidDataError
from focal_data.ids import new_id
from focal_data.stores.config import ConfigStore
from focal_data.testing.contracts.config.base import ConfigContract
from focal_data.testing.contracts.config.kinds import TOOL, VARIABLE, a_rule, a_tool, a_variable, an_agent


class NamesContract(ConfigContract):
    """Names that are taken, and free again."""

    async def test_an_agents_name_is_taken_once(self, config: ConfigStore, others: ConfigStore) -> None:
        """By a new one and by one that is renamed; another tenant's names are its own."""
        ada, bob = [await config.save_agent(an_agent(name=name)) for name in ("Ada", "Bob")]
        for mine in (an_agent(name="Ada"), bob.evolve(name="Ada")):
            with pytest.raises(DuplicateError) as caught:
                await config.save_agent(mine)
            assert ("uq_agents_name", ("name",)) == (caught.value.constraint, caught.value.fields)
        assert ([ada, bob], 2) == await config.get_agents()
        assert "Ada" == (await others.save_agent(an_agent(name="Ada"))).name
        assert "ada" == (await config.save_agent(an_agent(name="ada"))).name

    async def test_a_variables_name_is_taken_once_in_its_agent(self, config: ConfigStore) -> None:
        """By a new one, a renamed one, and one that is moved; other agents' names are their own."""
        one = await VARIABLE.stored(config, name="v")
        two = await VARIABLE.stored(config, name="v")
        other = await config.save_variable(a_variable(one.agent_id))
        for mine in (
            a_variable(one.agent_id, name="v"),
            other.evolve(name="v"),
            two.evolve(agent_id=one.agent_id),
        ):
            with pytest.raises(DuplicateError) as caught:
                await config.save_variable(mine)
            assert ("agent_id", "name") == caught.value.fields
        assert [one, other] == await config.get_variables(one.agent_id)
        assert [two] == await config.get_variables(two.agent_id)

    async def test_a_tool_is_activated_once_for_an_agent(self, config: ConfigStore) -> None:
        """Another agent may use it as well."""
        one, two = await TOOL.stored(config, tool_id="crm"), await TOOL.stored(config, tool_id="crm")
        with pytest.raises(DuplicateError) as caught:
            await config.save_tool_activation(a_tool(one.agent_id, tool_id="crm"))
        assert ("agent_id", "tool_id") == caught.value.fields
        with pytest.raises(DuplicateError):
            await config.save_tool_activation(two.evolve(agent_id=one.agent_id))
        assert [one] == await config.get_tool_activations(one.agent_id)
        assert await config.delete_tool_activation(one.agent_id, "crm")
        again = await config.save_tool_activation(a_tool(one.agent_id, tool_id="crm"))
        assert again == await config.get_tool_activation(one.agent_id, "crm")
        assert two == await config.get_tool_activation(two.agent_id, "crm")

    async def test_a_name_is_free_when_its_agent_is_deleted_or_renamed(self, config: ConfigStore) -> None:
        """At once; and the old one can't come back under it until the new one has gone."""
        old = await config.save_agent(an_agent(name="Ada"))
        rule = await config.save_rule(a_rule(old.id))
        await config.delete_agent(old.id)
        new = await config.save_agent(an_agent(name="Ada"))
        with pytest.raises(DuplicateError) as caught:
            await config.restore_agent(old.id)
        assert ("name",) == caught.value.fields
        assert await config.get_agent(old.id) is None
        assert await config.get_rule(rule.id) is None
        await config.save_agent(new.evolve(name="Bob"))
        assert old.id == (await config.restore_agent(old.id)).id
        assert await config.get_rule(rule.id) is not None

    async def test_a_name_is_free_when_its_variable_is_deleted(self, config: ConfigStore) -> None:
        """At once; and the old one can't come back under it until the new one has gone."""
        old = await VARIABLE.stored(config, name="v")
        await config.delete_variable(old.id)
        new = await config.save_variable(a_variable(old.agent_id, name="v"))
        with pytest.raises(DuplicateError) as caught:
            await config.restore_variable(old.id)
        assert ("agent_id", "name") == caught.value.fields
        await config.delete_variable(new.id)
        assert old.id == (await config.restore_variable(old.id)).id

    async def test_an_agent_comes_back_with_names_that_were_given_twice(self, config: ConfigStore) -> None:
        """The one that went with it, not the one that had gone before."""
        old = await VARIABLE.stored(config, name="v")
        await config.delete_variable(old.id)
        new = await config.save_variable(a_variable(old.agent_id, name="v"))
        await config.delete_agent(old.agent_id)
        await config.restore_agent(old.agent_id)
        found = await config.get_variable_by_name(old.agent_id, "v")
        assert found is not None
        assert new.id == found.id

    async def test_of_many_that_take_a_name_one_gets_it(self, config: ConfigStore) -> None:
        """The others are told that it is taken."""
        writers = (config.save_agent(an_agent(name="Ada")) for _ in range(20))
        outcomes = await asyncio.gather(*writers, return_exceptions=True)
        won = [outcome for outcome in outcomes if isinstance(outcome, Agent)]
        assert 19 == sum(isinstance(outcome, DuplicateError) for outcome in outcomes)
        assert (won, 1) == await config.get_agents()

    async def test_a_variable_is_found_by_its_name(self, config: ConfigStore, others: ConfigStore) -> None:
        """In its agent and its tenant; of deleted ones, the last that was deleted."""
        first = await VARIABLE.stored(config, name="v")
        agent_id = first.agent_id
        assert first == await config.get_variable_by_name(agent_id, "v")
        for store, agent, name in ((config, agent_id, "w"), (config, new_id(), "v"), (others, agent_id, "v")):
            assert await store.get_variable_by_name(agent, name) is None
            assert await store.get_variable_by_name(agent, name, include_deleted=True) is None
        await config.delete_variable(first.id)
        assert await config.get_variable_by_name(agent_id, "v") is None
        second = await config.save_variable(a_variable(agent_id, name="v"))
        assert second == await config.get_variable_by_name(agent_id, "v", include_deleted=True)
        await config.delete_variable(second.id)
        last = await config.get_variable_by_name(agent_id, "v", include_deleted=True)
        assert last is not None
        assert second.id == last.id

    @pytest.mark.parametrize("name", ["", "a\0b", "V", "1a", "é", "v" * 51, "v\n"], ids=ascii)
    async def test_a_variables_name_is_one(self, config: ConfigStore, name: str) -> None:
        """Changed past its validation, it is refused."""
        stored = await VARIABLE.stored(config)
        with pytest.raises(InvalidDataError) as caught:
            await config.save_variable(stored.model_copy(update={"name": name}))
        assert "name" == caught.value.field
