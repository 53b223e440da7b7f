"""The embedded PostgreSQL: a cluster copied from a cached template, and its server."""

from __future__ import annotations

import locale
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from focal_data.embedded.bundles import PostgresBundle
from focal_data.embedded.places import (
    Account,
    Place,
    cached,
    copy_tree,
    give,
    public_copy,
    remove_tree,
    sync,
    sync_tree,
)
from focal_data.embedded.servers import (
    Pause,
    Server,
    ServerStartError,
    Step,
    command_of,
    is_server,
    launch,
    run,
    tail,
)
from focal_data.errors import UsageError

_ALWAYS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    # Statements that fail are not logged: they, and what is said of them, hold what users wrote.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
}
_DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
_PASSING = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "256MB",
}
_FAST, _IMMEDIATE, _KILL = Step(signal.SIGINT, 30), Step(signal.SIGQUIT, 5), Step(signal.SIGKILL, 5)
_ATTEMPTS = 100
# To be raised when the template is made in another way.
_TEMPLATE = 1


def start(bundle: PostgresBundle, place: Place, servers: list[Server], pause: Pause) -> None:
    """Start PostgreSQL on the cluster of ``place``, made when there is none; return when it takes connections."""
    if place.account is not None:
        bundle = _reachable(bundle, place)
    data = place.home / "postgres"
    if data.exists():
        _check_version(data, bundle)
        _remove_stale_pid(data)
    else:
        _create(data, bundle, place)
    for attempt in range(_ATTEMPTS):
        server = _launch(bundle, data, place)
        servers.append(server)
        try:
            return server.await_ready(pause)
        except ServerStartError:
            # Backends of a killed predecessor take a moment to notice that they should leave.
            if attempt == _ATTEMPTS - 1 or "pre-existing shared memory block" not in tail(server.log):
                raise
            servers.remove(server)
            pause(0.1)
    return None


def database_url(place: Place) -> str:
    """The superuser's URL, over the socket."""
    return f"postgresql+asyncpg://postgres@/postgres?host={place.sockets}"


def _launch(bundle: PostgresBundle, data: Path, place: Place) -> Server:
    # A folder that was entered before the account changed needs no parent that lets the account pass.
    path = "/proc/self/cwd" if place.account and sys.platform == "linux" else str(data)
    settings = (
        {"unix_socket_directories": str(place.sockets)} | _ALWAYS | (_DURABLE if place.durable else _PASSING)
    )
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    log = place.home / "postgres.log"
    process = launch(
        [bundle.program("postgres"), "-D", path, *options], folder=data, log=log, account=place.account
    )
    ending = (_FAST, _IMMEDIATE, _KILL) if place.durable else (_IMMEDIATE, _KILL)
    return Server("PostgreSQL", process, log, lambda: _is_ready(data, process.pid), ending)


def _is_ready(data: Path, process: int) -> bool:
    with suppress(OSError):
        lines = (data / "postmaster.pid").read_text(encoding="utf-8").split("\n")
        return len(lines) > 7 and lines[0] == str(process) and lines[7].strip() == "ready"
    return False


def _create(data: Path, bundle: PostgresBundle, place: Place) -> None:
    building = data.with_name("postgres.new")
    remove_tree(building)
    copy_tree(_template(bundle, place), building, place.account)
    if place.durable:
        sync_tree(building)
    building.rename(data)
    if place.durable:
        sync(data.parent)


def _template(bundle: PostgresBundle, place: Place) -> Path:
    types, system = _character_types(), os.uname()
    name = f"postgres-{bundle.version}-{system.sysname}-{system.machine}-{types}-{_TEMPLATE}"
    return cached(name, place, lambda path: _init(path, types, bundle, place.account))


def _init(path: Path, types: str, bundle: PostgresBundle, account: Account | None) -> None:
    path.mkdir(mode=0o700)
    give(path, account)
    # Sorted by code point everywhere, with letters known as such beyond ASCII for full-text search.
    places = ("--encoding=UTF8", "--locale=C", f"--lc-ctype={types}", "--text-search-config=simple")
    access = ("--username=postgres", "--auth-local=trust", "--auth-host=reject")
    run([bundle.program("initdb"), f"--pgdata={path}", *access, *places], account=account)
    if account is not None:
        _take_back(path)


def _take_back(path: Path) -> None:
    for folder, _, files in os.walk(path):
        for name in [".", *files]:
            os.chown(f"{folder}/{name}", os.geteuid(), os.getegid(), follow_symlinks=False)


def _character_types() -> str:
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        for name in ("C.UTF-8", "en_US.UTF-8", "UTF-8"):
            with suppress(locale.Error):
                locale.setlocale(locale.LC_CTYPE, name)
                return name
    finally:
        locale.setlocale(locale.LC_CTYPE, before)
    return "C"


def _check_version(data: Path, bundle: PostgresBundle) -> None:
    found = (data / "PG_VERSION").read_text(encoding="utf-8").strip()
    if found != bundle.version.split(".", maxsplit=1)[0]:
        raise UsageError(
            f"{data} belongs to PostgreSQL {found}, not {bundle.version}: start it with postgres_version={found}"
        )


def _remove_stale_pid(data: Path) -> None:
    """PostgreSQL believes a pid file while any process has that id; we look at which process it is."""
    file = data / "postmaster.pid"
    with suppress(OSError, ValueError):
        process = int(file.read_text(encoding="utf-8").split("\n", 1)[0])
        if _serves(process, data):
            raise UsageError(
                f"{data} is in use by a PostgreSQL that was not started here (process {process})"
            )
        if _has_process(process):
            file.unlink()


def _serves(process: int, data: Path) -> bool:
    command = command_of(process)
    if not is_server(command):
        return False
    with suppress(OSError):
        return Path(f"/proc/{process}/cwd").samefile(data)
    return str(data) in command


def _has_process(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _reachable(bundle: PostgresBundle, place: Place) -> PostgresBundle:
    home = Path(bundle.home)
    libraries = f"{home.parts[0]}.libs", f"{home.parts[0]}/.dylibs"
    programs = f"{home}/bin/postgres", f"{home}/bin/initdb"
    parts = [*programs, f"{home}/lib/postgresql", f"{home}/share", *libraries]
    return bundle._replace(site=str(public_copy(Path(bundle.site), parts, place)))
