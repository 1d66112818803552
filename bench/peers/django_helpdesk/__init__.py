"""django-helpdesk as a peer, with fair settings for production.

DEBUG off, gunicorn's threaded workers with keep-alive, persistent database connections, token authentication (a password
would be hashed at every request), mail to a dummy backend, logging at WARNING, PostgreSQL as durable as ours. It is
installed into an environment of its own, because it needs other versions and a newer Python than we do.
"""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

from bench.children import Child, DidNotStart, free_port
from bench.run import Bench
from tests.support.servers import CACHE

_HERE: Final = Path(__file__).parent
_REQUIREMENTS: Final = _HERE / "requirements.txt"
_PYTHON: Final = ">=3.12"
_NEW_ENOUGH: Final = ("3.12", "3.13", "3.14")
_WORKERS: Final = 2
_THREADS: Final = 4


class PeerUnavailable(Exception):
    """The peer cannot be installed or run here; the message says why."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A running django-helpdesk."""

    server: Child
    url: str
    """Where tickets are created."""
    header: str
    queue: int


@dataclass(frozen=True, slots=True)
class Site:
    """An installed django-helpdesk with its schema and a user; not running."""

    environment: dict[str, str]
    folder: Path
    header: str
    queue: int

    def serve(self) -> tuple[Child, int]:
        """Start its server; return it once it answers, and its port."""
        port = free_port()
        command = [str(_programs() / "gunicorn"), "wsgi:application", "-b", f"127.0.0.1:{port}"]
        command += ["-k", "gthread", "-w", str(_WORKERS), "--threads", str(_THREADS), "--keep-alive", "30"]
        command += ["--max-requests", "0", "--log-level", "warning"]
        child = Child(command, folder=self.folder, environment=self.environment, answers_at=port)
        return child, port


@contextmanager
def site(bench: Bench) -> Iterator[Site]:
    """Give a site on a fresh database of the run's PostgreSQL. Raises PeerUnavailable."""
    _install()
    folder = bench.folder / "django-helpdesk"
    folder.mkdir(exist_ok=True)
    with bench.servers.postgresql.database() as url:
        environment = {
            "PYTHONPATH": str(_HERE),
            "DJANGO_SETTINGS_MODULE": "settings",
            "PEER_DATABASE": urlsplit(url).path.strip("/"),
            "PEER_HOST": parse_qs(urlsplit(url).query)["host"][0],
            "PEER_FOLDER": str(folder),
        }
        _run(environment, "-m", "django", "migrate", "-v", "0")
        made = json.loads(_run(environment, str(_HERE / "seed.py")))
        yield Site(environment, folder, f"Authorization: Token {made['token']}", made["queue"])


@contextmanager
def running(bench: Bench) -> Iterator[Peer]:
    """Give a running peer. Raises PeerUnavailable."""
    with site(bench) as installed:
        try:
            server, port = installed.serve()
        except DidNotStart as error:
            raise PeerUnavailable(str(error)) from None
        with server:
            url = f"http://127.0.0.1:{port}/api/tickets/"
            yield Peer(server, url, installed.header, installed.queue)


def _install() -> None:
    """Install the peer once per version of the requirements."""
    if (_programs() / "gunicorn").exists():
        return
    uv = shutil.which("uv") or str(CACHE / "uv" / "bin" / "uv")
    folder = _programs().parent
    for command in (
        ["venv", "--quiet", "--clear", "--python", _python(), str(folder)],
        ["pip", "install", "--quiet", "--python", str(folder / "bin" / "python"), "-r", str(_REQUIREMENTS)],
    ):
        try:
            done = subprocess.run([uv, *command], capture_output=True, text=True, check=False, timeout=600)
        except OSError as error:
            raise PeerUnavailable(f"uv cannot be run: {error}") from None
        if done.returncode:
            raise PeerUnavailable(done.stderr.strip()[-400:])


def _python() -> str:
    """Return a Python that Django's release takes: one of this machine, else what uv is to fetch."""
    installed = sorted(Path.home().glob(".pyenv/versions/*/bin/python"))
    found = [each for each in installed if each.parents[1].name.startswith(_NEW_ENOUGH)]
    named = [shutil.which(f"python{version}") for version in _NEW_ENOUGH]
    works = [each for each in [*named, *map(str, found)] if each and _runs(each)]
    return works[0] if works else _PYTHON


def _runs(python: str) -> bool:
    return subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0


def _programs() -> Path:
    version = hashlib.sha256(_REQUIREMENTS.read_bytes()).hexdigest()[:12]
    return CACHE / "bench" / "django-helpdesk" / version / "bin"


def _run(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [str(_programs() / "python"), *arguments],
        cwd=environment["PEER_FOLDER"],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if done.returncode:
        raise PeerUnavailable(done.stderr.strip()[-800:])
    return done.stdout
