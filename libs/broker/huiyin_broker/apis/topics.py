"""CreateTopics, DeleteTopics, DescribeConfigs, DeleteRecords: what administrators do with topics."""

from collections.abc import Mapping
from typing import Any

from kio.schema.errors import ErrorCode

from huiyin_broker.apis.call import Call, Route
from huiyin_broker.errors import StorageFailed
from huiyin_broker.operations import create_topic, delete_topic
from huiyin_broker.protocol import Values
from huiyin_broker.topic_configs import UnknownConfig, checked_configs, effective_configs

_DEFAULT = -1
_TOPIC, _BROKER = 2, 4
_FROM_TOPIC, _FROM_DEFAULT = 1, 5
_STRING = 2


async def create_topics(call: Call) -> Values:
    """Make topics; replication other than one copy is refused."""
    return {"topics": [await _created(call, topic) for topic in call.body.topics]}


async def _created(call: Call, topic: Any) -> Values:
    settings = call.node.settings
    partitions = len(topic.assignments) or topic.num_partitions
    if partitions == _DEFAULT:
        partitions = settings.partitions
    try:
        configs = checked_configs({config.name: config.value for config in topic.configs})
    except UnknownConfig as unknown:
        return _not_created(topic.name, ErrorCode.invalid_config, str(unknown))
    if topic.replication_factor not in {_DEFAULT, 1}:
        return _not_created(topic.name, ErrorCode.invalid_replication_factor, "this broker keeps one copy")
    if call.body.validate_only:
        error = (
            ErrorCode.topic_already_exists if topic.name in call.node.log.catalog.topics else ErrorCode.none
        )
    else:
        error = await _create(call, topic.name, partitions=partitions, configs=configs)
    if error:
        return _not_created(topic.name, error, None)
    made = call.node.log.catalog.topics.get(topic.name)
    return {
        "name": topic.name,
        "topic_id": None if made is None else made.uuid,
        "error_code": ErrorCode.none,
        "error_message": None,
        "num_partitions": partitions,
        "replication_factor": 1,
        "configs": _shown_configs(configs, effective_configs(configs, settings)),
    }


async def _create(call: Call, name: str, *, partitions: int, configs: Mapping[str, str]) -> ErrorCode:
    limit = call.node.settings.max_partitions
    try:
        return await call.node.log.write(
            lambda transaction: create_topic(
                transaction, name, partitions=partitions, configs=configs, limit=limit
            )
        )
    except StorageFailed:
        return ErrorCode.kafka_storage_error


def _not_created(name: str, error: ErrorCode, message: str | None) -> Values:
    return {
        "name": name,
        "topic_id": None,
        "error_code": error,
        "error_message": message,
        "configs": (),
    }


async def delete_topics(call: Call) -> Values:
    """Delete topics by name or (version 6) by id, with everything in them."""
    asked = call.field("topics")
    if asked is None:
        return {"responses": [await _deleted(call, name, None) for name in call.body.topic_names]}
    return {"responses": [await _deleted(call, topic.name, topic.topic_id) for topic in asked]}


async def _deleted(call: Call, name: str | None, topic_id: Any) -> Values:
    catalog = call.node.log.catalog
    if name is None:
        topic = catalog.topic_by_id(topic_id)
        missing = ErrorCode.unknown_topic_id
    else:
        topic = catalog.topics.get(name)
        missing = ErrorCode.unknown_topic_or_partition
    if topic is None:
        return {"name": name, "topic_id": topic_id, "error_code": missing, "error_message": None}
    known_name = topic.name
    try:
        error = await call.node.log.write(lambda transaction: delete_topic(transaction, known_name))
    except StorageFailed:
        error = ErrorCode.kafka_storage_error
    return {"name": topic.name, "topic_id": topic.uuid, "error_code": error, "error_message": None}


async def describe_configs(call: Call) -> Values:
    """Return the configs of topics; a broker has none to show."""
    return {"results": [_configs(call, resource) for resource in call.body.resources]}


def _configs(call: Call, resource: Any) -> Values:
    error, message, configs = ErrorCode.none, None, []
    if resource.resource_type == _TOPIC:
        topic = call.node.log.catalog.topics.get(resource.resource_name)
        if topic is None:
            error = ErrorCode.unknown_topic_or_partition
        else:
            configs = _shown_configs(topic.configs, effective_configs(topic.configs, call.node.settings))
    elif resource.resource_type != _BROKER:
        error, message = ErrorCode.invalid_request, "only topics and the broker have configs here"
    keys = resource.configuration_keys
    return {
        "error_code": error,
        "error_message": message,
        "resource_type": resource.resource_type,
        "resource_name": resource.resource_name,
        "configs": [config for config in configs if keys is None or config["name"] in keys],
    }


def _shown_configs(own: Mapping[str, str], effective: Mapping[str, str]) -> list[Values]:
    return [
        {
            "name": name,
            "value": value,
            "read_only": name not in own,
            "is_default": name not in own,
            "config_source": _FROM_TOPIC if name in own else _FROM_DEFAULT,
            "is_sensitive": False,
            "synonyms": (),
            "config_type": _STRING,
            "documentation": None,
        }
        for name, value in effective.items()
    ]


ROUTES = (
    Route(19, 2, 7, create_topics),
    Route(20, 1, 6, delete_topics),
    Route(32, 1, 4, describe_configs),
)
