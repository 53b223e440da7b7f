"""``focal-data demo --live``: a model answers the customers of a transcript."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from focal_data.cli import main
from focal_data.cli.demo.answering import Answering, live_plan
from focal_data.cli.demo.facts import Facts
from focal_data.cli.demo.latency import Latencies
from focal_data.cli.demo.messages import Message
from focal_data.cli.demo.plans import plan_for
from focal_data.cli.demo.running import Run
from focal_data.cli.demo.setup import set_up
from focal_data.cli.demo.transcripts import check, read
from focal_data.cli.models import Vendor, language_model
from focal_data.data_layer import PostgresDataLayer, Tenant
from focal_data.domain.memory import Episode
from focal_data.errors import AuthenticationError
from focal_data.ids import new_id
from focal_data.providers.embedding.local import LocalEmbeddingProvider
from focal_data.repositories.memory import EpisodeRepository
from focal_data.settings import Settings
from focal_data.testing.provider_server import Hang, ProviderServer, Refuse, Say

VENDORS = pytest.mark.parametrize("vendor", list(Vendor))
HANGS = 300
"""Seconds after which a command hangs: engines and models take many times as long to come up on a busy machine."""

FALLBACK = "I'm not sure I understood. Could you say it again?"
CHAT = [
    {"role": "user", "user": "ann", "content": "Hello, my invoice A-17 is wrong and I want a refund"},
    {"role": "assistant", "user": "ann", "content": "What the transcript says."},
    {"role": "user", "user": "bob", "content": "How do I reset it, step by step?"},
    {"role": "user", "user": "ann", "content": "Thank you very much, goodbye"},
]


class Silent:
    """Nobody watches; ``messages`` is what was announced, and ``advanced`` what came."""

    def __init__(self) -> None:
        self.messages = self.carried = 0

    def opened(self, engines: dict[str, str]) -> None:
        self.engines = engines

    def begins(self, name: str, messages: int) -> None:
        self.messages += messages

    def advanced(self) -> None:
        self.carried += 1


@pytest.fixture
async def server(
    focal_provider_server: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[ProviderServer]:
    """Where the SDKs go; every client is closed in the end."""
    monkeypatch.setenv("ANTHROPIC_BASE_URL", focal_provider_server.anthropic_url)
    monkeypatch.setenv("OPENAI_BASE_URL", focal_provider_server.openai_url)
    yield focal_provider_server
    await focal_provider_server.until_closed()


@pytest.fixture
def chat(tmp_path: Path) -> Path:
    """Two customers, under a name, and so a tenant, of this test alone."""
    path = tmp_path / f"{new_id()}.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in CHAT), encoding="utf-8")
    return path


async def carried(
    data: PostgresDataLayer, chat: Path, vendor: Vendor, watcher: Silent | None = None, key: str = "test-key"
) -> Facts:
    """What a run over ``chat`` found out."""
    settings = Settings.of(anthropic_api_key=key, openai_api_key=key)
    async with language_model(vendor, settings) as llm:
        return await Run(data, LocalEmbeddingProvider(), watcher or Silent(), llm).all([check(chat)])


def read_messages(chat: Path) -> Iterator[Message]:
    return (found for found in read(chat) if isinstance(found, Message))


def tenant_of(data: PostgresDataLayer, chat: Path, vendor: Vendor) -> Tenant:
    return data.tenant(live_plan(plan_for(chat, []), vendor).tenant_id)


async def said(data: PostgresDataLayer, chat: Path, vendor: Vendor) -> list[str]:
    """All that is stored of what the agent said, by its time."""
    episodes: list[Episode] = [one async for one in EpisodeRepository(tenant_of(data, chat, vendor)).stream()]
    agents = [one for one in episodes if one.source == "agent"]
    return [one.content for one in sorted(agents, key=lambda one: one.occurred_at)]


@VENDORS
async def test_the_model_answers_each_message_of_a_customer(
    data: PostgresDataLayer, server: ProviderServer, chat: Path, vendor: Vendor
) -> None:
    """What the agent says in the transcript is left out; messages, turns and sessions are those of the answers."""
    watcher = Silent()
    facts = await carried(data, chat, vendor, watcher)
    report = facts.as_json()
    assert (6, 6, 3, 2) == tuple(report[key] for key in ("messages", "episodes", "turns", "sessions"))
    assert (6, 6) == (watcher.messages, watcher.carried)
    assert {vendor.value} == {request.vendor for request in server.requests}
    assert 3 == len(server.requests)
    assert "What the transcript says." not in await said(data, chat, vendor)
    assert server.requests[0].body["model"] == watcher.engines["model"] == report["engines"]["model"]
    assert report["latency_ms"]["reply"]["p50"] > 0
    turns = [turn for turn in await _turns(data, chat, vendor) if turn]
    assert all(question and answer for question, answer in turns)


async def _turns(data: PostgresDataLayer, chat: Path, vendor: Vendor) -> list[tuple[str, str | None]]:
    tenant = tenant_of(data, chat, vendor)
    (agent,), _ = await tenant.config.get_agents()
    sessions = await tenant.sessions.list_by_agent(agent.id, limit=10)
    found = [await tenant.audit.list_turns_by_session(session.session_id, limit=10) for session in sessions]
    return [(turn.user_message, turn.agent_response) for turns in found for turn in turns]


async def test_the_model_knows_the_conversation_and_the_rules(
    data: PostgresDataLayer, server: ProviderServer, chat: Path
) -> None:
    """Of this customer, not of the other; the rules are those that the message meets."""
    await carried(data, chat, Vendor.ANTHROPIC)
    asked = {request.body["messages"][-1]["content"]: request.body for request in server.requests}
    first, last = asked[CHAT[0]["content"]], asked[CHAT[3]["content"]]
    assert ["user"] == [message["role"] for message in first["messages"]]
    assert ["user", "assistant", "user"] == [message["role"] for message in last["messages"]]
    assert CHAT[0]["content"] == last["messages"][0]["content"]
    assert "Name the amount, the date and the reference." in first["system"]
    assert "Name the amount" not in last["system"]
    assert "Say goodbye in one sentence." in last["system"]


@pytest.mark.slow
async def test_a_second_run_asks_nothing_again(
    data: PostgresDataLayer, server: ProviderServer, chat: Path
) -> None:
    """What was answered is stored, and taken from there; what was said since is answered, with all before it."""
    await carried(data, chat, Vendor.OPENAI)
    before = await said(data, chat, Vendor.OPENAI)
    await carried(data, chat, Vendor.OPENAI)
    assert 3 == len(server.requests)
    with chat.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"role": "user", "user": "bob", "content": "It works now"}) + "\n")
    facts = await carried(data, chat, Vendor.OPENAI)
    assert 4 == len(server.requests)
    assert 4 == len(server.requests[-1].body["messages"])  # the system's, and three
    assert 8 == facts.as_json()["episodes"]
    assert before == (await said(data, chat, Vendor.OPENAI))[:3]


async def test_each_model_has_a_tenant_of_its_own(
    data: PostgresDataLayer, server: ProviderServer, chat: Path
) -> None:
    """So that none finds the answers of another, nor those of the transcript."""
    facts = [await carried(data, chat, vendor) for vendor in Vendor]
    ids = {one.tenants[0].tenant_id for one in facts}
    assert 3 == len(ids | {plan_for(chat, []).tenant_id})
    assert 6 == len(server.requests)


@VENDORS
async def test_a_refusal_and_an_empty_answer_become_the_fallback(
    data: PostgresDataLayer, server: ProviderServer, chat: Path, vendor: Vendor
) -> None:
    """The template that is there for it; the conversation goes on."""
    server.then(Refuse(), Say("  "), Say("Goodbye."))
    await carried(data, chat, vendor)
    assert [FALLBACK, FALLBACK, "Goodbye."] == sorted(await said(data, chat, vendor), reverse=True)


async def test_an_error_of_the_model_ends_the_run(
    data: PostgresDataLayer, server: ProviderServer, chat: Path
) -> None:
    """With its class, and nothing stored that was not answered."""
    with pytest.raises(ExceptionGroup) as ended:
        await carried(data, chat, Vendor.ANTHROPIC, key="another-key")
    assert ended.group_contains(AuthenticationError)
    assert [] == await said(data, chat, Vendor.ANTHROPIC)


@VENDORS
def test_a_missing_key_is_named_before_anything_starts(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The variable, and exit code 2; also where the transcript is bad."""
    monkeypatch.chdir(tmp_path)
    for prefix in ("", "FOCAL_DATA_"):
        monkeypatch.delenv(f"{prefix}{vendor.upper()}_API_KEY", raising=False)
    arguments = ["focal-data", "demo", "--live", vendor.value, "--data-dir", "data", "--transcript", "none"]
    monkeypatch.setattr("sys.argv", arguments)
    with pytest.raises(SystemExit) as ended:
        main.run()
    printed = capsys.readouterr()
    assert (2, "") == (ended.value.code, printed.out)
    assert f"focal-data: FOCAL_DATA_{vendor.upper()}_API_KEY: the key is not set" in printed.err
    assert [] == list(tmp_path.iterdir())


def test_a_transcript_without_customers_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """There is nothing to answer."""
    path = tmp_path / "agent.jsonl"
    path.write_text('{"role": "assistant", "content": "Hello?"}\n', encoding="utf-8")
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    monkeypatch.setattr("sys.argv", ["focal-data", "demo", "--live", "openai", "--transcript", str(path)])
    with pytest.raises(SystemExit) as ended:
        main.run()
    assert 2 == ended.value.code
    assert f"{path}: no customer speaks in it" in capsys.readouterr().err


async def test_what_waits_for_a_model_is_woken_when_nobody_wants_the_answer(
    data: PostgresDataLayer, server: ProviderServer, chat: Path
) -> None:
    """The thread in which the messages are read, whether it waits already, or is about to."""
    server.then(Hang(), Hang())
    model = LocalEmbeddingProvider()
    plan = live_plan(plan_for(chat, []), Vendor.OPENAI)
    stage = await set_up(data.tenant(plan.tenant_id), plan, model)
    async with language_model(Vendor.OPENAI, Settings.of(openai_api_key="test-key")) as llm:
        answering = Answering(stage, llm, model, Latencies())
        reading = asyncio.create_task(asyncio.to_thread(next, answering.messages(read_messages(chat))))
        async with asyncio.timeout(HANGS):
            while len(server.requests) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            answering.close()
            for waiting in (reading, asyncio.to_thread(next, answering.messages(read_messages(chat)))):
                with pytest.raises(asyncio.CancelledError):
                    await waiting
    assert 2 == len(server.requests)


async def started(chat: Path, **env: str) -> asyncio.subprocess.Process:
    """The command over ``chat``, on engines of its own, which it keeps beside it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FOCAL_DATA_")}
    folder = chat.parent
    arguments = ["demo", "--json", "--live", "openai", "--data-dir", folder / "data", "--transcript", chat]
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "focal_data.cli.main", *map(str, arguments)),
        cwd=folder,
        env=kept | {"PYTHONPATH": str(Path(__file__).parents[3])} | env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        preexec_fn=_interruptible,
    )


def _interruptible() -> None:
    """As at a terminal: what is started in the background ignores Ctrl-C, and so does all that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.slow
async def test_the_command_is_interrupted_while_it_waits_for_a_model(
    server: ProviderServer, chat: Path
) -> None:
    """At once, and run again it goes through."""
    server.then(Hang(), Hang())
    waiting = await started(chat, OPENAI_API_KEY="test-key")
    async with asyncio.timeout(HANGS):
        # both silences, or one would be left over for the second run
        while len(server.requests) < 2 and waiting.returncode is None:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        waiting.send_signal(signal.SIGINT)
        _, errors = await waiting.communicate()
    assert (130, b"Interrupted: run the same again, and it continues.\n") == (waiting.returncode, errors)

    again = await started(chat, OPENAI_API_KEY="test-key")
    async with asyncio.timeout(HANGS):
        output, errors = await again.communicate()
    assert (0, b"") == (again.returncode, errors)
    assert 6 == json.loads(output)["episodes"]
