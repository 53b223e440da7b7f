"""``load_episodes``: as ``add_episodes``, on the road that only the owner may take."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Iterator, Sequence
from uuid import uuid4

import asyncpg
import pytest

from focal_data.data_layer import DataLayer, Tenant
from focal_data.domain.config import Agent
from focal_data.domain.embedding import Embedding
from focal_data.domain.filters import EpisodeFilter
from focal_data.domain.memory import Episode
from focal_data.errors import DuplicateError, FocalDataError, InvalidDataError, NotFoundError
from focal_data.ids import new_id
from focal_data.operations.operator import Operator
from focal_data.operations.reembedding import EmbeddingJob
from focal_data.providers.embedding.fake import FakeEmbeddingProvider
from focal_data.settings import Settings, dsn
from focal_data.testing.factories import EpisodeFactory


@pytest.fixture
async def agent(tenant: Tenant) -> Agent:
    return await tenant.config.save_agent(Agent(name="Ada"))


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a load has several."""
    monkeypatch.setattr("focal_data.operations.loading.BATCH", 4)


def episodes(agent: Agent, count: int) -> list[Episode]:
    return [
        Episode(agent_id=agent.id, content=f"number {n}", embedding=Embedding([1.0, n], model="m"))
        for n in range(count)
    ]


async def stored(tenant: Tenant, agent: Agent) -> list[Episode]:
    page = await tenant.memory.get_episodes(EpisodeFilter(agent_id=agent.id), limit=1000)
    return sorted(page.items, key=lambda episode: episode.id)


async def test_what_is_loaded_is_what_would_have_been_added(
    op: Operator, tenant: Tenant, data: DataLayer, agent: Agent
) -> None:
    """Every field, whatever it holds; only the time of recording is another."""
    made = [
        EpisodeFactory.build(agent_id=agent.id, customer_profile_id=None).evolve(
            embedding=Embedding([0.25, 0.1], model="m") if number % 2 else None
        )
        for number in range(9)
    ]
    other = data.tenant(uuid4())
    await other.config.save_agent(agent.evolve(revision=0, tenant_id=other.tenant_id))
    assert 9 == await op.tenant(tenant.tenant_id).load_episodes(made)
    await other.memory.add_episodes([episode.evolve(tenant_id=other.tenant_id) for episode in made])
    plain = {"tenant_id": None, "recorded_at": None}
    loaded = [episode.model_copy(update=plain) for episode in await stored(tenant, agent)]
    assert loaded == [episode.model_copy(update=plain) for episode in await stored(other, agent)]


@pytest.mark.parametrize("count", [0, 1, 4, 5])
async def test_any_number_from_any_iterable(op: Operator, tenant: Tenant, agent: Agent, count: int) -> None:
    """None, less than a batch, a whole one, and one more; from a list, a generator and an asynchronous one."""

    async def later(some: list[Episode]) -> AsyncIterator[Episode]:
        for episode in some:
            await asyncio.sleep(0)
            yield episode

    load = op.tenant(tenant.tenant_id).load_episodes
    for source in (
        episodes(agent, count),
        (e for e in episodes(agent, count)),
        later(episodes(agent, count)),
    ):
        assert count == await load(source)
    assert 3 * count == len(await stored(tenant, agent))


async def refusal(call: object) -> tuple[type[BaseException], str, int | None]:
    with pytest.raises(FocalDataError) as caught:
        await call  # type: ignore[misc]
    return type(caught.value), str(caught.value), getattr(caught.value, "row", None)


BAD = {
    "an agent unheard of": lambda e: e.evolve(agent_id=new_id()),
    "a customer unheard of": lambda e: e.evolve(customer_profile_id=new_id()),
    "another tenant's": lambda e: e.evolve(tenant_id=uuid4()),
    "no episode": lambda _: "an episode",
    "past validation": lambda e: e.model_copy(update={"importance": 7.0}),
    "nothing left at half precision": lambda e: e.evolve(embedding=Embedding([1e-30], model="m")),
}


@pytest.mark.parametrize("change", BAD.values(), ids=list(BAD))
@pytest.mark.parametrize("row", [0, 3, 4, 9])
async def test_the_first_bad_row_is_named_and_nothing_is_left(
    op: Operator, tenant: Tenant, agent: Agent, change: object, row: int
) -> None:
    """The error is the one of ``add_episodes``, in whichever batch; what came before it is undone."""
    some = episodes(agent, 10)
    some[row] = change(some[row])  # type: ignore[operator]
    expected = await refusal(tenant.memory.add_episodes(some))
    assert expected == await refusal(op.tenant(tenant.tenant_id).load_episodes(some))
    assert row == expected[2]
    assert [] == await stored(tenant, agent)


@pytest.mark.parametrize(("first", "second"), [(0, 1), (0, 9), (5, 7), (1, 4)])
async def test_the_second_of_two_with_one_id_is_named(
    op: Operator, tenant: Tenant, agent: Agent, first: int, second: int
) -> None:
    """In one batch, or batches apart; a bad row behind it is not the first."""
    some = episodes(agent, 11)
    some[second] = some[second].evolve(id=some[first].id)
    some[10] = some[10].evolve(agent_id=new_id())
    expected = await refusal(tenant.memory.add_episodes(some))
    assert (DuplicateError, second) == (expected[0], expected[2])
    assert expected == await refusal(op.tenant(tenant.tenant_id).load_episodes(some))
    assert [] == await stored(tenant, agent)


async def test_one_that_is_stored_already_is_a_duplicate(op: Operator, tenant: Tenant, agent: Agent) -> None:
    """Its row is told, and it stays as it was."""
    some = episodes(agent, 7)
    await tenant.memory.add_episode(some[5])
    kind, _, row = await refusal(op.tenant(tenant.tenant_id).load_episodes(some))
    assert (DuplicateError, 5) == (kind, row)
    assert [some[5].id] == [episode.id for episode in await stored(tenant, agent)]


@pytest.mark.parametrize("source", ["episodes", b"episodes", 7, None])
async def test_what_is_no_iterable_of_episodes(op: Operator, tenant: Tenant, source: object) -> None:
    """Text is refused as one thing, as it is by ``add_episodes``."""
    with pytest.raises(InvalidDataError, match=r"^episodes: "):
        await op.tenant(tenant.tenant_id).load_episodes(source)  # type: ignore[arg-type]


async def test_another_tenants_agent_is_no_parent(op: Operator, data: DataLayer, agent: Agent) -> None:
    """Though the owner sees every row."""
    with pytest.raises(NotFoundError, match="Agent"):
        await op.tenant(uuid4()).load_episodes(episodes(agent, 1))


async def test_an_error_of_the_source_undoes_all(op: Operator, tenant: Tenant, agent: Agent) -> None:
    """It comes out as it is, and the operator's connection goes on working."""

    def broken() -> Iterator[Episode]:
        yield from episodes(agent, 6)
        raise ZeroDivisionError

    load = op.tenant(tenant.tenant_id).load_episodes
    with pytest.raises(ZeroDivisionError):
        await load(broken())
    assert [] == await stored(tenant, agent)
    assert 5 == await load(episodes(agent, 5))


@pytest.mark.parametrize("count", [0, 3, 4, 6])
@pytest.mark.parametrize(
    "error", [InvalidDataError("line 7", "is no episode"), NotFoundError("File")], ids=type
)
async def test_a_refusal_of_the_source_is_no_rows(
    op: Operator, tenant: Tenant, agent: Agent, count: int, error: FocalDataError
) -> None:
    """After whole batches and parts of one: none of the rows before it is blamed, though it is an error that rows have."""

    def broken() -> Iterator[Episode]:
        yield from episodes(agent, count)
        raise error

    said = str(error)
    with pytest.raises(type(error)) as raised:
        await op.tenant(tenant.tenant_id).load_episodes(broken())
    assert (error, said, None) == (raised.value, str(raised.value), raised.value.row)  # type: ignore[attr-defined]
    assert [] == await stored(tenant, agent)


async def test_searches_are_complete_meanwhile(op: Operator, tenant: Tenant, agent: Agent) -> None:
    """Others see what was there before, all of it and nothing else, until the load ends; and then all."""
    await tenant.memory.add_episodes(episodes(agent, 5))
    query, seen = Embedding([1.0, 0.0], model="m"), []

    async def watched() -> AsyncIterator[Episode]:
        for episode in episodes(agent, 13):
            seen.append(len(await tenant.memory.vector_search_episodes(agent.id, query, limit=100)))
            yield episode

    await op.tenant(tenant.tenant_id).load_episodes(watched())
    assert [5] * 13 == seen
    assert 18 == len(await tenant.memory.vector_search_episodes(agent.id, query, limit=100))


async def test_plans_and_index_only_scans_are_right_at_once(focal_fresh_database: Settings) -> None:
    """The table is vacuumed and analyzed when the load ends, as far as no other transaction keeps old rows."""
    async with DataLayer.open(focal_fresh_database) as data, Operator.open(focal_fresh_database) as op:
        tenant = data.tenant(new_id())
        agent = await tenant.config.save_agent(Agent(name="Ada"))
        await op.tenant(tenant.tenant_id).load_episodes(episodes(agent, 50))
    connection = await asyncpg.connect(dsn(focal_fresh_database.owner_url()))
    try:
        await connection.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")
        plan = await connection.fetch(
            f"EXPLAIN (ANALYZE) SELECT id FROM episodes WHERE tenant_id = '{tenant.tenant_id}'"
        )
        counted, known = await connection.fetchrow(
            "SELECT count(*), (SELECT reltuples::bigint FROM pg_class WHERE relname = 'episodes') FROM episodes"
        )
    finally:
        await connection.close()
    assert "Heap Fetches: 0" in str(plan)
    assert counted == known


async def test_a_model_is_not_asked_in_the_middle(
    op: Operator, tenant: Tenant, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In debug mode, an iterable that embeds while it is read is told so."""
    monkeypatch.setattr(op.database, "settings", op.database.settings.model_copy(update={"debug": True}))
    model = FakeEmbeddingProvider(2)

    async def embedding() -> AsyncIterator[Episode]:
        for episode in episodes(agent, 2):
            yield episode.evolve(embedding=await model.embed(episode.content))

    with pytest.raises(FocalDataError, match="inside of a transaction"):
        await op.tenant(tenant.tenant_id).load_episodes(embedding())


@pytest.mark.slow
async def test_however_many_there_are_memory_is_flat(
    op: Operator, tenant: Tenant, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """10,000 of 1536 dimensions, 30 MB as they are stored, loaded and embedded anew: a tenth of it is held at one time."""
    monkeypatch.setattr("focal_data.operations.loading.BATCH", 200)
    vectors = [Embedding([1.0] * 1535 + [float(n)], model="old") for n in range(50)]

    def many() -> Iterator[Episode]:
        for number in range(10_000):
            yield Episode(agent_id=agent.id, content=f"number {number}", embedding=vectors[number % 50])

    operations, new = op.tenant(tenant.tenant_id), Forgetful(1536, model_id="new")
    tracemalloc.start()
    try:
        assert 10_000 == await operations.load_episodes(many())
        _, loading = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        receipt = await operations.reembed(new, EmbeddingJob(batch_size=100))
        _, embedding = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert {"episodes": 10_000} == receipt.counts
    assert max(loading, embedding) < 12_000_000
    assert 1000 == len(await tenant.memory.vector_search_episodes(agent.id, await new.embed("a"), limit=1000))


class Forgetful(FakeEmbeddingProvider):
    """Keeps no calls."""

    async def embed_batch(self, texts: Sequence[str]) -> list[Embedding]:
        return [Embedding([1.0, float(len(text)), *[0.0] * 1534], model=self.model_id) for text in texts]
