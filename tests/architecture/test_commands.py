"""The commands of the house: ``make`` lists them, and CI runs what ``make check`` runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
CI = (ROOT / ".ci/run").read_text()
COMMANDS = {"help", "check", "test", "test-slow", "test-compose", "bench", "fmt", "revision", "build"}

needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")


def _recipe(target: str) -> list[str]:
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)*)", MAKEFILE, re.MULTILINE)
    assert found is not None
    return [line.strip() for line in found[1].splitlines()]


def _make(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)


def test_ci_runs_what_make_check_runs() -> None:
    """CI runs every command of ``make check``, in its order, and then the slow tests."""
    ours = _recipe("lint") + _recipe("test") + _recipe("test-slow")
    theirs = [line for line in CI.splitlines() if line.startswith("uv run ") and "--version" not in line]
    assert ours == theirs
    assert re.search(r"^check: lint test ", MAKEFILE, re.MULTILINE)


@needs_make
def test_make_alone_lists_the_commands() -> None:
    """``make`` and ``make help`` list every command with a line about it, and change nothing."""
    listed = _make("help").stdout
    assert listed == _make().stdout
    names = re.findall(r"^  make ([a-z-]+) +\S", listed, re.MULTILINE)
    assert COMMANDS | {"lint"} == set(names)


@needs_make
def test_a_revision_needs_a_message() -> None:
    """``make revision`` without a message makes no file, and says what to give."""
    result = _make("revision")
    assert result.returncode != 0
    assert 'make revision m="…"' in result.stderr


@pytest.mark.parametrize("script", [".ci/run", ".ci/test-compose"])
def test_a_script_stops_at_the_first_failure(script: str) -> None:
    """Each script is executable, parses, and goes on after no failure and no unset variable."""
    path = ROOT / script
    assert os.access(path, os.X_OK)
    assert "\nset -euo pipefail\n" in path.read_text()
    assert b"" == subprocess.run(["bash", "-n", str(path)], capture_output=True, check=True).stderr


def test_slow_tests_wait_to_be_asked_for() -> None:
    """A plain run leaves the slow tests out; ``-m slow`` overrides that."""
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["addopts"]
    assert ["-m", "not slow"] == options[-2:]


def _fake_docker(folder: Path, *, fails_on: str) -> Path:
    """A docker, and a uv, that write down how they were called."""
    for name in ("docker", "uv"):
        program = folder / name
        words = f'echo "{name} $*" >> "{folder}/calls"\ncase "$*" in *{fails_on}*) exit 3;; esac\n'
        program.write_text(f"#!/bin/sh\n{words}")
        program.chmod(0o755)
    return folder


@pytest.mark.parametrize(("fails_on", "expected"), [("nothing", 0), ("pytest", 3), ("detach", 3)])
def test_the_engines_of_a_test_run_are_removed(tmp_path: Path, fails_on: str, expected: int) -> None:
    """``make test-compose`` removes what it started, volumes included, whatever became of the tests."""
    path = f"{_fake_docker(tmp_path, fails_on=fails_on)}:{os.environ['PATH']}"
    command = [str(ROOT / ".ci/test-compose")]
    result = subprocess.run(command, capture_output=True, check=False, env={**os.environ, "PATH": path})
    calls = (tmp_path / "calls").read_text().splitlines()
    assert expected == result.returncode
    assert "docker compose --env-file /dev/null --project-name focal-data-test down --volumes" == calls[-1]
