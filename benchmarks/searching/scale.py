"""How large a run is: the whole one, or one of a minute that shows that everything works."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple


class Plan(NamedTuple):
    """A tenant to be: its rows, and among how many agents."""

    rows: int
    agents: int


@dataclass(frozen=True)
class Scale:
    """Sizes of everything."""

    rows: int = 100_000
    dimensions: int = 1536
    tenants: int = 50
    passages: int = 120_000
    real_tenants: tuple[Plan, ...] = (
        Plan(24_000, 1),
        Plan(24_000, 3),
        Plan(10_000, 3),
        Plan(5_000, 3),
        Plan(2_400, 3),
        Plan(1_200, 3),
        Plan(600, 3),
        Plan(300, 3),
        Plan(100, 3),
    )
    """Of the real text."""
    queries: int = 200
    """For each size class."""
    classes: dict[str, int] | None = None
    """Other limits of the size classes."""
    ef_search: tuple[int, ...] = (40, 100, 200, 400, 1000)
    texts: int = 100_000
    small_texts: tuple[int, ...] = (5000, 1000, 100)
    loaded: int = 100_000
    inserted: int = 10_000
    rounds: int = 2


FULL: Final = Scale()
QUICK: Final = Scale(
    rows=2000,
    dimensions=64,
    tenants=5,
    passages=3000,
    real_tenants=(Plan(800, 1), Plan(600, 3), Plan(100, 3)),
    queries=10,
    classes={"<200": 200, "200–500": 500, ">500": 10**9},
    ef_search=(40, 200),
    texts=1500,
    small_texts=(100,),
    loaded=1000,
    inserted=200,
    rounds=1,
)
