"""What is known of a person, handed out."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest

from focal_data.data_layer import DataLayer
from focal_data.domain.config import Agent
from focal_data.errors import NotFoundError
from focal_data.operations.erasure import CustomerExport
from focal_data.operations.operator import Operator
from focal_data.settings import Settings
from tests.integration.operations.world import Customer, World, rows, with_mark


@pytest.fixture
async def world(data: DataLayer) -> World:
    tenant = data.tenant(uuid4())
    return World(tenant, (await tenant.config.save_agent(Agent(name="Ada"))).id)


@pytest.fixture
async def customer(world: World) -> Customer:
    return await world.customer()


async def test_it_counts_as_the_dry_run_does(world: World, customer: Customer, op: Operator) -> None:
    """What is handed out is what would be erased, and the live sessions with it."""
    tenant = op.tenant(world.tenant.tenant_id)
    export = await tenant.export_customer(customer.merged)
    assert (await tenant.erase_customer(customer.profile, dry_run=True)).counts == export.counts
    assert tuple(sorted((customer.profile, customer.merged))) == export.profile_ids


@pytest.mark.slow
async def test_every_row_of_the_person_is_in_it(
    world: World, customer: Customer, op: Operator, focal_settings: Settings
) -> None:
    """As many of each table as hold the person's mark, with all that the person can read."""
    other = await world.customer()
    export = await op.tenant(world.tenant.tenant_id).export_customer(customer.profile)
    marked = {
        table: len(texts) for table, texts in with_mark(await rows(focal_settings), customer.mark).items()
    }
    assert marked == {kind: count for kind, count in export.counts.items() if kind != "sessions"}
    assert other.mark not in export.model_dump_json()


async def test_it_is_json(world: World, customer: Customer, op: Operator) -> None:
    """Written and read again it is the same; ids and times are text."""
    export = await op.tenant(world.tenant.tenant_id).export_customer(customer.profile)
    text = export.model_dump_json()
    assert export == CustomerExport.model_validate_json(text)
    episode = json.loads(text)["records"]["episodes"][0]
    assert (f"{customer.mark} said it", "message") == (episode["content"], episode["content_type"])
    assert {"embedding", "content_tsv", "tenant_id"}.isdisjoint(episode)
    field = export.records["profile_fields"][0]
    assert {customer.mark: customer.mark} == field["value"]
    for records in export.records.values():
        ids = [record["id"] for record in records if "id" in record]
        assert sorted(ids, key=str) == ids


@pytest.mark.slow
async def test_it_changes_nothing(
    world: World, customer: Customer, op: Operator, focal_settings: Settings
) -> None:
    """Neither does the dry run."""
    tenant, before = op.tenant(world.tenant.tenant_id), await rows(focal_settings)
    await tenant.export_customer(customer.profile)
    await tenant.erase_customer(customer.profile, dry_run=True)
    assert before == await rows(focal_settings)


async def test_nobody_is_not_found(op: Operator, world: World) -> None:
    """An id that nothing names."""
    with pytest.raises(NotFoundError, match="CustomerProfile"):
        await op.tenant(world.tenant.tenant_id).export_customer(uuid4())
