"""What holds for everything that a config store keeps: it comes back, it is locked by its revision, it is nobody else's."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from focal_data.errors import DuplicateError, InvalidDataError, NotFoundError, StaleRevisionError
from focal_data.ids import NO_TENANT, new_id
from focal_data.stores.config import ConfigStore
from focal_data.testing.contracts.base import StoreContract, TenantUnderTest
from focal_data.testing.contracts.config.kinds import (
    AGENT,
    ALL,
    LONG_AGO,
    RULE,
    Kind,
    a_rule,
    a_tool,
    an_agent,
    content,
    each,
)

WRITERS = 50


class ConfigContract(StoreContract):
    """The store under test, and another tenant's."""

    @pytest.fixture
    def config(self, tenant: TenantUnderTest) -> ConfigStore:
        """The store of a tenant of this test alone."""
        return tenant.config

    @pytest.fixture
    def others(self, other: TenantUnderTest) -> ConfigStore:
        """The store of another tenant."""
        return other.config


class KeepingContract(ConfigContract):
    """Saving, reading, changing and deleting, for every kind."""

    @each(ALL)
    async def test_what_is_saved_comes_back_with_every_field(self, config: ConfigStore, kind: Kind) -> None:
        """Read, listed, and as ``save`` returned it; the store adds its own tenant, revision and times."""
        agent = await config.save_agent(an_agent())
        new = kind.make(agent.id)
        stored = await kind.save(config, new)
        assert stored == await kind.get(config, new)
        assert [stored] == [found for found in await kind.listed(config, new) if found.id == new.id]
        assert content(new) == content(stored)
        assert 1 == stored.revision
        assert isinstance(stored.created_at, datetime) and stored.created_at == stored.updated_at
        assert stored.created_at.utcoffset() == timedelta(0)

    @each(ALL)
    async def test_one_with_its_defaults_comes_back(self, config: ConfigStore, kind: Kind) -> None:
        """What was left out is the default of its field."""
        agent = await config.save_agent(an_agent())
        full = kind.make(agent.id)
        needed = {n: getattr(full, n) for n, field in kind.domain.model_fields.items() if field.is_required()}
        least = kind.domain(**needed)
        stored = await kind.save(config, least)
        assert stored == await kind.get(config, least)
        assert content(least) == content(stored)

    @each(ALL)
    async def test_revision_times_and_deletion_are_the_stores(self, config: ConfigStore, kind: Kind) -> None:
        """What a caller puts there is ignored, in a new one and in a change."""
        stored = await kind.stored(config, created_at=LONG_AGO, updated_at=LONG_AGO)
        assert LONG_AGO < stored.created_at == stored.updated_at
        theirs = {n: LONG_AGO for n in ("created_at", "updated_at", "deleted_at") if hasattr(stored, n)}
        changed = await kind.save(config, stored.evolve(**theirs))
        assert changed == await kind.get(config, stored)
        assert stored.created_at == changed.created_at
        assert LONG_AGO < changed.updated_at

    @each(ALL)
    async def test_a_change_is_kept_under_the_next_revision(self, config: ConfigStore, kind: Kind) -> None:
        """It was made when it was, and changed now."""
        stored = await kind.stored(config)
        changed = await kind.save(config, stored.evolve(**kind.change))
        assert changed == await kind.get(config, stored)
        assert content(stored.evolve(**kind.change)) == content(changed)
        assert (2, stored.created_at) == (changed.revision, changed.created_at)
        assert stored.updated_at <= changed.updated_at

    @each(ALL)
    async def test_a_stale_writer_learns_the_current_revision(self, config: ConfigStore, kind: Kind) -> None:
        """And changes nothing, whether behind or ahead."""
        stored = await kind.stored(config)
        current = await kind.save(config, stored.evolve(**kind.change))
        for stale in (stored, current.evolve(revision=3)):
            with pytest.raises(StaleRevisionError) as caught:
                await kind.save(config, stale)
            assert (kind.domain.__name__, 2) == (caught.value.entity, caught.value.current_revision)
        assert current == await kind.get(config, stored)

    @each(ALL)
    async def test_of_fifty_writers_of_one_revision_one_wins(self, config: ConfigStore, kind: Kind) -> None:
        """The others get the current revision, and what is stored is the winner's."""
        stored = await kind.stored(config)
        writers = (kind.save(config, stored.evolve(**kind.change)) for _ in range(WRITERS))
        outcomes = await asyncio.gather(*writers, return_exceptions=True)
        stale = [outcome for outcome in outcomes if isinstance(outcome, StaleRevisionError)]
        won = [outcome for outcome in outcomes if isinstance(outcome, kind.domain)]
        assert [2] * (WRITERS - 1) == [error.current_revision for error in stale]
        assert [await kind.get(config, stored)] == won

    @each(ALL)
    async def test_of_many_that_store_one_id_one_wins(self, config: ConfigStore, kind: Kind) -> None:
        """The others find it taken."""
        agent = await config.save_agent(an_agent())
        new = kind.make(agent.id)
        outcomes = await asyncio.gather(*(kind.save(config, new) for _ in range(10)), return_exceptions=True)
        assert 9 == sum(isinstance(outcome, DuplicateError) for outcome in outcomes)
        assert [await kind.get(config, new)] == [o for o in outcomes if isinstance(o, kind.domain)]

    @each(ALL)
    async def test_an_id_is_taken_once(self, config: ConfigStore, kind: Kind) -> None:
        """One of revision 0 is new, and a new one does not replace what has its id."""
        stored = await kind.stored(config)
        with pytest.raises(DuplicateError):
            await kind.save(config, stored.evolve(revision=0, **kind.change))
        assert stored == await kind.get(config, stored)

    @each(ALL)
    async def test_what_was_never_stored_can_not_be_changed(self, config: ConfigStore, kind: Kind) -> None:
        """It is not found, by the name of its class."""
        agent = await config.save_agent(an_agent())
        new = kind.make(agent.id, revision=1)
        with pytest.raises(NotFoundError) as caught:
            await kind.save(config, new)
        assert kind.domain.__name__ == caught.value.entity
        assert await kind.get(config, new) is None

    @each(ALL)
    async def test_what_is_not_there_is_absent(self, config: ConfigStore, kind: Kind) -> None:
        """``None``, an empty list, and nothing to delete."""
        absent = kind.make(new_id())
        assert await kind.get(config, absent) is None
        assert [] == await kind.listed(config, absent)
        assert await kind.delete(config, absent) is False

    @each(ALL)
    async def test_what_is_deleted_is_absent(self, config: ConfigStore, kind: Kind) -> None:
        """From reads and lists, for a second deletion, and for a change."""
        stored = await kind.stored(config)
        assert await kind.delete(config, stored) is True
        assert await kind.get(config, stored) is None
        assert [] == [found for found in await kind.listed(config, stored) if found.id == stored.id]
        assert await kind.delete(config, stored) is False
        with pytest.raises(NotFoundError) as caught:
            await kind.save(config, stored.evolve(**kind.change))
        assert kind.domain.__name__ == caught.value.entity

    @each(ALL)
    async def test_of_many_that_delete_one_one_does(self, config: ConfigStore, kind: Kind) -> None:
        """The others find nothing to delete."""
        stored = await kind.stored(config)
        outcomes = await asyncio.gather(*(kind.delete(config, stored) for _ in range(10)))
        assert 1 == sum(outcomes)

    @each(ALL)
    async def test_what_a_caller_does_to_its_objects_changes_nothing(
        self, config: ConfigStore, kind: Kind
    ) -> None:
        """Neither to what was handed over nor to anything that came back, down to the last list inside."""
        agent = await config.save_agent(an_agent())
        given = kind.make(agent.id)
        first = content(given)
        stored = await kind.save(config, given)
        spoil(given)
        spoil(stored)
        for mine in (await kind.get(config, given), *await kind.listed(config, given)):
            spoil(mine)
        found = await kind.get(config, given)
        assert first == content(found)
        changed = await kind.save(config, found)
        spoil(found)
        spoil(changed)
        assert first == content(await kind.get(config, given))

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

    @each(ALL)
    async def test_what_is_no_entity_of_the_kind_is_refused(self, config: ConfigStore, kind: Kind) -> None:
        """``None``, a mapping, a text, or another kind's."""
        another = an_agent() if kind is not AGENT else a_rule(new_id())
        refused: list[Any] = [None, {}, "s3cr3t", new_id(), another, kind.domain]
        for wrong in refused:
            with pytest.raises(InvalidDataError) as caught:
                await kind.save(config, wrong)
            assert "entity" == caught.value.field
            assert "s3cr3t" not in str(caught.value)

    @each(ALL)
    async def test_text_of_ten_megabytes_is_kept(self, config: ConfigStore, kind: Kind) -> None:
        """Where there is no limit to a text; a limited one that was changed past validation is refused."""
        stored, long = await kind.stored(config), "é" * 5_000_000
        bloated = stored.model_copy(update={kind.text: long})
        if "max_length" in repr(kind.domain.model_fields[kind.text]):
            with pytest.raises(InvalidDataError) as caught:
                await kind.save(config, bloated)
            assert kind.text == caught.value.field
        else:
            await kind.save(config, bloated)
            assert long == getattr(await kind.get(config, stored), kind.text)

    @each(ALL)
    @pytest.mark.parametrize("bad", ["s3cr3t\0", "s3cr3t\ud800", 5, ["s3cr3t"]], ids=ascii)
    async def test_text_changed_past_validation_is_refused(
        self, config: ConfigStore, kind: Kind, bad: Any
    ) -> None:
        """The error names the field, never the value; nothing is written."""
        stored = await kind.stored(config)
        for spoilt in (
            stored.model_copy(update={kind.text: bad}),
            stored.model_copy(update={kind.text: bad, "id": new_id(), "revision": 0}),
        ):
            with pytest.raises(InvalidDataError) as caught:
                await kind.save(config, spoilt)
            assert kind.text == caught.value.field
            assert "s3cr3t" not in str(caught.value)
        assert stored == await kind.get(config, stored)
        assert [stored.id] == [e.id for e in await kind.listed(config, stored) if e.id == stored.id]

    @each(ALL)
    @pytest.mark.parametrize(
        "change",
        [
            {"id": "s3cr3t"},
            {"id": None},
            {"tenant_id": "s3cr3t"},
            {"revision": -1},
            {"revision": "s3cr3t"},
            {"revision": None},
            {"revision": 2**31},
        ],
        ids=repr,
    )
    async def test_a_key_or_revision_changed_past_validation_is_refused(
        self, config: ConfigStore, kind: Kind, change: dict[str, Any]
    ) -> None:
        """As any other field."""
        stored = await kind.stored(config)
        with pytest.raises(InvalidDataError) as caught:
            await kind.save(config, stored.model_copy(update=change))
        assert [*change] == [caught.value.field]
        assert "s3cr3t" not in str(caught.value)
        assert stored == await kind.get(config, stored)

    @pytest.mark.parametrize(
        "bad", [float("nan"), float("inf"), 2**63, "s3cr3t\0", {1: 1}, {"s3cr3t"}], ids=ascii
    )
    async def test_json_that_not_every_backend_keeps_is_refused(self, config: ConfigStore, bad: Any) -> None:
        """Also when it was put into a document of an entity after its validation."""
        rule = await RULE.stored(config)
        rule.action_config["x"] = [bad]
        with pytest.raises(InvalidDataError) as caught:
            await config.save_rule(rule)
        assert "action_config" == caught.value.field
        assert "s3cr3t" not in str(caught.value)
        assert 1 == (await RULE.get(config, rule)).revision

    async def test_a_naive_time_changed_past_validation_is_refused(self, config: ConfigStore) -> None:
        """Times are in UTC."""
        naive = LONG_AGO.replace(tzinfo=None)
        agent = await config.save_agent(an_agent())
        with pytest.raises(InvalidDataError) as caught:
            await config.save_tool_activation(a_tool(agent.id).model_copy(update={"enabled_at": naive}))
        assert "enabled_at" == caught.value.field


def spoil(value: Any) -> None:
    """Empty and overfill every list and mapping inside ``value``."""
    if isinstance(value, BaseModel):
        for inner in value.__dict__.values():
            spoil(inner)
    elif isinstance(value, dict):
        for inner in value.values():
            spoil(inner)
        value["spoilt"] = "spoilt"
    elif isinstance(value, list):
        for inner in value:
            spoil(inner)
        value.append("spoilt")
