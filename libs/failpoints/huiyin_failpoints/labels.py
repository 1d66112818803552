"""The places that can be armed. A test sees to it that each stands in the code exactly once."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

LABELS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "database.before_commit": "a service's transaction has written all it will, and is not committed",
        "database.after_commit": "it is committed, and nobody has been told",
        "writer.mid_group": "a group of posts is flushed, or goes as one statement, and is not committed",
        "writer.after_commit": "a group of posts is committed, and no caller has its answer",
        "relay.before_produce": "rows of the outbox are read, and none is sent",
        "relay.mid_batch": "half of the rows are sent, and no acknowledgement was awaited",
        "relay.after_produce": "the broker has acknowledged every row, and none is deleted",
        "consumer.fetched": "a batch has come from the log, and no transaction is open",
        "consumer.after_offsets": "the offsets are moved, and no event is in the inbox",
        "consumer.mid_batch": "one handler has had its effects, and the next one has not",
        "consumer.after_effects": "all effects and offsets are written, and nothing is committed",
        "consumer.after_commit": "a batch is committed, and Kafka's mirror does not know",
        "retries.after_effects": "a parked event has had its effects, and they are not committed",
        "jobs.before_run": "a job's turn has come",
        "migrate.mid_upgrade": "the schema is changed, and not committed",
        "broker.mid_group": "one operation of a group commit is done, and the next one is not",
        "broker.before_commit": "a group of operations is done, and not committed",
        "broker.after_commit": "it is committed, and no client has its acknowledgement",
        "broker.mid_fetch": "records are read from the log, and the answer is not sent",
    }
)
"""Each label with what is true when it is reached."""
