"""Lists: in order, page by page, narrowed by filters."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

from focal_data.domain.config import Agent
from focal_data.domain.filters import EntityFilter, EpisodeFilter, RelationshipFilter
from focal_data.domain.memory import (
    ContentType,
    EpisodeSource,
    Language,
    Relationship,
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
    recorded,
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
            found, cursor = list[UUID](), None
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
        found, cursor = list[UUID](), None
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
        wanted: tuple[tuple[RelationshipFilter | None, list[Relationship]], ...] = (
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

    async def test_lists_of_the_graph_are_steady(
        self, memory: MemoryStore, entity: MakeEntity, relationship: MakeRelationship
    ) -> None:
        """What comes and goes between two pages shifts nothing, before the place or behind it."""
        ids = sorted(uuid4() for _ in range(10))
        known = [await memory.add_entity(entity(str(n), id=ids[n])) for n in range(1, 9)]
        links = [await memory.add_relationship(relationship(e, e, id=e.id)) for e in known]
        entities = await memory.get_entities(limit=4)
        relationships = await memory.get_relationships(limit=4)
        await memory.delete_relationship(links[3].id)
        await memory.delete_relationship(links[5].id)
        await memory.delete_entity(known[3].id)
        await memory.delete_entity(known[5].id)
        for n in (0, 9):
            new = await memory.add_entity(entity(str(n), id=ids[n]))
            await memory.add_relationship(relationship(new, new, id=ids[n]))
        rest = await memory.get_entities(limit=9, cursor=entities.next_cursor)
        assert ["1", "2", "3", "4", "5", "7", "8", "9"] == [e.name for e in (*entities, *rest)]
        rest_of_links = await memory.get_relationships(limit=9, cursor=relationships.next_cursor)
        assert [ids[n] for n in (1, 2, 3, 4, 5, 7, 8, 9)] == [r.id for r in (*relationships, *rest_of_links)]

    async def test_pages_of_what_was_known_go_on_there(self, memory: MemoryStore, entity: MakeEntity) -> None:
        """A cursor and its filters ask for the past together, whatever happened since."""
        known = [await memory.add_entity(entity(str(n))) for n in range(5)]
        then = EntityFilter(known_at=recorded(known[-1]))
        first = await memory.get_entities(then, limit=2)
        await memory.update_entity(known[3].evolve(name="new"))
        await memory.delete_entity(known[4].id)
        rest = await memory.get_entities(then, limit=3, cursor=first.next_cursor)
        assert known == [*first, *rest]
        assert rest.next_cursor is None

    async def test_the_last_page_says_so(self, memory: MemoryStore, episode: MakeEpisode) -> None:
        """A page that holds all the rest has no cursor, also when it is full."""
        await memory.add_episodes([episode(str(n)) for n in range(4)])
        assert (await memory.get_episodes(limit=4)).next_cursor is None
        assert (await memory.get_episodes(limit=1000)).next_cursor is None
        assert (await memory.get_episodes(limit=3)).next_cursor is not None

    async def test_entities_of_a_customer(
        self, memory: MemoryStore, tenant: TenantUnderTest, entity: MakeEntity
    ) -> None:
        """Are those that name the profile."""
        profile = (await tenant.profiles.save(CustomerProfile())).id
        await memory.add_entity(entity("other"))
        mine = await memory.add_entity(entity("mine", customer_profile_id=profile))
        assert [mine] == (await memory.get_entities(EntityFilter(customer_profile_id=profile))).items
