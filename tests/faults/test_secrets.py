"""A secret stands in every text of everything that is stored, every error is provoked, and none of them tells it.

Not its message, nor what it holds, nor what it was caused by or raised in; and no log record of anybody's. Only the names
in an object of JSON are told, where they are a part of the path to what is wrong.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr, ValidationError
from redis.asyncio import Redis

from focal_data.cli.app import app
from focal_data.data_layer import DataLayer
from focal_data.database.engine import Database
from focal_data.database.scope import TenantScope
from focal_data.domain.config import Agent
from focal_data.domain.session import Session
from focal_data.errors import (
    AccessError,
    ConflictError,
    CorruptDataError,
    DriverError,
    FocalDataError,
    InvalidDataError,
    NotFoundError,
    StaleRevisionError,
    StoreConnectionError,
    StoreError,
    StoreTimeoutError,
    UsageError,
)
from focal_data.ids import new_id
from focal_data.redis import keys
from focal_data.redis.client import RedisClient
from focal_data.redis.session import RedisSessionStore
from focal_data.repositories.base import TenantRepository
from focal_data.settings import Settings, dsn
from focal_data.testing import factories
from focal_data.testing.factories import DomainFactory, SessionFactory
from focal_data.unit_of_work import PostgresStores
from tests.faults.stores import StoresAlone
from tests.integration.database.conftest import Wire

SECRET = "s3cr3t_fox"  # a name that every pattern allows
STORED = [
    made_by
    for name in factories.__all__
    if isinstance(made_by := getattr(factories, name), type)
    if issubclass(made_by, DomainFactory) and "_store" in vars(made_by) and not made_by._meta.abstract
    if made_by is not SessionFactory
]
TAKING_APART = {
    *(factories.ChannelIdentityFactory, factories.ProfileFieldFactory, factories.ProfileAssetFactory),
    factories.ScenarioArchiveFactory,
}
"""Those that look into what they store, so that it must be such a thing."""

BAD: tuple[object, ...] = (
    f"{SECRET}\0",
    f"{SECRET}\ud800",
    SECRET * 30_000,
    SECRET,
    {SECRET},
    [SECRET, {SECRET}],
    {"key": {SECRET}},
    {"key": f"{SECRET}\0"},
    {"key": {"key": SECRET}},
    SECRET.encode(),
)


def planted(entity: Any) -> Any:
    """``entity`` with the secret in every text that may be any, at whatever depth, and in every JSON object."""
    values = entity.model_dump()
    for holder, key in list(places(values)):
        before = holder[key]
        holder[key] = {**before, "key": SECRET} if isinstance(before, dict) else SECRET
        try:
            type(entity).model_validate(values)
        except ValidationError:
            holder[key] = before
    return type(entity).model_validate(values)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Where there is a text or an object below ``value``."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(items):
        if isinstance(item, dict | list) or (isinstance(item, str) and not isinstance(item, Enum)):
            yield from places(item)
            if not isinstance(item, list):
                yield value, key


@dataclass
class Ground:
    """A pool by way of a wire, which ends statements soon; and the server as its administrator has it."""

    database: Database
    wire: Wire
    admin: asyncpg.Connection
    told: list[FocalDataError] = field(default_factory=list)

    def tenant(self) -> PostgresStores:
        """A new one."""
        return StoresAlone(TenantScope(self.database, new_id()))

    async def hears(self, call: Awaitable[object]) -> None:
        """Await ``call``, and keep the error that it may raise, which must be one of ours."""
        try:
            await call
        except FocalDataError as error:
            self.told.append(error)


@pytest.fixture
async def ground(focal_settings: Settings) -> AsyncIterator[Ground]:
    """The run's database."""
    async with Wire(focal_settings.service_url()) as wire:
        changes = {"database_url": SecretStr(wire.through), "statement_timeout": 0.5}
        database = Database(focal_settings.model_copy(update=changes))
        admin = await asyncpg.connect(dsn(focal_settings.service_url()))
        yield Ground(database, wire, admin)
        await admin.close()
        await database.close()


@pytest.fixture(autouse=True)
def everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """By everybody: the drivers, the loop, and us."""
    caplog.set_level(logging.DEBUG)
    for name in ("asyncio", "asyncpg", "redis", "sqlalchemy", "focal_data"):
        caplog.set_level(logging.DEBUG, logger=name)


def assert_silent(told: list[FocalDataError], caplog: pytest.LogCaptureFixture) -> None:
    """Nobody tells the secret."""
    assert [] == [error for error in told for part in chain(error) if SECRET in everything_of(part)]
    assert [] == [part for error in told for part in chain(error) if not ours(part)]
    assert SECRET not in caplog.text
    assert [] == [record for record in caplog.records if SECRET in repr(vars(record))]


def chain(error: BaseException) -> list[BaseException]:
    """``error``, and everything that it was caused by or raised in."""
    near = [found for found in (error.__cause__, error.__context__) if found is not None]
    return [error, *(far for found in near for far in chain(found))]


def ours(error: BaseException) -> bool:
    """Whether it is one of ours, a stand-in, or one of Python's that has our words."""
    return isinstance(error, FocalDataError | DriverError) or type(error) in (ValueError, TypeError, KeyError)


def everything_of(error: BaseException) -> str:
    """All that printing, logging, pickling or looking into it would show."""
    return f"{error!s} {error!r} {error.args!r} {vars(error)!r}"


Accident = Callable[[Ground, Any], Awaitable[None]]


async def prepared(ground: Ground, made_by: Any, *, with_parents: bool = True) -> tuple[PostgresStores, Any]:
    """A tenant with the parents of what is to be stored, and that, with the secret in it."""
    *parents, (_, thing) = made_by._family({})
    tenant = ground.tenant()
    for factory, parent in parents if with_parents else ():
        await factory._store(tenant, parent)
    return tenant, planted(thing)


async def stored_twice(ground: Ground, made_by: Any) -> None:
    """What must be unique is there already."""
    tenant, thing = await prepared(ground, made_by)
    await made_by._store(tenant, thing)
    await ground.hears(made_by._store(tenant, thing))


async def without_parents(ground: Ground, made_by: Any) -> None:
    """What it hangs on does not exist."""
    tenant, thing = await prepared(ground, made_by, with_parents=False)
    await ground.hears(made_by._store(tenant, thing))


async def stale(ground: Ground, made_by: Any) -> None:
    """It was changed meanwhile, or never stored, or is another tenant's."""
    tenant, thing = await prepared(ground, made_by)
    stored = await made_by._store(tenant, thing)
    for changes in ({"revision": 7}, {"id": new_id(), "revision": 7}, {"tenant_id": new_id()}):
        known = {name: value for name, value in changes.items() if name in type(stored).model_fields}
        await ground.hears(made_by._store(tenant, stored.model_copy(update=known)))


async def spoiled(ground: Ground, made_by: Any) -> None:
    """Each of its fields has been given something that it can't hold, past its validation."""
    tenant, thing = await prepared(ground, made_by)
    for name in type(thing).model_fields:
        for bad in BAD:
            await ground.hears(made_by._store(tenant, thing.model_copy(update={name: bad})))
    if made_by not in TAKING_APART:
        for bad in (*BAD, Agent.model_construct(name=SECRET)):
            await ground.hears(made_by._store(tenant, bad))


async def taking_too_long(ground: Ground, made_by: Any) -> None:
    """Somebody holds a lock on its table."""
    tenant, thing = await prepared(ground, made_by)
    async with ground.admin.transaction():
        await ground.admin.execute(f"LOCK TABLE {repository_of(thing).table.name} IN ACCESS EXCLUSIVE MODE")
        await ground.hears(made_by._store(tenant, thing))


async def lost(ground: Ground, made_by: Any) -> None:
    """The connection goes before the server has it, before it answers, and while it commits."""
    for moment, word in (("cut_before", SECRET), ("cut_after", SECRET), ("cut_after", "COMMIT")):
        tenant, thing = await prepared(ground, made_by)
        await ground.database.settled()
        setattr(ground.wire, moment, word.encode())
        await ground.hears(made_by._store(tenant, thing))
        ground.wire.cut_before = ground.wire.cut_after = None


async def written_raw(ground: Ground, made_by: Any) -> None:
    """By a statement of somebody's own: another tenant's row, and in each column what it does not take."""
    tenant, thing = await prepared(ground, made_by)
    repository, row = raw(tenant, thing)
    spoiled_rows = [{**row, "tenant_id": new_id()}]
    for name in [name for name in row if name != "tenant_id" and not name.startswith("embedding")]:
        spoiled_rows += [{**row, name: bad} for bad in (*BAD, -(2**31), 2**63, None, 1e300)]
    for values in spoiled_rows:
        await ground.hears(tenant.scope.execute(repository._insert(), values))


async def after_a_failure(ground: Ground, made_by: Any) -> None:
    """In a transaction whose last statement had failed."""
    tenant, thing = await prepared(ground, made_by)
    await made_by._store(tenant, thing)
    repository, row = raw(tenant, thing)
    with pytest.raises(StoreError) as caught:
        async with tenant.scope.transaction() as tx:  # type: ignore[attr-defined]
            for _ in range(2):
                await ground.hears(tx.execute(repository._insert(), row))
    ground.told.append(caught.value)


async def corrupt(ground: Ground, made_by: Any) -> None:
    """Each of its JSON columns has been overwritten by hand."""
    tenant, thing = await prepared(ground, made_by)
    stored = await made_by._store(tenant, thing)
    repository = repository_of(thing)
    for name in json_of(made_by):
        for junk in (f'"{SECRET}"', f'{{"key": "{SECRET}"}}', f'[["{SECRET}"]]'):
            table, where = repository.table.name, "WHERE tenant_id = $1 AND id = $2"
            key = (tenant.tenant_id, stored.id)
            before = await ground.admin.fetchval(f"SELECT {name}::text FROM {table} {where}", *key)
            await ground.admin.execute(f"UPDATE {table} SET {name} = '{junk}' {where}", *key)
            await ground.hears(repository(tenant.scope).get(stored.id))
            await ground.admin.execute(f"UPDATE {table} SET {name} = $3::jsonb {where}", *key, before)


def json_of(made_by: Any) -> list[str]:
    """The JSON columns of what it makes."""
    columns = repository_of(made_by.build()).table.columns
    return [c.name for c in columns if "JSON" in type(c.type).__name__]


def raw(tenant: PostgresStores, thing: Any) -> tuple[Any, dict[str, Any]]:
    """The repository of ``thing``, and its row as it is given to an INSERT, unchecked."""
    repository = repository_of(thing)
    own = thing.model_copy(update={"tenant_id": tenant.tenant_id})
    return repository, repository(tenant.scope)._values(own)


def repository_of(entity: Any) -> Any:
    """Who reads and writes the table of ``entity``."""
    found, queue = {}, TenantRepository.__subclasses__()
    while queue:
        kind = queue.pop()
        queue += kind.__subclasses__()
        if hasattr(kind, "mapper"):
            found[kind.mapper.domain] = kind
    return found[type(entity)]


ACCIDENTS: dict[Accident, tuple[type[FocalDataError], ...]] = {
    stored_twice: (ConflictError,),
    without_parents: (NotFoundError,),
    stale: (StaleRevisionError, NotFoundError, InvalidDataError),
    spoiled: (InvalidDataError,),
    taking_too_long: (StoreTimeoutError,),
    lost: (StoreConnectionError,),
    written_raw: (AccessError, InvalidDataError),
    after_a_failure: (UsageError, StoreError),
    corrupt: (CorruptDataError,),
}
"""And what they are told as."""

WAITING = (taking_too_long, written_raw)
"""Those that take their time."""

FREE: dict[Accident, set[str]] = {
    without_parents: {
        *("AgentFactory", "AuditEventFactory", "CustomerProfileFactory", "MigrationPlanFactory"),
        *("ScenarioArchiveFactory", "TurnRecordFactory"),
    },
    stale: {"ScenarioArchiveFactory"},
    corrupt: {"ProfileFieldFactory", "VariableFactory"},  # any JSON will do
}
"""What an accident can't happen to."""


@pytest.mark.parametrize(
    "accident",
    [pytest.param(accident, marks=pytest.mark.slow if accident in WAITING else ()) for accident in ACCIDENTS],
    ids=lambda accident: accident.__name__,
)
@pytest.mark.parametrize("made_by", STORED, ids=lambda made_by: made_by.__name__)
async def test_no_error_tells_it(
    ground: Ground, caplog: pytest.LogCaptureFixture, made_by: Any, accident: Accident
) -> None:
    """Nor is there another error than ours."""
    await accident(ground, made_by)
    kinds = [kind for kind in ACCIDENTS[accident] if any(isinstance(error, kind) for error in ground.told)]
    free = made_by.__name__ in FREE.get(accident, ()) or (accident is corrupt and not json_of(made_by))
    assert kinds or free, ground.told
    absent = {error.entity for error in ground.told if isinstance(error, NotFoundError)}
    assert absent <= {"Agent", "CustomerProfile", "Entity", made_by._meta.model.__name__}
    assert_silent(ground.told, caplog)


async def test_no_error_of_a_session_tells_it(
    ground: Ground, data: DataLayer, caplog: pytest.LogCaptureFixture
) -> None:
    """On Redis: refused, stale, overwritten by hand, of another type, and where nobody answers."""
    tenant, client = data.tenant(new_id()), Redis.from_url(data.settings.sessions_url())
    session = planted(SessionFactory.build())
    stored = await tenant.sessions.save(session)
    for name in Session.model_fields:
        for bad in BAD:
            await ground.hears(tenant.sessions.save(stored.model_copy(update={name: bad})))
    await ground.hears(tenant.sessions.save(stored.model_copy(update={"revision": 70})))
    stored = await tenant.sessions.save(planted(SessionFactory.build()))
    tag = keys.tag(tenant.tenant_id.hex.encode(), stored.session_id)
    found = [keys.hot(tag), keys.cold(tag)]
    assert len(found) == await client.exists(*found)
    for junk in (SECRET.encode(), b"\x01" + SECRET.encode(), b'{"channel": "' + SECRET.encode() + b'"}'):
        for key in found:
            await client.set(key, junk)
        await ground.hears(tenant.sessions.get(stored.session_id))
    for key in found:
        await client.delete(key)
        await client.lpush(key, SECRET)
    await ground.hears(tenant.sessions.get(stored.session_id))
    await ground.hears(tenant.sessions.save(stored))
    await client.delete(*found)
    await client.aclose()
    await unreachable(ground, data, session)
    expected = {InvalidDataError, StaleRevisionError, CorruptDataError, StoreConnectionError}
    assert set() == expected - {type(error) for error in ground.told}
    assert_silent(ground.told, caplog)


async def unreachable(ground: Ground, data: DataLayer, session: Session) -> None:
    """Nobody answers, and the URL holds a password."""
    url = SecretStr(f"redis://:{SECRET}@127.0.0.1:1/0")
    client = RedisClient(data.settings.model_copy(update={"redis_url": url, "redis_timeout": 0.5}))
    await ground.hears(RedisSessionStore(client, ground.tenant().tenant_id).save(session))
    await client.close()


@pytest.mark.slow
@pytest.mark.parametrize("command", [("db", "status"), ("doctor",)])
def test_a_traceback_that_we_print_tells_it_not(command: tuple[str, ...]) -> None:
    """With --debug the command line shows where an error came up, and no variable's value."""
    url = f"postgresql://{SECRET}:{SECRET}@127.0.0.1:1/{SECRET}"
    given = {"FOCAL_DATA_DATABASE_URL": url, "FOCAL_DATA_REDIS_URL": f"redis://:{SECRET}@127.0.0.1:1/0"}
    line = [sys.executable, "-m", "focal_data.cli.main", "--debug", *command]
    ended = subprocess.run(line, env=os.environ | given, capture_output=True, text=True, check=False)
    assert 0 != ended.returncode
    assert SECRET not in ended.stdout + ended.stderr


def test_the_command_line_shows_no_variables() -> None:
    """Typer's own tracebacks would, in frames of ours that hold what users wrote."""
    assert not app.pretty_exceptions_enable
