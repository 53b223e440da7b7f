"""The one door to what spans tenants or stores: on the owner's connection, and never inside a service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager
from functools import cached_property
from typing import Final
from uuid import UUID

from focal_data.database.engine import Database
from focal_data.database.scope import TenantScope, Transaction
from focal_data.database.tenancy import Identity, identity, read_access, tenant_tables
from focal_data.domain.clock import Clock, utc_now
from focal_data.errors import AccessError
from focal_data.ids import NO_TENANT, TenantId
from focal_data.migration import runner
from focal_data.operations import chaining, counting, deletion, erasure, loading, reembedding, verification
from focal_data.operations.counting import Census
from focal_data.operations.erasure import CustomerExport
from focal_data.operations.ground import ErasureReceipt, Ground, stored_tables
from focal_data.operations.judging import AuditReport
from focal_data.operations.loading import Episodes
from focal_data.operations.reembedding import EmbeddingJob, Progress, ReembeddingReceipt
from focal_data.operations.verification import ExportedHead
from focal_data.providers.embedding.base import EmbeddingProvider
from focal_data.redis.client import RedisClient
from focal_data.redis.cluster_client import client_of
from focal_data.redis.session import RedisSessionMaintenance
from focal_data.settings import Settings
from focal_data.stores.session import SessionMaintenance
from focal_data.tables import metadata

NO_ROLE: Final = "none"
"""What PostgreSQL calls the role of a connection that stays its login."""


class Operator:
    """Everything of every tenant, as the owner of the tables. Made by ``Operator.open()``."""

    def __init__(self, settings: Settings, *, clock: Clock = utc_now) -> None:
        self.settings = settings
        self.database = Database(as_owner(settings), clock=clock)
        """Its transactions are those of the owner, whom no policy binds: statements name their tenant all the same."""

    @cached_property
    def redis(self) -> RedisClient:
        """The server of the live sessions. ``SettingsError`` when it is not set: not everything needs it."""
        return client_of(self.settings)

    @property
    def sessions(self) -> SessionMaintenance:
        """Cleaning up and checking the live sessions of all tenants."""
        return RedisSessionMaintenance(self.redis, clock=self.database.clock)

    def tenant(self, tenant_id: UUID) -> TenantOperations:
        """What can be done to one tenant. ``UsageError`` for the nil UUID, and for what is no UUID."""
        return TenantOperations(self, tenant_id)

    @classmethod
    @asynccontextmanager
    async def open(
        cls, settings: Settings | None = None, *, clock: Clock = utc_now
    ) -> AsyncIterator[Operator]:
        """On the owner's URL of ``settings`` (read from the environment when left out), until the block ends.

        That is ``FOCAL_DATA_MIGRATION_URL``, or ``FOCAL_DATA_DATABASE_URL`` where no other is set. Raises ``SettingsError``,
        ``StoreConnectionError``, ``AccessError`` for a login that does not own the tables or that their policies bind, and
        ``SchemaError`` when the database is not at head. Redis is asked when something needs it.
        """
        settings = settings or Settings.load()
        settings.owner_url()  # a missing one is told before anything is touched
        operator = cls(settings, clock=clock)
        try:
            await operator.check()
            yield operator
        finally:
            await operator.close()

    async def verify_audit(
        self, tenant_id: UUID | None = None, *, exported: Iterable[ExportedHead] = ()
    ) -> AuditReport:
        """Verify the chains over what happened, of all tenants or one, as they are at one moment, in flat memory.

        ``exported`` are heads from before, in their order: they show that the newest rows are gone, too. Raises
        ``InvalidDataError`` for heads in another order, and ``StoreConnectionError``.
        """
        return await verification.verify_audit(self.database, tenant_id, exported)

    async def chain_audit(self, tenant_id: UUID | None = None) -> int:
        """Chain the rows that have no chain, of all tenants or one, and tell how many; interrupted, it is repeated.

        For rows from before keys were set. One that ``verify_audit`` calls unchained later was stored without keys, or behind
        our back: look at it first. Raises ``SettingsError`` without keys.
        """
        return await chaining.chain_audit(self.database, tenant_id)

    def export_audit_heads(self, tenant_id: UUID | None = None) -> AsyncIterator[ExportedHead]:
        """Where each chain ends, by tenant and chain: to be kept where who can write to the database can't."""
        return verification.export_audit_heads(self.database, tenant_id)

    async def reembed(
        self,
        model: EmbeddingProvider,
        job: EmbeddingJob = EmbeddingJob(),  # noqa: B008  (it is frozen)
        *,
        progress: Progress | None = None,
        dry_run: bool = False,
    ) -> list[ReembeddingReceipt]:
        """``TenantOperations.reembed`` for each tenant with anything to embed, one after the other, in the order of their ids.

        An error ends it: the tenants before are done, and running it again goes on with this one.
        """
        tenants = await counting.tenants_with(self.database, job.which, model.model_id)
        return [
            await self.tenant(tenant_id).reembed(model, job, progress=progress, dry_run=dry_run)
            for tenant_id in tenants
        ]

    async def count_embeddings(self) -> list[Census]:
        """What embeddings there are, and what has none, by tenant, kind and model."""
        return await counting.count_embeddings(self.database)

    async def check(self) -> None:
        """Ask PostgreSQL who this is, and where the schema stands. Raises as ``open`` does."""
        async with Transaction(self.database, NO_TENANT) as tx:
            await runner.require_head(tx.connection)
            who = await identity(tx.connection, tenant_tables(metadata))
            access = await read_access(tx.connection, self.settings.app_role)
        refuse_bound(who, {name for name, table in access.items() if table.policy})

    async def close(self) -> None:
        """Close every connection."""
        if "redis" in vars(self):
            await self.redis.close()
        await self.database.close()


class TenantOperations:
    """What an operator does to one tenant."""

    def __init__(self, operator: Operator, tenant_id: UUID) -> None:
        self._operator = operator
        self.scope = TenantScope(operator.database, tenant_id)
        """What repositories are made from; each call is a transaction of its own, of the owner."""

    @property
    def tenant_id(self) -> TenantId:
        """The tenant that it is about."""
        return self.scope.tenant_id

    async def erase_customer(self, profile_id: UUID, *, dry_run: bool = False) -> ErasureReceipt:
        """Remove a person everywhere: the profile with everything merged into it, and all that names it or came of it.

        ``profile_id`` may be an old one. Gone are channels, fields, assets, episodes, entities and relationships with their
        histories, live sessions, and rows of one's own tables that name a profile (``customer_profile_id``, or a foreign key
        to profiles). Audit rows keep ids, numbers and times, and lose their text; so do those of the person's sessions that
        name nobody, and anonymous episodes go with them, or with the person's entities that they list. Ideation stays.

        Small transactions, one after the other: interrupted, it is repeated. ``dry_run`` counts and changes nothing. Raises
        ``NotFoundError`` where nothing names that id, also when all was erased before, ``CorruptDataError`` for a live
        session that can't be read, ``ConflictError`` or ``InUseError`` when others go on writing, and ``UsageError`` for
        unknown tables.
        """
        return await erasure.erase_customer(await self._ground(), profile_id, dry_run=dry_run)

    async def export_customer(self, profile_id: UUID) -> CustomerExport:
        """Everything that ``erase_customer`` would remove, in memory at once. Raises as it does."""
        return await erasure.export_customer(await self._ground(), profile_id)

    async def delete_everything(self, *, dry_run: bool = False) -> ErasureReceipt:
        """Remove the tenant: every row of every table, audit and ideation too, and every key on Redis.

        Small transactions, one after the other: interrupted, it is repeated. A tenant that has nothing gives a receipt of
        nothing. ``dry_run`` counts and changes nothing. Raises ``ConflictError`` when others go on writing, and
        ``UsageError`` for unknown tables.
        """
        return await deletion.delete_everything(await self._ground(), dry_run=dry_run)

    async def load_episodes(self, episodes: Episodes) -> int:
        """Store many episodes by COPY, all of them or none, and tell how many: several times as fast as ``add_episodes``.

        Bound to the tenant, checked and refused as there, the first bad one by its ``row``; in one transaction, which nobody
        sees anything of before it ends. Any number of them, from an iterable or an asynchronous one, 2,000 at a time in memory;
        it is read while the transaction is open, so embed before. Afterwards the table is vacuumed and analyzed.
        A deadlock or a lost connection is not tried again, since nothing can be read twice.
        """
        return await loading.load_episodes(self._operator.database, self.scope, episodes)

    async def reembed(
        self,
        model: EmbeddingProvider,
        job: EmbeddingJob = EmbeddingJob(),  # noqa: B008  (it is frozen)
        *,
        progress: Progress | None = None,
        dry_run: bool = False,
    ) -> ReembeddingReceipt:
        """Make the embeddings of episodes, rules, scenarios and entities, with their history, anew by ``model``.

        They are staged beside the old ones, in batches; when all are there, one transaction puts them in place. Until it ends,
        searches by the old model find all there is, and from then on those by ``model``: switch the services then. Stopped
        or killed, it is run again, and goes on. ``dry_run`` counts, estimates the tokens and changes nothing.

        Revisions of rules, scenarios and entities go up by one, so nobody who read them before brings an old embedding back;
        ``updated_at`` and ``recorded_at`` stay, and no version is added to the history. Raises ``ConflictError`` while another
        operator does the same, for texts that the model refuses (unless ``job.skip_refused``), and where missing ones would be
        filled by another model than the others have; and the ``ProviderError`` of the model: what is embedded by then is kept.
        """
        database = self._operator.database
        return await reembedding.reembed(database, self.scope, model, job, progress=progress, dry_run=dry_run)

    async def _ground(self) -> Ground:
        operator = self._operator
        tables = await stored_tables(operator.database, operator.settings.app_role)
        return Ground(self.scope, operator.redis, tables)


def as_owner(settings: Settings) -> Settings:
    """``settings`` by which a ``Database`` connects as the owner of the tables, and takes no role."""
    owner = settings.migration_url or settings.database_url
    return settings.model_copy(update={"database_url": owner, "app_role": NO_ROLE})


def refuse_bound(who: Identity, isolated: Collection[str]) -> None:
    """Raise ``AccessError`` unless ``who`` owns the tables and sees every row of those ``isolated``; it says what to do."""
    advice = "let FOCAL_DATA_MIGRATION_URL name the login that migrates"
    if not who.owns_tables:
        raise AccessError(f"{who.role} does not own the tables: {advice}")
    bound = sorted(set(isolated) - set(who.unbound_tables))
    if bound:
        raise AccessError(f"policies bind {who.role} on {', '.join(bound)}: {advice}")
