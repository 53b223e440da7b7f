"""What PostgreSQL does for a search, as EXPLAIN tells it to the application role."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from focal_data.domain.embedding import Embedding
from focal_data.domain.filters import EpisodeFilter
from focal_data.domain.fusion import depth
from focal_data.repositories import vector
from focal_data.repositories.filtering import of_agent
from focal_data.repositories.memory import EpisodeRepository
from tests.integration.search.conftest import MODEL, NOON, SIZES, World, vectors

CODES = "ix_episodes_embedding_model"
QUERY = Embedding(vectors(1, seed=99)[0], model=MODEL)
FILTERS = {
    "time": EpisodeFilter(occurred_from=NOON - timedelta(days=30)),
    "validity": EpisodeFilter(as_of=NOON + timedelta(days=3650)),
    "importance": EpisodeFilter(min_importance=0.01),
    "kind": EpisodeFilter(content_types=("message",), sources=("user",), languages=("simple",)),
}


async def scans(
    world: World, *, query: Embedding = QUERY, filters: EpisodeFilter | None = None, limit: int = 10
) -> list[dict[str, Any]]:
    """What was read of the table for the search that the store does, innermost last."""
    return scanned(await planned(world, query=query, filters=filters, limit=limit))


async def planned(
    world: World, *, query: Embedding = QUERY, filters: EpisodeFilter | None = None, limit: int = 10
) -> dict[str, Any]:
    """The plan of that search, as it was carried out."""
    asked = of_agent(world.agent, filters or EpisodeFilter())
    values = {**asked, **vector.bound(query, limit), "limit": limit, "tenant_id": world.tenant.tenant_id}
    statement = EpisodeRepository._nearest(frozenset(asked))
    async with world.tenant.scope.transaction(custom_plan=True) as tx:
        assert "focal_app" == await tx.connection.fetchval("SELECT current_user")
        explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.sql}"
        (plan,) = json.loads(await tx.connection.fetchval(explain, *statement.arguments(values)))
    whole: dict[str, Any] = plan["Plan"]
    return whole


def scanned(plan: dict[str, Any], table: str = "episodes") -> list[dict[str, Any]]:
    """What was read of the table."""
    return [node for node in nodes(plan) if node.get("Relation Name") == table]


def sampled(found: list[dict[str, Any]], size: int) -> tuple[int, int, int, int]:
    """How many rows were read for the sample, for what is as near, for the hits, and for their codes."""
    once = [scan for scan in found if scan["Actual Loops"] == 1 and read(scan) == size]
    codes = next(scan for scan in once if scan.get("Index Name") != "pk_episodes")
    hits, sample, near = sorted(read(scan) for scan in found if scan is not codes)
    return sample, near, hits, read(codes)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """``plan`` and all below it."""
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def read(scan: dict[str, Any]) -> int:
    """How many rows it read, those included that it threw away."""
    thrown = scan.get("Rows Removed by Filter", 0) + scan.get("Rows Removed by Index Recheck", 0)
    return round((scan["Actual Rows"] + thrown) * scan["Actual Loops"])


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("limit", [1, 10, 80])
async def test_all_codes_are_read_and_few_vectors(worlds: dict[str, World], name: str, limit: int) -> None:
    """The codes of all that the agent has and of nobody else's; vectors of a sample, of what is as near, and of the hits."""
    size = SIZES[name]
    sample, near, hits, codes = sampled(await scans(worlds[name], limit=limit), size)
    assert (size, min(3 * limit, size), min(limit, size)) == (codes, sample, hits)
    assert min(sample, size) <= near <= size


async def test_of_a_large_agent_few_vectors_are_read(worlds: dict[str, World]) -> None:
    """Of one whose texts have topics, a small part."""
    _, near, _, codes = sampled(await scans(worlds["large"]), SIZES["large"])
    assert near < codes / 10


async def test_where_nothing_is_near_all_are_compared(worlds: dict[str, World]) -> None:
    """A query that has nothing to do with what is stored tells no row from another by its code."""
    noise = Embedding(np.random.default_rng(7).normal(size=1536), model=MODEL)
    _, near, _, codes = sampled(await scans(worlds["large"], query=noise), SIZES["large"])
    assert near > codes / 2


@pytest.mark.parametrize("filters", [None, *FILTERS.values()], ids=["none", *FILTERS])
async def test_of_a_large_agent_only_the_index_of_codes_is_read(
    worlds: dict[str, World], filters: EpisodeFilter | None
) -> None:
    """And the table only for what is compared, whatever it is filtered by."""
    *others, codes = sorted(await scans(worlds["large"], filters=filters), key=read)
    assert SIZES["large"] == read(codes)
    assert ("Index Only Scan", CODES, 0) == (codes["Node Type"], codes["Index Name"], codes["Heap Fetches"])
    assert {"pk_episodes"} == {scan["Index Name"] for scan in others}


@pytest.mark.parametrize(
    ("filters", "matching"),
    [
        (EpisodeFilter(group_id="g7"), 80),
        (EpisodeFilter(session_id=UUID(int=5)), 3),
        (EpisodeFilter(occurred_from=NOON - timedelta(minutes=2)), 3),
    ],
    ids=["group", "session", "time"],
)
async def test_a_filter_that_few_meet_reads_few_vectors(
    worlds: dict[str, World], filters: EpisodeFilter, matching: int
) -> None:
    """By whichever index: as many are compared as meet it."""
    found = sorted(read(scan) for scan in await scans(worlds["large"], filters=filters))
    assert min(matching, 10) == found[0]
    assert sum(found[:-1]) <= min(matching, 10) + min(matching, 30) + matching
    assert found[-1] <= SIZES["large"]


@pytest.mark.parametrize("which", [0, 1])
async def test_of_a_person_few_vectors_are_read(worlds: dict[str, World], which: int) -> None:
    """By either id: who that is, is looked up once, by two indexes, and not for each row."""
    world = worlds["large"]
    filters = EpisodeFilter(customer_profile_id=world.person[which])
    plan = await planned(world, filters=filters)
    found = sorted(read(scan) for scan in scanned(plan))
    assert (10, 30) == (found[0], found[1])
    assert found[2] <= 160
    assert found[-1] <= SIZES["large"]
    profiles = scanned(plan, "customer_profiles")
    assert {1} == {scan["Actual Loops"] for scan in profiles}
    assert {"pk_customer_profiles", "ix_customer_profiles_merged_into_id"} == {
        scan["Index Name"] for scan in profiles
    }


async def test_both_legs_of_a_hybrid_search_are_the_same_piece(worlds: dict[str, World]) -> None:
    """The leg by vector reads the codes from their index, too, and compares as many as its depth asks for."""
    world = worlds["large"]
    asked = of_agent(world.agent, EpisodeFilter())
    values = {
        **asked,
        **vector.bound(QUERY, depth(10)),
        "tenant_id": world.tenant.tenant_id,
        "text": "number",
        "limit": 10,
        "depth": depth(10),
    }
    statement = EpisodeRepository._fused(frozenset(asked))
    async with world.tenant.scope.transaction(custom_plan=True) as tx:
        explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.sql}"
        (plan,) = json.loads(await tx.connection.fetchval(explain, *statement.arguments(values)))
    found = scanned(plan["Plan"])
    codes = [(node["Node Type"], read(node)) for node in found if node.get("Index Name") == CODES]
    assert [("Index Only Scan", SIZES["large"])] == codes
    assert 3 * depth(10) in [read(node) for node in found]
