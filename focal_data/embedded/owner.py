"""The owner's side: starting a supervisor, and letting go of it."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
import weakref
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Self

from focal_data.embedded.supervisor import Order
from focal_data.errors import StoreConnectionError, UsageError

# More than a supervisor takes before it has used its last resort on both servers.
_STOP_SECONDS = 90.0
_PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv[1]); from focal_data.embedded.supervisor import main; main()"
)


class Supervised:
    """A supervisor of ours, and the servers it keeps until the pipe to it is closed: by us, or with us."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.facts: Mapping[str, str] = {}
        self._process = process
        self._pid = os.getpid()
        self._stopping = threading.Lock()
        _let_go_in_children()
        _ours.add(self)

    @classmethod
    def start(cls, order: Order) -> Self:
        """Return when the servers answer; ``UsageError`` or ``StoreConnectionError`` when they don't."""
        supervised = cls(_spawn())
        try:
            supervised.facts = supervised._ask(order)
        except BaseException:
            supervised._end()
            raise
        return supervised

    def stop(self) -> None:
        """Have everything stopped, and return when it is."""
        if self._pid != os.getpid():
            return
        with self._stopping:
            if self._process.returncode is None and (status := self._end()):
                raise StoreConnectionError(f"the supervisor of the embedded engines ended with {status}")

    def let_go(self) -> None:
        """Close our end of the pipe."""
        if self._process.stdin:
            self._process.stdin.close()

    def _ask(self, order: Order) -> Mapping[str, str]:
        assert self._process.stdin
        assert self._process.stdout
        try:
            self._process.stdin.write(order.encode())
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = b""
        facts: dict[str, str] = json.loads(answer or b'{"error": "start", "message": "no answer"}')
        match facts.get("error"):
            case None:
                return facts
            case "usage":
                raise UsageError(facts["message"])
            case _:
                raise StoreConnectionError(f"an embedded engine did not start: {facts['message']}")

    def _end(self) -> int:
        self.let_go()
        output = self._process.stdout
        assert output
        # Its output ends when it does, which a wait with a time limit would notice later.
        ending = select.poll()
        ending.register(output)
        if not ending.poll(_STOP_SECONDS * 1000):
            raise StoreConnectionError(f"the embedded engines did not stop in {_STOP_SECONDS:.0f} s")
        output.close()
        return self._process.wait()


def _spawn() -> subprocess.Popen[bytes]:
    """A Python with the standard library only, out of reach of the terminal's Ctrl-C."""
    packages = Path(__file__).parents[2]
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-I", "-S", "-c", _PROGRAM, str(packages)],
        bufsize=0,
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )


_ours: weakref.WeakSet[Supervised] = weakref.WeakSet()


@cache
def _let_go_in_children() -> None:
    """A forked child must not keep the engines of a parent that ends."""
    os.register_at_fork(after_in_child=_let_go)


def _let_go() -> None:
    for supervised in list(_ours):
        supervised.let_go()
