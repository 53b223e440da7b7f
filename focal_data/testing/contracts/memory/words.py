"""Searches by words."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from focal_data.domain.filters import EpisodeFilter
from focal_data.errors import InvalidDataError
from focal_data.stores.memory import MemoryStore
from focal_data.testing.contracts.memory.base import (
    EAST,
    MakeEpisode,
    MemorySuite,
    contents,
    there,
)


class TextSearchContract(MemorySuite):
    """``text_search_episodes``: which are found. How high they rank is the backend's own, beyond what is said here."""

    async def test_words_are_read_in_the_language_of_the_row(
        self, memory: MemoryStore, episode: MakeEpisode, agent: UUID
    ) -> None:
        """Stems and stop words are those of each episode; ``languages`` narrows them."""
        await memory.add_episode(episode("The foxes were jumping", language="english"))
        await memory.add_episode(episode("Die Füchse sprangen über Gräben", language="german"))
        await memory.add_episode(episode("foxes sind hier", language="simple"))
        assert ["The foxes were jumping"] == contents(await memory.text_search_episodes(agent, "fox jump"))
        assert 1 == len(await memory.text_search_episodes(agent, "graben"))
        assert 1 == len(await memory.text_search_episodes(agent, "GRÄBEN"))
        assert 2 == len(await memory.text_search_episodes(agent, "FOXES"))
        simple = EpisodeFilter(languages=("simple", "german"))
        assert ["foxes sind hier"] == contents(
            await memory.text_search_episodes(agent, "foxes", filters=simple)
        )
        assert [] == await memory.text_search_episodes(agent, "foxes", filters=EpisodeFilter(languages=()))

    async def test_what_people_type_into_a_search_box(
        self, memory: MemoryStore, episode: MakeEpisode, agent: UUID
    ) -> None:
        """Words must all be there, phrases in order; ``or`` and the dash do what they say."""
        texts = ("red apple pie", "apple red", "red cherry", "green pear")
        await memory.add_episodes([episode(text) for text in texts])

        async def found(query: str) -> set[str]:
            return set(contents(await memory.text_search_episodes(agent, query)))

        assert {"red apple pie", "apple red"} == await found("red apple")
        assert {"red apple pie"} == await found('"red apple"')
        assert {"red cherry", "green pear"} == await found("cherry or pear")
        assert {"red cherry"} == await found("red -apple")
        assert {"apple red", "red cherry"} == await found('red -"red apple"')

    async def test_the_best_match_comes_first(
        self, memory: MemoryStore, episode: MakeEpisode, agent: UUID
    ) -> None:
        """By rank, then by id; the limit cuts after that."""
        ids = sorted(uuid4() for _ in range(6))
        given = [
            episode("apple apple apple" if n == 5 else "apple pear plum", id=i) for n, i in enumerate(ids)
        ]
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
        self, memory: MemoryStore, episode: MakeEpisode, agent: UUID, query: str
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
        self, memory: MemoryStore, episode: MakeEpisode, agent: UUID, query: str, found: bool
    ) -> None:
        """Whatever is in it, the answer is the apple or nothing, with and without a snippet."""
        await memory.add_episode(episode("an apple", embedding=EAST))
        expected = ["an apple"] if found else []
        for highlight in (False, True):
            hits = await memory.text_search_episodes(agent, query, highlight=highlight)
            assert expected == contents(hits)
        assert ["an apple"] == contents(await memory.hybrid_search_episodes(agent, query, EAST))

    async def test_a_long_query_is_cut(self, memory: MemoryStore, episode: MakeEpisode, agent: UUID) -> None:
        """The first 32 words count."""
        await memory.add_episode(episode("last"))
        fillers = [f"x{n} or" for n in range(16)]
        assert [] == await memory.text_search_episodes(agent, " ".join([*fillers, "last"]))
        assert ["last"] == contents(
            await memory.text_search_episodes(agent, " ".join([*fillers[1:], "last"]))
        )

    @pytest.mark.parametrize("query", [None, 5, b"apple", ["apple"]])
    async def test_what_is_no_text_is_refused(self, memory: MemoryStore, agent: UUID, query: str) -> None:
        """By the name that the argument has."""
        with pytest.raises(InvalidDataError, match=r"^query: "):
            await memory.text_search_episodes(agent, query)
        with pytest.raises(InvalidDataError, match=r"^text: "):
            await memory.hybrid_search_episodes(agent, query, EAST)

    async def test_a_snippet_shows_the_words_found(
        self, memory: MemoryStore, episode: MakeEpisode, agent: UUID
    ) -> None:
        """Marked, in the language of the row, and only on request."""
        await memory.add_episode(episode("Alle Äpfel sind reif. " + "Wort " * 5000, language="german"))
        (hit,) = await memory.text_search_episodes(agent, "apfel", highlight=True)
        assert "<b>Äpfel</b>" in there(hit.snippet)
        assert len(there(hit.snippet)) < 500
        (bare,) = await memory.text_search_episodes(agent, "apfel")
        assert bare.snippet is None
        await memory.add_episode(episode("word " * 1000 + "late"))
        (late,) = await memory.text_search_episodes(agent, "late", highlight=True)
        assert "<b>" not in there(late.snippet)

    async def test_only_the_beginning_of_a_long_content_is_indexed(
        self, memory: MemoryStore, episode: MakeEpisode, agent: UUID
    ) -> None:
        """A content beyond what the full-text column holds is stored whole, and found by its beginning."""
        long = "begin " + "x" * 99_000 + " " + "y " * 50_000 + "end"
        stored = await memory.add_episode(episode(long))
        assert long == there(await memory.get_episode(stored.id)).content
        assert 1 == len(await memory.text_search_episodes(agent, "begin"))
        assert [] == await memory.text_search_episodes(agent, "end")
