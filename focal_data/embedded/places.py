"""Where the engines' files lie, and who owns them.

PostgreSQL refuses to run as root. Root's engines run as ``nobody``, who is let into folders of ours only: no
parent's permissions are ever changed.
"""

from __future__ import annotations

import errno
import os
import pwd
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from focal_data.errors import UsageError

PREFIX = "focal-data-"
# A socket's path has at most 103 bytes on macOS; "/focal-data-0123456789/.s.PGSQL.5432" takes 36 of them.
_LONGEST_BASE = 60
_COPY_BYTES = 1 << 20
_MEMORY = "/dev/shm"  # noqa: S108
_ROOMY_BYTES = 4 << 30


class Account(NamedTuple):
    """Whom root's engines run as."""

    uid: int
    gid: int


class Place(NamedTuple):
    """Where one set of engines lives: ``home`` has its data, ``runtime`` is there while it runs.

    In both, only what is in a folder of its own belongs to the engines' account. ``durable`` data are kept, and
    written so that what was acknowledged survives a loss of power.
    ``temporary`` is the system's folder for temporary files.
    """

    home: Path
    runtime: Path
    durable: bool
    account: Account | None
    temporary: str

    @property
    def sockets(self) -> Path:
        """The folder of the sockets, which only the engines' account (and root) may enter."""
        return self.runtime / "run"

    def own_folder(self, path: Path) -> Path:
        """``path``, made on first use and given to the engines' account."""
        path.mkdir(mode=0o700, exist_ok=True)
        with acting_for(self.account):
            give(path, self.account)
        return path


@contextmanager
def acting_for(account: Account | None) -> Iterator[None]:
    """Turn the system's refusal to act for another user into a ``UsageError``."""
    try:
        yield
    except OSError as error:
        if account is None or error.errno not in (errno.EPERM, errno.EINVAL):
            raise
        raise UsageError(
            "PostgreSQL does not run as root, and this process may not run it as another user"
            f" ({error.strerror}): start as an ordinary user"
        ) from None


def engine_account() -> Account | None:
    """``None``: run as we are. For root: ``nobody``."""
    if os.geteuid() != 0:
        return None
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise UsageError(
            "PostgreSQL does not run as root, and there is no user 'nobody' to run it as: start as another user"
        ) from None
    return Account(nobody.pw_uid, nobody.pw_gid)


def make_home(path: Path) -> Path:
    """The folder for data that are kept, made where it is missing."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    # In a folder of somebody else's, root could be led astray by links.
    if os.geteuid() == 0 and path.stat().st_uid != 0:
        raise UsageError(f"{path} belongs to another user: start as that user, or name another folder")
    return path


def give(path: Path | str, account: Account | None) -> None:
    """Make ``account`` the owner of ``path``; nothing to do for ``None``."""
    if account is not None:
        os.chown(path, account.uid, account.gid, follow_symlinks=False)


def make_runtime(temporary: str, account: Account | None, *, durable: bool) -> Path:
    """A fresh folder with a path short enough for sockets in it."""
    for base in _bases(temporary, durable=durable):
        if len(os.fsencode(base)) > _LONGEST_BASE or not _usable(Path(base), account):
            continue
        runtime = Path(base, PREFIX + os.urandom(5).hex())
        runtime.mkdir(mode=0o700)
        if account is not None:
            runtime.chmod(0o711)
        return runtime
    raise UsageError(f"no folder for the engines' sockets: {temporary}, /tmp and /var/tmp can't be used")


def cached(name: str, place: Place, make: Callable[[Path], None]) -> Path:
    """The folder ``name`` of the cache, filled by ``make`` on first use.

    It appears there complete or not at all, and two who make it at once end up with the same one. Where no
    cache can be written to, it is made in the runtime folder and goes with it.
    """
    failed = "none"
    for cache in chain(_caches(place), [place.runtime]):
        if (cache / name).is_dir():
            return cache / name
        try:
            return _make_in(cache, name, make)
        except OSError as error:
            failed = f"{cache}: {error.strerror}"
    raise UsageError(f"no folder to prepare the engines in ({failed})")


def _make_in(cache: Path, name: str, make: Callable[[Path], None]) -> Path:
    building = cache / f".{name}-{os.urandom(5).hex()}"
    try:
        make(building)
        with suppress(OSError):  # somebody else's is there by now
            building.rename(cache / name)
    finally:
        remove_tree(building)
    (cache / name).stat()
    return cache / name


def public_copy(site: Path, parts: Sequence[str], place: Place) -> Path:
    """``site``, or a copy of those ``parts`` of it where the account can't reach them: packages often lie in
    root's home. The first part is a program that tells this version from others.
    """
    program = site / parts[0]
    if reachable(program):
        return site
    about = program.stat()
    name = f"{program.name}-{about.st_size:x}-{about.st_mtime_ns:x}"
    return cached(name, place, lambda path: _copy_parts(site, parts, path))


def _copy_parts(site: Path, parts: Sequence[str], target: Path) -> None:
    _public_folder(target)
    for part in parts:
        for parent in reversed(Path(part).parents[:-1]):
            _public_folder(target / parent)
        if (site / part).is_dir():
            copy_tree(site / part, target / part, public=True)
        elif (site / part).exists():
            _copy_file(str(site / part), str(target / part), 0o755)


def _public_folder(path: Path) -> None:
    path.mkdir(exist_ok=True)
    path.chmod(0o755)


def remove_tree(path: Path) -> None:
    """Remove a folder and all in it, if it is there."""
    import shutil  # takes as long to import as a whole start of Redis

    if path.exists():
        shutil.rmtree(path)


def reachable(path: Path) -> bool:
    """Whether everybody may pass through every folder above ``path`` and use it."""
    try:
        modes = [parent.stat().st_mode for parent in path.parents]
        return all(mode & 0o001 for mode in modes) and path.stat().st_mode & 0o005 == 0o005
    except OSError:
        return False


def copy_tree(
    source: Path | str, target: Path | str, account: Account | None = None, *, public: bool = False
) -> None:
    """Copy a folder of plain files, for the account alone or, ``public``, for everybody to read and run.

    A loop of our own, because it is twice as fast as shutil's on PostgreSQL's thousand small files.
    """
    folder_mode, file_mode = (0o755, 0o755) if public else (0o700, 0o600)
    Path(target).mkdir(mode=0o700)
    with os.scandir(source) as entries:
        for entry in entries:
            path = f"{target}/{entry.name}"
            if entry.is_dir():
                copy_tree(entry.path, path, account, public=public)
            else:
                _copy_file(entry.path, path, file_mode)
                give(path, account)
    Path(target).chmod(folder_mode)
    give(target, account)


def sync_tree(folder: Path) -> None:
    """Return when ``folder`` and all in it would survive a loss of power."""
    for path, _, files in os.walk(folder):
        for name in [*files, "."]:
            sync(f"{path}/{name}")


def sync(path: Path | str) -> None:
    """Return when what the file, or the folder's list of names, holds would survive a loss of power."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _copy_file(source: str, target: str, mode: int) -> None:
    reading = os.open(source, os.O_RDONLY)
    try:
        writing = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            while data := os.read(reading, _COPY_BYTES):
                _write(writing, data)
            if mode != 0o600:
                os.fchmod(writing, mode)
        finally:
            os.close(writing)
    finally:
        os.close(reading)


def _write(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


def _bases(temporary: str, *, durable: bool) -> Iterator[str]:
    # Data that are thrown away need no disk, where there is memory to spare and nobody named another place.
    if not durable and "TMPDIR" not in os.environ and _room_in(_MEMORY) > _ROOMY_BYTES:
        yield _MEMORY
    yield from (temporary, "/tmp", "/var/tmp")  # noqa: S108  (an unguessable, private folder is made in it)


def _room_in(folder: str) -> int:
    with suppress(OSError):
        found = os.statvfs(folder)
        return found.f_bavail * found.f_frsize
    return 0


def _usable(base: Path, account: Account | None) -> bool:
    return os.access(base, os.W_OK | os.X_OK) and (account is None or reachable(base))


def _caches(place: Place) -> Iterator[Path]:
    """Folders for what is worth keeping between runs, best first: such as only we may write to."""
    for path in _cache_candidates(place.temporary):
        with suppress(OSError):
            path.mkdir(parents=True, exist_ok=True)
            found = path.stat()
            if found.st_uid != os.geteuid() or found.st_mode & 0o022 or not os.access(path, os.W_OK):
                continue
            if place.account is not None:
                path.chmod(0o755)
            if place.account is None or reachable(path):
                yield path


def _cache_candidates(temporary: str) -> Iterator[Path]:
    if os.geteuid() == 0:
        # Not root's home: the account must reach it. Nobody but root can make a folder here beforehand.
        yield Path("/var/cache/focal-data")
    elif wanted := os.environ.get("XDG_CACHE_HOME"):
        yield Path(wanted, "focal-data")
    elif sys.platform == "darwin":
        yield Path("~/Library/Caches/focal-data").expanduser()
    else:
        yield Path("~/.cache/focal-data").expanduser()
    yield Path(temporary, f"{PREFIX}cache-{os.geteuid()}")
