"""F13: transactions torn in the middle, a torn end of SQLite's write-ahead log, a relay killed in the middle of a batch."""

import os
import signal

from tests.faults.scenario import Scenario, Stage, Terms

_TORN_AT = ("writer.mid_group", "database.before_commit", "relay.mid_batch")
_GARBAGE_BYTES = 5000


def _torn(stage: Stage) -> None:
    """Kill intake inside its transactions and its relay's batches, and leave a torn log behind each time."""
    intake = stage.stack.processes["intake"]
    for _ in range(stage.terms.rounds):
        for place in _TORN_AT:
            intake.end()
            intake.launch(HUIYIN_FAILPOINTS=f"{place}=kill@{stage.dice.randint(2, 6)}")
            code = intake.await_end()
            stage.expect(f"killed at {place}", holds=code == -signal.SIGKILL)
            _tear(stage)
            stage.recovered(intake.start(HUIYIN_FAILPOINTS=""))
    stage.recovered(stage.stack.passes_through())


def _tear(stage: Stage) -> None:
    """Append what a power cut in the middle of a write leaves; PostgreSQL is killed instead, and tears its own."""
    server = stage.stack.postgresql
    if server is not None:
        server.kill()
        server.start()
        return
    ahead = stage.stack.database_file("intake").with_suffix(".db-wal")
    with ahead.open("ab") as log:
        log.write(os.urandom(_GARBAGE_BYTES))
    stage.stack.history.fault("torn", file=ahead.name)


F13 = Scenario(
    "F13",
    "transactions and logs are torn in the middle",
    _torn,
    long=(Terms(rounds=5, rate=40, rest_seconds=600),),
)
