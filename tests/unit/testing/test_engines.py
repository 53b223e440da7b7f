"""Which servers a test run takes: those that are given, or Docker's, or embedded ones."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from focal_data.errors import SettingsError
from focal_data.testing import engines
from focal_data.testing.engines import Source, source

URLS = {"FOCAL_DATA_DATABASE_URL": "postgresql://u@127.0.0.1/d", "FOCAL_DATA_REDIS_URL": "redis://127.0.0.1"}


@pytest.fixture(autouse=True)
def _asked_again(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The answer is kept for a run: forget it before and after."""
    for name in (*URLS, "FOCAL_DATA_MIGRATION_URL"):
        monkeypatch.delenv(name, raising=False)
    source.cache_clear()
    yield
    source.cache_clear()


def test_given_urls_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether Docker answers or not."""
    for name, url in URLS.items():
        monkeypatch.setenv(name, url)
    monkeypatch.setattr(engines, "_docker_answers", lambda: True)
    assert Source.URL is source()


@pytest.mark.parametrize("given", URLS)
def test_one_url_without_the_other_is_an_error(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    """It names the one that is missing."""
    monkeypatch.setenv(given, URLS[given])
    with pytest.raises(SettingsError) as caught:
        source()
    assert (set(URLS) - {given}).pop() == caught.value.variable


@pytest.mark.parametrize(("answers", "expected"), [(True, Source.DOCKER), (False, Source.EMBEDDED)])
def test_docker_comes_before_embedded(
    monkeypatch: pytest.MonkeyPatch, answers: bool, expected: Source
) -> None:
    """When its engine answers; the mere command proves nothing."""
    monkeypatch.setattr(engines, "_docker_answers", lambda: answers)
    assert expected is source()


def test_the_plugin_loads_pytest_and_nothing_else() -> None:
    """It is loaded in every run of everybody who has focal_data installed."""
    script = (
        "import sys, focal_data.testing.plugin;"
        "print([name for name in ('asyncpg', 'sqlalchemy', 'redis', 'pydantic', 'factory') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "[]" == result.stdout.strip()
