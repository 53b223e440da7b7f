"""What is refused: by name, and before anything is written."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any, Final
from uuid import UUID, uuid4

import pytest

from focal_data.domain.embedding import Embedding
from focal_data.domain.filters import EntityFilter, EpisodeFilter
from focal_data.domain.profile import CustomerProfile
from focal_data.errors import InvalidDataError
from focal_data.stores.memory import MemoryStore
from focal_data.testing.contracts.memory.base import (
    EAST,
    NEVER,
    MakeEntity,
    MakeEpisode,
    MakeRelationship,
    MemorySuite,
    people,
)

BEFORE_UTC: Final = datetime.min.replace(tzinfo=timezone(timedelta(hours=5)))
BEYOND_UTC: Final = datetime.max.replace(tzinfo=timezone(timedelta(hours=-5)))


class MemoryRefusalsContract(MemorySuite):
    """Bad data of every kind."""

    @pytest.mark.parametrize("cursor", ["", "x", "ÿ", "e30", "WyJlcGlzb2RlcyIsMSwyXQ", "\0", "W10"])
    async def test_an_unreadable_cursor_is_refused(self, memory: MemoryStore, cursor: str) -> None:
        """A cursor that no page gave is an error of that name."""
        with pytest.raises(InvalidDataError, match=r"^cursor: "):
            await memory.get_episodes(cursor=cursor)

    @pytest.mark.parametrize("limit", [0, -1, 10**9, 1.0, True, "5", None])
    async def test_a_bad_limit_is_refused(self, memory: MemoryStore, agent: UUID, limit: int) -> None:
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

    async def test_what_is_no_id_is_refused(self, memory: MemoryStore) -> None:
        """Something that is no UUID is bad data, not a driver's error."""
        with pytest.raises(InvalidDataError, match=r"^id: "):
            await memory.get_episode("nope")  # type: ignore[arg-type]

    async def test_a_cursor_belongs_to_its_call(self, memory: MemoryStore, entity: MakeEntity) -> None:
        """One list's cursor is unreadable to another."""
        await people(memory, entity, "ab")
        cursor = (await memory.get_entities(limit=1)).next_cursor
        with pytest.raises(InvalidDataError, match=r"^cursor: "):
            await memory.get_relationships(cursor=cursor)

    @pytest.mark.parametrize("depth", [0, -1, 11, 10**9, 1.5, True, None])
    async def test_a_bad_depth_is_refused(self, memory: MemoryStore, depth: int) -> None:
        """Depths are 1 to 10."""
        with pytest.raises(InvalidDataError, match=r"^max_depth: "):
            await memory.traverse_from_entities([uuid4()], max_depth=depth)

    async def test_what_is_no_id_of_an_entity_is_refused(self, memory: MemoryStore) -> None:
        """By the name of the argument."""
        with pytest.raises(InvalidDataError, match=r"^entity_ids: "):
            await memory.traverse_from_entities(["nope"])  # type: ignore[list-item]

    @pytest.mark.parametrize("group_id", ["", "a" * 256, "a\0", "\ud800", 5, None, b"g"])
    async def test_a_bad_group_is_refused(self, memory: MemoryStore, group_id: str) -> None:
        """Groups are named by 1 to 255 characters."""
        with pytest.raises(InvalidDataError, match=r"^group_id: "):
            await memory.delete_by_group(group_id)

    @pytest.mark.parametrize("value", [datetime(2026, 1, 1), "2026-01-01", 5, BEFORE_UTC, BEYOND_UTC])  # noqa: DTZ001
    async def test_naive_times_are_refused(self, memory: MemoryStore, value: Any) -> None:
        """By their name, as is what is no time, or none in UTC."""
        for call, name in (
            (memory.get_entity(NEVER, as_of=value), "as_of"),
            (memory.get_entity(NEVER, known_at=value), "known_at"),
            (memory.get_relationship(NEVER, as_of=value), "as_of"),
            (memory.get_relationship(NEVER, known_at=value), "known_at"),
        ):
            with pytest.raises(InvalidDataError, match=f"^{name}: "):
                await call

    @pytest.mark.parametrize("cursor", [5, b"e30", ["x"], object()])
    async def test_what_is_no_cursor_is_refused(self, memory: MemoryStore, cursor: Any) -> None:
        """By every list."""
        for call in (memory.get_episodes, memory.get_entities, memory.get_relationships):
            with pytest.raises(InvalidDataError, match=r"^cursor: "):
                await call(cursor=cursor)

    async def test_a_cursor_belongs_to_its_filters(self, memory: MemoryStore, episode: MakeEpisode) -> None:
        """It is unreadable with others; equal ones will do."""
        await memory.add_episodes([episode(str(n), group_id="g") for n in range(3)])
        page = await memory.get_episodes(EpisodeFilter(group_id="g"), limit=2)
        assert 1 == len(await memory.get_episodes(EpisodeFilter(group_id="g"), cursor=page.next_cursor))
        for filters in (EpisodeFilter(group_id="h"), None):
            with pytest.raises(InvalidDataError, match=r"^cursor: "):
                await memory.get_episodes(filters, cursor=page.next_cursor)

    @pytest.mark.parametrize("value", [None, 5, "nope", str(NEVER), NEVER.bytes], ids=type)
    async def test_only_a_uuid_is_an_id(
        self, memory: MemoryStore, value: Any, relationship: MakeRelationship
    ) -> None:
        """Neither its text nor its bytes, nor nothing."""
        successor = relationship(NEVER, NEVER)
        for call, name in (
            (memory.get_episode(value), "id"),
            (memory.delete_episode(value), "id"),
            (memory.get_entity(value), "id"),
            (memory.delete_entity(value), "id"),
            (memory.get_relationship(value), "id"),
            (memory.delete_relationship(value), "id"),
            (memory.replace_relationship(value, successor), "id"),
            (memory.traverse_from_entities([value]), "entity_ids"),
            (memory.vector_search_episodes(value, EAST), "agent_id"),
            (memory.text_search_episodes(value, "word"), "agent_id"),
            (memory.hybrid_search_episodes(value, "word", EAST), "agent_id"),
            (memory.vector_search_entities(value, EAST), "agent_id"),
        ):
            with pytest.raises(InvalidDataError, match=f"^{name}: "):
                await call

    async def test_what_is_nothing_to_keep_is_refused(
        self, memory: MemoryStore, episode: MakeEpisode, entity: MakeEntity, relationship: MakeRelationship
    ) -> None:
        """Another kind of thing, text, or nothing."""
        for thing in (None, 5, "text", {"content": "x"}, CustomerProfile()):
            value: Any = thing
            for call in (
                memory.add_episode(value),
                memory.add_entity(value),
                memory.update_entity(value),
                memory.add_relationship(value),
                memory.update_relationship(value),
                memory.replace_relationship(NEVER, value),
            ):
                with pytest.raises(InvalidDataError, match=r"^entity: "):
                    await call
            with pytest.raises(InvalidDataError, match=r"^\[1\]\.entity: ") as refused:
                await memory.add_episodes([episode(), value])
            assert 1 == refused.value.row
        with pytest.raises(InvalidDataError, match=r"^entity: "):
            await memory.add_entity(episode())  # type: ignore[arg-type]
        assert [] == (await memory.get_episodes()).items

    @pytest.mark.parametrize("several", [None, 5, "text", b"bytes", NEVER], ids=type)
    async def test_what_is_not_several_is_refused(self, memory: MemoryStore, several: Any) -> None:
        """Where several are taken."""
        with pytest.raises(InvalidDataError, match=r"^episodes: "):
            await memory.add_episodes(several)
        with pytest.raises(InvalidDataError, match=r"^entity_ids: "):
            await memory.traverse_from_entities(several)

    async def test_another_filter_is_refused(self, memory: MemoryStore, agent: UUID) -> None:
        """One of another kind would be taken to ask for nothing."""
        episodes: Any = EpisodeFilter()
        entities: Any = EntityFilter()
        spoiled = EpisodeFilter().model_copy(update={"group_id": "a\0"})
        for call in (
            memory.get_episodes(entities),
            memory.get_episodes("g"),  # type: ignore[arg-type]
            memory.get_episodes(spoiled),
            memory.get_entities(episodes),
            memory.get_relationships(entities),
            memory.vector_search_episodes(agent, EAST, filters=entities),
            memory.text_search_episodes(agent, "word", filters=entities),
            memory.hybrid_search_episodes(agent, "word", EAST, filters=entities),
            memory.vector_search_entities(agent, EAST, filters=episodes),
            memory.traverse_from_entities([NEVER], filters=episodes),
        ):
            with pytest.raises(InvalidDataError, match=r"^filters"):
                await call

    @pytest.mark.parametrize(
        "query", [None, 5, [1.0, 0.0], "word", {"vector": [1.0], "model": "m"}], ids=type
    )
    async def test_only_an_embedding_is_searched_for(
        self, memory: MemoryStore, agent: UUID, query: Any
    ) -> None:
        """A bare vector has no model."""
        for call in (
            memory.vector_search_episodes(agent, query),
            memory.vector_search_entities(agent, query),
            memory.hybrid_search_episodes(agent, "word", query),
        ):
            with pytest.raises(InvalidDataError, match=r"^query: "):
                await call

    @pytest.mark.parametrize("direction", [None, 5, "sideways", ["both"]], ids=str)
    async def test_what_is_no_direction_is_refused(self, memory: MemoryStore, direction: Any) -> None:
        """By its name."""
        with pytest.raises(InvalidDataError, match=r"^direction: "):
            await memory.traverse_from_entities([NEVER], direction=direction)
