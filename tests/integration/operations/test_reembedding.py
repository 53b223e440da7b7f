"""``reembed``: another model's embeddings for everything, while searches are right all the while."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from focal_data.data_layer import DataLayer
from focal_data.database.engine import dsn
from focal_data.domain.config import Agent
from focal_data.domain.embedding import Embedding
from focal_data.domain.memory import Episode
from focal_data.errors import (
    ConflictError,
    ContentFilterError,
    InvalidDataError,
    RateLimitError,
    StaleRevisionError,
    UsageError,
)
from focal_data.ids import new_id
from focal_data.operations.operator import Operator
from focal_data.operations.reembedding import EmbeddingJob, Pace
from focal_data.providers.embedding.fake import FakeEmbeddingProvider
from focal_data.repositories.reembedding import ToEmbed
from focal_data.settings import Settings
from tests.integration.operations.breaking import BrokenOff, SteppedScope, Steps, at, break_off
from tests.integration.operations.embedded import ALL, FOUND, NEW, NOTHING, OLD, World, a_world, staged
from tests.integration.operations.world import World as Customers
from tests.integration.operations.world import rows, with_mark

SMALL = EmbeddingJob(batch_size=3)
"""So that there are several batches of a kind."""


class Watching(FakeEmbeddingProvider):
    """As ``NEW``; before each batch, what a test wants is done."""

    def __init__(self, hook: Callable[[Sequence[str]], Awaitable[object]]) -> None:
        super().__init__(24, model_id="new-model")
        self._hook = hook

    async def embed_batch(self, texts: Sequence[str]) -> list[Embedding]:
        await self._hook(texts)
        return await super().embed_batch(texts)


def once(act: Callable[[], Awaitable[object]]) -> Callable[[Sequence[str]], Awaitable[None]]:
    """A hook that does something before the first batch."""
    done: list[bool] = []

    async def hook(_: Sequence[str]) -> None:
        if not done:
            done.append(True)
            await act()

    return hook


@pytest.fixture
async def world(data: DataLayer) -> World:
    return await a_world(data, new_id())


async def test_everything_gets_the_other_models_embedding(
    op: Operator, world: World, focal_settings: Settings
) -> None:
    """Of each kind, deleted rules and old versions of entities too; searches by the old model find none of it any more."""
    assert (FOUND, NOTHING) == (await world.found(OLD), await world.found(NEW))
    receipt = await op.tenant(world.tenant_id).reembed(NEW, SMALL)
    assert (ALL, {}, 0, "new-model") == (receipt.counts, receipt.refused, receipt.left, receipt.model)
    assert (NOTHING, FOUND) == (await world.found(OLD), await world.found(NEW))
    assert await world.exact(NEW)
    assert await world.tenant.config.restore_rule(world.rules[3].id)
    assert FOUND | {"rules": 4} == await world.found(NEW)
    assert 0 == await staged(focal_settings, world.tenant_id)


@pytest.mark.slow
async def test_done_again_it_does_nothing(op: Operator, world: World, focal_settings: Settings) -> None:
    """No text is embedded, no row is touched."""
    await op.tenant(world.tenant_id).reembed(NEW)
    before, model = await rows(focal_settings), FakeEmbeddingProvider(24, model_id="new-model")
    receipt = await op.tenant(world.tenant_id).reembed(model)
    assert ({}, 0, []) == (receipt.counts, receipt.tokens, model.calls)
    assert before == await rows(focal_settings)


@pytest.mark.slow
async def test_a_dry_run_counts_and_writes_nothing(
    op: Operator, world: World, focal_settings: Settings
) -> None:
    """As many as then are embedded, and a quarter of the bytes of each text."""
    before, model = await rows(focal_settings), FakeEmbeddingProvider(24, model_id="new-model")
    planned = await op.tenant(world.tenant_id).reembed(model, SMALL, dry_run=True)
    assert before == await rows(focal_settings)
    assert [] == model.calls
    done = await op.tenant(world.tenant_id).reembed(model, SMALL)
    assert (planned.counts, planned.tokens, True, False) == (
        done.counts,
        done.tokens,
        planned.dry_run,
        done.dry_run,
    )
    texts = [text for batch in model.calls for text in batch]
    assert sum(-(-len(text.encode()) // 4) for text in texts) == done.tokens


@pytest.mark.slow
async def test_other_tenants_stay_as_they_are(
    op: Operator, data: DataLayer, world: World, focal_settings: Settings
) -> None:
    """Though the owner sees them, and they have the same agent's id."""
    other = await a_world(data, world.agent_id)
    before = await rows(focal_settings)
    await op.tenant(world.tenant_id).reembed(NEW)
    after = await rows(focal_settings)

    def theirs(found: dict[str, list[str]]) -> dict[str, list[str]]:
        mine = str(world.tenant_id)
        return {table: [row for row in texts if mine not in row] for table, texts in found.items()}

    assert theirs(before) == theirs(after)
    assert FOUND == await other.found(OLD)


async def test_searches_are_complete_all_the_while(op: Operator, world: World) -> None:
    """By the old model until the end, never by both; then by the new one."""
    seen: set[tuple[tuple[int, ...], tuple[int, ...]]] = set()
    running = asyncio.create_task(op.tenant(world.tenant_id).reembed(NEW, SMALL))
    while not running.done():
        before, between, after = await world.found(OLD), await world.found(NEW), await world.found(OLD)
        if before == after:  # no cut-over in between
            seen.add((tuple(before.values()), tuple(between.values())))
    await running
    all_of, none_of = tuple(FOUND.values()), tuple(NOTHING.values())
    assert seen <= {(all_of, none_of), (none_of, all_of)}
    assert (all_of, none_of) in seen
    assert FOUND == await world.found(NEW)


async def test_each_search_is_complete_at_every_moment(op: Operator, world: World) -> None:
    """One kind, asked as often as can be: all of it or nothing, and once the new model finds it, the old one never again."""
    memory, seen = world.tenant.memory, []

    async def watch(model: FakeEmbeddingProvider) -> None:
        query = await model.embed("a question")
        while True:
            seen.append(
                (model.model_id, len(await memory.vector_search_episodes(world.agent_id, query, limit=50)))
            )

    watchers = [asyncio.create_task(watch(model)) for model in (OLD, NEW)]
    await op.tenant(world.tenant_id).reembed(NEW, SMALL)
    enough = len(seen) + 20
    while len(seen) < enough:  # noqa: ASYNC110  (it is the watchers that go on)
        await asyncio.sleep(0.001)
    for watcher in watchers:
        watcher.cancel()
    await asyncio.gather(*watchers, return_exceptions=True)
    assert {("old-model", 7), ("old-model", 0), ("new-model", 0), ("new-model", 7)} >= set(seen)
    for model, order in (("old-model", [7, 0]), ("new-model", [0, 7])):
        counts = [count for name, count in seen if name == model]
        assert order == [
            count for place, count in enumerate(counts) if place == 0 or counts[place - 1] != count
        ]


async def test_what_is_added_and_changed_meanwhile_comes_along(op: Operator, world: World) -> None:
    """With the old model, while the first batch is embedded: a new episode, a changed rule, a changed and a deleted entity."""
    memory, config = world.tenant.memory, world.tenant.config

    async def write() -> None:
        text = "added in between"
        episode = Episode(agent_id=world.agent_id, content=text, embedding=await OLD.embed(text))
        await memory.add_episode(episode)
        await config.save_rule(world.rules[0].evolve(condition_text="another one"))
        await memory.update_entity(world.entities[0].evolve(name="another name"))
        await memory.delete_entity(world.entities[2].id)

    receipt = await op.tenant(world.tenant_id).reembed(Watching(once(write)), SMALL)
    expected = FOUND | {"episodes": 8, "entities": 2}
    assert (0, expected, NOTHING) == (receipt.left, await world.found(NEW), await world.found(OLD))
    assert await world.exact(NEW)


async def test_what_changes_after_it_was_embedded_is_embedded_again(
    op: Operator, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the last batch and the cut-over, in each of its tables: it is looked at before anything is put in its place."""
    from focal_data.operations import reembedding

    memory, config = world.tenant.memory, world.tenant.config
    cut_over, writes = reembedding._Run._cut_over, iter(range(2))

    async def late(self: Any, *, last: bool) -> bool:
        if next(writes, None) is not None:
            await memory.delete_episode(world.episodes[0].id)
            again = world.episodes[0].evolve(
                content="another text", embedding=await OLD.embed("another text")
            )
            await memory.add_episode(again)
            async with op.tenant(world.tenant_id).scope.transaction() as tx:  # behind the stores' back
                changed = "UPDATE episodes SET content = content || ' again' WHERE id = $1"
                await tx.connection.execute(changed, world.episodes[1].id)
            rule = await config.get_rule(world.rules[0].id)
            assert rule is not None
            await config.save_rule(rule.evolve(condition_text=f"{rule.condition_text} again"))
            entity = await memory.get_entity(world.entities[0].id)
            assert entity is not None
            await memory.update_entity(entity.evolve(name=f"{entity.name} again"))
        return await cut_over(self, last=last)

    monkeypatch.setattr(reembedding._Run, "_cut_over", late)
    await op.tenant(world.tenant_id).reembed(NEW, SMALL)
    assert (NOTHING, FOUND) == (await world.found(OLD), await world.found(NEW))
    assert await world.exact(NEW)


async def test_a_service_that_never_stops_does_not_hold_it_up(op: Operator, world: World) -> None:
    """After some rounds it is cut over all the same; what came in the last moment is told, and taken by the next run."""
    memory = world.tenant.memory

    async def write(_: Sequence[str]) -> None:
        episode = Episode(agent_id=world.agent_id, content="one more", embedding=await OLD.embed("one more"))
        await memory.add_episode(episode)

    receipt = await op.tenant(world.tenant_id).reembed(Watching(write), EmbeddingJob(batch_size=50))
    left = (await world.found(OLD))["episodes"]
    assert receipt.left == left <= 1
    await op.tenant(world.tenant_id).reembed(NEW)
    assert NOTHING == await world.found(OLD)


async def test_a_service_that_is_as_fast_does_not_hold_it_up(op: Operator, world: World) -> None:
    """Though it adds one while the model embeds one, so that each batch is full."""
    memory = world.tenant.memory

    async def write(_: Sequence[str]) -> None:
        text = "one of many"
        episode = Episode(agent_id=world.agent_id, content=text, embedding=await OLD.embed(text))
        await memory.add_episode(episode)

    async with asyncio.timeout(30):
        receipt = await op.tenant(world.tenant_id).reembed(Watching(write), EmbeddingJob(batch_size=1))
    assert 0 < receipt.left == (await world.found(OLD))["episodes"]
    await op.tenant(world.tenant_id).reembed(NEW)
    assert NOTHING == await world.found(OLD)


async def test_a_row_written_with_the_old_model_afterwards_is_seen(op: Operator, world: World) -> None:
    """By counting, and by running it again."""
    await op.tenant(world.tenant_id).reembed(NEW)
    late = Episode(agent_id=world.agent_id, content="late", embedding=await OLD.embed("late"))
    await world.tenant.memory.add_episode(late)
    mine = [c for c in await op.count_embeddings() if c.tenant_id == world.tenant_id and c.kind == "episodes"]
    assert [("new-model", 7), ("old-model", 1)] == [(census.model, census.count) for census in mine]
    assert {"episodes": 1} == (await op.tenant(world.tenant_id).reembed(NEW)).counts


async def test_who_read_before_brings_no_old_embedding_back(op: Operator, world: World) -> None:
    """Rules and entities have another revision, and the same history and times."""
    memory, config = world.tenant.memory, world.tenant.config
    rule, entity = world.rules[0], world.entities[0]
    await op.tenant(world.tenant_id).reembed(NEW)
    with pytest.raises(StaleRevisionError):
        await config.save_rule(rule)
    with pytest.raises(StaleRevisionError):
        await memory.update_entity(entity)
    new_rule, new_entity = await config.get_rule(rule.id), await memory.get_entity(entity.id)
    assert new_rule is not None
    assert new_entity is not None
    plain = {"embedding": None, "revision": 0}
    assert rule.model_copy(update=plain) == new_rule.model_copy(update=plain)
    assert entity.model_copy(update=plain) == new_entity.model_copy(update=plain)
    assert entity.recorded_at is not None
    await memory.update_entity(new_entity.evolve(attributes={"more": 1}))
    then = await memory.get_entity(entity.id, known_at=entity.recorded_at)
    assert new_entity == then


@pytest.mark.slow
async def test_killed_anywhere_it_goes_on(
    op: Operator, data: DataLayer, monkeypatch: pytest.MonkeyPatch, focal_settings: Settings
) -> None:
    """Before each of its transactions in turn: until the cut-over nothing is seen of it, and the second run ends it."""

    def stepping(tenant: Any, hook: Callable[[int], Awaitable[None]]) -> Steps:
        tenant.scope = SteppedScope(op.database, tenant.tenant_id)
        tenant.scope.steps = Steps(hook)
        return tenant.scope.steps  # type: ignore[no-any-return]

    job = EmbeddingJob(batch_size=6)
    first = await a_world(data, new_id())
    tenant = op.tenant(first.tenant_id)
    steps = stepping(tenant, at(-1, break_off))
    await tenant.reembed(NEW, job)
    assert steps.begun > 7
    for step in range(steps.begun):
        world = await a_world(data, new_id())
        tenant = op.tenant(world.tenant_id)
        stepping(tenant, at(step, break_off))
        with pytest.raises(BrokenOff):
            await tenant.reembed(NEW, job)
        assert (await world.found(OLD), await world.found(NEW)) in ((FOUND, NOTHING), (NOTHING, FOUND))
        before, model = (
            await staged(focal_settings, world.tenant_id),
            FakeEmbeddingProvider(24, model_id="new-model"),
        )
        await op.tenant(world.tenant_id).reembed(model, job)
        assert (NOTHING, FOUND) == (await world.found(OLD), await world.found(NEW))
        assert await world.exact(NEW)
        if before:
            assert sum(ALL.values()) == before + sum(len(texts) for texts in model.calls)


class Refusing(FakeEmbeddingProvider):
    """Refuses texts with a certain word."""

    def __init__(self, word: str, error: Exception) -> None:
        super().__init__(24, model_id="new-model")
        self._word, self._error = word, error

    async def embed_batch(self, texts: Sequence[str]) -> list[Embedding]:
        if any(self._word in text for text in texts):
            raise self._error
        return await super().embed_batch(texts)


@pytest.mark.parametrize(
    "error", [InvalidDataError("texts[3]", "is too long"), ContentFilterError("refused")], ids=type
)
async def test_a_refused_text_is_named_and_holds_up_nothing_else(
    op: Operator, world: World, focal_settings: Settings, error: Exception
) -> None:
    """Nothing is cut over, the rest is kept; with ``skip_refused`` it goes on without, and a model that takes it ends it."""
    tenant, refusing = op.tenant(world.tenant_id), Refusing("episode 4", error)
    with pytest.raises(ConflictError, match=f"1 of the texts: episodes {world.episodes[4].id};"):
        await tenant.reembed(refusing, SMALL)
    assert FOUND == await world.found(OLD)
    assert sum(ALL.values()) == await staged(focal_settings, world.tenant_id)
    receipt = await tenant.reembed(refusing, EmbeddingJob(skip_refused=True))
    assert {"episodes": [world.episodes[4].id]} == receipt.refused
    assert (ALL | {"episodes": 6}, 0) == (receipt.counts, receipt.left)
    assert (1, 6) == ((await world.found(OLD))["episodes"], (await world.found(NEW))["episodes"])
    assert {"episodes": 1} == (await tenant.reembed(NEW)).counts
    assert FOUND == await world.found(NEW)


async def test_a_failing_model_ends_it_and_what_is_done_is_kept(
    op: Operator, world: World, focal_settings: Settings
) -> None:
    """The error is the provider's own; the next run asks for the rest only."""
    batches = iter(range(10))

    async def failing(_: Sequence[str]) -> None:
        if next(batches) == 3:
            raise RateLimitError("slow down")

    with pytest.raises(RateLimitError):
        await op.tenant(world.tenant_id).reembed(Watching(failing), SMALL)
    kept = await staged(focal_settings, world.tenant_id)
    assert 7 <= kept < sum(ALL.values())
    assert FOUND == await world.found(OLD)
    model = FakeEmbeddingProvider(24, model_id="new-model")
    assert ALL == (await op.tenant(world.tenant_id).reembed(model, SMALL)).counts
    assert sum(ALL.values()) == kept + sum(len(texts) for texts in model.calls)


async def test_another_model_begins_anew(op: Operator, world: World) -> None:
    """What was staged for the one before is not taken for its own."""
    with pytest.raises(ConflictError):
        await op.tenant(world.tenant_id).reembed(
            Refusing("episode 4", InvalidDataError("texts[0]", "no")), SMALL
        )
    third = FakeEmbeddingProvider(8, model_id="third-model")
    assert ALL == (await op.tenant(world.tenant_id).reembed(third, SMALL)).counts
    assert (FOUND, NOTHING, NOTHING) == tuple([await world.found(model) for model in (third, NEW, OLD)])


async def test_what_is_staged_for_one_model_is_nothing_to_another(
    op: Operator, world: World, focal_settings: Settings
) -> None:
    """A dry run of another counts all; and to fill in by one that no search would find takes nothing away."""
    tenant, third = op.tenant(world.tenant_id), FakeEmbeddingProvider(8, model_id="third-model")
    with pytest.raises(ConflictError):
        await tenant.reembed(Refusing("episode 4", InvalidDataError("texts[0]", "no")), SMALL)
    assert ALL == (await tenant.reembed(third, SMALL, dry_run=True)).counts
    with pytest.raises(ConflictError, match="another model"):
        await tenant.reembed(third, EmbeddingJob(which=ToEmbed.MISSING))
    assert sum(ALL.values()) == await staged(focal_settings, world.tenant_id)


@pytest.mark.parametrize("extra", [-1, 1])
async def test_a_provider_that_makes_another_number_is_refused(
    op: Operator, world: World, focal_settings: Settings, extra: int
) -> None:
    """Nobody could tell which text is whose."""

    class Miscounting(FakeEmbeddingProvider):
        async def embed_batch(self, texts: Sequence[str]) -> list[Embedding]:
            made = await super().embed_batch(texts)
            return [*made, *made][: len(texts) + extra]

    with pytest.raises(UsageError, match="more or fewer"):
        await op.tenant(world.tenant_id).reembed(Miscounting(24, model_id="new-model"), SMALL)
    assert (FOUND, 0) == (await world.found(OLD), await staged(focal_settings, world.tenant_id))


async def test_a_provider_with_two_lengths_is_refused(op: Operator, world: World) -> None:
    """Vectors of two lengths are hardly of one model."""

    class Shortening(FakeEmbeddingProvider):
        async def embed_batch(self, texts: Sequence[str]) -> list[Embedding]:
            made = await super().embed_batch(texts)
            return [*made[:-1], Embedding(made[-1].vector[:3], model=self.model_id)]

    with pytest.raises(UsageError, match="length"):
        await op.tenant(world.tenant_id).reembed(Shortening(24, model_id="new-model"), SMALL)
    assert FOUND == await world.found(OLD)


async def test_a_provider_with_two_names_is_refused(op: Operator, world: World) -> None:
    """Its embeddings would never be those that were asked for."""

    class Lying(FakeEmbeddingProvider):
        @property
        def model_id(self) -> str:
            return "another"

    with pytest.raises(UsageError, match="model_id"):
        await op.tenant(world.tenant_id).reembed(Lying(8))


async def test_two_operators_at_once(op: Operator, world: World) -> None:
    """The second is told so, and the first goes on; another tenant's is free."""
    tenant = op.tenant(world.tenant_id)

    async def second() -> None:
        with pytest.raises(ConflictError, match="another operator"):
            await tenant.reembed(NEW)
        assert {} == (await op.tenant(uuid4()).reembed(NEW)).counts

    assert ALL == (await tenant.reembed(Watching(once(second)), SMALL)).counts


async def test_every_tenant_in_turn(focal_fresh_database: Settings) -> None:
    """Those that have something to embed, by id."""
    async with DataLayer.open(focal_fresh_database) as data, Operator.open(focal_fresh_database) as op:
        worlds = [await a_world(data, new_id()) for _ in range(2)]
        done = await op.reembed(NEW, SMALL)
        ids = [world.tenant_id for world in worlds]
        assert sorted(ids, key=lambda id_: id_.int) == [receipt.tenant_id for receipt in done]
        assert [FOUND, FOUND] == [await world.found(NEW) for world in worlds]
        assert [] == await op.reembed(NEW)


async def test_what_has_no_embedding_is_filled(op: Operator, world: World) -> None:
    """By the model of the others and by no other; what has no text stays without."""
    memory, tenant = world.tenant.memory, op.tenant(world.tenant_id)
    for text in ("bare", "also bare", "", " \n"):
        await memory.add_episode(Episode(agent_id=world.agent_id, content=text))
    missing = EmbeddingJob(which=ToEmbed.MISSING)
    with pytest.raises(ConflictError, match="another model"):
        await tenant.reembed(NEW, missing)
    assert (2, {"episodes": 2}) == (
        next(
            c.count for c in await op.count_embeddings() if c.tenant_id == world.tenant_id and c.model is None
        ),
        (await tenant.reembed(OLD, missing, dry_run=True)).counts,
    )
    receipt = await tenant.reembed(OLD, missing)
    assert ({"episodes": 2}, {}) == (receipt.counts, receipt.refused)
    assert FOUND | {"episodes": 9} == await world.found(OLD)
    assert ALL | {"episodes": 9} == (await tenant.reembed(NEW, EmbeddingJob(which=ToEmbed.ALL))).counts


async def test_an_embedding_without_a_text_is_refused(op: Operator, world: World) -> None:
    """It can't be made again, and is told of rather than lost."""
    blank = Episode(agent_id=world.agent_id, content=" ", embedding=await OLD.embed("something"))
    await world.tenant.memory.add_episode(blank)
    with pytest.raises(ConflictError, match=str(blank.id)):
        await op.tenant(world.tenant_id).reembed(NEW)


async def test_a_text_of_ones_own(op: Operator, world: World) -> None:
    """A callable says what is embedded."""
    await op.tenant(world.tenant_id).reembed(NEW, EmbeddingJob(text=lambda thing: type(thing).__name__))
    page = await world.tenant.memory.get_episodes()
    assert {(await NEW.embed("Episode")).rounded()} == {episode.embedding for episode in page.items}


@pytest.mark.parametrize("size", [0, -1, 2049])
async def test_a_batch_has_a_size(op: Operator, world: World, size: int) -> None:
    """From 1 to as many as one request takes."""
    with pytest.raises(InvalidDataError, match="batch_size"):
        await op.tenant(world.tenant_id).reembed(NEW, EmbeddingJob(batch_size=size))


async def test_a_rate_makes_batches_wait() -> None:
    """As long as the texts before take at the rate, and no longer when that has passed already."""
    now, slept = [100.0], []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    pace = Pace(120, clock=lambda: now[0], sleep=sleep)
    await pace.take(10)  # at 100, until 105
    now[0] += 2
    await pace.take(4)  # at 105, until 107
    now[0] += 9
    await pace.take(1)  # at 114
    await pace.take(1)
    assert [3.0, 0.5] == slept
    with pytest.raises(InvalidDataError, match="per_minute"):
        Pace(0)


async def test_every_batch_waits_its_turn(op: Operator, world: World) -> None:
    """One text a second is as many seconds as texts, the last batch's aside."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    job = EmbeddingJob(batch_size=3, pace=Pace(60, clock=lambda: 0.0, sleep=sleep))
    await op.tenant(world.tenant_id).reembed(NEW, job)
    assert [3.0, 6.0, 7.0, 10.0] == slept[:4]


async def test_progress_begins_where_the_last_run_ended(op: Operator, world: World) -> None:
    """It is told how many are embedded of how many, those of the run before included."""
    told: list[tuple[int, int]] = []
    with pytest.raises(ConflictError):
        await op.tenant(world.tenant_id).reembed(
            Refusing("episode 4", InvalidDataError("texts[0]", "no")), SMALL
        )
    await op.tenant(world.tenant_id).reembed(
        NEW, SMALL, progress=lambda done, total: told.append((done, total))
    )
    total = sum(ALL.values())
    assert ([(total - 1, total), (total, total)]) == told


async def half_staged(op: Operator, world: World) -> None:
    """Stopped before the cut-over."""
    with pytest.raises(ConflictError):
        await op.tenant(world.tenant_id).reembed(
            Refusing("episode 4", InvalidDataError("texts[0]", "no")), SMALL
        )


async def test_what_is_deleted_takes_along_what_is_staged_of_it(
    op: Operator, world: World, focal_settings: Settings
) -> None:
    """A group, an episode, an entity with its history: by services, which may not even read what is staged."""
    await half_staged(op, world)
    memory, total = world.tenant.memory, sum(ALL.values())
    assert await memory.delete_episode(world.episodes[0].id)
    assert total - 1 == await staged(focal_settings, world.tenant_id)
    assert await memory.delete_entity(world.entities[2].id)
    assert total - 2 == await staged(focal_settings, world.tenant_id)
    assert 6 == (await memory.delete_by_group("g")).episodes
    assert total - 8 == await staged(focal_settings, world.tenant_id)
    receipt = await op.tenant(world.tenant_id).reembed(NEW)
    assert ALL | {"entities": 2, "entity_history": 3} == receipt.counts | {"episodes": 7}


@pytest.mark.slow
async def test_an_erased_person_leaves_nothing_staged(
    op: Operator, data: DataLayer, focal_settings: Settings
) -> None:
    """Of episodes, entities and their history, in a run that was stopped."""
    tenant = data.tenant(uuid4())
    customers = Customers(tenant, (await tenant.config.save_agent(Agent(name="Ada"))).id)
    customer, other = await customers.customer(), await customers.customer()
    with pytest.raises(ConflictError):
        await op.tenant(tenant.tenant_id).reembed(Refusing(other.mark, InvalidDataError("texts[0]", "no")))
    before = await staged(focal_settings, tenant.tenant_id)
    await op.tenant(tenant.tenant_id).erase_customer(customer.profile)
    left = await staged(focal_settings, tenant.tenant_id)
    assert 0 < left < before
    connection = await asyncpg.connect(dsn(focal_settings.owner_url()))
    try:
        theirs = await connection.fetchval(
            "SELECT count(*) FROM staged_embeddings WHERE tenant_id = $1 AND embedding IS NOT NULL",
            tenant.tenant_id,
        )
    finally:
        await connection.close()
    assert theirs == 2  # the bystanders
    assert not with_mark(await rows(focal_settings), customer.mark)


async def test_what_is_deleted_while_it_is_embedded_is_not_staged(
    op: Operator, world: World, focal_settings: Settings
) -> None:
    """Between reading a text and keeping its embedding."""
    deleted = Watching(once(lambda: world.tenant.memory.delete_by_group("g")))
    receipt = await op.tenant(world.tenant_id).reembed(deleted, SMALL)
    assert "episodes" not in receipt.counts
    assert 0 == await staged(focal_settings, world.tenant_id)
