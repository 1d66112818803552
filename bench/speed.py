"""How fast this machine is at the moment, beside the quiet machine that the absolute bars were set on.

The bars are of a machine on which a bare FastAPI spends 108 µs of CPU per request at c=32 (design/performance.md §2a). The
same machine was found to spend 160 at other times, with the same code. So every run measures that bare server before and
after each measure, and what is an absolute figure is told twice: as measured, and as it would be at the reference's speed.
A ratio needs none of it.
"""

from dataclasses import dataclass, replace
from statistics import fmean, median
from typing import Final

from bench.accounting import cpu_seconds
from bench.children import free_port
from bench.figures import Figure
from bench.load import Load
from bench.measures.accept import bare_server
from bench.run import Bench

_SECONDS: Final = 1.0
_TURNS: Final = 3
_CONNECTIONS: Final = 32


def bare_request_us(bench: Bench) -> float:
    """Return what a request to the bare FastAPI costs now, in CPU µs; blocks for some seconds."""
    port = free_port()
    load = Load(
        url=f"http://127.0.0.1:{port}/v1/feedback",
        connections=_CONNECTIONS,
        warmup_seconds=min(0.5, bench.seconds(_SECONDS)),
        seconds=bench.seconds(_SECONDS),
    )
    with bare_server(bench, "fastapi", port=port) as server:
        return median(_turn(bench, load, pid=server.pid) for _ in range(_TURNS))


def _turn(bench: Bench, load: Load, *, pid: int) -> float:
    used = cpu_seconds([pid])
    answered: int = bench.load(load)["items"]
    return 1e6 * (cpu_seconds([pid]) - used) / answered


@dataclass(slots=True)
class Speedometer:
    """Measures the machine before the first and after every measure, and stamps each figure with what lies around it."""

    bench: Bench
    last_us: float = 0.0

    def stamp(self, figures: list[Figure]) -> list[Figure]:
        """Return figures that have just been measured with the bare server's cost before and after them.

        A figure that brings its own, because the bare server took turns with it, keeps it.
        """
        before, self.last_us = self.last_us, bare_request_us(self.bench)
        around = fmean([before or self.last_us, self.last_us])
        return [replace(figure, bare_us=figure.bare_us or around) for figure in figures]

    def start(self) -> None:
        """Measure before the first measure."""
        self.last_us = bare_request_us(self.bench)
