"""The console entry point: it runs the commands of ``app``, and says what went wrong.

An error of ours is one line on standard error. Exit code 2: wrong input, a wrong setting, or a wrong use; 130: interrupted;
1: anything else.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from io import TextIOWrapper
from time import perf_counter
from typing import Final, NoReturn

from focal_data.cli import INTERRUPTED
from focal_data.cli.glance import glance
from focal_data.errors import FocalDataError, InvalidDataError, SettingsError, UsageError

_NEEDED: Final = ("typer", "rich")


def run() -> None:
    """Run the command that the command line names. Ends the process."""
    started = perf_counter()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # not every terminal can show every sign
    arguments = sorted(sys.argv[1:], key=lambda argument: argument != "--debug")  # it may stand anywhere
    debug = "--debug" in arguments or bool(os.environ.get("FOCAL_DATA_DEBUG"))
    logging.basicConfig(
        level=logging.INFO if debug else logging.ERROR
    )  # before a library does it its own way
    try:
        if not all(map(find_spec, _NEEDED)):
            raise UsageError('the command line is not installed: pip install "focal-data[cli]"')
        if not glance(arguments):
            with _ended_at_once():
                app = _app(arguments)
            app(arguments, prog_name="focal-data", obj=started)
    except KeyboardInterrupt:  # before there was a command to tell it to
        sys.exit(INTERRUPTED)
    except Exception as error:
        if debug:
            raise
        end_with(error)


@contextmanager
def _ended_at_once() -> Iterator[None]:
    """Ctrl-C ends the process on the spot, since what is imported could swallow an exception: callbacks only print it."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, lambda number, frame: os._exit(INTERRUPTED))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _app(arguments: list[str]) -> Callable[..., object]:
    """All commands, or only those that ``arguments`` ask for, where the others take longer to load than they to run."""
    if next((argument for argument in arguments if not argument.startswith("-")), None) == "db":
        from focal_data.cli.root import migrating

        return migrating()
    from focal_data.cli.app import app

    return app


def end_with(error: BaseException) -> NoReturn:
    """Say in one line what is wrong, and end with its exit code."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, FocalDataError):
        said = str(error)
    elif isinstance(error, OSError):
        said = error.strerror or type(error).__name__
    else:  # its text may hold content
        said = f"unexpected {type(error).__name__}; --debug shows where"
    sys.stderr.write(f"focal-data: {said}\n")
    sys.exit(2 if isinstance(error, SettingsError | UsageError | InvalidDataError) else 1)


if __name__ == "__main__":
    run()
