"""What belongs to another tenant is absent, by its id and by every key that leads to it."""

from __future__ import annotations

from typing import Any

import pytest

from focal_data.errors import (
    InvalidDataError,
    NotFoundError,
)
from focal_data.ids import NO_TENANT, new_id
from focal_data.stores.config import ConfigStore
from focal_data.testing.contracts.base import TenantUnderTest
from focal_data.testing.contracts.config.base import ConfigContract
from focal_data.testing.contracts.config.kinds import (
    AGENT,
    ALL,
    OF_AGENT,
    RULE,
    Kind,
    a_rule,
    an_agent,
    each,
)


class IsolationContract(ConfigContract):
    """Two tenants of one store."""

    @each(ALL)
    async def test_the_tenant_is_filled_in_or_must_be_the_stores(
        self, tenant: TenantUnderTest, others: ConfigStore, kind: Kind
    ) -> None:
        """One that differs is an error, and nothing is written."""
        stored = await kind.stored(tenant.config)
        assert tenant.tenant_id == stored.tenant_id
        again = await kind.save(tenant.config, stored.evolve(tenant_id=NO_TENANT))
        assert tenant.tenant_id == again.tenant_id
        theirs = await kind.stored(others)
        for mine in (theirs, theirs.evolve(id=new_id(), revision=0)):
            with pytest.raises(InvalidDataError) as caught:
                await kind.save(tenant.config, mine)
            assert "tenant_id" == caught.value.field
        assert theirs == await kind.get(others, theirs)

    @each(ALL)
    async def test_another_tenant_finds_and_changes_nothing(
        self, config: ConfigStore, others: ConfigStore, kind: Kind
    ) -> None:
        """By its id: not by reading, listing, changing or deleting it."""
        stored = await kind.stored(config)
        agent = await others.save_agent(an_agent())
        here = {"agent_id": agent.id} if hasattr(stored, "agent_id") else {}
        mine = stored.evolve(tenant_id=NO_TENANT, **here)
        assert await kind.get(others, stored) is None
        assert [] == [found for found in await kind.listed(others, stored) if found.id == stored.id]
        assert await kind.delete(others, stored) is False
        with pytest.raises(NotFoundError) as caught:
            await kind.save(others, mine)
        assert kind.domain.__name__ == caught.value.entity
        assert stored == await kind.get(config, stored)

    @each(ALL)
    async def test_two_tenants_may_have_the_same_id_and_names(
        self, config: ConfigStore, others: ConfigStore, kind: Kind
    ) -> None:
        """Each keeps its own, and deletes its own."""
        agent = an_agent()
        await config.save_agent(agent)
        if kind is not AGENT:
            await others.save_agent(agent)
        new = agent if kind is AGENT else kind.make(agent.id)
        mine = await kind.get(config, new) or await kind.save(config, new)
        theirs = await kind.save(others, new.evolve(**kind.change))
        assert (mine, theirs) == (await kind.get(config, new), await kind.get(others, new))
        assert await kind.delete(others, new)
        assert mine == await kind.get(config, new)

    @each(OF_AGENT)
    async def test_another_tenants_agent_has_no_parts(
        self, config: ConfigStore, others: ConfigStore, kind: Kind
    ) -> None:
        """Its id, taken for a parent, is nobody's."""
        theirs = await kind.stored(others)
        assert [] == await kind.listed(config, theirs)
        mine = await kind.stored(config)
        change: dict[str, Any] = {"agent_id": theirs.agent_id, "tenant_id": NO_TENANT}
        with pytest.raises(NotFoundError) as caught:
            await kind.save(config, mine.evolve(**change))
        assert "Agent" == caught.value.entity
        assert mine == await kind.get(config, mine)

    async def test_deleting_an_agent_leaves_another_tenants_parts(
        self, config: ConfigStore, others: ConfigStore
    ) -> None:
        """Though the ids are the same."""
        agent = an_agent()
        rule = a_rule(agent.id)
        for store in (config, others):
            await store.save_agent(agent)
            await store.save_rule(rule)
        await config.delete_agent(agent.id)
        assert await RULE.get(others, rule) is not None
        await others.delete_rule(rule.id)
        await config.restore_agent(agent.id)
        assert await RULE.get(config, rule) is not None
        assert await RULE.get(others, rule) is None
