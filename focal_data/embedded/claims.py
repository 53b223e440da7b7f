"""Who uses a folder: one supervisor at a time, told by a lock that the kernel drops with its holder."""

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

from focal_data.embedded.places import PREFIX, engine_account, remove_tree
from focal_data.embedded.servers import Pause, ServerStartError, stop_leftovers
from focal_data.errors import UsageError

_FILE = "engines.lock"
# A holder whose owner was just killed needs a moment to notice, and then a while to stop its servers.
_NOTICE_SECONDS = 1.0
_STOPPING_SECONDS = 60.0
_YOUNG_SECONDS = 60.0


class Claim:
    """An exclusive claim on a folder, with a record for whoever comes next."""

    def __init__(self, folder: Path) -> None:
        self._file = os.open(folder / _FILE, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)

    @classmethod
    def take(cls, folder: Path, owner: int, pause: Pause) -> Self:
        """Claim ``folder`` on behalf of process ``owner``, waiting for a holder that is stopping.

        ``UsageError`` when it is in use.
        """
        claim = cls(folder)
        began = time.monotonic()
        while not claim._lock():
            record = claim._read()
            if time.monotonic() - began > (_STOPPING_SECONDS if "stopping" in record else _NOTICE_SECONDS):
                os.close(claim._file)
                raise UsageError(
                    f"{folder} is in use by process {record.get('owner')}: stop that one, or name another folder"
                )
            pause(0.01)
        claim._write({"owner": str(owner), "runtime": claim._read().get("runtime", "")})
        return claim

    def tidy(self, pause: Pause) -> None:
        """End what a holder that was killed has left running, and remove its sockets."""
        if runtime := self._read().get("runtime"):
            stop_leftovers(runtime, pause)
            if Path(runtime).name.startswith(PREFIX):
                remove_tree(Path(runtime))

    def record(self, runtime: Path) -> None:
        """Note where the sockets are, which the servers' command lines name."""
        self._write(self._read() | {"runtime": str(runtime)})

    def stopping(self) -> None:
        """Note that it is worth waiting for."""
        self._write(self._read() | {"stopping": "yes"})

    def release(self) -> None:
        """Give the folder back, with nothing left to tidy."""
        self._write({})
        os.close(self._file)

    def remove_if_abandoned(self, folder: Path, pause: Pause) -> None:
        """Remove ``folder`` unless somebody holds it."""
        try:
            if self._lock():
                stop_leftovers(str(folder), pause)
                remove_tree(folder)
        finally:
            os.close(self._file)

    def _lock(self) -> bool:
        with suppress(BlockingIOError):
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        return False

    def _read(self) -> dict[str, str]:
        with suppress(ValueError):
            return dict(json.loads(os.pread(self._file, 4096, 0)))
        return {}

    def _write(self, record: dict[str, str]) -> None:
        written = os.pwrite(self._file, json.dumps(record).encode(), 0)
        os.ftruncate(self._file, written)


def remove_abandoned(base: Path, pause: Pause) -> None:
    """Remove runtime folders in ``base`` whose supervisor was killed, and end the servers it left."""
    for folder in base.glob(f"{PREFIX}??????????"):
        with suppress(OSError, ServerStartError):
            about = folder.lstat()
            if about.st_uid in _ours() and time.time() - about.st_mtime > _YOUNG_SECONDS:
                Claim(folder).remove_if_abandoned(folder, pause)


def _ours() -> set[int]:
    account = engine_account()
    return {os.geteuid(), account.uid} if account else {os.geteuid()}
