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
    NEVER,
    NOON,
    MakeEpisode,
    MemorySuite,
    recorded,
    there,
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
            tenant_id=tenant.tenant_id,
            recorded_at=stored.recorded_at,
            embedding=there(given.embedding).rounded(),
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
        assert "first" == there(await memory.get_episode(stored.id)).content

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
        kept = there(await memory.get_episode(given.id))
        assert ({"a": 1}, []) == (kept.source_metadata, kept.entity_ids)

    async def test_deleting_tells_whether_there_was_one(
        self, memory: MemoryStore, episode: MakeEpisode
    ) -> None:
        """Once it is gone, it is gone."""
        stored = await memory.add_episode(episode())
        assert await memory.delete_episode(stored.id)
        assert not await memory.delete_episode(stored.id)
        assert await memory.get_episode(stored.id) is None

    async def test_what_an_episode_may_be(self, memory: MemoryStore, episode: MakeEpisode) -> None:
        """Every language, kind of content and source comes back; ``valid_from`` is ``occurred_at`` when left out."""
        given = [episode("x", language=language, occurred_at=NOON) for language in Language]
        given += [episode("x", content_type=content_type) for content_type in ContentType]
        given += [episode("x", source=source) for source in EpisodeSource]
        stored = await memory.add_episodes(given)
        assert [(e.language, e.content_type, e.source) for e in given] == [
            (e.language, e.content_type, e.source) for e in stored
        ]
        assert stored == [await memory.get_episode(e.id) for e in given]
        assert {NOON} == {e.valid_from for e in stored[: len(Language)]}

    async def test_when_it_was_recorded_the_store_says(
        self, memory: MemoryStore, episode: MakeEpisode
    ) -> None:
        """What a caller puts there is ignored."""
        stored = await memory.add_episode(episode(recorded_at=NOON))
        assert NOON < recorded(stored)

    @pytest.mark.parametrize("size", [1, 2, 255, 1535, 1536])
    async def test_embeddings_keep_their_own_length(
        self, memory: MemoryStore, episode: MakeEpisode, size: int
    ) -> None:
        """At the precision of the store, which what comes back from adding has already."""
        given = Embedding([0.1 * (n + 1) for n in range(size)], model="m" * 255)
        stored = await memory.add_episode(episode(embedding=given))
        assert given.rounded() == stored.embedding
        assert stored == await memory.get_episode(stored.id)

    async def test_a_long_text_comes_back_whole(self, memory: MemoryStore, episode: MakeEpisode) -> None:
        """Ten megabytes of it, of characters of every width."""
        stored = await memory.add_episode(episode("aß\u20ac🙂" * 1_000_000))
        assert stored == await memory.get_episode(stored.id)

    @pytest.mark.parametrize("twice", [True, False])
    async def test_bulk_tells_the_place_of_a_duplicate(
        self, memory: MemoryStore, episode: MakeEpisode, twice: bool
    ) -> None:
        """Of one that is in the batch twice, and of one that is stored already."""
        stored = await memory.add_episode(episode("stored"))
        given = [episode(str(n)) for n in range(40)]
        given.insert(33, given[7] if twice else stored)
        with pytest.raises(DuplicateError) as duplicate:
            await memory.add_episodes(given)
        assert (33, ("id",)) == (duplicate.value.row, duplicate.value.fields)
        assert [stored] == (await memory.get_episodes()).items

    @pytest.mark.parametrize(
        ("field", "parent"), [("agent_id", "Agent"), ("customer_profile_id", "CustomerProfile")]
    )
    async def test_bulk_tells_the_place_of_a_missing_parent(
        self, memory: MemoryStore, episode: MakeEpisode, field: str, parent: str
    ) -> None:
        """And which it was."""
        given = [episode(str(n)) for n in range(40)]
        given[20] = given[20].evolve(**{field: NEVER})
        with pytest.raises(NotFoundError, match=field) as missing:
            await memory.add_episodes(given)
        assert (20, parent) == (missing.value.row, missing.value.entity)
        assert [] == (await memory.get_episodes()).items

    async def test_the_first_bad_one_is_told(self, memory: MemoryStore, episode: MakeEpisode) -> None:
        """Of several that are refused for the same reason."""
        given = [episode(str(n)).evolve(**({"agent_id": NEVER} if n in (3, 5) else {})) for n in range(8)]
        with pytest.raises(NotFoundError) as missing:
            await memory.add_episodes(given)
        assert 3 == missing.value.row

    async def test_bulk_takes_many(self, memory: MemoryStore, episode: MakeEpisode) -> None:
        """A thousand at once, in their order."""
        given = [episode(str(n), occurred_at=NOON - timedelta(n)) for n in range(1000)]
        stored = await memory.add_episodes(given)
        assert [e.id for e in given] == [e.id for e in stored]
        assert stored == (await memory.get_episodes(limit=1000)).items

    async def test_an_id_is_free_again(self, memory: MemoryStore, episode: MakeEpisode) -> None:
        """Once its episode is deleted."""
        stored = await memory.add_episode(episode("first"))
        await memory.delete_episode(stored.id)
        again = await memory.add_episode(episode("second", id=stored.id))
        assert again == await memory.get_episode(stored.id)
