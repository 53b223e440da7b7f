from __future__ import annotations

import subprocess
import sys

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from focal_data.errors import StaleRevisionError
from focal_data.redis.metrics import SessionMetrics, measured, session_metrics


class Store:
    """As the session store uses it."""

    def __init__(self, metrics: SessionMetrics | None) -> None:
        self.metrics = metrics

    @measured
    async def save(self, answer: object) -> object:
        """Return the answer, or raise it."""
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def reader() -> InMemoryMetricReader:
    return InMemoryMetricReader()


def told(reader: InMemoryMetricReader) -> dict[str, list[tuple[dict[str, object], float]]]:
    """Every number by its name: attributes and value, or how often."""
    (resource,) = reader.get_metrics_data().resource_metrics
    return {
        metric.name: [
            (dict(point.attributes), getattr(point, "value", getattr(point, "count", None)))
            for point in metric.data.data_points
        ]
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


async def test_calls_are_timed(reader: InMemoryMetricReader) -> None:
    """By their name and how they ended; what they gave or raised comes through."""
    store = Store(SessionMetrics(MeterProvider([reader]).get_meter("test")))
    assert 1 == await store.save(1)
    with pytest.raises(StaleRevisionError):
        await store.save(StaleRevisionError("Session", 2))
    assert {
        "focal_data.session.duration": [
            ({"operation": "save", "outcome": "ok"}, 1),
            ({"operation": "save", "outcome": "StaleRevisionError"}, 1),
        ]
    } == told(reader)


async def test_counters(reader: InMemoryMetricReader) -> None:
    """Each has its name, and no attribute."""
    metrics = SessionMetrics(MeterProvider([reader]).get_meter("test"))
    for number, count in enumerate(
        (metrics.hot_hit, metrics.promotion, metrics.miss, metrics.conflict, metrics.swept), 1
    ):
        count(number)
    names = ("hot_hits", "promotions", "misses", "conflicts", "sweeps")
    assert {f"focal_data.session.{name}": [({}, n)] for n, name in enumerate(names, 1)} == told(reader)


async def test_without_instruments() -> None:
    """Nothing is recorded."""
    assert 1 == await Store(None).save(1)


def test_without_the_api() -> None:
    """Nothing of it is imported. (redis-py has metrics of its own, and imports it where it is installed.)"""
    program = (
        "import sys, importlib.util as u; real = u.find_spec;"
        "u.find_spec = lambda name, *a: None if name.startswith('opentelemetry') else real(name, *a);"
        "from focal_data.redis.metrics import session_metrics;"
        "assert session_metrics() is None; assert not [m for m in sys.modules if m.startswith('opentelemetry')]"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_with_the_api() -> None:
    """The instruments are made once."""
    assert session_metrics() is session_metrics() is not None
