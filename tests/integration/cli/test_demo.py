"""The demo as people run it: a command, a folder to keep things in, and a ``kill -9`` in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from focal_data.cli.demo.messages import Message
from focal_data.cli.demo.plans import examples, plan_for, shipped_transcripts
from focal_data.cli.demo.transcripts import read
from focal_data.data_layer import DataLayer
from focal_data.domain.audit import TurnRecord
from focal_data.domain.session import Session
from focal_data.settings import Settings

COMMAND = [sys.executable, "-m", "focal_data.cli.main"]
KEYS = {
    *("tenants", "messages", "sessions", "episodes", "turns"),
    *("searches", "isolation", "latency_ms", "engines", "seconds"),
}
OPERATIONS = {"session_get", "rule_search", "episode_add", "turn_add", "session_save", "vector_search"}

CUT_OFF = """
import os, signal, sys
from focal_data.cli import main
from {module} import {owner}

whole, calls = {owner}.{method}, 0
signal.signal(signal.SIGINT, signal.default_int_handler)  # a run in the background ignores it

async def cut_off(*arguments, **options):
    global calls
    calls += 1
    if calls == {call}:
        os.kill(os.getpid(), signal.{signal})
    return await whole(*arguments, **options)

{owner}.{method} = cut_off
main.run()
"""


def demo(
    *arguments: str | Path, folder: Path, script: str | None = None, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run it in ``folder``, on engines of its own unless ``env`` names others."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FOCAL_DATA_")}
    command = COMMAND if script is None else [sys.executable, "-c", script]
    return subprocess.run(
        [*command, "demo", *map(str, arguments)],
        cwd=folder,
        env=kept | {"PYTHONPATH": str(Path(__file__).parents[3])} | env,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def reported(run: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The JSON object that it printed, and nothing else."""
    assert (0, "") == (run.returncode, run.stderr)
    found: dict[str, Any] = json.loads(run.stdout)
    return found


def counts(report: dict[str, Any]) -> dict[str, int]:
    return {key: report[key] for key in ("tenants", "messages", "sessions", "episodes", "turns")}


@dataclass
class Whole:
    """A small transcript, and what one run over it left and told."""

    transcript: Path
    data_dir: Path
    report: dict[str, Any]


def excerpt(path: Path) -> Path:
    """The messages of three customers on five channels, out of a shipped transcript and under another name."""
    users = {"devon.okafor", "mara.ellison", "carl.dunmore"}
    lines = (examples() / "harbor-and-pine.en.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(line for line in lines if json.loads(line)["user"] in users), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    folder = tmp_path_factory.mktemp("whole")
    transcript = excerpt(folder / "small.jsonl")
    run = demo("--json", "--data-dir", folder / "data", "--transcript", transcript, folder=folder)
    return Whole(transcript, folder / "data", reported(run))


@dataclass
class Kept:
    """What is kept for a transcript: the sessions by their id, and their turns."""

    sessions: dict[str, Session]
    turns: dict[str, list[TurnRecord]]


async def kept(data_dir: Path, transcript: Path) -> Kept:
    """Read it back, without what differs from run to run: the store's times, revisions, and ids of profiles."""
    plan = plan_for(transcript, [])
    async with DataLayer.embedded(data_dir) as data:
        tenant = data.tenant(plan.tenant_id)
        agents, _ = await tenant.config.get_agents()
        sessions = await tenant.sessions.list_by_agent(agents[0].id, limit=1000)
        turns = {
            str(session.session_id): await tenant.audit.list_turns_by_session(session.session_id, limit=1000)
            for session in sessions
        }
    anonymous = {"customer_profile_id": None, "created_at": None}
    return Kept(
        {
            str(session.session_id): session.evolve(**anonymous, last_activity_at=None, revision=0)
            for session in sessions
        },
        {
            session_id: [turn.model_copy(update=anonymous) for turn in found]
            for session_id, found in turns.items()
        },
    )


def test_the_report_tells_what_is_stored(whole: Whole) -> None:
    """In one object, with these keys and no other."""
    report = whole.report
    assert set(report) == KEYS
    assert {"tenants": 1, "messages": 76, "sessions": 5, "episodes": 76, "turns": 38} == counts(report)
    assert {"repository_rows": 0, "raw_sql_rows": 0} == report["isolation"]
    assert set(report["latency_ms"]) >= OPERATIONS
    assert all(0 < figures["p50"] <= figures["p99"] for figures in report["latency_ms"].values())
    assert ["vector", "text", "hybrid"] * 3 == [search["mode"] for search in report["searches"]]
    assert all(search["found"] and search["hits"] for search in report["searches"])
    assert report["engines"]["postgresql"].startswith("16.")


async def test_what_is_stored_is_what_was_said(whole: Whole) -> None:
    """Each message in one turn; the turns are numbered, and the session has counted them."""
    found = await kept(whole.data_dir, whole.transcript)
    recorded = [turn for turns in found.turns.values() for turn in turns]
    parts = [text for turn in recorded for text in (turn.user_message, turn.agent_response) if text]
    said = [message.content for message in read(whole.transcript) if isinstance(message, Message)]
    assert sorted("\n".join(said).split("\n")) == sorted("\n".join(parts).split("\n"))
    for session_id, turns in found.turns.items():
        assert list(range(1, len(turns) + 1)) == [turn.turn_number for turn in turns]
        assert len(turns) == found.sessions[session_id].turn_count
    assert any(turn.matched_rule_ids for turn in recorded)


@pytest.mark.slow
def test_carried_again_it_stays_the_same(whole: Whole, tmp_path: Path) -> None:
    """Nothing is stored twice."""
    run = demo("--json", "--data-dir", whole.data_dir, "--transcript", whole.transcript, folder=tmp_path)
    again = reported(run)
    assert counts(whole.report) == counts(again)
    assert [s["hits"] for s in whole.report["searches"]] == [s["hits"] for s in again["searches"]]
    assert "transaction" not in again["latency_ms"]


CUTS = [
    pytest.param(
        *("focal_data.redis.session", "RedisSessionStore", "save", 30),
        id="before-the-session",
        marks=pytest.mark.slow,
    ),
    pytest.param(
        *("focal_data.repositories.audit", "PostgresAuditStore", "save_event", 41),
        id="within-a-transaction",
        marks=pytest.mark.slow,
    ),
    pytest.param(
        *("focal_data.repositories.config", "PostgresConfigStore", "save_scenario", 1),
        id="while-setting-up",
        marks=pytest.mark.slow,
    ),
    pytest.param(
        *("focal_data.cli.demo.writing", "Writer", "end_turn", 2),
        id="at-the-end",
        marks=pytest.mark.slow,
    ),
]


@pytest.mark.parametrize(("module", "owner", "method", "call"), CUTS)
async def test_a_run_that_was_killed_is_continued(
    whole: Whole, tmp_path: Path, module: str, owner: str, method: str, call: int
) -> None:
    """What is there in the end is what a run in one go leaves, to the last rule that fired."""
    script = CUT_OFF.format(module=module, owner=owner, method=method, call=call, signal="SIGKILL")
    arguments = ("--json", "--transcript", whole.transcript, "--data-dir", tmp_path / "data")
    killed = demo(*arguments, folder=tmp_path, script=script)
    assert (-signal.SIGKILL, "") == (killed.returncode, killed.stdout)
    continued = reported(demo(*arguments, folder=tmp_path))
    assert counts(whole.report) == counts(continued)
    left = await kept(whole.data_dir, whole.transcript)
    assert left == await kept(tmp_path / "data", whole.transcript)


@pytest.mark.slow
async def test_a_run_that_was_interrupted_says_so_and_is_continued(whole: Whole, tmp_path: Path) -> None:
    """Ctrl-C leaves what is stored."""
    place = {"module": "focal_data.redis.session", "owner": "RedisSessionStore", "method": "save", "call": 30}
    script = CUT_OFF.format(**place, signal="SIGINT")
    arguments = ("--json", "--transcript", whole.transcript, "--data-dir", tmp_path / "data")
    interrupted = demo(*arguments, folder=tmp_path, script=script)
    assert (130, "") == (interrupted.returncode, interrupted.stdout)
    assert "Interrupted: run the same again, and it continues.\n" == interrupted.stderr
    assert counts(whole.report) == counts(reported(demo(*arguments, folder=tmp_path)))
    left = await kept(whole.data_dir, whole.transcript)
    assert left == await kept(tmp_path / "data", whole.transcript)


@pytest.mark.slow
def test_a_file_that_grew_is_continued(tmp_path: Path) -> None:
    """What was said meanwhile is added; what was said otherwise is refused."""
    small = excerpt(tmp_path / "small.jsonl")
    lines = small.read_text(encoding="utf-8").splitlines(keepends=True)
    small.write_text("".join(lines[:40]), encoding="utf-8")
    arguments = ("--json", "--data-dir", tmp_path / "data", "--transcript", small)
    assert 40 == reported(demo(*arguments, folder=tmp_path))["episodes"]
    small.write_text("".join(lines), encoding="utf-8")
    assert 76 == reported(demo(*arguments, folder=tmp_path))["episodes"]

    small.write_text("".join(lines).replace("dining table", "kitchen table"), encoding="utf-8")
    changed = demo(*arguments, folder=tmp_path)
    assert (2, "") == (changed.returncode, changed.stdout)
    assert "is not what an earlier run stored" in changed.stderr


@pytest.mark.slow
def test_a_bad_line_is_named_and_nothing_is_stored(tmp_path: Path) -> None:
    """Nor of any other file."""
    good, bad = excerpt(tmp_path / "small.jsonl"), tmp_path / "bad.jsonl"
    bad.write_text('{"role": "user", "content": "Hello"}\n{"role": "user"}\n', encoding="utf-8")
    data_dir = tmp_path / "data"
    run = demo("--data-dir", data_dir, "--json", "--transcript", good, bad, folder=tmp_path)
    assert (2, "") == (run.returncode, run.stdout)
    assert f"{bad}:2: content is missing\nNothing was stored.\n" == run.stderr
    assert not data_dir.exists()


@pytest.mark.slow
def test_a_list_of_messages_is_taken_as_it_is(tmp_path: Path) -> None:
    """As people have it from OpenAI and Anthropic; beside a second one, on engines that are gone afterwards."""
    one, other = tmp_path / "one.json", tmp_path / "other.json"
    one.write_text(
        json.dumps(
            [
                {"role": "system", "content": "Be kind."},
                {"role": "user", "content": [{"type": "text", "text": "Where is my parcel?"}]},
                {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
                {"role": "tool", "content": "42", "tool_call_id": "1"},
                {"role": "assistant", "content": "It will be there tomorrow."},
            ],
            indent=1,
        )
    )
    other.write_text(json.dumps([{"role": "user", "content": "😀 Grüße"}]), encoding="utf-8")
    report = reported(demo("--json", "--transcript", one, "--transcript", other, folder=tmp_path))
    assert {"tenants": 2, "messages": 3, "sessions": 2, "episodes": 3, "turns": 2} == counts(report)
    assert {"Where is my parcel?", "😀 Grüße"} == {search["question"] for search in report["searches"]}
    assert {"repository_rows": 0, "raw_sql_rows": 0} == report["isolation"]


@pytest.mark.slow
def test_engines_that_the_settings_name_are_used(focal_settings: Settings, tmp_path: Path) -> None:
    """And said to be; one alone is not enough."""
    small = excerpt(tmp_path / "small.jsonl")
    assert focal_settings.database_url
    assert focal_settings.redis_url
    urls = {
        "FOCAL_DATA_DATABASE_URL": focal_settings.database_url.get_secret_value(),
        "FOCAL_DATA_REDIS_URL": focal_settings.redis_url.get_secret_value(),
    }
    run = demo("--transcript", small, folder=tmp_path, **urls)
    assert (0, "") == (run.returncode, run.stderr)
    assert "from FOCAL_DATA_DATABASE_URL and FOCAL_DATA_REDIS_URL" in run.stdout
    assert "✓ Isolation: another tenant sees 0" in run.stdout

    del urls["FOCAL_DATA_REDIS_URL"]
    alone = demo("--transcript", small, folder=tmp_path, **urls)
    assert 2 == alone.returncode
    assert alone.stderr.startswith("focal-data: FOCAL_DATA_REDIS_URL: ")


@pytest.mark.slow
async def test_the_shipped_transcripts_answer_their_questions(tmp_path: Path) -> None:
    """What is expected is among the best hits by meaning and by both; how long it took is printed."""
    report = reported(demo("--json", "--data-dir", tmp_path / "data", folder=tmp_path))
    assert {"tenants": 2, "messages": 534, "sessions": 25, "episodes": 534, "turns": 265} == counts(report)
    missed = [search for search in report["searches"] if not search["found"] and search["mode"] != "text"]
    assert [] == missed
    assert {"repository_rows": 0, "raw_sql_rows": 0} == report["isolation"]
    sys.stdout.write(f"\n534 messages in {report['seconds']} s\n")
    for transcript in shipped_transcripts():
        found = await kept(tmp_path / "data", transcript)
        assert any(len(session.step_history) > 1 for session in found.sessions.values())
        assert any(turn.step_id for turns in found.turns.values() for turn in turns)
        assert any(turn.context_extracted for turns in found.turns.values() for turn in turns)


MEASURED = """
import atexit, resource, sys
from focal_data.cli import main
atexit.register(lambda: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr))
main.run()
"""


def many(path: Path, messages: int) -> Path:
    """A transcript of so many messages, in conversations of forty."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(messages):
            line = {
                "role": "assistant" if number // 100 % 2 else "user",
                "content": f"Message {number} is about order AB-{number // 4000:05} and the weather.",
                "user": f"customer-{number // 4000 * 100 + number % 100}",
            }
            file.write(json.dumps(line) + "\n")
    return path


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """Ten times the messages take hardly more of it: the model's tokenizer remembers ten thousand texts."""
    peaks = []
    for messages in (2_000, 20_000):
        path = many(tmp_path / f"many-{messages}.jsonl", messages)
        run = demo("--json", "--transcript", path, folder=tmp_path, script=MEASURED)
        assert 0 == run.returncode
        assert messages == json.loads(run.stdout)["episodes"]
        peaks.append(int(run.stderr.split()[-1]))
        sys.stdout.write(f"\n{messages} messages: {peaks[-1]} KB, {json.loads(run.stdout)['seconds']} s\n")
    assert peaks[1] < peaks[0] + 64 * 1024
