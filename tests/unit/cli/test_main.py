"""The console entry point: what it says of an error, and the exit code."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

from focal_data.cli import main
from focal_data.errors import (
    FocalDataError,
    InvalidDataError,
    SettingsError,
    StoreConnectionError,
    UsageError,
)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (SettingsError("FOCAL_DATA_REDIS_URL", "is not set"), 2, "FOCAL_DATA_REDIS_URL: is not set"),
        (UsageError("use it so"), 2, "use it so"),
        (InvalidDataError("content", "is empty"), 2, "content: is empty"),
        (StoreConnectionError("gone"), 1, "gone"),
        (FocalDataError("odd"), 1, "odd"),
        (OSError(28, "No space left on device"), 1, "No space left on device"),
        (ExceptionGroup("tasks", [ExceptionGroup("more", [UsageError("use it so")])]), 2, "use it so"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_is_one_line_and_an_exit_code(
    error: Exception, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """On standard error; 2 for what the user can put right."""
    with pytest.raises(SystemExit) as ended:
        main.end_with(error)
    printed = capsys.readouterr()
    assert (code, "") == (ended.value.code, printed.out)
    assert printed.err.startswith("focal-data: ")
    assert said in printed.err
    assert 1 == printed.err.count("\n")


def test_an_unexpected_error_shows_nothing_of_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    """It may hold what somebody said; --debug shows all of it."""
    with pytest.raises(SystemExit) as ended:
        main.end_with(KeyError("secret"))
    assert 1 == ended.value.code
    assert "focal-data: unexpected KeyError; --debug shows where\n" == capsys.readouterr().err


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr("sys.argv", ["focal-data", *arguments])
    main.run()


def test_a_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what to install."""
    monkeypatch.setattr(
        main, "find_spec", lambda name: None if name == "typer" else importlib.util.find_spec(name)
    )
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, "doctor")
    assert 2 == ended.value.code
    assert (
        'focal-data: the command line is not installed: pip install "focal-data[cli]"\n'
        == capsys.readouterr().err
    )


@pytest.mark.parametrize("arguments", [("--help",), ("demo", "--help"), ("doctor", "--help")])
def test_every_command_has_help(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And needs no engine for it."""
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, *arguments)
    assert 0 == ended.value.code
    assert "Usage" in capsys.readouterr().out


def test_debug_lets_an_error_through_wherever_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its traceback."""
    monkeypatch.setenv("FOCAL_DATA_POOL_SIZE", "none")
    with pytest.raises(SettingsError, match="FOCAL_DATA_POOL_SIZE"):
        run(monkeypatch, "doctor", "--debug")


def test_a_wrong_setting_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is touched."""
    monkeypatch.setenv("FOCAL_DATA_POOL_SIZE", "none")
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, "demo")
    assert 2 == ended.value.code
    assert capsys.readouterr().err.startswith("focal-data: FOCAL_DATA_POOL_SIZE: ")


INTERRUPTED_WHILE_LOADING = """
import os, signal, sys, weakref
from focal_data.cli import main

class Module: ...

def load(arguments):
    module = Module()
    noticed = weakref.ref(module, lambda reference: os.kill(os.getpid(), signal.SIGINT))
    del module
    return lambda *arguments, **options: print("as if nothing had been")

signal.signal(signal.SIGINT, getattr(signal, sys.argv.pop()))
main._app = load
main.run()
"""


@pytest.mark.parametrize(
    ("handler", "expected"),
    [("default_int_handler", (130, "", "")), ("SIG_IGN", (0, "as if nothing had been\n", ""))],
)
def test_ctrl_c_counts_while_the_commands_are_loaded(handler: str, expected: tuple[int, str, str]) -> None:
    """Also where an exception would be swallowed, as in the callbacks of imports; what is ignored stays so."""
    command = [sys.executable, "-c", INTERRUPTED_WHILE_LOADING, "demo", handler]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert expected == (done.returncode, done.stdout, done.stderr)
