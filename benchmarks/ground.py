"""The ground that every contender stands on: one database at head, one tenant with an agent and fifty rules, one Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import asyncpg
import orjson
from sqlalchemy.engine import make_url

from focal_data.data_layer import DataLayer, Tenant
from focal_data.domain.config import Agent, Rule
from focal_data.migration import runner
from focal_data.settings import Settings, dsn
from focal_data.testing.databases import fresh_database
from focal_data.testing.engines import running


@dataclass(frozen=True)
class Ground:
    """What works are made from."""

    data: DataLayer
    tenant: Tenant
    agent: Agent
    rules: list[Rule]
    bare: asyncpg.Pool
    """By hand: no tenant, no policy, no reset."""
    bound: asyncpg.Pool
    """By hand, as the application role, which the policies bind."""
    admin_url: str
    settings: Settings


@asynccontextmanager
async def ground() -> AsyncIterator[Ground]:
    """Servers, a database at head, and what the works need in it."""
    with running() as engines:
        async with fresh_database(engines.admin_url) as url:
            settings = Settings.of(database_url=url, redis_url=engines.redis_url, pool_size=4)
            await runner.upgrade(settings)
            async with (
                DataLayer.open(settings) as data,
                pool(url) as bare,
                pool(url, role="focal_app") as bound,
            ):
                tenant = data.tenant(uuid4())
                agent = await tenant.config.save_agent(Agent(name="Ada"))
                rules = [await tenant.config.save_rule(_rule(agent, number)) for number in range(50)]
                yield Ground(data, tenant, agent, rules, bare, bound, engines.admin_url, settings)


def _rule(agent: Agent, number: int) -> Rule:
    return Rule(
        agent_id=agent.id,
        name=f"rule {number}",
        condition_text="the customer asks where the parcel is",
        action_text="look the order up and tell when it will arrive",
        action_config={"tool": "orders", "retries": 2, "fields": ["number", "postcode"]},
        attached_tool_ids=["orders"],
        priority=number,
    )


@asynccontextmanager
async def pool(url: str, **settings: str) -> AsyncIterator[asyncpg.Pool]:
    """asyncpg's own, as one sets it up by hand: binary codecs, nothing reset."""

    async def nothing(_: asyncpg.Connection) -> None:
        return None

    made = await asyncpg.create_pool(
        dsn(make_url(url)), min_size=4, max_size=4, reset=nothing, init=_codecs, server_settings=settings
    )
    try:
        yield made
    finally:
        await made.close()


async def _codecs(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda text: b"\x01" + text.encode(),
        decoder=lambda data: orjson.loads(data[1:]),
        format="binary",
    )
    await connection.set_type_codec("halfvec", encoder=bytes, decoder=bytes, schema="public", format="binary")
