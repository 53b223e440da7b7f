"""The function that finds words past the policy: whom it answers, what it tells, and how it searches."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from focal_data.data_layer import DataLayer, Tenant
from focal_data.domain.config import Agent
from focal_data.domain.filters import EpisodeFilter
from focal_data.domain.memory import Episode, Language
from focal_data.repositories.memory import EpisodeRepository
from focal_data.settings import Settings, dsn
from focal_data.stores.memory import MemoryStore
from focal_data.tables.matching import ARGUMENTS
from tests.integration.stores.memory.conftest import MakeEpisode

LARGE = 4000
INDEX = "ix_episodes_content_tsv"
REFUSED = "the transaction does not name this tenant"


@pytest.fixture
async def owner(focal_settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """A connection that sees every tenant."""
    connection = await asyncpg.connect(dsn(focal_settings.owner_url()))
    yield connection
    await connection.close()


@pytest.fixture
async def service(focal_settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the role that services run as, with no tenant set."""
    settings = {"role": focal_settings.app_role}
    connection = await asyncpg.connect(dsn(focal_settings.service_url()), server_settings=settings)
    yield connection
    await connection.close()


@pytest.fixture(scope="module")
async def large(focal_data_layer: DataLayer, focal_settings: Settings) -> tuple[UUID, UUID]:
    """A tenant and an agent with many episodes, of which one is rare, and statistics that know of them."""
    tenant = focal_data_layer.tenant(uuid4())
    agent = await tenant.config.save_agent(Agent(name="Ada"))
    others = [Episode(agent_id=agent.id, content=f"common w{n % 97} v{n}") for n in range(LARGE - 1)]
    await tenant.memory.add_episodes([Episode(agent_id=agent.id, content="common rare"), *others])
    connection = await asyncpg.connect(dsn(focal_settings.owner_url()))
    await connection.execute("VACUUM ANALYZE episodes")
    await connection.close()
    return tenant.tenant_id, agent.id


@asynccontextmanager
async def named(service: asyncpg.Connection, tenant_id: object) -> AsyncIterator[None]:
    """A transaction that names ``tenant_id``."""
    async with service.transaction():
        await service.execute(f"SET LOCAL focal.tenant_id = '{tenant_id}'")
        yield


def call(**given: Any) -> tuple[str, list[Any]]:
    """A call of the function with these arguments, and what its placeholders stand for."""
    places = {name: f"${place}" for place, name in enumerate(given, 1)}
    arguments = ", ".join(f"p_{name} => {places.get(name, 'NULL')}" for name in ARGUMENTS)
    return f"public.focal_match_episodes({arguments})", [*given.values()]


async def matched(service: asyncpg.Connection, **given: Any) -> list[UUID]:
    """What the function finds."""
    function, arguments = call(**given)
    return [row["id"] for row in await service.fetch(f"SELECT id FROM {function}", *arguments)]


async def scans(service: asyncpg.Connection) -> int:
    """How often the transaction in progress has searched the index of words."""
    found: int = await service.fetchval(f"SELECT pg_stat_get_xact_numscans('{INDEX}'::regclass)")
    return found


@pytest.mark.parametrize("named_one", [None, "", "another"])
async def test_it_answers_only_the_tenant_of_the_transaction(
    service: asyncpg.Connection, tenant: Tenant, agent: UUID, memory: MemoryStore, named_one: str | None
) -> None:
    """With none set, an empty one or another's it refuses."""
    await memory.add_episode(Episode(agent_id=agent, content="apple"))
    asked = {"tenant_id": tenant.tenant_id, "agent_id": agent, "text": "apple", "limit": 10}
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match=REFUSED):
        if named_one is None:
            await matched(service, **asked)
        async with named(service, uuid4() if named_one else ""):
            await matched(service, **asked)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match=REFUSED):
        await matched(service, **asked | {"tenant_id": None})
    async with named(service, tenant.tenant_id):
        assert 1 == len(await matched(service, **asked))
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match=REFUSED):
            await matched(service, **asked | {"tenant_id": None})


async def test_another_tenants_agent_has_nothing(
    service: asyncpg.Connection, agent: UUID, memory: MemoryStore
) -> None:
    """Who names himself and another's agent finds nothing."""
    await memory.add_episode(Episode(agent_id=agent, content="apple"))
    other = uuid4()
    async with named(service, other):
        assert [] == await matched(service, tenant_id=other, agent_id=agent, text="apple", limit=10)


async def test_others_may_not_call_it(owner: asyncpg.Connection, tenant: Tenant, agent: UUID) -> None:
    """A role that is not the services' has no right to, however it names the tenant."""
    role = f"other_{uuid4().hex}"
    await owner.execute(f"CREATE ROLE {role}; GRANT USAGE ON SCHEMA public TO {role}")
    try:
        await owner.execute(f"SET ROLE {role}")
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied for function"):
            async with named(owner, tenant.tenant_id):
                await matched(owner, tenant_id=tenant.tenant_id, agent_id=agent, text="apple", limit=10)
    finally:
        await owner.execute(f"RESET ROLE; DROP OWNED BY {role}; DROP ROLE {role}")


async def test_a_cheap_function_sees_nothing_of_others(
    service: asyncpg.Connection,
    tenant: Tenant,
    agent: UUID,
    memory: MemoryStore,
    data: DataLayer,
) -> None:
    """One that tells all it is given, and costs so little that it is run first, is given the tenant's own."""
    theirs = data.tenant(uuid4())
    another = await theirs.config.save_agent(Agent(name="Bo"))
    await theirs.memory.add_episode(Episode(agent_id=another.id, content="apple of theirs"))
    mine = await memory.add_episode(Episode(agent_id=agent, content="apple of mine"))
    told: list[str] = []
    service.add_log_listener(lambda _, message: told.append(message.message))
    function, arguments = call(tenant_id=tenant.tenant_id, agent_id=agent, text="apple", limit=10)
    async with named(service, tenant.tenant_id):
        await service.execute("""
            CREATE FUNCTION pg_temp.spy(anyelement) RETURNS boolean LANGUAGE plpgsql COST 0.0000001
              AS $$ BEGIN RAISE NOTICE '%', $1; RETURN true; END $$""")
        rows = await service.fetch(
            f"SELECT m.id FROM {function} m JOIN episodes e USING (id)"
            " WHERE pg_temp.spy(m.id) AND pg_temp.spy(e.content)",
            *arguments,
        )
    assert [mine.id] == [row["id"] for row in rows]
    assert {str(mine.id), "apple of mine"} == set(told)


async def test_a_search_path_leads_it_nowhere(
    owner: asyncpg.Connection, service: asyncpg.Connection, tenant: Tenant, agent: UUID, memory: MemoryStore
) -> None:
    """Tables, functions and operators of the caller's, by the names that it uses, are not the ones it uses."""
    mine = await memory.add_episode(Episode(agent_id=agent, content="apple"))
    schema = f"trap_{uuid4().hex}"
    ours = await service.fetchval("SELECT current_user::text")
    await owner.execute(f"CREATE SCHEMA {schema}; GRANT ALL ON SCHEMA {schema} TO {ours}")
    async with named(service, tenant.tenant_id):
        for place in (schema, "pg_temp"):
            await service.execute(f"""
                CREATE TABLE {place}.episodes (tenant_id uuid, agent_id uuid, id uuid, language text, content_tsv tsvector);
                CREATE FUNCTION {place}.websearch_to_tsquery(regconfig, text) RETURNS tsquery LANGUAGE plpgsql
                  AS $$ BEGIN RAISE EXCEPTION 'trapped'; END $$;
                CREATE FUNCTION {place}.querytree(tsquery) RETURNS text LANGUAGE plpgsql
                  AS $$ BEGIN RAISE EXCEPTION 'trapped'; END $$;
                CREATE FUNCTION {place}.met(tsvector, tsquery) RETURNS boolean LANGUAGE plpgsql
                  AS $$ BEGIN RAISE EXCEPTION 'trapped'; END $$;
                CREATE OPERATOR {place}.@@ (LEFTARG = tsvector, RIGHTARG = tsquery, FUNCTION = {place}.met);
                CREATE FUNCTION {place}.same(uuid, uuid) RETURNS boolean LANGUAGE plpgsql
                  AS $$ BEGIN RETURN true; END $$;
                CREATE OPERATOR {place}.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = {place}.same);
                """)
        await service.execute(f"SET LOCAL search_path = {schema}, pg_temp, pg_catalog, public")
        with pytest.raises(asyncpg.RaiseError, match="trapped"):  # the traps are set
            async with service.transaction():
                await service.execute("SELECT websearch_to_tsquery('simple'::regconfig, 'apple')")
        asked = {"tenant_id": tenant.tenant_id, "agent_id": agent, "text": "apple", "limit": 10}
        assert [mine.id] == await matched(service, **asked)
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match=REFUSED):
            await matched(service, **asked | {"tenant_id": uuid4()})
    await owner.execute(f"DROP SCHEMA {schema} CASCADE")


@pytest.mark.slow
async def test_the_index_serves_a_large_tenant(
    service: asyncpg.Connection, large: tuple[UUID, UUID], tenant: Tenant, agent: UUID, memory: MemoryStore
) -> None:
    """A small one is read by its agent, which is faster; a query without words is answered without either."""
    await memory.add_episode(Episode(agent_id=agent, content="common rare"))
    async with named(service, tenant.tenant_id):
        small = {"tenant_id": tenant.tenant_id, "agent_id": agent, "limit": 10}
        assert 1 == len(await matched(service, **small, text="common"))
        assert 0 == await scans(service)
    asked = {"tenant_id": large[0], "agent_id": large[1], "limit": 10}
    async with named(service, large[0]):
        assert [] == await matched(service, **asked, text="-rare")
        assert [] == await matched(service, **asked, text="")
        assert 0 == await scans(service)
        assert 1 == len(await matched(service, **asked, text="rare"))
        assert 1 == await scans(service)


@pytest.mark.slow
async def test_the_thousandth_call_searches_like_the_first(
    service: asyncpg.Connection, large: tuple[UUID, UUID], tenant: Tenant, agent: UUID, memory: MemoryStore
) -> None:
    """No plan is kept that was made for others' words, or for a tenant of another size."""
    await memory.add_episode(Episode(agent_id=agent, content="common rare"))
    for _ in range(1000):
        async with named(service, tenant.tenant_id):
            small = {"tenant_id": tenant.tenant_id, "agent_id": agent}
            await matched(service, **small, text="common", limit=10)
    async with named(service, large[0]):
        asked = {"tenant_id": large[0], "agent_id": large[1], "limit": 10}
        assert 1 == len(await matched(service, **asked, text="rare"))
        assert 1 == await scans(service)


async def test_its_query_is_planned_with_the_index(
    owner: asyncpg.Connection, large: tuple[UUID, UUID]
) -> None:
    """EXPLAIN of what stands in its body, with its values: for a rare word and a phrase of a large tenant, GIN."""
    body = await owner.fetchval("SELECT prosrc FROM pg_proc WHERE proname = 'focal_match_episodes'")
    query = re.search(r"RETURN QUERY(.*?LIMIT p_limit)", body, re.DOTALL)
    assert query is not None
    for words in ("rare", '"common rare"', "rare or w1"):
        plan = await _planned(owner, query[1], large, words)
        assert f"Bitmap Index Scan on {INDEX}" in plan, plan


async def _planned(owner: asyncpg.Connection, query: str, large: tuple[UUID, UUID], words: str) -> str:
    values = {
        "p_tenant_id": f"'{large[0]}'::uuid",
        "p_agent_id": f"'{large[1]}'::uuid",
        "v_language": "'simple'",
        "v_profiles": "NULL::uuid[]",
        "v_query": f"websearch_to_tsquery('simple', '{words}')",
        "p_limit": "10",
    }
    said = re.sub(r"\b[pv]_\w+", lambda name: values.get(name[0], "NULL"), query)
    said = said.replace("ANY (NULL)", "ANY (NULL::text[])")
    return "\n".join(row[0] for row in await owner.fetch(f"EXPLAIN {said}"))


async def test_every_language_of_an_agent_is_searched(
    memory: MemoryStore, episode: MakeEpisode, agent: UUID
) -> None:
    """Each in its own words, the best of all first, the limit over all."""
    given = [episode("running " * n, language=language) for n, language in enumerate(Language, 1)]
    await memory.add_episodes(given)
    hits = await memory.text_search_episodes(agent, "running", limit=100)
    assert {e.id for e in given} == {hit.item.id for hit in hits}
    assert [(-hit.score, hit.item.id) for hit in hits] == sorted((-hit.score, hit.item.id) for hit in hits)
    few = await memory.text_search_episodes(agent, "running", limit=3)
    assert [hit.item.id for hit in hits[:3]] == [hit.item.id for hit in few]


def test_every_filter_is_one_of_its_arguments() -> None:
    """What a filter can say, the function is told."""
    assert {*EpisodeFilter.model_fields} <= {*ARGUMENTS}


def test_a_snippet_is_made_when_it_is_asked_for() -> None:
    """And not in any other case."""
    asked = frozenset(("agent_id",))
    plain, marked = (EpisodeRepository._matching(asked, highlight).sql for highlight in (False, True))
    assert (0, 1) == (plain.count("ts_headline"), marked.count("ts_headline"))
