"""What every measure gets: how long, how often, on which servers, and where to put its files."""

import json
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench.accounting import Watch
from bench.children import REPOSITORY, base_environment, python
from bench.figures import Triple
from bench.installations import Installation, Stack, installation
from bench.load import Load
from bench.servers import Servers

_LOAD_PATIENCE_SECONDS: Final = 1800
_BATCH: Final = 100

Sample = Mapping[str, Any]
Turn = Callable[[], Sample]


class LoadFailed(Exception):
    """A load was not answered as it should be; the message says what came instead."""


@dataclass(kw_only=True)
class Bench:
    """One run. `scale` shrinks every time span and count: 1 for real figures, far less for a smoke test."""

    scale: float = 1.0
    rounds: int = 3
    stacks: Sequence[Stack] = tuple(Stack)
    servers: Servers = field(default_factory=Servers)
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="huiyin-bench-")))
    notes: list[str] = field(default_factory=list)
    """What could not be measured, and why."""

    def seconds(self, full: float) -> float:
        """Return a span of measuring, at this scale."""
        return max(0.3, full * self.scale)

    def count(self, full: int) -> int:
        """Return a number of items, at this scale."""
        return max(40, int(full * self.scale))

    def installed(self, stack: Stack, *, has_bus: bool = True) -> AbstractContextManager[Installation]:
        """Give a fresh installation."""
        return installation(stack, self.servers, self.folder, has_bus=has_bus)

    def load(self, load: Load) -> dict[str, Any]:
        """Run a load in a process of its own and return its figures.

        Raises LoadFailed when anything was answered otherwise than with 2xx.
        """
        done = subprocess.run(
            python("bench.load", *load.command()),
            cwd=REPOSITORY,
            env=base_environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=_LOAD_PATIENCE_SECONDS,
        )
        if done.returncode:
            raise LoadFailed(done.stderr[-1500:])
        figures: dict[str, Any] = json.loads(done.stdout)
        if figures["errors"] or not figures["items"]:
            raise LoadFailed(f"{load.url}: {figures['errors']} {figures['error_sample']}")
        return figures

    def post_batches(self, installed: Installation, url: str, *, feedbacks: int) -> None:
        """Post so many feedbacks, at this scale, in batches as quickly as they are taken; raises LoadFailed."""
        self.load(
            Load(
                url=f"{url}/v1/feedback/batch",
                headers=[installed.header],
                preset=f"batch:{_BATCH}",
                connections=2,
                warmup_seconds=0.0,
                seconds=_LOAD_PATIENCE_SECONDS,
                limit=max(2, self.count(feedbacks) // _BATCH),
            )
        )

    def take_turns(
        self, contestants: Mapping[str, Turn], *, pids: Sequence[int] = (), rounds: int = 0
    ) -> dict[str, list[Sample]]:
        """Let contestants take turns, A B C A B C, and return the samples of each; `others` is added to each sample."""
        samples: dict[str, list[Sample]] = {name: [] for name in contestants}
        for _ in range(rounds or self.rounds):
            for name, turn in contestants.items():
                watch = Watch.begin(pids)
                sample = turn()
                samples[name].append({**sample, "others": watch.others()})
        return samples


def triple(samples: Sequence[Sample], name: str) -> Triple:
    """Return the triple of one value over samples."""
    return Triple.of([sample[name] for sample in samples])


def ratio(samples: Sequence[Sample], references: Sequence[Sample], name: str) -> Triple:
    """Return the triple of ratios of one value, round by round."""
    return Triple.ratios([each[name] for each in samples], [each[name] for each in references])


def told(samples: Sequence[Sample]) -> dict[str, Any]:
    """Return what samples say, as lists by name, for the JSON."""
    names = [name for name, value in samples[0].items() if isinstance(value, int | float)]
    return {name: [round(float(sample[name]), 4) for sample in samples] for name in names}


def middle(samples: Sequence[Sample], name: str) -> float:
    """Return the median of one value over samples."""
    return float(median([sample[name] for sample in samples]))
