"""Starting, awaiting, stopping and finding server processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from focal_data.embedded.places import Account, acting_for

_PROGRAMS = frozenset({"postgres", "valkey-server", "redis-server"})
_TAIL_BYTES = 2_000
_PR_SET_PDEATHSIG = 1
# Recovery after a crash replays what was not yet checkpointed, at most a gigabyte or so.
_START_SECONDS = 120.0
_LEFTOVER_SECONDS = 60.0

Pause = Callable[[float], None]
"""Waits so many seconds, or raises when there is nobody left to wait for."""


class ServerStartError(Exception):
    """A server did not come up. Becomes a ``StoreConnectionError`` in the process that asked for it."""


class Step(NamedTuple):
    """One way to end a server, and how many seconds it is given."""

    signal: signal.Signals
    seconds: float


class Server(NamedTuple):
    """A running server: our child, so its process id can't be anybody else's."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    ready: Callable[[], bool]
    ending: Sequence[Step]

    def await_ready(self, pause: Pause) -> None:
        """Return when it answers; ``ServerStartError`` with the end of its log when it does not."""
        until = time.monotonic() + _START_SECONDS
        while not self.ready():
            if self.process.poll() is not None:
                raise ServerStartError(f"{self.name} ended instead of starting: {tail(self.log)}")
            if time.monotonic() > until:
                raise ServerStartError(
                    f"{self.name} is not ready after {_START_SECONDS:.0f} s: {tail(self.log)}"
                )
            pause(0.002)


def launch(
    command: Sequence[str], *, folder: Path, log: Path, account: Account | None
) -> subprocess.Popen[bytes]:
    """Start a server in ``folder``, with nothing of our environment, its output in ``log``.

    The folder is entered before the account is changed, so that its parents need not let the account pass.
    """
    with log.open("wb") as output, acting_for(account):
        return subprocess.Popen(  # noqa: S603
            command,
            cwd=folder,
            env={"LC_ALL": "C", "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=_end_with_parent(),  # noqa: PLW1509  (the supervisor has one thread)
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )


def run(command: Sequence[str], *, account: Account | None) -> None:
    """Run a program to its end; ``ServerStartError`` with what it said when it fails."""
    with acting_for(account):
        done = subprocess.run(  # noqa: S603
            command,
            cwd="/",
            env={"LC_ALL": "C", "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-_TAIL_BYTES:]
        raise ServerStartError(f"{Path(command[0]).name} failed with {done.returncode}: {said}")


def stop(servers: Sequence[Server]) -> None:
    """End all of them, each way at its first, then ever less gently."""
    for server in servers:
        server.process.send_signal(server.ending[0].signal)
    for server in servers:
        _await_end(server)


def stop_leftovers(marker: str, pause: Pause) -> None:
    """End servers whose command line names ``marker``, left by a supervisor that was killed."""
    told: set[int] = set()
    until = time.monotonic() + _LEFTOVER_SECONDS
    while running := servers_naming(marker):
        for process in running - told:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGINT)
        told |= running
        if time.monotonic() > until:
            raise ServerStartError(
                f"servers of an earlier run do not end: {', '.join(map(str, sorted(running)))}"
            )
        pause(0.01)


def servers_naming(marker: str) -> set[int]:
    """Running servers with ``marker`` in their command line."""
    return {
        process
        for process, command in _commands()
        if is_server(command) and any(marker in word for word in command)
    }


def command_of(process: int) -> list[str]:
    """The command line of a running process; empty for one that is gone or a zombie."""
    if Path("/proc/self").exists():
        with suppress(OSError):
            return os.fsdecode(Path(f"/proc/{process}/cmdline").read_bytes()).split("\0")[:-1]
        return []
    return _ps("-o", "command=", "-p", str(process)).split()


def tail(log: Path) -> str:
    """The end of a log, in one line."""
    with suppress(OSError):
        text = log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace")
        return " | ".join(line for line in text.splitlines() if line.strip()) or "its log is empty"
    return "it has no log"


def is_server(command: Sequence[str]) -> bool:
    """Whether a command line is that of an engine's main process."""
    return bool(command) and Path(command[0]).name in _PROGRAMS


def _commands() -> Iterator[tuple[int, list[str]]]:
    if Path("/proc/self").exists():
        for path in Path("/proc").iterdir():
            if path.name.isdecimal():
                yield int(path.name), command_of(int(path.name))
    else:
        for line in _ps("-axo", "pid=,command=").splitlines():
            process, *command = line.split()
            yield int(process), command


def _ps(*arguments: str) -> str:
    return subprocess.run(["ps", *arguments], capture_output=True, text=True, check=False).stdout  # noqa: S603, S607


def _await_end(server: Server) -> None:
    for place, step in enumerate(server.ending):
        if place:
            server.process.send_signal(step.signal)
        with suppress(subprocess.TimeoutExpired):
            server.process.wait(step.seconds)
            return


def _end_with_parent() -> Callable[[], None] | None:
    """On Linux the kernel ends a server whose supervisor was killed."""
    if sys.platform != "linux":
        return None
    import ctypes

    control = ctypes.CDLL(None).prctl
    return lambda: control(_PR_SET_PDEATHSIG, int(signal.SIGINT))
