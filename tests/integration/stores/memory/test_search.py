"""Searches among episodes and entities: what they find, in what order, and what they withstand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import numpy as np
import pytest

from focal_data.data_layer import Tenant
from focal_data.domain.answers import Scored
from focal_data.domain.config import Agent
from focal_data.domain.embedding import Embedding
from focal_data.domain.filters import EntityFilter, EpisodeFilter
from focal_data.domain.memory import Entity, Episode
from focal_data.errors import InvalidDataError
from focal_data.repositories.agents import AgentRepository
from focal_data.stores.memory import MemoryStore

MakeEpisode = Callable[..., Episode]
MakeEntity = Callable[..., Entity]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
EAST, NORTH = Embedding([1.0, 0.0], model="m"), Embedding([0.0, 1.0], model="m")


def _contents(hits: list[Scored[Episode]]) -> list[str]:
    return [hit.item.content for hit in hits]


async def test_the_nearest_come_first(memory: MemoryStore, episode: MakeEpisode, agent: UUID) -> None:
    """In the order of cosine similarity, which is the score; also at angles beyond the right one."""
    vectors = {"same": [2.0, 0.0], "near": [1.0, 0.5], "right": [0.0, 3.0], "opposite": [-1.0, 0.0]}
    await memory.add_episodes([episode(k, embedding=Embedding(v, model="m")) for k, v in vectors.items()])
    hits = await memory.vector_search_episodes(agent, EAST)
    assert ["same", "near", "right", "opposite"] == _contents(hits)
    assert pytest.approx([1.0, 2 / 5**0.5, 0.0, -1.0], abs=1e-6) == [hit.score for hit in hits]
    assert hits[0].item == await memory.get_episode(hits[0].item.id)


async def test_the_score_is_that_of_the_stored_vectors(
    memory: MemoryStore, episode: MakeEpisode, agent: UUID
) -> None:
    """Cosine similarity of both vectors at half precision, whatever their length."""
    random = np.random.default_rng(1)
    stored = [Embedding(random.normal(size=256), model="m").rounded() for _ in range(50)]
    await memory.add_episodes([episode(embedding=embedding) for embedding in stored])
    query = Embedding(random.normal(size=256), model="m")
    rounded = query.rounded().vector.astype(float)
    expected = sorted((_cosine(rounded, e.vector.astype(float)) for e in stored), reverse=True)
    hits = await memory.vector_search_episodes(agent, query, limit=50)
    assert pytest.approx(expected, abs=1e-6) == [hit.score for hit in hits]


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


async def test_equally_near_ones_are_in_order_of_their_ids(
    memory: MemoryStore, episode: MakeEpisode, agent: UUID
) -> None:
    """Ties are broken the same way each time, also where the limit cuts them."""
    ids = sorted(uuid4() for _ in range(20))
    await memory.add_episodes([episode(id=i, embedding=EAST) for i in reversed(ids)])
    hits = await memory.vector_search_episodes(agent, EAST, limit=7)
    assert ids[:7] == [hit.item.id for hit in hits]


async def test_other_models_and_agents_are_never_among_them(
    memory: MemoryStore, tenant: Tenant, episode: MakeEpisode, agent: UUID
) -> None:
    """Nor are episodes without an embedding; and a filter for another agent contradicts the search."""
    other = (await AgentRepository(tenant).add(Agent(name="Bo"))).id
    await memory.add_episode(episode("mine", embedding=NORTH))
    await memory.add_episode(episode("bare"))
    await memory.add_episode(episode("model", embedding=Embedding([1.0, 0.0], model="n")))
    await memory.add_episode(episode("agent", embedding=EAST).evolve(agent_id=other))
    assert ["mine"] == _contents(await memory.vector_search_episodes(agent, EAST))
    assert [] == await memory.vector_search_episodes(agent, Embedding([1.0, 0.0], model="never"))
    elsewhere = EpisodeFilter(agent_id=other)
    assert [] == await memory.vector_search_episodes(agent, EAST, filters=elsewhere)
    assert [] == await memory.text_search_episodes(agent, "mine or agent", filters=elsewhere)
    same = EpisodeFilter(agent_id=agent)
    assert ["mine"] == _contents(await memory.vector_search_episodes(agent, EAST, filters=same))


async def test_none_is_below_the_least_score(memory: MemoryStore, episode: MakeEpisode, agent: UUID) -> None:
    """``min_score`` itself is good enough."""
    await memory.add_episodes([episode("east", embedding=EAST), episode("north", embedding=NORTH)])
    assert ["east"] == _contents(await memory.vector_search_episodes(agent, EAST, min_score=1.0))
    assert ["east", "north"] == _contents(await memory.vector_search_episodes(agent, EAST, min_score=-1.0))
    for score in (1.1, -1.1, float("nan"), float("inf")):
        with pytest.raises(InvalidDataError, match=r"^min_score: "):
            await memory.vector_search_episodes(agent, EAST, min_score=score)


async def test_a_query_beyond_half_precision_is_refused(memory: MemoryStore, agent: UUID) -> None:
    """One that overflows it, or that it leaves with zeros only."""
    for component in (1e6, 1e-12):
        query = Embedding([component], model="m")
        with pytest.raises(InvalidDataError, match=r"^query: "):
            await memory.vector_search_episodes(agent, query)
        with pytest.raises(InvalidDataError, match=r"^query: "):
            await memory.hybrid_search_episodes(agent, "word", query)


async def test_a_rare_filter_still_finds_all(memory: MemoryStore, episode: MakeEpisode, agent: UUID) -> None:
    """Three matching rows are found among many nearer ones, by every search."""
    many = [episode("a common word", embedding=EAST) for _ in range(500)]
    rare = [episode("a rare word", embedding=NORTH, group_id="rare") for _ in range(3)]
    await memory.add_episodes([*many, *rare])
    filters = EpisodeFilter(group_id="rare")
    for hits in (
        await memory.vector_search_episodes(agent, EAST, filters=filters),
        await memory.text_search_episodes(agent, "word", filters=filters),
        await memory.hybrid_search_episodes(agent, "word", EAST, filters=filters),
    ):
        assert sorted(e.id for e in rare) == [hit.item.id for hit in hits]


async def test_words_are_read_in_the_language_of_the_row(
    memory: MemoryStore, episode: MakeEpisode, agent: UUID
) -> None:
    """Stems and stop words are those of each episode; ``languages`` narrows them."""
    await memory.add_episode(episode("The foxes were jumping", language="english"))
    await memory.add_episode(episode("Die Füchse sprangen über Gräben", language="german"))
    await memory.add_episode(episode("foxes sind hier", language="simple"))
    assert ["The foxes were jumping"] == _contents(await memory.text_search_episodes(agent, "fox jump"))
    assert 1 == len(await memory.text_search_episodes(agent, "graben"))
    assert 1 == len(await memory.text_search_episodes(agent, "GRÄBEN"))
    assert 2 == len(await memory.text_search_episodes(agent, "FOXES"))
    simple = EpisodeFilter(languages=("simple", "german"))
    assert ["foxes sind hier"] == _contents(await memory.text_search_episodes(agent, "foxes", filters=simple))
    assert [] == await memory.text_search_episodes(agent, "foxes", filters=EpisodeFilter(languages=()))


async def test_what_people_type_into_a_search_box(
    memory: MemoryStore, episode: MakeEpisode, agent: UUID
) -> None:
    """Words must all be there, phrases in order; ``or`` and the dash do what they say."""
    texts = ("red apple pie", "apple red", "red cherry", "green pear")
    await memory.add_episodes([episode(text) for text in texts])

    async def found(query: str) -> set[str]:
        return set(_contents(await memory.text_search_episodes(agent, query)))

    assert {"red apple pie", "apple red"} == await found("red apple")
    assert {"red apple pie"} == await found('"red apple"')
    assert {"red cherry", "green pear"} == await found("cherry or pear")
    assert {"red cherry"} == await found("red -apple")
    assert {"apple red", "red cherry"} == await found('red -"red apple"')


async def test_the_best_match_comes_first(memory: MemoryStore, episode: MakeEpisode, agent: UUID) -> None:
    """By rank, then by id; the limit cuts after that."""
    ids = sorted(uuid4() for _ in range(6))
    given = [episode("apple apple apple" if n == 5 else "apple pear plum", id=i) for n, i in enumerate(ids)]
    await memory.add_episodes(given[::-1])
    hits = await memory.text_search_episodes(agent, "apple", limit=4)
    assert [ids[5], *ids[:3]] == [hit.item.id for hit in hits]
    scores = [hit.score for hit in hits]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > scores[1] > 0


@pytest.mark.parametrize(
    "query", ["", " \t\n", "the and of", "-apple", "!!! ... ???", "apple or -pear", "-the"]
)
async def test_a_query_without_a_word_to_find_finds_nothing(
    memory: MemoryStore, episode: MakeEpisode, agent: UUID, query: str
) -> None:
    """Only stop words, only negations, or an alternative that has no word."""
    await memory.add_episode(episode("the apple", language="english"))
    english = EpisodeFilter(languages=("english",))
    assert [] == await memory.text_search_episodes(agent, query, filters=english)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("-" * 100 + " apple", True),
        ("-" * 100 + "apple", False),
        ("- " * 100 + "apple", False),
        ("-<" * 100 + " apple", True),
        ("-!" * 100 + " apple", True),
        ('-""' * 100 + " apple", True),
        ('"apple', True),
        ("apple \" ' \\ & | ! ( ) <-> :* ::", True),
        ("\0apple\0", True),
        ("\ud800apple\udfff", True),
        ("apple" + " or apple" * 10_000, True),
        ("apple " * 20_000, True),
        ("é" * 100_000, False),
        ("(" * 5000, False),
        ("a" * 1_000_000, False),
        ("🙂" * 2000, False),
        ("'; DROP TABLE episodes; --", False),
    ],
    ids=lambda value: ascii(value[:12]) if isinstance(value, str) else "",
)
async def test_any_string_is_a_query(
    memory: MemoryStore, episode: MakeEpisode, agent: UUID, query: str, found: bool
) -> None:
    """Whatever is in it, the answer is the apple or nothing, with and without a snippet."""
    await memory.add_episode(episode("an apple", embedding=EAST))
    expected = ["an apple"] if found else []
    for highlight in (False, True):
        hits = await memory.text_search_episodes(agent, query, highlight=highlight)
        assert expected == _contents(hits)
    assert ["an apple"] == _contents(await memory.hybrid_search_episodes(agent, query, EAST))


async def test_a_long_query_is_cut(memory: MemoryStore, episode: MakeEpisode, agent: UUID) -> None:
    """The first 32 words count."""
    await memory.add_episode(episode("last"))
    fillers = [f"x{n} or" for n in range(16)]
    assert [] == await memory.text_search_episodes(agent, " ".join([*fillers, "last"]))
    assert ["last"] == _contents(await memory.text_search_episodes(agent, " ".join([*fillers[1:], "last"])))


@pytest.mark.parametrize("query", [None, 5, b"apple", ["apple"]])
async def test_what_is_no_text_is_refused(memory: MemoryStore, agent: UUID, query: str) -> None:
    """By the name that the argument has."""
    with pytest.raises(InvalidDataError, match=r"^query: "):
        await memory.text_search_episodes(agent, query)
    with pytest.raises(InvalidDataError, match=r"^text: "):
        await memory.hybrid_search_episodes(agent, query, EAST)


async def test_a_snippet_shows_the_words_found(
    memory: MemoryStore, episode: MakeEpisode, agent: UUID
) -> None:
    """Marked, in the language of the row, and only on request."""
    await memory.add_episode(episode("Alle Äpfel sind reif. " + "Wort " * 5000, language="german"))
    (hit,) = await memory.text_search_episodes(agent, "apfel", highlight=True)
    assert "<b>Äpfel</b>" in hit.snippet
    assert len(hit.snippet) < 500
    (bare,) = await memory.text_search_episodes(agent, "apfel")
    assert bare.snippet is None
    await memory.add_episode(episode("word " * 1000 + "late"))
    (late,) = await memory.text_search_episodes(agent, "late", highlight=True)
    assert "<b>" not in late.snippet


async def test_only_the_beginning_of_a_long_content_is_indexed(
    memory: MemoryStore, episode: MakeEpisode, agent: UUID
) -> None:
    """A content beyond what the full-text column holds is stored whole, and found by its beginning."""
    long = "begin " + "x" * 99_000 + " " + "y " * 50_000 + "end"
    stored = await memory.add_episode(episode(long))
    assert long == (await memory.get_episode(stored.id)).content
    assert 1 == len(await memory.text_search_episodes(agent, "begin"))
    assert [] == await memory.text_search_episodes(agent, "end")


async def test_fusion_adds_up_reciprocal_ranks(
    memory: MemoryStore, episode: MakeEpisode, agent: UUID
) -> None:
    """The parts of the score come with it, and a leg that doesn't have a hit adds nothing."""
    given = [
        episode("pear", embedding=EAST),
        episode("apple pear plum", embedding=Embedding([1.0, 0.2], model="m")),
        episode("apple apple", embedding=Embedding([1.0, 0.2], model="other")),
        episode("plum", embedding=NORTH),
    ]
    await memory.add_episodes(given)
    hits = await memory.hybrid_search_episodes(agent, "apple", EAST)
    assert "apple pear plum" == _contents(hits)[0]
    parts = {hit.item.content: (hit.vector_rank, hit.text_rank) for hit in hits}
    assert {
        "pear": (1, None),
        "apple pear plum": (2, 2),
        "apple apple": (None, 1),
        "plum": (3, None),
    } == parts
    for hit in hits:
        ranks = (rank for rank in (hit.vector_rank, hit.text_rank) if rank)
        assert pytest.approx(sum(1 / (60 + rank) for rank in ranks)) == hit.score


async def test_equally_good_fused_hits_are_in_order_of_their_ids(
    memory: MemoryStore, episode: MakeEpisode, agent: UUID
) -> None:
    """The n-th by vector and the n-th by text count the same, and each leg is in order of ids itself."""
    pears = [episode("pear", id=uuid4(), embedding=EAST) for _ in range(30)]
    apples = [episode("apple", id=uuid4()) for _ in range(30)]
    await memory.add_episodes([*pears, *apples])
    hits = await memory.hybrid_search_episodes(agent, "apple", EAST, limit=60)
    ranks = {
        e.id: rank for leg in (pears, apples) for rank, e in enumerate(sorted(leg, key=lambda e: e.id), 1)
    }
    assert sorted(ranks, key=lambda i: (ranks[i], i)) == [hit.item.id for hit in hits]
    assert list(ranks.values()) == [hit.vector_rank or hit.text_rank for hit in sorted(hits, key=_by_leg)]


def _by_leg(hit: Scored[Episode]) -> tuple[bool, UUID]:
    return hit.vector_rank is None, hit.item.id


async def test_second_in_both_legs_beats_first_in_one(
    memory: MemoryStore, episode: MakeEpisode, agent: UUID
) -> None:
    """The legs are deeper than the limit, or the best would be missed."""
    await memory.add_episode(episode("pear", embedding=EAST))
    await memory.add_episode(episode("apple apple"))
    await memory.add_episode(episode("apple", embedding=NORTH))
    (hit,) = await memory.hybrid_search_episodes(agent, "apple", EAST, limit=1)
    assert ("apple", 2, 2) == (hit.item.content, hit.vector_rank, hit.text_rank)


async def test_both_legs_follow_the_filters(memory: MemoryStore, episode: MakeEpisode, agent: UUID) -> None:
    """A better match that the filters leave out takes no rank."""
    await memory.add_episode(episode("apple", embedding=EAST, importance=0.1))
    await memory.add_episode(episode("apple pear plum", embedding=NORTH, importance=0.9))
    filters = EpisodeFilter(min_importance=0.5)
    (hit,) = await memory.hybrid_search_episodes(agent, "apple", EAST, filters=filters)
    assert ("apple pear plum", 1, 1) == (hit.item.content, hit.vector_rank, hit.text_rank)


async def test_a_large_limit_is_met_by_fusion(memory: MemoryStore, episode: MakeEpisode, agent: UUID) -> None:
    """As many as there are, up to the limit, though each leg alone has fewer."""
    await memory.add_episodes([episode("apple") for _ in range(150)])
    await memory.add_episodes([episode("pear", embedding=EAST) for _ in range(150)])
    assert 300 == len(await memory.hybrid_search_episodes(agent, "apple", EAST, limit=1000))
    assert 200 == len(await memory.hybrid_search_episodes(agent, "apple", EAST, limit=200))


async def test_entities_are_searched_as_they_are_known(
    memory: MemoryStore, entity: MakeEntity, agent: UUID
) -> None:
    """Now, or at ``known_at``, where the embedding was another."""
    first = await memory.add_entity(entity("Ada", embedding=EAST))
    await memory.add_entity(entity("Bo", embedding=NORTH, entity_type="dog"))
    second = await memory.update_entity(first.evolve(name="Ada L.", embedding=NORTH))
    hits = await memory.vector_search_entities(agent, NORTH)
    assert sorted(h.item.id for h in hits) == [h.item.id for h in hits]
    assert {"Ada L.": 1.0, "Bo": 1.0} == {h.item.name: h.score for h in hits}
    then = EntityFilter(known_at=second.recorded_at - timedelta(microseconds=1))
    hits = await memory.vector_search_entities(agent, EAST, filters=then)
    assert "Ada" == hits[0].item.name
    assert 1.0 == hits[0].score
    people = EntityFilter(entity_types=("person",), agent_id=agent)
    assert ["Ada L."] == [
        h.item.name for h in await memory.vector_search_entities(agent, EAST, filters=people)
    ]
