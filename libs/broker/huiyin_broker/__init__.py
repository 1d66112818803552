"""The embedded broker: Kafka's wire protocol on one machine, its log in one SQLite file.

It exists so that a laptop or a small installation needs no other server, and so that the suite has one client
path (Kafka's) everywhere. It is a single node without replication: what it has acknowledged is as durable as the
disk below it and the backups of that disk. It is never a replacement for Apache Kafka. It knows nothing of feedback,
reads no environment, and imports no other package of this project.
"""

import huiyin_broker.plain_kio  # noqa: F401 - first, before anything imports kio
from huiyin_broker.errors import BrokerError, LogLocked, LogUnusable, NotLoopback, PortInUse
from huiyin_broker.server import Broker
from huiyin_broker.settings import BrokerSettings

__all__ = [
    "Broker",
    "BrokerError",
    "BrokerSettings",
    "LogLocked",
    "LogUnusable",
    "NotLoopback",
    "PortInUse",
]
