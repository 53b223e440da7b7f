"""``focal-data doctor``: which models are set up, and how they answer when they are asked."""

from __future__ import annotations

import importlib.util

import pytest

from focal_data.cli import models
from focal_data.cli.doctor import Finding, Verdict, examine
from focal_data.settings import Settings
from focal_data.testing.provider_server import Fail, ProviderServer

SUBJECTS = ["Anthropic", "OpenAI", "OpenAI embeddings", "local model"]
KEYED = SUBJECTS[:3]
SECRET = "not-the-key-of-the-server"


@pytest.fixture
def server(focal_provider_server: ProviderServer, monkeypatch: pytest.MonkeyPatch) -> ProviderServer:
    """Where the SDKs go when they are told nothing else."""
    monkeypatch.setenv("ANTHROPIC_BASE_URL", focal_provider_server.anthropic_url)
    monkeypatch.setenv("OPENAI_BASE_URL", focal_provider_server.openai_url)
    return focal_provider_server


def with_keys(key: str = "test-key") -> Settings:
    """No engine, both vendors."""
    return Settings.of(anthropic_api_key=key, openai_api_key=key)


async def told(settings: Settings, *, live: bool = False) -> dict[str, Finding]:
    """What is told of models, by subject."""
    findings = await examine(settings, live=live)
    return {finding.subject: finding for finding in findings if finding.subject in SUBJECTS}


def without(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """As where an extra is not installed."""
    find = importlib.util.find_spec
    monkeypatch.setattr(models, "find_spec", lambda name: None if name == package else find(name))


async def test_each_model_has_a_line() -> None:
    """With its key, its SDK, and never the key itself."""
    found = await told(with_keys(SECRET))
    assert SUBJECTS == list(found)
    assert {Verdict.OK} == {finding.verdict for finding in found.values()}
    assert ["key set, installed"] * 3 + ["installed"] == [finding.detail for finding in found.values()]
    assert SECRET not in str(found)


async def test_a_model_without_a_key_is_not_wrong() -> None:
    """Nobody has to use it; the variable is told."""
    found = await told(Settings.of(openai_api_key=SECRET))
    assert (Verdict.UNUSED, "key not set, installed") == (
        found["Anthropic"].verdict,
        found["Anthropic"].detail,
    )
    assert "FOCAL_DATA_ANTHROPIC_API_KEY" in found["Anthropic"].advice
    assert Verdict.OK is found["OpenAI"].verdict


async def test_a_key_without_its_sdk_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what installs it; live, too, where it is not asked."""
    without(monkeypatch, "anthropic")
    found = (await told(with_keys()))["Anthropic"]
    assert (Verdict.WARNING, "key set, not installed") == (found.verdict, found.detail)
    assert 'pip install "focal-data[anthropic]"' in found.advice


async def test_without_the_local_model_nothing_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra."""
    without(monkeypatch, "wordllama")
    found = (await told(Settings.of(), live=True))["local model"]
    assert (Verdict.UNUSED, "not installed") == (found.verdict, found.detail)
    assert "focal-data[local]" in found.advice


async def test_nobody_is_asked_unless_it_is_wanted(server: ProviderServer) -> None:
    """A request may cost something."""
    await told(with_keys())
    assert [] == server.requests


async def test_live_each_model_is_asked_once(server: ProviderServer) -> None:
    """It tells which one answered, and in what time."""
    found = await told(with_keys(), live=True)
    assert {Verdict.OK} == {finding.verdict for finding in found.values()}
    assert all(" answered in " in finding.detail for finding in found.values())
    assert ["/v1/chat/completions", "/v1/embeddings", "/v1/messages"] == sorted(
        request.path for request in server.requests
    )
    await server.until_closed()


async def test_live_a_model_without_a_key_is_not_asked(server: ProviderServer) -> None:
    """The others are."""
    found = await told(Settings.of(openai_api_key="test-key"), live=True)
    assert Verdict.UNUSED is found["Anthropic"].verdict
    assert {"openai"} == {request.vendor for request in server.requests}


async def test_live_a_refused_key_is_wrong(server: ProviderServer) -> None:
    """The kind of error is told, and the variable; the key is not."""
    found = await told(with_keys(SECRET), live=True)
    for subject in KEYED:
        assert Verdict.WRONG is found[subject].verdict
        assert found[subject].detail.startswith("AuthenticationError: ")
        assert "_API_KEY" in found[subject].advice
    assert SECRET not in str(found)


async def test_live_it_is_not_asked_again(server: ProviderServer) -> None:
    """Who looks wants to know how it is now."""
    server.then(*[Fail(529)] * 3)
    found = await told(with_keys(), live=True)
    assert ["ProviderConnectionError"] * 3 == [found[s].detail.partition(":")[0] for s in KEYED]
    assert 3 == len(server.requests)
    await server.until_closed()
