"""Many at once: one wins, the others are told."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from focal_data.domain.filters import RelationshipFilter
from focal_data.domain.memory import (
    Entity,
    Relationship,
)
from focal_data.errors import DuplicateError, InvalidDataError, NotFoundError, StaleRevisionError
from focal_data.stores.memory import MemoryStore
from focal_data.testing.contracts.memory.base import (
    NOON,
    TICK,
    MakeEntity,
    MakeEpisode,
    MakeRelationship,
    MemorySuite,
    recorded,
    there,
)


class MemoryRacesContract(MemorySuite):
    """Concurrent writers."""

    async def test_of_two_updates_at_once_one_is_stale(self, memory: MemoryStore, entity: MakeEntity) -> None:
        """Whoever comes second is told the revision that the first one made; the history has each version once."""
        stored = await memory.add_entity(entity("0"))
        for _ in range(5):
            tries = [memory.update_entity(stored.evolve(name=str(n))) for n in range(6)]
            results = await asyncio.gather(*tries, return_exceptions=True)
            (winner,) = [r for r in results if isinstance(r, Entity)]
            stale = [r for r in results if isinstance(r, StaleRevisionError)]
            assert [winner.revision] * 5 == [error.current_revision for error in stale]
            assert stored == await memory.get_entity(stored.id, known_at=stored.recorded_at)
            stored = winner
        assert 6 == stored.revision

    async def test_an_entity_is_deleted_while_others_work_on_it(
        self, memory: MemoryStore, entity: MakeEntity, relationship: MakeRelationship
    ) -> None:
        """Each concurrent write comes before or finds it gone; no relationship is left behind."""
        for _ in range(5):
            a, b = [await memory.add_entity(entity(name)) for name in "ab"]
            results = await asyncio.gather(
                *(memory.add_relationship(relationship(*ends)) for ends in ((a, b), (b, a)) * 2),
                memory.delete_entity(a.id),
                memory.update_entity(a.evolve(name="a2")),
                memory.delete_entity(a.id),
                return_exceptions=True,
            )
            failures = [r for r in results if isinstance(r, Exception)]
            assert {NotFoundError} >= {type(failure) for failure in failures}
            assert [False, True] == sorted(r for r in results if isinstance(r, bool))
            assert [] == (await memory.get_relationships(RelationshipFilter(from_entity_id=a.id))).items
            assert [] == (await memory.get_relationships(RelationshipFilter(to_entity_id=a.id))).items

    async def test_of_fifty_writers_of_one_revision_one_wins(
        self, memory: MemoryStore, entity: MakeEntity
    ) -> None:
        """The others are told the revision that it made, and the history has one version."""
        stored = await memory.add_entity(entity("0"))
        tries = [memory.update_entity(stored.evolve(name=str(n))) for n in range(1, 51)]
        results = await asyncio.gather(*tries, return_exceptions=True)
        (winner,) = [r for r in results if isinstance(r, Entity)]
        assert [2] * 49 == [r.current_revision for r in results if isinstance(r, StaleRevisionError)]
        assert winner == await memory.get_entity(stored.id)
        assert stored == await memory.get_entity(stored.id, known_at=recorded(winner) - TICK)

    async def test_of_two_writers_of_one_relationship_one_wins(
        self, memory: MemoryStore, entity: MakeEntity, relationship: MakeRelationship
    ) -> None:
        """By its ends, type and time, and by its revision."""
        a = await memory.add_entity(entity())
        for n in range(5):
            start = NOON + timedelta(n)
            tries = [memory.add_relationship(relationship(a, a, valid_from=start)) for _ in range(4)]
            results = await asyncio.gather(*tries, return_exceptions=True)
            (stored,) = [r for r in results if isinstance(r, Relationship)]
            assert 3 == sum(isinstance(r, DuplicateError) for r in results)
            updates = [memory.update_relationship(stored.evolve(confidence=c)) for c in (0.1, 0.2, 0.3)]
            results = await asyncio.gather(*updates, return_exceptions=True)
            assert [2, 2] == [r.current_revision for r in results if isinstance(r, StaleRevisionError)]
        assert 5 == len(await memory.get_relationships())

    async def test_of_many_of_one_id_one_is_stored(self, memory: MemoryStore, episode: MakeEpisode) -> None:
        """Alone or in bulk; a bulk that comes too late stores nothing."""
        one = episode("one")
        singles = [memory.add_episode(one.evolve(content=str(n))) for n in range(10)]
        bulks = [memory.add_episodes([episode("beside"), one.evolve(content="bulk")]) for _ in range(10)]
        results = await asyncio.gather(*singles, *bulks, return_exceptions=True)
        assert 19 == sum(isinstance(r, DuplicateError) for r in results)
        kept = there(await memory.get_episode(one.id))
        expected = ["beside", "bulk"] if kept.content == "bulk" else [kept.content]
        assert expected == sorted(e.content for e in await memory.get_episodes())

    async def test_a_fact_is_replaced_once(
        self, memory: MemoryStore, entity: MakeEntity, relationship: MakeRelationship
    ) -> None:
        """Of several successors at once one follows; the others find the fact ended."""
        a = await memory.add_entity(entity())
        old = await memory.add_relationship(relationship(a, a, valid_from=NOON))
        change = NOON + timedelta(1)
        successors = [relationship(a, a, valid_from=change) for _ in range(6)]
        tries = [memory.replace_relationship(old.id, successor) for successor in successors]
        results = await asyncio.gather(*tries, return_exceptions=True)
        (new,) = [r for r in results if isinstance(r, Relationship)]
        assert 5 == sum(isinstance(r, InvalidDataError) for r in results)
        ended = there(await memory.get_relationship(old.id))
        assert (2, change) == (ended.revision, ended.valid_to)
        assert {ended.id, new.id} == {r.id for r in await memory.get_relationships()}

    async def test_a_fact_is_replaced_while_it_or_its_end_is_deleted(
        self, memory: MemoryStore, entity: MakeEntity, relationship: MakeRelationship
    ) -> None:
        """Both are there, or nothing of them; whoever comes too late finds it gone."""
        change = NOON + timedelta(1)
        for _ in range(5):
            a, b = [await memory.add_entity(entity(name)) for name in "ab"]
            old = await memory.add_relationship(relationship(a, b, valid_from=NOON))
            results = await asyncio.gather(
                memory.replace_relationship(old.id, relationship(a, b, valid_from=change)),
                memory.delete_entity(a.id),
                memory.delete_relationship(old.id),
                return_exceptions=True,
            )
            assert {NotFoundError} >= {type(r) for r in results if isinstance(r, Exception)}
            assert [] == (await memory.get_relationships(RelationshipFilter(to_entity_id=b.id))).items
            assert old == await memory.get_relationship(old.id, known_at=recorded(old))
            if isinstance(new := results[0], Relationship):
                known = await memory.get_relationships(RelationshipFilter(known_at=recorded(new)))
                ends = {link.id: link.valid_to for link in known if link.to_entity_id == b.id}
                assert {new.id: None}.items() <= ends.items()

    async def test_one_comes_back_while_it_is_deleted(self, memory: MemoryStore, entity: MakeEntity) -> None:
        """Each addition finds it there, or goes on where its history ends: no revision is lost or doubled."""
        first = await memory.add_entity(entity("0"))
        writes = 1
        for n in range(1, 9):
            results = await asyncio.gather(
                memory.delete_entity(first.id),
                memory.add_entity(entity(str(n), id=first.id)),
                memory.add_entity(entity(str(-n), id=first.id)),
                return_exceptions=True,
            )
            added = [r for r in results if isinstance(r, Entity)]
            assert 2 == len(added) + sum(isinstance(r, DuplicateError) for r in results)
            writes += len(added)
            if await memory.get_entity(first.id) is None:
                await memory.add_entity(entity("again", id=first.id))
                writes += 1
        last = there(await memory.get_entity(first.id))
        assert writes == last.revision
        assert writes + 1 == (await memory.update_entity(last.evolve(name="last"))).revision
        assert first == await memory.get_entity(first.id, known_at=recorded(first))

    async def test_a_group_goes_while_it_grows(
        self, memory: MemoryStore, entity: MakeEntity, relationship: MakeRelationship
    ) -> None:
        """What comes meanwhile stays whole or goes whole: no relationship hangs in the air."""
        hub = await memory.add_entity(entity("hub"))
        for _ in range(4):
            known = [await memory.add_entity(entity(str(n), group_id="g")) for n in range(4)]
            results = await asyncio.gather(
                *(memory.add_relationship(relationship(e, hub)) for e in known),
                memory.delete_by_group("g"),
                *(memory.update_entity(e.evolve(name="new")) for e in known),
                memory.delete_by_group("g"),
                return_exceptions=True,
            )
            assert {NotFoundError} >= {type(r) for r in results if isinstance(r, Exception)}
        await memory.delete_by_group("g")
        assert [hub] == (await memory.get_entities()).items
        assert [] == (await memory.get_relationships()).items
