"""Tables of one's own: what names a profile or an entity goes with the person, and everything with the tenant."""

from collections.abc import AsyncIterator, Iterator
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Table, insert
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.schema import CreateTable

from focal_data.data_layer import DataLayer
from focal_data.database.tenancy import enable_policy
from focal_data.domain.config import Agent
from focal_data.domain.profile import Channel
from focal_data.errors import InUseError, UsageError
from focal_data.ids import new_id
from focal_data.migration import runner
from focal_data.operations.operator import Operator
from focal_data.repositories import erasure as sql
from focal_data.settings import Settings
from focal_data.tables import metadata
from focal_data.tables.base import TenantTable
from focal_data.tables.columns import refers_to
from focal_data.testing.databases import fresh_database, on_server
from focal_data.testing.engines import Engines
from tests.integration.operations.world import World


@pytest.fixture(scope="module")
def own_tables() -> Iterator[dict[str, Table]]:
    """Declared while these tests run; the package's own metadata is as it was afterwards."""
    before = set(metadata.tables)

    class OwnNoteTable(TenantTable, table=True):
        __tablename__ = "own_notes"
        __table_args__ = (refers_to("customer_profiles", "customer_profile_id"),)
        customer_profile_id: UUID | None = None
        session_id: UUID | None = None
        text: str

    class OwnVisitTable(TenantTable, table=True):
        __tablename__ = "own_visits"
        __table_args__ = (refers_to("customer_profiles", "guest_id"), refers_to("own_notes", "note_id"))
        guest_id: UUID
        note_id: UUID | None = None

    class OwnStarTable(TenantTable, table=True):
        __tablename__ = "own_stars"
        __table_args__ = (refers_to("entities", "entity_id"),)
        entity_id: UUID

    class OwnFolderTable(TenantTable, table=True):
        __tablename__ = "own_folders"
        __table_args__ = (refers_to("own_folders", "parent_id"),)
        parent_id: UUID | None = None

    own = [OwnNoteTable, OwnVisitTable, OwnStarTable, OwnFolderTable]
    yield {table.__tablename__: table.__table__ for table in own}
    for name in set(metadata.tables) - before:
        metadata.remove(metadata.tables[name])


class Ground:
    """A database that has those tables."""

    def __init__(self, settings: Settings, tables: dict[str, Table]) -> None:
        self.settings = settings
        self.tables = tables

    async def put(self, name: str, **row: object) -> UUID:
        engine = create_async_engine(self.settings.owner_url())
        try:
            async with engine.begin() as connection:
                values = {"id": new_id(), **row}
                await connection.execute(insert(self.tables[name]).values(values))
                return values["id"]
        finally:
            await engine.dispose()

    async def ids(self, name: str) -> set[UUID]:
        engine = create_async_engine(self.settings.owner_url())
        try:
            async with engine.connect() as connection:
                return {row.id for row in await connection.execute(self.tables[name].select())}
        finally:
            await engine.dispose()


@pytest.fixture
async def ground(
    own_tables: dict[str, Table], focal_engines: Engines, focal_settings: Settings
) -> AsyncIterator[Ground]:
    async with fresh_database(focal_engines.admin_url) as url:
        settings = Settings.of(
            database_url=url, redis_url=focal_settings.sessions_url(), app_role=focal_settings.app_role
        )
        await runner.upgrade(settings)
        statements = [
            str(CreateTable(table).compile(dialect=postgresql.dialect())) for table in own_tables.values()
        ]
        for name in own_tables:
            statements += enable_policy(name, settings.app_role, "own")
        await on_server(url, *statements)
        yield Ground(settings, own_tables)


@pytest.mark.slow
async def test_what_names_the_person_goes(ground: Ground) -> None:
    """By column or by foreign key, under an old id too; anonymous rows of the sessions; what refers to the entities."""
    async with DataLayer.open(ground.settings) as data, Operator.open(ground.settings) as op:
        tenant = data.tenant(uuid4())
        world = World(tenant, (await tenant.config.save_agent(Agent(name="Ada"))).id)
        customer, other = await world.customer(), await world.customer()
        t = {"tenant_id": tenant.tenant_id}
        kept = set()
        for somebody in (customer, other):
            note = await ground.put("own_notes", **t, customer_profile_id=somebody.profile, text="a")
            old = await ground.put("own_notes", **t, customer_profile_id=somebody.merged, text="b")
            anonymous = await ground.put("own_notes", **t, session_id=somebody.sessions[1], text="c")
            visit = await ground.put("own_visits", **t, guest_id=somebody.profile, note_id=note)
            star = await ground.put("own_stars", **t, entity_id=somebody.entity)
            kept = {note, old, anonymous, visit, star}
        operations = op.tenant(tenant.tenant_id)
        planned = await operations.erase_customer(customer.profile, dry_run=True)
        export = await operations.export_customer(customer.profile)
        done = await operations.erase_customer(customer.profile)
        assert planned.counts == done.counts == export.counts
        assert (3, 1, 1) == tuple(done.counts[name] for name in ("own_notes", "own_visits", "own_stars"))
        assert kept == {id_ for name in ground.tables for id_ in await ground.ids(name)}


@pytest.mark.slow
async def test_what_refers_to_them_by_other_ways_is_in_the_way(ground: Ground) -> None:
    """A child without a cascade and without the person's column: it is named, and the profile stays."""
    async with DataLayer.open(ground.settings) as data, Operator.open(ground.settings) as op:
        tenant = data.tenant(uuid4())
        guest = await tenant.profiles.get_or_create(Channel.WEBCHAT, "u-1")
        host = await tenant.profiles.get_or_create(Channel.WEBCHAT, "u-2")
        t = {"tenant_id": tenant.tenant_id}
        note = await ground.put("own_notes", **t, customer_profile_id=guest.id, text="a")
        await ground.put("own_visits", **t, guest_id=host.id, note_id=note)
        with pytest.raises(InUseError, match="own_visits"):
            await op.tenant(tenant.tenant_id).erase_customer(guest.id)
        assert await tenant.profiles.get_by_id(guest.id) is not None


@pytest.mark.slow
async def test_a_tenants_rows_go_whatever_refers_to_what(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Children before parents, also where both are rows of one table, in batches; another tenant's stay."""
    monkeypatch.setattr(sql, "BATCH", 2)
    async with DataLayer.open(ground.settings) as data, Operator.open(ground.settings) as op:
        mine, other = uuid4(), uuid4()
        kept: set[UUID] = set()
        for tenant_id in (mine, other):
            profile = await data.tenant(tenant_id).profiles.get_or_create(Channel.WEBCHAT, "u-1")
            t, parent = {"tenant_id": tenant_id}, None
            note = await ground.put("own_notes", **t, customer_profile_id=profile.id, text="a")
            kept = {note, await ground.put("own_visits", **t, guest_id=profile.id, note_id=note)}
            for _ in range(20):
                parent = await ground.put("own_folders", **t, parent_id=parent)
                kept.add(parent)
        receipt = await op.tenant(mine).delete_everything()
        assert (1, 1, 20) == tuple(receipt.counts[n] for n in ("own_notes", "own_visits", "own_folders"))
        assert kept == {id_ for name in ground.tables for id_ in await ground.ids(name)}


@pytest.mark.slow
async def test_tables_that_the_process_does_not_know_are_told_of(ground: Ground) -> None:
    """They hold tenants' data, and would be passed over."""
    stranger = ("CREATE TABLE strangers (tenant_id uuid)", *enable_policy("strangers", "focal_app", "own"))
    await on_server(ground.settings.owner_url().render_as_string(hide_password=False), *stranger)
    async with Operator.open(ground.settings) as op:
        tenant = op.tenant(uuid4())
        for operation in (tenant.delete_everything, lambda: tenant.erase_customer(uuid4())):
            with pytest.raises(UsageError, match=r"data: strangers; .*--import"):
                await operation()
