"""PostgreSQL with pgvector and Redis without installing either: for demos, notebooks and tests.

The servers come from the packages of the ``embedded`` extra. They listen on sockets in a private folder, on no
port, and end with the process that started them, however that ends::

    with EmbeddedEngines.start() as engines:
        print(engines.database_url, engines.redis_url)
"""

from __future__ import annotations

# The supervisor passes through here as well, and starts in half the time without asyncio and tempfile.
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from threading import Event
from types import MappingProxyType, TracebackType
from typing import Self, TypeVar

from focal_data.embedded.bundles import find_postgres, find_redis
from focal_data.embedded.owner import Supervised
from focal_data.embedded.supervisor import Order
from focal_data.errors import UsageError

__all__ = ["EmbeddedEngines"]

_Engines = TypeVar("_Engines", bound="EmbeddedEngines")


class EmbeddedEngines:
    """Running servers, made by ``start`` or ``start_async``, to be used as a context manager of either kind."""

    def __init__(self, supervised: Supervised) -> None:
        self._supervised = supervised

    @classmethod
    def start(
        cls,
        data_dir: Path | str | None = None,
        *,
        postgres: bool = True,
        redis: bool = True,
        postgres_version: int = 16,
    ) -> Self:
        """Start the engines and return when they answer.

        Without ``data_dir`` the data are written for speed and removed at the end. With it they are kept and
        written durably, and found again, also after this process or the machine was stopped in the middle.
        ``postgres_version`` is 16 or 18, and stays what it was for a ``data_dir``.

        ``UsageError``: the extra is not installed, or ``data_dir`` is in use, can't be used, or has another
        version. ``StoreConnectionError``: a server did not come up; the message has the end of its log.
        """
        import tempfile

        order = Order(
            data_dir=None if data_dir is None else str(Path(data_dir).absolute()),
            temporary=str(Path(tempfile.gettempdir()).absolute()),
            owner=os.getpid(),
            postgres=find_postgres(postgres_version) if postgres else None,
            redis=find_redis() if redis else None,
        )
        return cls(Supervised.start(order))

    @classmethod
    async def start_async(
        cls,
        data_dir: Path | str | None = None,
        *,
        postgres: bool = True,
        redis: bool = True,
        postgres_version: int = 16,
    ) -> Self:
        """``start`` without blocking the event loop. Cancelled, it leaves nothing running."""
        import asyncio

        abandoned = Event()
        start = partial(
            cls.start, data_dir, postgres=postgres, redis=redis, postgres_version=postgres_version
        )
        try:
            return await asyncio.to_thread(cls._start_unless, abandoned, start)
        except asyncio.CancelledError:
            abandoned.set()
            raise

    @staticmethod
    def _start_unless(abandoned: Event, start: Callable[[], _Engines]) -> _Engines:
        engines = start()
        if abandoned.is_set():
            engines.stop()
        return engines

    @property
    def database_url(self) -> str:
        """SQLAlchemy's URL of the database ``postgres``, as its superuser."""
        return self._fact("database_url", "postgres")

    @property
    def redis_url(self) -> str:
        """redis-py's URL of database 0."""
        return self._fact("redis_url", "redis")

    @property
    def versions(self) -> Mapping[str, str]:
        """What runs: ``PostgreSQL``, ``pgvector`` and ``Redis``, as far as started."""
        names = ("PostgreSQL", "pgvector", "Redis")
        facts = self._supervised.facts
        return MappingProxyType({name: facts[name] for name in names if name in facts})

    def stop(self) -> None:
        """Stop the servers and remove what is not kept; nothing when that was done, or in a forked child."""
        self._supervised.stop()

    async def stop_async(self) -> None:
        """``stop`` without blocking the event loop."""
        import asyncio

        await asyncio.to_thread(self.stop)

    def _fact(self, name: str, engine: str) -> str:
        try:
            return self._supervised.facts[name]
        except KeyError:
            raise UsageError(f"these engines were started with {engine}=False") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop_async()
