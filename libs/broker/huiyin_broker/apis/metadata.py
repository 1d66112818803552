"""ApiVersions, Metadata, DescribeCluster and FindCoordinator: who is there and what it can do."""

from collections.abc import Iterable, Sequence

import structlog
from kio.schema.errors import ErrorCode

from huiyin_broker.apis.call import NO_TRANSACTIONS, NODE_ID, Call, Route
from huiyin_broker.errors import StorageFailed
from huiyin_broker.ledger import Topic, Transaction
from huiyin_broker.operations import create_topic
from huiyin_broker.protocol import Values

_NOT_ASKED = -2147483648
_GROUP = 0
log = structlog.get_logger(__name__)


def supported_versions(routes: Iterable[Route], error: ErrorCode) -> Values:
    """Return the answer to ApiVersions: exactly the routes there are."""
    ranges = [
        {
            "api_key": route.key,
            "min_version": route.oldest if route.advertised_oldest is None else route.advertised_oldest,
            "max_version": route.newest,
        }
        for route in sorted(routes, key=lambda route: route.key)
    ]
    return {"error_code": error, "api_keys": ranges}


async def api_versions(call: Call) -> Values:
    """Return the APIs and versions of this broker."""
    return supported_versions(call.node.routes.values(), ErrorCode.none)


async def metadata(call: Call) -> Values:
    """Return topics with their partitions, making those that do not exist yet when the client allows it."""
    names = _asked_names(call)
    if names is None:
        topics = [_topic(topic) for topic in call.node.log.catalog.topics.values()]
    else:
        failed = await _create_missing(call, [name for name in names if isinstance(name, str)])
        topics = [_described(call, name, failed) for name in names]
    return {
        "brokers": [_broker(call)],
        "cluster_id": call.node.log.cluster_id,
        "controller_id": NODE_ID,
        "topics": topics,
        "cluster_authorized_operations": _NOT_ASKED,
    }


def _asked_names(call: Call) -> "Sequence[object] | None":
    """Return names (or topic ids) asked for; None asks for all."""
    asked = call.body.topics
    if asked is None or (call.version == 0 and not asked):
        return None
    return [topic.name if topic.name is not None else getattr(topic, "topic_id", None) for topic in asked]


async def _create_missing(call: Call, names: Sequence[str]) -> dict[str, ErrorCode]:
    """Make the topics that do not exist; return why some could not be made."""
    catalog, settings = call.node.log.catalog, call.node.settings
    missing = [name for name in names if name not in catalog.topics]
    if not missing or not call.field("allow_auto_topic_creation", default=True):
        return {}

    def create_all(transaction: Transaction) -> dict[str, ErrorCode]:
        return {
            name: create_topic(
                transaction, name, partitions=settings.partitions, configs={}, limit=settings.max_partitions
            )
            for name in missing
        }

    try:
        return await call.node.log.write(create_all)
    except StorageFailed:
        return dict.fromkeys(missing, ErrorCode.leader_not_available)


def _described(call: Call, name: object, failed: dict[str, ErrorCode]) -> Values:
    catalog = call.node.log.catalog
    if not isinstance(name, str):
        by_id = next((topic for topic in catalog.topics.values() if topic.uuid == name), None)
        return _topic(by_id) if by_id else _no_topic(None, name, ErrorCode.unknown_topic_id)
    topic = catalog.topics.get(name)
    if topic is not None:
        return _topic(topic)
    return _no_topic(name, None, failed.get(name, ErrorCode.unknown_topic_or_partition))


def _topic(topic: Topic) -> Values:
    return {
        "error_code": ErrorCode.none,
        "name": topic.name,
        "topic_id": topic.uuid,
        "is_internal": False,
        "partitions": [_partition(number) for number in range(len(topic.partition_ids))],
        "topic_authorized_operations": _NOT_ASKED,
    }


def _partition(number: int) -> Values:
    return {
        "error_code": ErrorCode.none,
        "partition_index": number,
        "leader_id": NODE_ID,
        "leader_epoch": 0,
        "replica_nodes": (NODE_ID,),
        "isr_nodes": (NODE_ID,),
        "offline_replicas": (),
    }


def _no_topic(name: str | None, topic_id: object, error: ErrorCode) -> Values:
    return {
        "error_code": error,
        "name": name,
        "topic_id": topic_id,
        "is_internal": False,
        "partitions": (),
        "topic_authorized_operations": _NOT_ASKED,
    }


def _broker(call: Call) -> Values:
    settings = call.node.settings
    return {
        "node_id": NODE_ID,
        "broker_id": NODE_ID,
        "host": settings.host,
        "port": call.node.port,
        "rack": None,
    }


async def describe_cluster(call: Call) -> Values:
    """Return the one node of the cluster."""
    return {
        "error_code": ErrorCode.none,
        "error_message": None,
        "endpoint_type": 1,
        "cluster_id": call.node.log.cluster_id,
        "controller_id": NODE_ID,
        "brokers": [_broker(call)],
        "cluster_authorized_operations": _NOT_ASKED,
    }


async def find_coordinator(call: Call) -> Values:
    """Return this broker as the coordinator of any group; transactions have none."""
    if call.field("key_type", _GROUP) != _GROUP:
        error, message = NO_TRANSACTIONS, "this broker has no transactions"
        log.warning("transactions_refused", client=call.session.client_host)
    else:
        error, message = ErrorCode.none, None
    place = {
        "error_code": error,
        "error_message": message,
        "node_id": -1 if error else NODE_ID,
        "host": "" if error else call.node.settings.host,
        "port": -1 if error else call.node.port,
    }
    keys = call.field("coordinator_keys", ())
    return {**place, "coordinators": [{**place, "key": key} for key in keys]}


ROUTES = (
    Route(3, 0, 12, metadata),
    Route(10, 0, 4, find_coordinator),
    Route(18, 0, 4, api_versions, before_authentication=True),
    Route(60, 0, 1, describe_cluster),
)
