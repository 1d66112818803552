"""A suite of one's own: `huiyin up` as a child process, with settings that nothing outside can change."""

import asyncio
import contextlib
import json
import os
import secrets
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from huiyin_simulator.errors import SuiteFailed
from huiyin_simulator.folder import DemoFolder

LOG: Final = "suite.log"
_START_SECONDS: Final = 120
_STOP_SECONDS: Final = 40
_READY: Final = "ready "
_PROGRAM: Final = (sys.executable, "-m", "huiyin_chassis")


@dataclass(frozen=True, slots=True)
class Suite:
    """A running suite: where it answers, its admin key, its data folder and the settings it runs with."""

    url: str
    key: str
    folder: Path
    environment: Mapping[str, str]
    process: asyncio.subprocess.Process

    @property
    def bootstrap(self) -> str:
        """Return the address of its broker."""
        return f"127.0.0.1:{(self.folder / 'broker.port').read_text().strip()}"

    async def ended(self) -> None:
        """Wait for ever, or raise SuiteFailed when it ends by itself."""
        code = await self.process.wait()
        raise SuiteFailed(f"the suite ended by itself with exit code {code}: {_last_words(self.folder)}")

    async def verify(self) -> dict[str, Any]:
        """Return the report of `huiyin verify` on its databases and log. Raises SuiteFailed without a report."""
        process = await asyncio.create_subprocess_exec(
            *_PROGRAM,
            *("verify", "--json", "--data-dir", str(self.folder)),
            env=dict(self.environment),
            cwd=self.folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        told, complaint = await process.communicate()
        try:
            report: dict[str, Any] = json.loads(told)
        except ValueError:
            raise SuiteFailed(f"huiyin verify: {complaint.decode(errors='replace').strip()}") from None
        return report


@asynccontextmanager
async def running_suite(folder: DemoFolder, *, host: str, port: int, policies: str) -> AsyncIterator[Suite]:
    """Start the suite on a fresh folder, give it once it is ready, and stop it afterwards.

    Raises SuiteFailed, with the last line of its log, when it does not start or does not stop in order.
    """
    key = f"huiyin_demo_{secrets.token_hex(20)}"
    environment = _environment(folder.path, host=host, key=key, policies=policies)
    with (folder.path / LOG).open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *_PROGRAM,
            *("up", "--port", str(port)),
            env=environment,
            cwd=folder.path,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            # Ctrl-C is ours to handle: the suite stops when we ask it to, not in the middle of a summary.
            start_new_session=True,
            # It holds the folder's lock too, so that no other demo removes the folder under a suite left behind.
            pass_fds=(folder.lock,),
        )
    try:
        url = await _ready_url(process, folder.path)
        yield Suite(url, key, folder.path, environment, process)
    except BaseException:
        await _stop(process)
        raise
    code = await _stop(process)
    if code != 0:
        raise SuiteFailed(f"the suite stopped with exit code {code}: {_last_words(folder.path)}")


def _environment(folder: Path, *, host: str, key: str, policies: str) -> dict[str, str]:
    """Return the child's environment: none of the caller's settings but the zone, no `.env`, no secrets folder."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("HUIYIN_") or name == "HUIYIN_TIME_ZONE"
    }
    return kept | {
        "HUIYIN_DATA_DIR": str(folder),
        "HUIYIN_SECRETS_DIR": str(folder),
        "HUIYIN_HOST": host,
        "HUIYIN_ADMIN_KEY": key,
        "HUIYIN_SLA_POLICIES": policies,
    }


async def _ready_url(process: asyncio.subprocess.Process, folder: Path) -> str:
    if process.stdout is None:
        raise AssertionError("started with a pipe")
    try:
        async with asyncio.timeout(_START_SECONDS):
            line = (await process.stdout.readline()).decode(errors="replace").strip()
    except TimeoutError:
        raise SuiteFailed(f"the suite was not ready after {_START_SECONDS} s") from None
    if not line.startswith(_READY):
        raise SuiteFailed(f"the suite did not start: {_last_words(folder)}")
    return line.removeprefix(_READY)


async def _stop(process: asyncio.subprocess.Process) -> int:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            return await process.wait()
    except TimeoutError:
        process.kill()
        return await process.wait()


def _last_words(folder: Path) -> str:
    lines = (folder / LOG).read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1].removeprefix("huiyin: ")[:500] if lines else "it left no log"
