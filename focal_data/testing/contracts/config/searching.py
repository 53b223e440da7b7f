"""Vector search: exact cosine similarity at the stored precision, nearest first, then by id."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest

from focal_data.domain.config import Scope
from focal_data.domain.embedding import Embedding
from focal_data.domain.filters import EpisodeFilter, RuleFilter, ScenarioFilter
from focal_data.errors import InvalidDataError
from focal_data.ids import new_id
from focal_data.stores.config import ConfigStore
from focal_data.testing.contracts.config.base import ConfigContract
from focal_data.testing.contracts.config.kinds import RULE, SCENARIO, Kind, a_rule, a_scenario, an_agent, each

SEARCHED = (RULE, SCENARIO)
QUERY = Embedding([4, 3], model="m")
ANY = {"rule": RuleFilter(enabled=None), "scenario": ScenarioFilter(enabled=None)}
TOO_LONG = Embedding.from_bytes(np.ones(1537, "<f4").tobytes(), model="m")
TOO_LARGE = Embedding([70_000.0], model="m")
TOO_SMALL = Embedding([1e-9], model="m")


async def search(
    store: ConfigStore, kind: Kind, agent_id: Any, query: Any = QUERY, **options: Any
) -> list[Any]:
    """The hits of the kind's search."""
    return list(await getattr(store, f"vector_search_{kind.name}s")(agent_id, query, **options))


async def with_vectors(store: ConfigStore, kind: Kind, *vectors: Any, model: str = "m") -> list[Any]:
    """One of the kind for each vector, all of one agent, which is new."""
    agent = await store.save_agent(an_agent())
    return [
        await kind.save(
            store, kind.make(agent.id, embedding=None if v is None else Embedding(v, model=model))
        )
        for v in vectors
    ]


def cosine(one: Embedding, other: Embedding) -> float:
    """The similarity of two embeddings of one length, as they are stored."""
    a, b = (embedding.rounded().vector.astype(float) for embedding in (one, other))
    return float(a @ b / math.sqrt((a @ a) * (b @ b)))


class SearchContract(ConfigContract):
    """Searching rules and scenarios by a vector."""

    @each(SEARCHED)
    async def test_the_nearest_come_first(self, config: ConfigStore, kind: Kind) -> None:
        """With their cosine similarity, −1 to 1; the hits are what is stored."""
        far, near, opposite, same = await with_vectors(config, kind, [0, 1], [1, 0], [-4, -3], [8, 6])
        hits = await search(config, kind, far.agent_id)
        assert [same, near, far, opposite] == [hit.item for hit in hits]
        assert pytest.approx([1.0, 0.8, 0.6, -1.0], abs=1e-6) == [hit.score for hit in hits]
        assert all(-1 <= hit.score <= 1 for hit in hits)

    @each(SEARCHED)
    async def test_scores_are_those_of_the_stored_precision(self, config: ConfigStore, kind: Kind) -> None:
        """Of vectors of full length, to a millionth; none of a hundred is missed."""
        chance = random.Random(7)  # noqa: S311  (not for secrets)
        vectors = [[chance.gauss(0, 1) for _ in range(1536)] for _ in range(100)]
        query = Embedding([chance.gauss(0, 1) for _ in range(1536)], model="m")
        stored = await with_vectors(config, kind, *vectors)
        expected = sorted(((cosine(one.embedding, query), one.id) for one in stored), reverse=True)
        hits = await search(config, kind, stored[0].agent_id, query, limit=100)
        assert [one for _, one in expected] == [hit.item.id for hit in hits]
        assert pytest.approx([score for score, _ in expected], abs=1e-6) == [hit.score for hit in hits]

    @each(SEARCHED)
    async def test_those_equally_near_come_by_id(self, config: ConfigStore, kind: Kind) -> None:
        """Also where the limit cuts them off."""
        agent = await config.save_agent(an_agent())
        made = [kind.make(agent.id, embedding=Embedding([0.1, 0.7], model="m")) for _ in range(12)]
        for one in reversed(made):
            await kind.save(config, one)
        ids = [one.id for one in made]
        assert ids[:10] == [hit.item.id for hit in await search(config, kind, agent.id)]
        for limit in (1, 5, 12, 1000):
            assert ids[:limit] == [hit.item.id for hit in await search(config, kind, agent.id, limit=limit)]

    @each(SEARCHED)
    async def test_a_score_may_be_asked_for(self, config: ConfigStore, kind: Kind) -> None:
        """Those with at least that similarity; ``None`` asks for none."""
        far, near, opposite = await with_vectors(config, kind, [0, 1], [1, 0], [-4, -3])
        for min_score, expected in (
            (0.7, [near]),
            (0.5, [near, far]),
            (0, [near, far]),
            (-1, [near, far, opposite]),
            (None, [near, far, opposite]),
            (0.9, []),
        ):
            hits = await search(config, kind, far.agent_id, min_score=min_score)
            assert expected == [hit.item for hit in hits]

    @each(SEARCHED)
    async def test_other_models_and_none_are_never_found(self, config: ConfigStore, kind: Kind) -> None:
        """However near, and whatever the score that is asked for."""
        (mine, _) = await with_vectors(config, kind, [-4, -3], None)
        await kind.save(config, kind.make(mine.agent_id, embedding=Embedding([4, 3], model="another")))
        hits = await search(config, kind, mine.agent_id, min_score=-1, limit=1000)
        assert [mine] == [hit.item for hit in hits]
        assert [] == await search(config, kind, mine.agent_id, Embedding([4, 3], model="M"))

    @each(SEARCHED)
    async def test_a_shorter_vector_counts_as_padded_with_zeros(
        self, config: ConfigStore, kind: Kind
    ) -> None:
        """And comes back with its own length."""
        short, long = await with_vectors(config, kind, [1], [1, 0, 1])
        hits = await search(config, kind, short.agent_id, Embedding([1, 0], model="m"))
        assert [(short.id, 1), (long.id, 3)] == [(hit.item.id, len(hit.item.embedding)) for hit in hits]
        assert pytest.approx([1.0, math.sqrt(0.5)], abs=1e-6) == [hit.score for hit in hits]

    @each(SEARCHED)
    async def test_other_agents_and_tenants_are_not_searched(
        self, config: ConfigStore, others: ConfigStore, kind: Kind
    ) -> None:
        """Each agent's own are found, and by its own tenant."""
        (mine,), (another,) = [await with_vectors(config, kind, [1, 0]) for _ in range(2)]
        (theirs,) = await with_vectors(others, kind, [1, 0])
        assert [mine] == [hit.item for hit in await search(config, kind, mine.agent_id)]
        assert [another] == [hit.item for hit in await search(config, kind, another.agent_id)]
        assert [] == await search(config, kind, theirs.agent_id, min_score=-1)
        assert [] == await search(others, kind, mine.agent_id, min_score=-1)
        assert [] == await search(config, kind, new_id())

    @each(SEARCHED)
    async def test_deleted_ones_are_not_found(self, config: ConfigStore, kind: Kind) -> None:
        """By themselves or with their agent; restored ones are."""
        one, two = await with_vectors(config, kind, [1, 0], [1, 0])
        await kind.delete(config, one)
        assert [two.id] == [hit.item.id for hit in await search(config, kind, one.agent_id)]
        await config.delete_agent(one.agent_id)
        assert [] == await search(config, kind, one.agent_id)
        await config.restore_agent(one.agent_id)
        assert [two.id] == [hit.item.id for hit in await search(config, kind, one.agent_id)]
        await kind.restore(config, one)
        assert [one.id, two.id] == [hit.item.id for hit in await search(config, kind, one.agent_id)]

    @each(SEARCHED)
    async def test_disabled_ones_are_found_on_request(self, config: ConfigStore, kind: Kind) -> None:
        """By default only the enabled ones."""
        (on,) = await with_vectors(config, kind, [1, 0])
        embedding = Embedding([1, 0], model="m")
        off = await kind.save(config, kind.make(on.agent_id, embedding=embedding, enabled=False))
        filters: Any = type(ANY[kind.name])
        assert [on] == [hit.item for hit in await search(config, kind, on.agent_id)]
        for enabled, expected in ((True, [on]), (False, [off]), (None, [on, off])):
            hits = await search(config, kind, on.agent_id, filters=filters(enabled=enabled))
            assert expected == [hit.item for hit in hits]

    @each(SEARCHED)
    async def test_a_new_vector_takes_the_place_of_the_old(self, config: ConfigStore, kind: Kind) -> None:
        """And none takes it out."""
        (one,) = await with_vectors(config, kind, [1, 0])
        two = await kind.save(config, one.evolve(embedding=Embedding([0, 1], model="n")))
        assert [] == await search(config, kind, one.agent_id)
        found = await search(config, kind, one.agent_id, Embedding([0, 1], model="n"))
        assert [(two, pytest.approx(1.0))] == [(hit.item, hit.score) for hit in found]
        await kind.save(config, two.evolve(embedding=None))
        assert [] == await search(config, kind, one.agent_id, Embedding([0, 1], model="n"))

    @each(SEARCHED)
    async def test_what_is_done_to_a_hit_changes_nothing(self, config: ConfigStore, kind: Kind) -> None:
        """It is a copy."""
        (one,) = await with_vectors(config, kind, [1, 0])
        (hit,) = await search(config, kind, one.agent_id)
        getattr(hit.item, "tags" if kind is SCENARIO else "attached_tool_ids").append("spoilt")
        assert one == await kind.get(config, one)

    async def test_rules_are_narrowed_by_their_scopes(self, config: ConfigStore) -> None:
        """Any of them; a scope without an id takes every rule of that scope, and no scope takes none."""
        step, agent = new_id(), await config.save_agent(an_agent())
        embedding = Embedding([1, 0], model="m")
        everywhere, here, there, scenario = [
            await config.save_rule(a_rule(agent.id, scope=scope, scope_id=scope_id, embedding=embedding))
            for scope, scope_id in (
                (Scope.GLOBAL, None),
                (Scope.STEP, step),
                (Scope.STEP, new_id()),
                (Scope.SCENARIO, step),
            )
        ]
        asked: list[tuple[Any, list[Any]]] = [
            (None, [everywhere, here, there, scenario]),
            ((), []),
            (((Scope.GLOBAL, None),), [everywhere]),
            (((Scope.STEP, None),), [here, there]),
            (((Scope.STEP, step),), [here]),
            (((Scope.GLOBAL, None), (Scope.STEP, step)), [everywhere, here]),
            (((Scope.SCENARIO, step), (Scope.SCENARIO, None)), [scenario]),
            (((Scope.GLOBAL, step),), []),
            (((Scope.STEP, new_id()),), []),
        ]
        for scopes, expected in asked:
            hits = await config.vector_search_rules(agent.id, QUERY, filters=RuleFilter(scopes=scopes))
            assert expected == [hit.item for hit in hits]

    async def test_scenarios_are_narrowed_by_their_tags(self, config: ConfigStore) -> None:
        """At least one of them, letter by letter; no tag takes none."""
        agent, embedding = await config.save_agent(an_agent()), Embedding([1, 0], model="m")
        both, one, none = [
            await config.save_scenario(a_scenario(agent.id, tags=tags, embedding=embedding))
            for tags in (["a", "b"], ["b"], [])
        ]
        asked: list[tuple[Any, list[Any]]] = [
            (None, [both, one, none]),
            ((), []),
            (("a",), [both]),
            (("b",), [both, one]),
            (("a", "c"), [both]),
            (("c", "B"), []),
        ]
        for tags, expected in asked:
            hits = await config.vector_search_scenarios(agent.id, QUERY, filters=ScenarioFilter(tags=tags))
            assert expected == [hit.item for hit in hits]

    @each(SEARCHED)
    @pytest.mark.parametrize("limit", [0, 1001, -1, True, "1", None, 2**31], ids=repr)
    async def test_a_searchs_limit_is_one_to_a_thousand(
        self, config: ConfigStore, kind: Kind, limit: Any
    ) -> None:
        """Anything else names it."""
        with pytest.raises(InvalidDataError) as caught:
            await search(config, kind, new_id(), limit=limit)
        assert "limit" == caught.value.field

    @each(SEARCHED)
    @pytest.mark.parametrize("score", [1.1, -1.1, float("nan"), float("inf"), "1"], ids=repr)
    async def test_a_score_asked_for_is_a_cosine(self, config: ConfigStore, kind: Kind, score: Any) -> None:
        """Anything else names it."""
        with pytest.raises(InvalidDataError) as caught:
            await search(config, kind, new_id(), min_score=score)
        assert "min_score" == caught.value.field

    @each(SEARCHED)
    @pytest.mark.parametrize(
        "query",
        [None, [4, 3], "s3cr3t", TOO_LONG, TOO_LARGE, TOO_SMALL],
        ids=["none", "list", "text", "long", "large", "small"],
    )
    async def test_what_is_no_query_is_refused(self, config: ConfigStore, kind: Kind, query: Any) -> None:
        """No embedding, one that is too long, or one that the stored precision makes infinite or zero."""
        with pytest.raises(InvalidDataError) as caught:
            await search(config, kind, new_id(), query)
        assert "query" == caught.value.field
        assert "s3cr3t" not in str(caught.value)

    @each(SEARCHED)
    @pytest.mark.parametrize("embedding", [TOO_LONG, TOO_LARGE, TOO_SMALL], ids=["long", "large", "small"])
    async def test_what_can_not_be_kept_is_no_embedding(
        self, config: ConfigStore, kind: Kind, embedding: Embedding
    ) -> None:
        """And nothing is written."""
        (stored,) = await with_vectors(config, kind, [1, 0])
        with pytest.raises(InvalidDataError) as caught:
            await kind.save(config, stored.model_copy(update={"embedding": embedding}))
        assert "embedding" == caught.value.field
        assert stored == await kind.get(config, stored)

    @each(SEARCHED)
    async def test_what_is_no_filter_is_refused(self, config: ConfigStore, kind: Kind) -> None:
        """Another kind's, a mapping, or one that was changed past its validation."""
        another = ANY["scenario" if kind is RULE else "rule"]
        bent = ANY[kind.name].model_copy(update={"enabled": "s3cr3t"})
        wrong: list[Any] = [another, EpisodeFilter(), {}, "s3cr3t", bent]
        for filters in wrong:
            with pytest.raises(InvalidDataError) as caught:
                await search(config, kind, new_id(), filters=filters)
            assert ("filters.enabled" if filters is bent else "filters") == caught.value.field
            assert "s3cr3t" not in str(caught.value)

    @each(SEARCHED)
    async def test_an_agent_to_search_is_named_by_a_uuid(self, config: ConfigStore, kind: Kind) -> None:
        """Anything else names the argument."""
        for wrong in (None, "s3cr3t", str(new_id())):
            with pytest.raises(InvalidDataError) as caught:
                await search(config, kind, wrong)
            assert "agent_id" == caught.value.field
