"""What the session store counts, as OpenTelemetry metrics, where the API package is installed (the extra ``telemetry``).

=================================== ========= ==========================================================
``focal_data.session.hot_hits``     counter   reads that found the hot copy
``focal_data.session.promotions``   counter   reads that found the cold copy only, and made it hot
``focal_data.session.misses``       counter   reads that found nothing
``focal_data.session.conflicts``    counter   saves refused as stale
``focal_data.session.sweeps``       counter   aged sessions that ``cleanup``, or a save in passing, removed
``focal_data.session.duration``     histogram seconds of a call, by ``operation`` and ``outcome``: ``ok``, or the error's type
=================================== ========= ==========================================================

No attribute tells a tenant, a session, or anything of its content. Where the numbers go is the application's to say.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from functools import cache, wraps
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, Protocol, TypeVar

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter

P = ParamSpec("P")
T = TypeVar("T")
Self = TypeVar("Self", bound="Measured")

_NAME: Final = "focal_data.session"


class SessionMetrics:
    """The instruments, made once."""

    def __init__(self, meter: Meter) -> None:
        def counter(name: str) -> Callable[[int], None]:
            return meter.create_counter(f"{_NAME}.{name}").add

        self.hot_hit = counter("hot_hits")
        self.promotion = counter("promotions")
        self.miss = counter("misses")
        self.conflict = counter("conflicts")
        self.swept = counter("sweeps")
        self._duration = meter.create_histogram(f"{_NAME}.duration", unit="s")

    def took(self, seconds: float, operation: str, outcome: str) -> None:
        """One call."""
        self._duration.record(seconds, {"operation": operation, "outcome": outcome})


class Measured(Protocol):
    """Whose calls ``measured`` measures."""

    @property
    def metrics(self) -> SessionMetrics | None: ...


@cache
def session_metrics() -> SessionMetrics | None:
    """The instruments, or ``None`` where the API is not installed, and then nothing of it is imported."""
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.metrics") is None:
        return None
    from opentelemetry.metrics import get_meter

    return SessionMetrics(get_meter("focal_data"))


def measured(
    method: Callable[Concatenate[Self, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Self, P], Coroutine[Any, Any, T]]:
    """``method``, with its duration recorded where there is something to record it."""

    @wraps(method)
    async def timed(self: Self, /, *args: P.args, **kwargs: P.kwargs) -> T:
        metrics = self.metrics
        if metrics is None:
            return await method(self, *args, **kwargs)
        started, outcome = time.perf_counter(), "ok"
        try:
            return await method(self, *args, **kwargs)
        except BaseException as error:
            outcome = type(error).__name__
            raise
        finally:
            metrics.took(time.perf_counter() - started, method.__name__, outcome)

    return timed
