"""An embedded broker in a process of its own, for tests that kill it."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

PARTITIONS = 4


class BrokerProcess:
    """A broker in a process of its own, that can be killed and started again on its log."""

    def __init__(self, data_dir: Path, port: int) -> None:
        self._command = [str(Path(sys.executable).with_name("huiyin")), "broker"]
        self._command += ["--data-dir", str(data_dir), "--port", str(port)]
        self.bootstrap = f"127.0.0.1:{port}"
        self._process: subprocess.Popen[str] | None = None

    async def start(self, *, failpoints: str = "") -> None:
        environment = {**os.environ, "HUIYIN_BROKER_PARTITIONS": str(PARTITIONS)}
        environment["HUIYIN_FAILPOINTS"] = failpoints
        self._process = subprocess.Popen(
            self._command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout is not None
        assert (await asyncio.to_thread(self._process.stdout.readline)).startswith("ready")

    async def until_dead(self) -> None:
        """Return when it has died by itself."""
        assert self._process is not None
        await asyncio.to_thread(self._process.communicate)
        self._process = None

    async def freeze(self, *, seconds: float) -> None:
        """Let it stand still for a time."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.communicate()
            self._process = None
