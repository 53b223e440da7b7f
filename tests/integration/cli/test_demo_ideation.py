"""``focal-data demo --ideation``: a studio session that is killed in the middle, and resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from focal_data.backends import get_repository_factory
from focal_data.cli.demo.ideation_script import ANSWERED, SAID
from focal_data.data_layer import PostgresDataLayer
from focal_data.settings import Settings

COMMAND = [sys.executable, "-m", "focal_data.cli.main", "demo"]
AS_IN_THE_FOREGROUND = """
import signal
from focal_data.cli import main

signal.signal(signal.SIGINT, signal.default_int_handler)  # a run in the background ignores it
main.run()
"""
PREFIXES = ("FOCAL_DATA_", "POSTGRES_", "IDEATION_")


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIXES)}
    return kept | {"PYTHONPATH": str(Path(__file__).parents[3])} | more


@pytest.fixture
def engines(focal_settings: Settings) -> dict[str, str]:
    """The run's own engines, as a service names them."""
    url = focal_settings.service_url().render_as_string(hide_password=False)
    return environment(
        FOCAL_DATA_DATABASE_URL=url,
        FOCAL_DATA_REDIS_URL=focal_settings.sessions_url(),
        FOCAL_DATA_APP_ROLE=focal_settings.app_role,
    )


def demo(*arguments: str, folder: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=120
    )


def played(run: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    assert (0, "") == (run.returncode, run.stderr)
    return {one["backend"]: one for one in json.loads(run.stdout)["ideation"]}


WHOLE = {
    "found": 5,
    "messages": 8,
    "requirements": 4,
    "score": 81.8,
    "level": "complete",
    "can_submit": True,
    "draft": "0.1.0, 3 sections",
    "stories": 2,
}


@pytest.mark.slow
async def test_on_every_backend(
    engines: dict[str, str], tmp_path: Path, focal_data_layer: PostgresDataLayer
) -> None:
    """A process is killed while the model thinks; what it had stored is there, and is played to its end, nothing twice."""
    run = demo("--ideation", "--json", folder=tmp_path, env=engines)
    found = played(run)
    assert ["postgres", "redis", "memory"] == list(found)
    for one in found.values():
        assert WHOLE == {name: one[name] for name in WHOLE}
    assert ["SIGKILL", "SIGKILL", "ProviderConnectionError"] == [one["ended_by"] for one in found.values()]
    said = [text for user, model in zip(SAID, ANSWERED, strict=True) for text in (user, model.reply)]
    tenant_id = UUID(json.loads(run.stdout)["tenant_id"])
    for backend in ("postgres", "redis"):
        stores = get_repository_factory(focal_data_layer, backend).tenant(tenant_id)
        messages = await stores.messages.get_by_session(found[backend]["session_id"])
        assert said == [message.content for message in messages]


@pytest.mark.parametrize(
    "backend",
    [pytest.param("redis", marks=pytest.mark.slow), pytest.param("postgres", marks=pytest.mark.slow)],
)
def test_on_one_of_them(engines: dict[str, str], tmp_path: Path, backend: str) -> None:
    """And told to people."""
    run = demo("--ideation", "--backend", backend, folder=tmp_path, env=engines)
    assert (0, "") == (run.returncode, run.stderr)
    assert "SIGKILL" in run.stdout
    assert "5 messages, one waits" in run.stdout
    assert "memory" not in run.stdout


@pytest.mark.slow
def test_in_memory(tmp_path: Path) -> None:
    """It needs no engine, and says that nothing of it survives a process."""
    run = demo("--ideation", "--backend", "memory", folder=tmp_path, env=environment())
    assert (0, "") == (run.returncode, run.stderr)
    assert "does not survive its process" in run.stdout
    assert "an error" in run.stdout
    assert [] == list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [["--backend", "paper"], ["--live", "openai"], ["chat.jsonl"], ["--transcript", "chat.jsonl"]],
)
def test_what_does_not_go_with_it(tmp_path: Path, arguments: list[str]) -> None:
    """Is told, with exit code 2."""
    run = demo("--ideation", *arguments, folder=tmp_path, env=environment(FOCAL_DATA_OPENAI_API_KEY="x"))
    assert (2, "") == (run.returncode, run.stdout)


@pytest.mark.slow
def test_a_child_that_cannot_begin_is_told(engines: dict[str, str], tmp_path: Path) -> None:
    """The demo does not wait for it, and leaves no process behind."""
    broken = tmp_path / "sitecustomize.py"
    broken.write_text("import os, sys\nif 'ideation_child' in ' '.join(sys.orig_argv): os._exit(7)\n")
    env = engines | {"PYTHONPATH": f"{tmp_path}:{engines['PYTHONPATH']}"}
    run = demo("--ideation", "--backend", "redis", folder=tmp_path, env=env)
    assert 2 == run.returncode
    assert "ended by itself, with 7" in run.stderr


@pytest.mark.slow
def test_it_can_be_interrupted(engines: dict[str, str], tmp_path: Path) -> None:
    """At any time: the process that was to be killed goes as well."""
    process = subprocess.Popen(
        [sys.executable, "-c", AS_IN_THE_FOREGROUND, "demo", "--ideation"],
        cwd=tmp_path,
        env=engines,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    until = time.monotonic() + 30
    while not (children := _children(process.pid)):
        assert time.monotonic() < until
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (130, b"", b"Interrupted.\n") == (process.returncode, out, err)
    for child in children:
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)


def _children(pid: int) -> list[int]:
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    return [int(child) for child in listed.stdout.split()]
