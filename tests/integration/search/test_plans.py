"""What PostgreSQL does for a search, as EXPLAIN tells it to the application role."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

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
    world: World, *, filters: EpisodeFilter | None = None, limit: int = 10
) -> list[dict[str, Any]]:
    """What was read of the table for the search that the store does, innermost last."""
    asked = of_agent(world.agent, filters or EpisodeFilter())
    values = {**asked, **vector.bound(QUERY, limit), "limit": limit, "tenant_id": world.tenant.tenant_id}
    statement = EpisodeRepository._nearest(frozenset(asked))
    async with world.tenant.scope.transaction(custom_plan=True) as tx:
        assert "focal_app" == await tx.connection.fetchval("SELECT current_user")
        explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.sql}"
        (plan,) = json.loads(await tx.connection.fetchval(explain, *statement.arguments(values)))
    return scanned(plan["Plan"])


def scanned(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """What was read of the table: what was not, by the size of the agent, is left out."""
    scans = [node for node in nodes(plan) if node.get("Relation Name") == "episodes"]
    return [node for node in scans if node["Actual Loops"]]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """``plan`` and all below it."""
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def read(scan: dict[str, Any]) -> int:
    """How many rows it read, those included that it threw away."""
    thrown = scan.get("Rows Removed by Filter", 0) + scan.get("Rows Removed by Index Recheck", 0)
    return round((scan["Actual Rows"] + thrown) * scan["Actual Loops"])


@pytest.mark.parametrize("name", ["small", "middling"])
@pytest.mark.parametrize("filters", [None, EpisodeFilter(group_id="g7")], ids=["all", "group"])
async def test_up_to_a_thousand_rows_are_compared(
    worlds: dict[str, World], name: str, filters: EpisodeFilter | None
) -> None:
    """Each once, and no code is read; nothing of another tenant."""
    size = SIZES[name]
    matching = size if filters is None else sum(e.group_id == "g7" for e in worlds[name].episodes)
    counted, *compared, kept = (read(scan) for scan in await scans(worlds[name], filters=filters))
    assert (size, min(matching, 10)) == (counted, kept)
    assert matching <= sum(compared) <= size


@pytest.mark.parametrize("limit", [1, 10, 80])
async def test_of_more_the_nearest_by_their_codes_are_compared(worlds: dict[str, World], limit: int) -> None:
    """Once a thousand and one are counted: all codes of the tenant, and no others; the vectors of the candidates; the hits."""
    found = [read(scan) for scan in await scans(worlds["large"], limit=limit)]
    assert sorted([1001, SIZES["large"], 200 + 10 * limit, limit]) == sorted(found)


@pytest.mark.parametrize("filters", [None, *FILTERS.values()], ids=["none", *FILTERS])
async def test_of_a_large_agent_only_the_index_of_codes_is_read(
    worlds: dict[str, World], filters: EpisodeFilter | None
) -> None:
    """And the table only for the candidates, whatever it is filtered by."""
    found = sorted(await scans(worlds["large"], filters=filters), key=read)
    *others, size, codes = found
    assert [1001, SIZES["large"]] == [read(size), read(codes)]
    for scan in (size, codes):
        assert ("Index Only Scan", CODES, 0) == (scan["Node Type"], scan["Index Name"], scan["Heap Fetches"])
    assert [10, 300] == [read(scan) for scan in others]
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
    found = [read(scan) for scan in await scans(worlds["large"], filters=filters)]
    assert found.count(matching) >= 1
    assert max(found) <= SIZES["large"]
    assert sum(found) <= 1001 + SIZES["large"] + matching + min(matching, 10)


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
    assert [("Index Only Scan", 1001), ("Index Only Scan", SIZES["large"])] == sorted(codes)
    assert 200 + 10 * depth(10) in [read(node) for node in found]
