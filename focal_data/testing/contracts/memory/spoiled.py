"""What was changed past its validation is refused: by name, and before anything is written."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from focal_data.domain.embedding import Embedding
from focal_data.domain.filters import EntityFilter
from focal_data.errors import InvalidDataError
from focal_data.stores.memory import MemoryStore
from focal_data.testing.contracts.memory.base import (
    NOON,
    TICK,
    MakeEntity,
    MakeEpisode,
    MakeRelationship,
    MemorySuite,
    recorded,
)


class SpoiledMemoriesContract(MemorySuite):
    """Episodes, entities and relationships that their models would not have made."""

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("content", "a\0b"),
            ("content", "a\ud800"),
            ("content", None),
            ("importance", float("nan")),
            ("importance", 1.5),
            ("occurred_at", datetime(2026, 1, 1)),  # noqa: DTZ001
            ("valid_to", NOON - timedelta(days=9999)),
            ("group_id", ""),
            ("group_id", "g" * 256),
            ("language", "klingon"),
            ("source_metadata", {"x": float("inf")}),
            ("source_metadata", {"x": "\0"}),
            ("source_metadata", {"x": 2**63}),
            ("source_metadata", {1: "x"}),
            ("source_metadata", [1]),
            ("entity_ids", ["x"]),
            ("agent_id", "x"),
            ("id", None),
            ("embedding", Embedding.from_bytes(np.ones(1537, "<f4").tobytes(), model="m")),
            ("embedding", Embedding.from_bytes(np.array([1.0, np.nan], "<f4").tobytes(), model="m")),
            ("embedding", Embedding.from_bytes(np.array([1.0, np.inf], "<f4").tobytes(), model="m")),
            ("embedding", Embedding([1e6], model="m")),
            ("embedding", Embedding([1e-12], model="m")),
            ("embedding", Embedding.from_bytes(np.zeros(3, "<f4").tobytes(), model="m")),
            ("embedding", [1.0]),
        ],
        ids=lambda value: ascii(value)[:20],
    )
    async def test_a_spoiled_episode_is_refused(
        self, memory: MemoryStore, episode: MakeEpisode, field: str, value: Any
    ) -> None:
        """One that was changed past its validation, alone or among others; the field is named, and nothing is written."""
        spoiled = episode().model_copy(update={field: value})
        for call in (memory.add_episode(spoiled), memory.add_episodes([episode(), spoiled])):
            with pytest.raises(InvalidDataError) as refused:
                await call
            named = refused.value.field.removeprefix("[1].")
            assert named.startswith(field) or (field, named) == ("valid_to", "entity")
        assert [] == (await memory.get_episodes()).items

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("name", ""),
            ("name", "a" * 501),
            ("name", "\0"),
            ("entity_type", "t" * 101),
            ("attributes", {"x": {1}}),
            ("valid_from", datetime(2026, 1, 1)),  # noqa: DTZ001
            ("embedding", Embedding.from_bytes(np.ones(1537, "<f4").tobytes(), model="m")),
            ("revision", -1),
        ],
        ids=lambda value: ascii(value)[:20],
    )
    async def test_a_spoiled_entity_is_refused(
        self, memory: MemoryStore, entity: MakeEntity, field: str, value: Any
    ) -> None:
        """On adding and on updating; the stored one and its history stay as they are."""
        stored = await memory.add_entity(entity())
        for call in (
            memory.add_entity(entity().model_copy(update={field: value})),
            memory.update_entity(stored.model_copy(update={field: value})),
        ):
            with pytest.raises(InvalidDataError) as refused:
                await call
            assert refused.value.field.startswith(field)
        assert [stored] == (await memory.get_entities()).items
        assert [stored] == (await memory.get_entities(EntityFilter(known_at=recorded(stored)))).items

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("relation_type", ""),
            ("relation_type", "t" * 101),
            ("confidence", float("nan")),
            ("confidence", -0.1),
            ("attributes", {"x": b""}),
            ("from_entity_id", "x"),
            ("group_id", "g\0"),
        ],
        ids=lambda value: ascii(value)[:20],
    )
    async def test_a_spoiled_relationship_is_refused(
        self,
        memory: MemoryStore,
        entity: MakeEntity,
        relationship: MakeRelationship,
        field: str,
        value: Any,
    ) -> None:
        """On adding, updating and replacing; the stored one stays as it is."""
        a = await memory.add_entity(entity())
        stored = await memory.add_relationship(relationship(a, a, valid_from=NOON))
        new = relationship(a, a, valid_from=NOON + TICK).model_copy(update={field: value})
        for call in (
            memory.add_relationship(new),
            memory.update_relationship(stored.model_copy(update={field: value})),
            memory.replace_relationship(stored.id, new),
        ):
            with pytest.raises(InvalidDataError) as refused:
                await call
            assert refused.value.field.startswith(field)
        assert [stored] == (await memory.get_relationships()).items
