"""Searches by words."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from focal_data.domain.config import Agent
from focal_data.domain.filters import EpisodeFilter
from focal_data.domain.memory import Language
from focal_data.errors import InvalidDataError
from focal_data.stores.memory import MemoryStore
from focal_data.testing.contracts.base import TenantUnderTest
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
            ("- " * 100 + "apple", True),
            ("- " * 2000 + "apple", False),
            ("apple" + "." * 100_000, True),
            ("x." * 50_000 + "apple", False),
            ('"' * 501 + " apple", True),
            ("-apple " * 10_000, False),
            ("the -" * 10_000, False),
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

    @pytest.mark.parametrize(
        ("content", "found", "missed"),
        [
            (
                "see https://example.com:80/docs/a.html?x=1&y=2#top now",
                (
                    "https://example.com:80/docs/a.html?x=1&y=2#top",
                    *("example.com", "example", "http or https", "docs/a.html", "/docs/", "y=2", "see https"),
                ),
                ("com.example", "-example.com see", "example.org"),
            ),
            (
                "Ask bob.lee@example.com, or +33 1 23-45",
                ("bob.lee@example.com", "lee", "@example", "23-45", "+33", "ask bob"),
                ("lee.bob@example.com", "-33 ask"),
            ),
            (
                '<p class="x">bold</p> &amp; <br/>end',
                ("<p>", "<br/>", "bold", "&amp;", "class", '"bold p"', '<p class="x">'),
                ("<b>", "-<br> bold"),
            ),
            (
                "version 1.2.3-rc4 costs -5 or 3.14e2",
                ("1.2.3", "1.2.3-rc4", "2.3", "5", "3.14e2", "rc4 costs"),
                ("1.3.2", "-5 costs"),
            ),
            (
                "snake_case, kebab-case in ~/notes/to-do.txt",
                ("snake_case", "kebab", "kebab-case", "~/notes/to-do.txt", "case", "txt"),
                ("case_snake", "notes.to.txt"),
            ),
        ],
        ids=("address", "mail", "tags", "numbers", "names"),
    )
    async def test_words_are_found_wherever_they_stand(
        self,
        memory: MemoryStore,
        episode: MakeEpisode,
        agent: UUID,
        content: str,
        found: tuple[str, ...],
        missed: tuple[str, ...],
    ) -> None:
        """In addresses, tags, numbers and names of files: what punctuation joins is a phrase, of words of their own."""
        await memory.add_episode(episode(content, language="simple"))
        assert [] == [q for q in (*found, content) if not await memory.text_search_episodes(agent, q)]
        assert [] == [q for q in missed if await memory.text_search_episodes(agent, q)]

    async def test_a_snippet_is_written_like_the_content(
        self, memory: MemoryStore, episode: MakeEpisode, agent: UUID
    ) -> None:
        """With its punctuation, also within an address, and what looks like a mark left as it was."""
        await memory.add_episode(episode("See <b>https://example.com/a</b>\x02\x03 – ½ now."))
        (hit,) = await memory.text_search_episodes(agent, "example.com or now", highlight=True)
        expected = "See <b>https://<b>example</b>.<b>com</b>/a</b>\x02\x03 – ½ <b>now</b>"
        assert expected == there(hit.snippet).removesuffix(".")

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
        long = "first " + "x" * 99_000 + " " + "y " * 50_000 + "last"
        stored = await memory.add_episode(episode(long))
        assert long == there(await memory.get_episode(stored.id)).content
        assert 1 == len(await memory.text_search_episodes(agent, "first"))
        assert [] == await memory.text_search_episodes(agent, "last")

    async def test_phrases_are_found_in_the_beginning_of_a_long_content(
        self, memory: MemoryStore, episode: MakeEpisode, agent: UUID
    ) -> None:
        """In the first 16,383 words, and at the first 255 places of each word; words alone are found anywhere."""
        await memory.add_episode(episode("a " * 16_380 + "one two three four five"))
        await memory.add_episode(episode("six seven " * 255 + "six eight"))
        for query, count in {
            "five": 1,
            '"one two"': 1,
            '"two three"': 1,
            '"three four"': 0,
            "four-five": 0,
            'five -"four five"': 1,
            '"a one"': 0,
            '"seven six"': 1,
            "eight": 1,
            '"six eight"': 0,
        }.items():
            assert (query, count) == (query, len(await memory.text_search_episodes(agent, query)))

    async def test_whole_words_whatever_their_case(
        self, memory: MemoryStore, episode: MakeEpisode, agent: UUID
    ) -> None:
        """In ``simple`` a word is found by itself and nothing else; blanks and punctuation end it."""
        await memory.add_episode(episode("Crab-apples, (APPLES); Ünlü 3D 2026!"))
        for query in (
            "apples",
            "APPLES",
            "crab",
            "ünlü",
            "Ünlü",
            "3d",
            "2026",
            "(apples)",
            "apples, crab!",
            '"apples ünlü"',
        ):
            assert 1 == len(await memory.text_search_episodes(agent, query)), query
        for query in ("apple", "app", "pples", "unlu", "26", '"ünlü apples"', "apples pear"):
            assert [] == await memory.text_search_episodes(agent, query), query

    async def test_every_language_is_searched(
        self, memory: MemoryStore, episode: MakeEpisode, agent: UUID
    ) -> None:
        """A word that has no stem but itself is found in all of them, and each can be asked for alone."""
        await memory.add_episodes([episode("item42", language=language) for language in Language])
        assert len(Language) == len(await memory.text_search_episodes(agent, "ITEM42", limit=100))
        for language in Language:
            (hit,) = await memory.text_search_episodes(
                agent, "item42", filters=EpisodeFilter(languages=(language,)), highlight=True
            )
            assert (language, "<b>item42</b>") == (hit.item.language, hit.snippet)

    @pytest.mark.parametrize(
        ("language", "content", "query"),
        [
            ("english", "They connected the connections", "connecting"),
            ("german", "Die Häuser der Nachbarn", "haus"),
            ("french", "Les chevaux continuaient", "continuer"),
            ("spanish", "Los niños corrieron", "niño"),
            ("italian", "Le ragazze parlavano", "parlare"),
            ("portuguese", "As meninas falavam", "menina"),
            ("dutch", "De boeken liggen daar", "boek"),
            ("swedish", "Flickorna springer", "flicka"),
            ("russian", "Новые книги", "книга"),
            ("finnish", "Vanhat talot", "talo"),
            ("turkish", "Eski evler", "ev"),
        ],
        ids=lambda value: ascii(value)[:12],
    )
    async def test_languages_have_stems(
        self, memory: MemoryStore, episode: MakeEpisode, agent: UUID, language: str, content: str, query: str
    ) -> None:
        """What differs by its ending only is found in its language, and not in ``simple``."""
        await memory.add_episodes([episode(content, language=language), episode(content)])
        (hit,) = await memory.text_search_episodes(agent, query)
        assert language == hit.item.language

    async def test_numbers_have_no_stem(self, memory: MemoryStore, episode: MakeEpisode, agent: UUID) -> None:
        """Nor have words with a digit in them, in any language."""
        await memory.add_episode(episode("two 3ds and boxes2 items", language="english"))
        for query, found in (("3ds", 1), ("3d", 0), ("boxes2", 1), ("item", 1)):
            assert found == len(await memory.text_search_episodes(agent, query)), query

    async def test_stop_words_are_passed_over(
        self, memory: MemoryStore, episode: MakeEpisode, agent: UUID
    ) -> None:
        """In a query and in a content, where they keep their place in a phrase; in ``simple`` they are words."""
        await memory.add_episode(episode("The king of Spain", language="english"))
        english = EpisodeFilter(languages=("english",))
        for query in ("the king", "a king", '"king of spain"', '"king in spain"', "king or the", "king -the"):
            assert 1 == len(await memory.text_search_episodes(agent, query, filters=english)), query
        assert [] == await memory.text_search_episodes(agent, '"king spain"')
        await memory.add_episode(episode("the queen"))
        assert ["the queen"] == contents(await memory.text_search_episodes(agent, "the"))

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("a d or b", {"a b", "a b c d"}),
            ("a or b c", {"a b", "a c", "a b c d"}),
            ("A OR d", {"a b", "a c", "c d", "a b c d"}),
            ('a -"c d"', {"a b", "a c"}),
            ("a -b -d", {"a c"}),
            ('"a b" or "c d"', {"a b", "c d", "a b c d"}),
            ("-d a", {"a b", "a c"}),
            ('"b c" d', {"a b c d"}),
            ('a"c"', {"a c", "a b c d"}),
            ('"a', {"a b", "a c", "a b c d"}),
            ("a & !b | (c)", {"a b c d"}),
            ("a ! or b", {"a b", "a c", "a b c d"}),
            ("a or or b", {"a b", "a c", "a b c d"}),
            ("or a", set()),
            ("a or", set()),
        ],
    )
    async def test_how_a_query_is_read(
        self, memory: MemoryStore, episode: MakeEpisode, agent: UUID, query: str, found: set[str]
    ) -> None:
        """``or`` binds less than standing side by side; operators of other languages are blanks."""
        await memory.add_episodes([episode(text) for text in ("a b", "a c", "c d", "a b c d")])
        assert found == set(contents(await memory.text_search_episodes(agent, query)))

    async def test_only_the_agents_are_found(
        self, memory: MemoryStore, tenant: TenantUnderTest, episode: MakeEpisode, agent: UUID
    ) -> None:
        """By words as by meaning."""
        other = (await tenant.config.save_agent(Agent(name="Bo"))).id
        await memory.add_episodes([episode("word"), episode("word", agent_id=other)])
        for one in (agent, other):
            (hit,) = await memory.text_search_episodes(one, "word")
            assert (one, None, None) == (hit.item.agent_id, hit.vector_rank, hit.text_rank)

    async def test_a_snippet_is_a_part_of_the_content(
        self, memory: MemoryStore, episode: MakeEpisode, agent: UUID
    ) -> None:
        """But for the marks, which stand around each word that was found, and around no other."""
        filler = " ".join(f"filler{n}" for n in range(100))
        await memory.add_episode(episode(f"{filler} the red apple pie {filler}", language="english"))
        (hit,) = await memory.text_search_episodes(agent, "apples or pies -pear", highlight=True)
        snippet = there(hit.snippet)
        assert "<b>apple</b> <b>pie</b> filler0" in snippet
        assert 2 == snippet.count("<b>") == snippet.count("</b>")
        assert snippet.replace("<b>", "").replace("</b>", "") in hit.item.content
        assert len(snippet) < 500
