"""Debian's pgbouncer in front of the run's PostgreSQL, pooling by transaction."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import URL

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@contextmanager
def pooling_by_transaction(server: URL, *, servers: int) -> Iterator[URL]:
    """The URL of a pgbouncer that shares ``servers`` connections to ``server`` among all of its clients."""
    assert PROGRAM is not None
    with tempfile.TemporaryDirectory(prefix="focal-bouncer-") as name:
        folder, port = Path(name), _free_port()
        config = folder / "pgbouncer.ini"
        config.write_text(_config(server, folder, port=port, servers=servers))
        user = _ordinary_user()
        if user:
            shutil.chown(folder, user)
            shutil.chown(config, user)
        process = subprocess.Popen(
            [PROGRAM, str(config)], user=user, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        try:
            _wait(process, port)
            yield server.set(host="127.0.0.1", port=port, query={})
        finally:
            process.terminate()
            process.communicate(timeout=10)


def _config(server: URL, folder: Path, *, port: int, servers: int) -> str:
    host = server.query.get("host") or server.host
    password = f" password={server.password}" if server.password else ""
    return f"""[databases]
* = host={host} port={server.port or 5432} user={server.username}{password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
pool_mode = transaction
auth_type = any
default_pool_size = {servers}
max_client_conn = 200
logfile = {folder}/log
"""


def _ordinary_user() -> str | None:
    """Whom to run as, since pgbouncer refuses to be root: one who can reach the server's socket."""
    return pwd.getpwnam("nobody").pw_name if os.geteuid() == 0 else None


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(100):
        if process.poll() is not None:
            raise RuntimeError(
                f"pgbouncer ended: {(process.stderr.read() if process.stderr else b'').decode()}"
            )
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("pgbouncer did not listen in time")
