"""Emptying an outbox of 50,000 rows (T11).

Three ways on the same outbox and broker, one after the other in each round: taking and deleting the rows without a broker
(the figure that the bar is about), the relay as it runs in a service, and a bare aiokafka producer that sends the same
records in batches of the same size.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Final

from bench.accounting import Watch
from bench.children import Child, python
from bench.figures import Figure, Triple
from bench.installations import Installation, Stack
from bench.run import Bench, Sample, told

_ROWS: Final = 50_000
_BATCH: Final = 500


def measure(bench: Bench) -> list[Figure]:
    """Return T11 for every stack."""
    return [figure for stack in bench.stacks for figure in _on(bench, stack)]


def _on(bench: Bench, stack: Stack) -> Iterator[Figure]:
    rows = max(_BATCH, bench.count(_ROWS) // _BATCH * _BATCH)
    with bench.installed(stack) as installed:
        installed.start_broker()
        samples = [_round(installed, rows) for _ in range(bench.rounds)]
    outlet, relay, produce = (
        Triple.of([rows / sample[f"{way}_seconds"] for sample in samples])
        for way in ("outlet", "relay", "produce")
    )
    pairs = [(sample["relay_seconds"], sample["produce_seconds"]) for sample in samples]
    yield Figure(
        number="T11",
        what=f"rows/s out of an outbox of {rows}, taken and deleted, without the broker",
        stack=stack.value,
        value=outlet,
        unit="/s",
        bar="T11",
        reference="the relay with its broker, rows/s",
        reference_value=relay,
        details=told(samples),
    )
    yield Figure(
        number="T11",
        what="the relay with its broker, against a bare producer",
        stack=stack.value,
        value=Triple.of([bare / ours for ours, bare in pairs]),
        rate=relay,
        unit="×",
        reference="aiokafka alone, records/s",
        reference_value=produce,
    )


def _round(installed: Installation, rows: int) -> Sample:
    watch = Watch.begin(installed.server_pids())
    url = installed.database_url_of("intake")
    command = python("bench.subjects.outbox", url, installed.bootstrap, str(rows))
    with Child(command, folder=installed.folder, ready="done ") as child:
        found: Mapping[str, Mapping[str, float]] = json.loads(child.told)
    flat = {f"{way}_{name}": value for way, values in found.items() for name, value in values.items()}
    return {**flat, "others": watch.others()}
