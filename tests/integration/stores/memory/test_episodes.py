"""Episodes: kept as given, in order, apart from other tenants'."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from focal_data.data_layer import Tenant
from focal_data.domain.config import Agent
from focal_data.domain.embedding import Embedding
from focal_data.domain.filters import EpisodeFilter
from focal_data.domain.memory import ContentType, Episode, EpisodeSource, Language
from focal_data.domain.profile import CustomerProfile
from focal_data.errors import DuplicateError, InvalidDataError, NotFoundError
from focal_data.ids import NO_TENANT
from focal_data.repositories.agents import AgentRepository
from focal_data.repositories.base import TenantRepository
from focal_data.stores.memory import MemoryStore
from focal_data.tables.profile import CustomerProfileTable

MakeEpisode = Callable[..., Episode]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class _ProfileRepository(TenantRepository[CustomerProfileTable, CustomerProfile]):
    pass


async def test_every_field_comes_back(memory: MemoryStore, tenant: Tenant, episode: MakeEpisode) -> None:
    """What was given is what is read, but for the store's own fields and the embedding's precision."""
    profile = await _ProfileRepository(tenant).add(CustomerProfile())
    given = episode(
        "Grüße, “quotes”, emoji 🙂 and a \\ backslash",
        customer_profile_id=profile.id,
        session_id=uuid4(),
        group_id="g",
        content_type=ContentType.FACT,
        language=Language.GERMAN,
        source=EpisodeSource.EXTERNAL,
        source_metadata={"a": [1, 2.5, None, {"ü": True}], "big": 2**62},
        importance=0.25,
        occurred_at=NOON,
        valid_from=NOON + timedelta(microseconds=1),
        valid_to=NOON + timedelta(days=1),
        embedding=Embedding([0.1, 0.2, 0.3], model="m"),
        entity_ids=[uuid4(), uuid4()],
    )
    stored = await memory.add_episode(given)
    expected = given.evolve(
        tenant_id=tenant.tenant_id, recorded_at=stored.recorded_at, embedding=given.embedding.rounded()
    )
    assert expected == stored
    assert stored == await memory.get_episode(given.id)


async def test_optional_fields_may_be_absent(memory: MemoryStore, episode: MakeEpisode) -> None:
    """Nothing appears where nothing was given."""
    stored = await memory.add_episode(episode(""))
    assert stored == await memory.get_episode(stored.id)
    assert stored.embedding is None


async def test_another_tenants_episode_is_refused(memory: MemoryStore, episode: MakeEpisode) -> None:
    """An episode that names another tenant is an error, and nothing is written."""
    alien = episode(tenant_id=uuid4())
    with pytest.raises(InvalidDataError, match="tenant_id"):
        await memory.add_episode(alien)
    assert await memory.get_episode(alien.id) is None


async def test_other_tenants_see_nothing(
    memory: MemoryStore, stranger: MemoryStore, episode: MakeEpisode, agent: UUID
) -> None:
    """Not by id, not in a list, not in a search; and they can delete nothing, or use the agent."""
    stored = await memory.add_episode(episode("secret", embedding=Embedding([1.0], model="m"), group_id="g"))
    query = Embedding([1.0], model="m")
    assert await stranger.get_episode(stored.id) is None
    assert [] == (await stranger.get_episodes()).items
    assert [] == await stranger.vector_search_episodes(agent, query)
    assert [] == await stranger.text_search_episodes(agent, "secret")
    assert [] == await stranger.hybrid_search_episodes(agent, "secret", query)
    assert not await stranger.delete_episode(stored.id)
    assert 0 == (await stranger.delete_by_group("g")).episodes
    with pytest.raises(NotFoundError):
        await stranger.add_episode(stored.evolve(tenant_id=NO_TENANT, id=uuid4()))
    assert stored == await memory.get_episode(stored.id)


async def test_a_stored_id_is_refused(memory: MemoryStore, episode: MakeEpisode) -> None:
    """The same id twice is a duplicate, and the first one stays."""
    stored = await memory.add_episode(episode("first"))
    with pytest.raises(DuplicateError):
        await memory.add_episode(stored.evolve(content="second"))
    assert "first" == (await memory.get_episode(stored.id)).content


async def test_an_unknown_agent_is_refused(memory: MemoryStore, episode: MakeEpisode) -> None:
    """The agent is a parent, and must be stored."""
    with pytest.raises(NotFoundError, match="agent_id"):
        await memory.add_episode(episode().evolve(agent_id=uuid4()))


async def test_bulk_keeps_the_order(memory: MemoryStore, episode: MakeEpisode) -> None:
    """Episodes come back in the order in which they were given."""
    given = [episode(str(n), occurred_at=NOON - timedelta(n)) for n in (3, 1, 2)]
    stored = await memory.add_episodes(given)
    assert [e.id for e in given] == [e.id for e in stored]
    assert stored == [await memory.get_episode(e.id) for e in given]
    assert [] == await memory.add_episodes([])


async def test_bulk_names_the_bad_one_and_keeps_none(memory: MemoryStore, episode: MakeEpisode) -> None:
    """One that is refused stops all of them, and its place is told."""
    given = [episode(), episode().model_copy(update={"importance": 7.0})]
    with pytest.raises(InvalidDataError, match=r"^\[1\]\.importance: "):
        await memory.add_episodes(given)
    assert [] == (await memory.get_episodes()).items


@pytest.mark.parametrize("error", [DuplicateError, NotFoundError])
async def test_bulk_is_all_or_nothing(
    memory: MemoryStore, episode: MakeEpisode, error: type[Exception]
) -> None:
    """What the database refuses stops all of them, too."""
    good = [episode() for _ in range(3)]
    bad = good[0] if error is DuplicateError else episode().evolve(agent_id=uuid4())
    with pytest.raises(error):
        await memory.add_episodes([*good, bad])
    assert [] == (await memory.get_episodes()).items


async def test_what_is_handed_over_is_copied(memory: MemoryStore, episode: MakeEpisode) -> None:
    """Changing a dict or list inside an object changes nothing that is stored."""
    given = episode(source_metadata={"a": 1})
    stored = await memory.add_episode(given)
    given.source_metadata["a"] = 2
    stored.entity_ids.append(uuid4())
    kept = await memory.get_episode(given.id)
    assert ({"a": 1}, []) == (kept.source_metadata, kept.entity_ids)


async def test_pages_run_from_the_last_to_occur(memory: MemoryStore, episode: MakeEpisode) -> None:
    """Newest first, ties by id downwards; the pages together are the whole, whatever their size."""
    given = await memory.add_episodes(
        [episode(str(n), occurred_at=NOON + timedelta(n // 3)) for n in range(10)]
    )
    expected = [e.id for e in sorted(given, key=lambda e: (e.occurred_at, e.id), reverse=True)]
    for limit in (1, 3, 5, 10, 11):
        found, cursor = [], None
        while True:
            page = await memory.get_episodes(limit=limit, cursor=cursor)
            found += [e.id for e in page]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert expected == found


async def test_pages_are_steady(memory: MemoryStore, episode: MakeEpisode) -> None:
    """Nothing is skipped or repeated when things come and go between two pages."""
    given = await memory.add_episodes([episode(str(n), occurred_at=NOON + timedelta(n)) for n in range(6)])
    first = await memory.get_episodes(limit=3)
    await memory.add_episode(episode("newer", occurred_at=NOON + timedelta(9)))
    await memory.delete_episode(given[5].id)
    rest = await memory.get_episodes(limit=9, cursor=first.next_cursor)
    assert ["5", "4", "3", "2", "1", "0"] == [e.content for e in (*first, *rest)]


@pytest.mark.parametrize("cursor", ["", "x", "ÿ", "e30", "WyJlcGlzb2RlcyIsMSwyXQ", "\0", "W10"])
async def test_an_unreadable_cursor_is_refused(memory: MemoryStore, cursor: str) -> None:
    """A cursor that no page gave is an error of that name."""
    with pytest.raises(InvalidDataError, match=r"^cursor: "):
        await memory.get_episodes(cursor=cursor)


@pytest.mark.parametrize("limit", [0, -1, 10**9, 1.0, True, "5", None])
async def test_a_bad_limit_is_refused(memory: MemoryStore, agent: UUID, limit: int) -> None:
    """By every list and search, and before anything is asked."""
    query = Embedding([1.0], model="m")
    calls = [
        memory.get_episodes(limit=limit),
        memory.get_entities(limit=limit),
        memory.get_relationships(limit=limit),
        memory.vector_search_episodes(agent, query, limit=limit),
        memory.text_search_episodes(agent, "a", limit=limit),
        memory.hybrid_search_episodes(agent, "a", query, limit=limit),
        memory.vector_search_entities(agent, query, limit=limit),
        memory.traverse_from_entities([], limit=limit),
    ]
    for call in calls:
        with pytest.raises(InvalidDataError, match=r"^limit: "):
            await call


async def test_filters_hold_together(memory: MemoryStore, tenant: Tenant, episode: MakeEpisode) -> None:
    """Each field narrows the list, for every way of asking."""
    other = (await AgentRepository(tenant).add(Agent(name="Bo"))).id
    profile = (await _ProfileRepository(tenant).add(CustomerProfile())).id
    session = uuid4()
    marks = {
        "customer_profile_id": profile,
        "group_id": "g",
        "session_id": session,
        "content_type": ContentType.FACT,
        "source": EpisodeSource.AGENT,
        "language": Language.FRENCH,
        "importance": 0.9,
    }
    await memory.add_episode(episode("plain", occurred_at=NOON))
    for name, value in marks.items():
        await memory.add_episode(episode(name, occurred_at=NOON, **{name: value}))
    await memory.add_episode(episode("agent_id", occurred_at=NOON).evolve(agent_id=other))
    await memory.add_episode(episode("late", occurred_at=NOON + timedelta(1)))
    await memory.add_episode(
        episode("ended", occurred_at=NOON, valid_from=NOON - timedelta(2), valid_to=NOON - timedelta(1))
    )
    wanted = {
        "customer_profile_id": EpisodeFilter(customer_profile_id=profile),
        "group_id": EpisodeFilter(group_id="g"),
        "session_id": EpisodeFilter(session_id=session),
        "content_type": EpisodeFilter(content_types=("fact", "event")),
        "source": EpisodeFilter(sources=("agent",)),
        "language": EpisodeFilter(languages=("french", "german")),
        "importance": EpisodeFilter(min_importance=0.9),
        "agent_id": EpisodeFilter(agent_id=other),
        "late": EpisodeFilter(occurred_from=NOON + timedelta(1)),
        "ended": EpisodeFilter(as_of=NOON - timedelta(2)),
    }
    for content, filters in wanted.items():
        assert [content] == [e.content for e in await memory.get_episodes(filters)]
    early = EpisodeFilter(occurred_from=NOON, occurred_to=NOON + timedelta(1))
    assert 10 == len(await memory.get_episodes(early))
    assert 0 == len(await memory.get_episodes(EpisodeFilter(as_of=NOON - timedelta(1))))
    both = EpisodeFilter(group_id="g", sources=("agent",))
    assert 0 == len(await memory.get_episodes(both))
    assert 0 == len(await memory.get_episodes(EpisodeFilter(content_types=())))


async def test_deleting_tells_whether_there_was_one(memory: MemoryStore, episode: MakeEpisode) -> None:
    """Once it is gone, it is gone."""
    stored = await memory.add_episode(episode())
    assert await memory.delete_episode(stored.id)
    assert not await memory.delete_episode(stored.id)
    assert await memory.get_episode(stored.id) is None


async def test_what_is_no_id_is_refused(memory: MemoryStore) -> None:
    """Something that is no UUID is bad data, not a driver's error."""
    with pytest.raises(InvalidDataError, match=r"^id: "):
        await memory.get_episode("nope")  # type: ignore[arg-type]


async def test_a_transaction_is_one_commit(tenant: Tenant, memory: MemoryStore, episode: MakeEpisode) -> None:
    """What is added in a transaction is searched in it, and gone when it rolls back."""
    given = episode("inside", embedding=Embedding([1.0], model="m"))
    with pytest.raises(ZeroDivisionError):
        async with tenant.transaction() as tx:
            await tx.memory.add_episode(given)
            hits = await tx.memory.hybrid_search_episodes(given.agent_id, "inside", given.embedding)
            assert [given.id] == [hit.item.id for hit in hits]
            raise ZeroDivisionError
    assert await memory.get_episode(given.id) is None
