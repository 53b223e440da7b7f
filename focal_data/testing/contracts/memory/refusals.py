"""What is refused: by name, and before anything is written."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid4

import pytest

from focal_data.domain.embedding import Embedding
from focal_data.errors import InvalidDataError
from focal_data.stores.memory import MemoryStore
from focal_data.testing.contracts.memory.base import (
    MakeEntity,
    MemorySuite,
    people,
)


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

    @pytest.mark.parametrize("group_id", ["", "a" * 256, "a\0", "\ud800", 5, None])
    async def test_a_bad_group_is_refused(self, memory: MemoryStore, group_id: str) -> None:
        """Groups are named by 1 to 255 characters."""
        with pytest.raises(InvalidDataError, match=r"^group_id: "):
            await memory.delete_by_group(group_id)

    @pytest.mark.parametrize("name", ["as_of", "known_at"])
    async def test_naive_times_are_refused(self, memory: MemoryStore, name: str) -> None:
        """By their name, as is what is no time."""
        for value in (datetime(2026, 1, 1), "2026-01-01", 5):  # noqa: DTZ001
            with pytest.raises(InvalidDataError, match=f"^{name}: "):
                await memory.get_entity(uuid4(), **{name: value})
            with pytest.raises(InvalidDataError, match=f"^{name}: "):
                await memory.get_relationship(uuid4(), **{name: value})
