"""Episodes: kept as given, all or none, deleted for good."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from focal_data.domain.embedding import Embedding
from focal_data.domain.memory import (
    ContentType,
    EpisodeSource,
    Language,
)
from focal_data.domain.profile import CustomerProfile
from focal_data.errors import DuplicateError, InvalidDataError, NotFoundError
from focal_data.stores.memory import MemoryStore
from focal_data.testing.contracts.base import TenantUnderTest
from focal_data.testing.contracts.memory.base import (
    NOON,
    MakeEpisode,
    MemorySuite,
)


class EpisodesContract(MemorySuite):
    """``add_episode``, ``add_episodes``, ``get_episode`` and ``delete_episode``."""

    async def test_every_field_comes_back(
        self, memory: MemoryStore, tenant: TenantUnderTest, episode: MakeEpisode
    ) -> None:
        """What was given is what is read, but for the store's own fields and the embedding's precision."""
        profile = await tenant.profiles.save(CustomerProfile())
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

    async def test_optional_fields_may_be_absent(self, memory: MemoryStore, episode: MakeEpisode) -> None:
        """Nothing appears where nothing was given."""
        stored = await memory.add_episode(episode(""))
        assert stored == await memory.get_episode(stored.id)
        assert stored.embedding is None

    async def test_a_stored_id_is_refused(self, memory: MemoryStore, episode: MakeEpisode) -> None:
        """The same id twice is a duplicate, and the first one stays."""
        stored = await memory.add_episode(episode("first"))
        with pytest.raises(DuplicateError):
            await memory.add_episode(stored.evolve(content="second"))
        assert "first" == (await memory.get_episode(stored.id)).content

    async def test_an_unknown_agent_is_refused(self, memory: MemoryStore, episode: MakeEpisode) -> None:
        """The agent is a parent, and must be stored."""
        with pytest.raises(NotFoundError, match="agent_id"):
            await memory.add_episode(episode().evolve(agent_id=uuid4()))

    async def test_bulk_keeps_the_order(self, memory: MemoryStore, episode: MakeEpisode) -> None:
        """Episodes come back in the order in which they were given."""
        given = [episode(str(n), occurred_at=NOON - timedelta(n)) for n in (3, 1, 2)]
        stored = await memory.add_episodes(given)
        assert [e.id for e in given] == [e.id for e in stored]
        assert stored == [await memory.get_episode(e.id) for e in given]
        assert [] == await memory.add_episodes([])

    async def test_bulk_names_the_bad_one_and_keeps_none(
        self, memory: MemoryStore, episode: MakeEpisode
    ) -> None:
        """One that is refused stops all of them, and its place is told."""
        given = [episode(), episode().model_copy(update={"importance": 7.0})]
        with pytest.raises(InvalidDataError, match=r"^\[1\]\.importance: "):
            await memory.add_episodes(given)
        assert [] == (await memory.get_episodes()).items

    @pytest.mark.parametrize("error", [DuplicateError, NotFoundError])
    async def test_bulk_is_all_or_nothing(
        self, memory: MemoryStore, episode: MakeEpisode, error: type[Exception]
    ) -> None:
        """What the database refuses stops all of them, too."""
        good = [episode() for _ in range(3)]
        bad = good[0] if error is DuplicateError else episode().evolve(agent_id=uuid4())
        with pytest.raises(error):
            await memory.add_episodes([*good, bad])
        assert [] == (await memory.get_episodes()).items

    async def test_what_is_handed_over_is_copied(self, memory: MemoryStore, episode: MakeEpisode) -> None:
        """Changing a dict or list inside an object changes nothing that is stored."""
        given = episode(source_metadata={"a": 1})
        stored = await memory.add_episode(given)
        given.source_metadata["a"] = 2
        stored.entity_ids.append(uuid4())
        kept = await memory.get_episode(given.id)
        assert ({"a": 1}, []) == (kept.source_metadata, kept.entity_ids)

    async def test_deleting_tells_whether_there_was_one(
        self, memory: MemoryStore, episode: MakeEpisode
    ) -> None:
        """Once it is gone, it is gone."""
        stored = await memory.add_episode(episode())
        assert await memory.delete_episode(stored.id)
        assert not await memory.delete_episode(stored.id)
        assert await memory.get_episode(stored.id) is None
