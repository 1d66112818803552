"""F14: the network between two services and the broker, or their database, does what networks do."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from tests.faults.proxy import HOST, Proxy, Weather, passing
from tests.faults.scenario import Scenario, Stage, Terms
from tests.faults.stack import Stack

BEHIND_THE_PROXY = ("intake", "router")
# Twice the session timeout of the consumer groups.
STUCK_SECONDS = 20.0
# A request that was forgotten is missed only after the client's own request timeout.
_FORGOTTEN_SECONDS = 30.0
_LATENCY_SECONDS = 0.15
_RESETS = 5


def _bad_weather(stage: Stage) -> None:
    """Put a proxy between, let every kind of weather come and go, and see that the chain works again in time."""
    with ExitStack() as proxies:
        bus = proxies.enter_context(passing(_broker_port(stage.stack)))
        settings = {"HUIYIN_KAFKA_BOOTSTRAP": f"{HOST}:{bus.port}"}
        lines = {"broker": bus}
        if stage.stack.postgresql is not None:
            base = proxies.enter_context(passing(_socket_of(stage.stack.postgresql.folder)))
            settings["HUIYIN_DATABASE_URL"] = f"postgresql://postgres@{HOST}:{base.port}/{{service}}"
            lines["database"] = base
        _restart(stage.stack, settings)
        for name, proxy in lines.items():
            for what, trouble in _troubles(stage, proxy):
                _suffer(stage, f"{what} between services and {name}", trouble)
        _restart(stage.stack, {})


def _troubles(stage: Stage, proxy: Proxy) -> Iterator[tuple[str, Callable[[], None]]]:
    weathers = [Weather.REFUSING, Weather.DEAF, Weather.MUTE, Weather.SILENT]
    if stage.seconds >= STUCK_SECONDS:
        weathers.append(Weather.FORGETFUL)
    for weather in weathers:
        yield weather.name.lower(), partial(_weather, proxy, weather, stage.seconds)
    yield "latency", lambda: _latency(proxy, stage.seconds)
    yield "resets", lambda: _resets(proxy, stage)
    yield "slow close", lambda: proxy.close_slowly(pause_seconds=0.05)


def _suffer(stage: Stage, what: str, trouble: Callable[[], None]) -> None:
    stage.stack.history.fault("network", what=what)
    trouble()
    stage.stack.history.fault("network_clear", what=what)
    limit = STUCK_SECONDS + _FORGOTTEN_SECONDS * what.startswith(Weather.FORGETFUL.name.lower())
    seconds = stage.stack.passes_through(within_seconds=3 * STUCK_SECONDS)
    stage.recovered(seconds)
    stage.figures.setdefault("recovery_by_trouble", {})[what] = round(seconds, 2)
    stage.expect(f"nothing is stuck for {limit:g} s after {what}", holds=seconds <= limit)


def _weather(proxy: Proxy, weather: Weather, seconds: float) -> None:
    proxy.weather = weather
    if weather is Weather.REFUSING:
        proxy.reset_all()
    time.sleep(seconds)
    proxy.weather = Weather.CLEAR


def _latency(proxy: Proxy, seconds: float) -> None:
    proxy.latency_seconds = _LATENCY_SECONDS
    time.sleep(seconds)
    proxy.latency_seconds = 0.0


def _resets(proxy: Proxy, stage: Stage) -> None:
    for _ in range(_RESETS):
        proxy.reset_all()
        time.sleep(stage.dice.random())


def _restart(stack: Stack, settings: Mapping[str, str]) -> None:
    for name in BEHIND_THE_PROXY:
        stack.processes[name].end()
        stack.processes[name].start(**settings)


def _broker_port(stack: Stack) -> int:
    return int(stack.bootstrap.rpartition(":")[2])


def _socket_of(folder: Path) -> Path:
    return folder / ".s.PGSQL.5432"


F14 = Scenario(
    "F14",
    "the network is cut, deaf, mute, slow or resets connections",
    _bad_weather,
    short=Terms(outage_seconds=4),
    long=(Terms(outage_seconds=30, rate=40, rest_seconds=600),),
)
