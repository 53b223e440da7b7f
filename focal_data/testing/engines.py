"""The servers that tests run on: those whose URLs are given, or Docker's when it answers, or embedded ones."""

from __future__ import annotations

import gc
import os
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Final

from sqlalchemy.engine import make_url

from focal_data.errors import SettingsError
from focal_data.settings import Settings

POSTGRES_IMAGE: Final = "pgvector/pgvector:pg16"
REDIS_IMAGE: Final = "redis:7"


class Source(StrEnum):
    """Where the servers come from."""

    URL = "given by FOCAL_DATA_DATABASE_URL and FOCAL_DATA_REDIS_URL"
    DOCKER = f"Docker containers ({POSTGRES_IMAGE}, {REDIS_IMAGE})"
    EMBEDDED = "embedded (no URL is set, and no Docker engine answers)"


@dataclass(frozen=True)
class Engines:
    """A PostgreSQL and a Redis. The login of ``admin_url`` may create databases and roles."""

    source: Source
    admin_url: str
    redis_url: str

    def url_of(self, database: str) -> str:
        """The URL of one of the databases, for the login of ``admin_url``."""
        return make_url(self.admin_url).set(database=database).render_as_string(hide_password=False)


@cache
def source() -> Source:
    """Where the servers of this run come from. Raises ``SettingsError`` when only one of the two URLs is set."""
    settings = Settings.load(_env_file=None)  # a .env file is for services
    given = [name for name in ("database_url", "redis_url") if getattr(settings, name) is not None]
    if len(given) == 1:
        missing = ({"database_url", "redis_url"} - set(given)).pop()
        raise SettingsError(
            f"FOCAL_DATA_{missing.upper()}", "is not set, and the other engine's URL is: set both or none"
        )
    if given:
        return Source.URL
    return Source.DOCKER if _docker_answers() else Source.EMBEDDED


@contextmanager
def running() -> Iterator[Engines]:
    """The servers of this run, started where they have to be, and stopped at the end."""
    match source():
        case Source.URL:
            settings = Settings.load(_env_file=None)  # a .env file is for services
            url = settings.owner_url().render_as_string(hide_password=False)
            yield Engines(Source.URL, url, settings.sessions_url())
        case Source.DOCKER:
            with _containers() as engines:
                yield engines
        case Source.EMBEDDED:
            from focal_data.embedded import EmbeddedEngines

            with EmbeddedEngines.start(postgres_version=_embedded_version()) as engines:
                yield Engines(Source.EMBEDDED, engines.database_url, engines.redis_url)


def _embedded_version() -> int:
    """16, or what FOCAL_DATA_TEST_POSTGRES says. Raises ``SettingsError`` for what is not bundled."""
    asked = os.environ.get("FOCAL_DATA_TEST_POSTGRES", "16")
    if asked not in ("16", "18"):
        raise SettingsError("FOCAL_DATA_TEST_POSTGRES", "must be 16 or 18, which are the embedded ones")
    return int(asked)


def _docker_answers() -> bool:
    try:
        import docker
        from docker.errors import DockerException
    except ImportError:
        return False
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ResourceWarning
        )  # its client leaves a socket open when nothing answers
        try:
            client = docker.from_env()
            answers = bool(client.ping())
            client.close()
        except (DockerException, OSError):
            answers = False
        gc.collect()
    return answers


@contextmanager
def _containers() -> Iterator[Engines]:
    from testcontainers.community.postgres import PostgresContainer
    from testcontainers.community.redis import RedisContainer

    with ExitStack() as stack:
        postgres = stack.enter_context(PostgresContainer(POSTGRES_IMAGE, driver="asyncpg"))
        redis = stack.enter_context(RedisContainer(REDIS_IMAGE))
        redis_url = f"redis://{redis.get_container_host_ip()}:{redis.get_exposed_port(6379)}/0"
        yield Engines(Source.DOCKER, postgres.get_connection_url(), redis_url)
