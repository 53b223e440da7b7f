"""Lists: in order, page by page, narrowed by filters."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

from focal_data.domain.config import Agent
from focal_data.domain.filters import EntityFilter, EpisodeFilter, RelationshipFilter
from focal_data.domain.memory import (
    ContentType,
    EpisodeSource,
    Language,
)
from focal_data.domain.profile import CustomerProfile
from focal_data.stores.memory import MemoryStore
from focal_data.testing.contracts.base import TenantUnderTest
from focal_data.testing.contracts.memory.base import (
    NOON,
    MakeEntity,
    MakeEpisode,
    MakeRelationship,
    MemorySuite,
    people,
)


class MemoryListsContract(MemorySuite):
    """``get_episodes``, ``get_entities`` and ``get_relationships``."""

    async def test_pages_run_from_the_last_to_occur(self, memory: MemoryStore, episode: MakeEpisode) -> None:
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

    async def test_pages_are_steady(self, memory: MemoryStore, episode: MakeEpisode) -> None:
        """Nothing is skipped or repeated when things come and go between two pages."""
        given = await memory.add_episodes(
            [episode(str(n), occurred_at=NOON + timedelta(n)) for n in range(6)]
        )
        first = await memory.get_episodes(limit=3)
        await memory.add_episode(episode("newer", occurred_at=NOON + timedelta(9)))
        await memory.delete_episode(given[5].id)
        rest = await memory.get_episodes(limit=9, cursor=first.next_cursor)
        assert ["5", "4", "3", "2", "1", "0"] == [e.content for e in (*first, *rest)]

    async def test_filters_hold_together(
        self, memory: MemoryStore, tenant: TenantUnderTest, episode: MakeEpisode
    ) -> None:
        """Each field narrows the list, for every way of asking."""
        other = (await tenant.config.save_agent(Agent(name="Bo"))).id
        profile = (await tenant.profiles.save(CustomerProfile())).id
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

    async def test_entities_are_filtered_and_paged_by_id(
        self, memory: MemoryStore, tenant: TenantUnderTest, entity: MakeEntity
    ) -> None:
        """Filters hold together; the pages together are the whole."""
        stored = [await memory.add_entity(entity(str(n), id=uuid4())) for n in range(7)]
        marked = await memory.add_entity(entity("x", canonical_name="c", entity_type="dog", group_id="g"))
        expected = sorted(e.id for e in (*stored, marked))
        found, cursor = [], None
        while not found or cursor:
            page = await memory.get_entities(limit=3, cursor=cursor)
            found, cursor = found + [e.id for e in page], page.next_cursor
        assert expected == found
        for filters in (
            EntityFilter(canonical_name="c"),
            EntityFilter(entity_types=("dog", "cat")),
            EntityFilter(group_id="g", agent_id=marked.agent_id),
        ):
            assert [marked] == (await memory.get_entities(filters)).items
        assert [] == (await memory.get_entities(EntityFilter(agent_id=tenant.tenant_id))).items
        assert [] == (await memory.get_entities(EntityFilter(entity_types=()))).items

    async def test_relationships_are_filtered(
        self, memory: MemoryStore, entity: MakeEntity, relationship: MakeRelationship
    ) -> None:
        """By their ends, type, group and time; in the order of ids, across pages."""
        a, b, c = await people(memory, entity, "abc")
        ab = await memory.add_relationship(relationship(a, b, group_id="g", valid_from=NOON))
        bc = await memory.add_relationship(
            relationship(b, c, relation_type="likes", valid_from=NOON, valid_to=NOON + timedelta(1))
        )
        wanted = (
            (RelationshipFilter(from_entity_id=a.id), [ab]),
            (RelationshipFilter(to_entity_id=c.id), [bc]),
            (RelationshipFilter(relation_types=("likes",)), [bc]),
            (RelationshipFilter(group_id="g"), [ab]),
            (RelationshipFilter(as_of=NOON), [ab, bc]),
            (RelationshipFilter(as_of=NOON + timedelta(1)), [ab]),
            (RelationshipFilter(as_of=NOON - timedelta(1)), []),
            (None, [ab, bc]),
        )
        for filters, expected in wanted:
            assert expected == (await memory.get_relationships(filters)).items
        first = await memory.get_relationships(limit=1)
        assert [bc] == (await memory.get_relationships(limit=1, cursor=first.next_cursor)).items
