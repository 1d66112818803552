"""The APIs one by one, in every version the broker advertises."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from kio.schema.errors import ErrorCode

from huiyin_broker import Broker
from huiyin_broker.apis.routes import ROUTES
from tests.broker.conftest import StartBroker
from tests.broker.wire import WireClient, produce, record_batch

SECOND = timedelta(seconds=1)
PRODUCE, FETCH, LIST_OFFSETS, METADATA, OFFSET_COMMIT, OFFSET_FETCH, FIND_COORDINATOR = 0, 1, 2, 3, 8, 9, 10
JOIN, HEARTBEAT, LEAVE, SYNC, DESCRIBE_GROUPS, LIST_GROUPS, HANDSHAKE, API_VERSIONS = range(11, 19)
CREATE_TOPICS, DELETE_TOPICS, INIT_PRODUCER_ID, DESCRIBE_CONFIGS, AUTHENTICATE = 19, 20, 22, 32, 36
DELETE_GROUPS, OFFSET_DELETE, DESCRIBE_CLUSTER = 42, 47, 60
LATEST, EARLIEST, MAX_TIMESTAMP = -1, -2, -3
TOPIC_RESOURCE, BROKER_RESOURCE, USER_RESOURCE = 2, 4, 7

GROUP = {"group_id": "g", "member_id": "", "generation_id": -1, "group_instance_id": None}
COMMITTED = {
    "partition_index": 0,
    "committed_offset": 1,
    "committed_leader_epoch": -1,
    "committed_metadata": "",
}
WANTED = {
    "partition": 0,
    "current_leader_epoch": -1,
    "fetch_offset": 0,
    "last_fetched_epoch": -1,
    "log_start_offset": -1,
    "partition_max_bytes": 1000,
}
REQUESTS: dict[int, dict[str, Any]] = {
    PRODUCE: {
        "transactional_id": None,
        "acks": -1,
        "timeout": SECOND,
        "topic_data": [{"name": "t", "partition_data": [{"index": 0, "records": record_batch(b"a")}]}],
    },
    FETCH: {
        "replica_id": -1,
        "max_wait": SECOND,
        "min_bytes": 1,
        "max_bytes": 1000,
        "isolation_level": 0,
        "session_id": 0,
        "session_epoch": -1,
        "topics": [{"topic": "t", "partitions": [WANTED]}],
        "forgotten_topics_data": (),
        "rack_id": "",
    },
    LIST_OFFSETS: {
        "replica_id": -1,
        "isolation_level": 0,
        "topics": [
            {
                "name": "t",
                "partitions": [{"partition_index": 0, "current_leader_epoch": -1, "timestamp": LATEST}],
            }
        ],
    },
    METADATA: {
        "topics": [{"name": "t", "topic_id": None}],
        "allow_auto_topic_creation": True,
        "include_cluster_authorized_operations": False,
        "include_topic_authorized_operations": False,
    },
    OFFSET_COMMIT: {
        **GROUP,
        "generation_id_or_member_epoch": -1,
        "retention_time": -SECOND / 1000,
        "topics": [{"name": "t", "partitions": [COMMITTED]}],
    },
    OFFSET_FETCH: {
        "group_id": "g",
        "topics": [{"name": "t", "partition_indexes": (0,)}],
        "groups": [{"group_id": "g", "topics": [{"name": "t", "partition_indexes": (0,)}]}],
        "require_stable": False,
    },
    FIND_COORDINATOR: {"key": "g", "key_type": 0, "coordinator_keys": ("g",)},
    JOIN: {
        **GROUP,
        "session_timeout": SECOND,
        "rebalance_timeout": SECOND,
        "protocol_type": "consumer",
        "protocols": [{"name": "range", "metadata": b""}],
        "reason": None,
    },
    HEARTBEAT: GROUP,
    LEAVE: {**GROUP, "members": [{"member_id": "m", "group_instance_id": None, "reason": None}]},
    SYNC: {**GROUP, "protocol_type": None, "protocol_name": None, "assignments": ()},
    DESCRIBE_GROUPS: {"groups": ("g",), "include_authorized_operations": False},
    LIST_GROUPS: {"states_filter": (), "types_filter": ()},
    HANDSHAKE: {"mechanism": "PLAIN"},
    API_VERSIONS: {"client_software_name": "wire", "client_software_version": "1"},
    CREATE_TOPICS: {
        "topics": [
            {"name": "n", "num_partitions": 1, "replication_factor": 1, "assignments": (), "configs": ()}
        ],
        "timeout": SECOND,
        "validate_only": False,
    },
    DELETE_TOPICS: {"topics": [{"name": "t", "topic_id": None}], "topic_names": ("t",), "timeout": SECOND},
    INIT_PRODUCER_ID: {
        "transactional_id": None,
        "transaction_timeout": SECOND,
        "producer_id": -1,
        "producer_epoch": -1,
    },
    DESCRIBE_CONFIGS: {
        "resources": [{"resource_type": TOPIC_RESOURCE, "resource_name": "t", "configuration_keys": None}],
        "include_synonyms": True,
        "include_documentation": True,
    },
    AUTHENTICATE: {"auth_bytes": b""},
    DELETE_GROUPS: {"groups_names": ("g",)},
    OFFSET_DELETE: {"group_id": "g", "topics": [{"name": "t", "partitions": [{"partition_index": 0}]}]},
    DESCRIBE_CLUSTER: {"include_cluster_authorized_operations": False, "endpoint_type": 1},
}


async def ask(client: WireClient, api_key: int, version: int | None = None, **changes: Any) -> Any:
    version = ROUTES[api_key].newest if version is None else version
    return await client.call(api_key, version, **(REQUESTS[api_key] | changes))


async def offset_of(client: WireClient, timestamp: int, *, topic: str = "t") -> Any:
    wanted = {"partition_index": 0, "current_leader_epoch": -1, "timestamp": timestamp}
    answer = await ask(client, LIST_OFFSETS, topics=[{"name": topic, "partitions": [wanted]}])
    return answer.topics[0].partitions[0]


@pytest.mark.parametrize("api_key", ROUTES)
async def test_every_advertised_version_is_answered(wire: WireClient, api_key: int) -> None:
    route = ROUTES[api_key]
    for version in range(route.oldest, route.newest + 1):
        await produce(wire, "t", record_batch(b"a"))

        answer = await ask(wire, api_key, version, group_id=f"g{version}")

        assert getattr(answer, "error_code", ErrorCode.none) is not ErrorCode.unknown_server_error


@pytest.mark.parametrize("version", range(3, 10))
async def test_produce_stores_in_every_version(wire: WireClient, version: int) -> None:
    answer = await ask(wire, PRODUCE, version)

    assert answer.responses[0].partition_responses[0].base_offset == 0


@pytest.mark.parametrize("version", range(4, 13))
async def test_fetch_reads_in_every_version(wire: WireClient, version: int) -> None:
    await produce(wire, "t", record_batch(b"hello"))

    answer = await ask(wire, FETCH, version)

    part = answer.responses[0].partitions[0]
    assert b"hello" in part.records
    assert (part.high_watermark, part.last_stable_offset) == (1, 1)


async def test_metadata_makes_a_topic_only_when_the_client_allows(wire: WireClient) -> None:
    kept_away = await ask(wire, METADATA, allow_auto_topic_creation=False)
    made = await ask(wire, METADATA)

    assert kept_away.topics[0].error_code is ErrorCode.unknown_topic_or_partition
    assert len(made.topics[0].partitions) == 3
    assert {part.leader_id for part in made.topics[0].partitions} == {made.controller_id}


async def test_metadata_names_all_topics_and_finds_one_by_its_id(wire: WireClient) -> None:
    await ask(wire, METADATA)
    topic_id = (await ask(wire, METADATA, topics=None)).topics[0].topic_id

    known = await ask(wire, METADATA, topics=[{"name": None, "topic_id": topic_id}])
    unknown = await ask(wire, METADATA, topics=[{"name": None, "topic_id": uuid4()}])

    assert isinstance(topic_id, UUID)
    assert known.topics[0].name == "t"
    assert unknown.topics[0].error_code is ErrorCode.unknown_topic_id


async def test_metadata_refuses_a_name_no_topic_can_have(wire: WireClient) -> None:
    answer = await ask(wire, METADATA, topics=[{"name": "no spaces", "topic_id": None}])

    assert answer.topics[0].error_code is ErrorCode.invalid_topic_exception


async def test_the_cluster_is_one_node_with_a_lasting_id(start_broker: StartBroker, settings: object) -> None:
    first = await start_broker()
    async with WireClient(first) as client:
        before = await ask(client, DESCRIBE_CLUSTER)
    await first.stop()
    async with WireClient(await start_broker()) as client:
        after = await ask(client, DESCRIBE_CLUSTER)

    assert [node.port for node in before.brokers] == [first.port]
    assert before.cluster_id == after.cluster_id


async def test_topics_are_made_with_what_is_asked_for(wire: WireClient) -> None:
    configs = [{"name": "retention.ms", "value": "1000"}]
    topic = {
        "name": "n",
        "num_partitions": -1,
        "replication_factor": -1,
        "assignments": (),
        "configs": configs,
    }

    made = (await ask(wire, CREATE_TOPICS, topics=[topic])).topics[0]
    again = (await ask(wire, CREATE_TOPICS, topics=[topic])).topics[0]
    described = await ask(
        wire,
        DESCRIBE_CONFIGS,
        resources=[
            {"resource_type": TOPIC_RESOURCE, "resource_name": "n", "configuration_keys": ("retention.ms",)}
        ],
    )

    assert (made.error_code, made.num_partitions) == (ErrorCode.none, 3)
    assert again.error_code is ErrorCode.topic_already_exists
    assert [(config.name, config.value) for config in described.results[0].configs] == [
        ("retention.ms", "1000")
    ]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"name": "a/b"}, ErrorCode.invalid_topic_exception),
        ({"num_partitions": 0}, ErrorCode.invalid_partitions),
        ({"num_partitions": 10_001}, ErrorCode.policy_violation),
        ({"replication_factor": 3}, ErrorCode.invalid_replication_factor),
        ({"configs": [{"name": "nonsense", "value": "1"}]}, ErrorCode.invalid_config),
    ],
)
async def test_topics_that_cannot_be_are_refused(
    wire: WireClient, changes: dict[str, Any], error: ErrorCode
) -> None:
    (topic,) = REQUESTS[CREATE_TOPICS]["topics"]

    answer = await ask(wire, CREATE_TOPICS, topics=[topic | changes])

    assert answer.topics[0].error_code is error
    assert (await ask(wire, METADATA, topics=None)).topics == ()


async def test_a_trial_creation_makes_nothing(wire: WireClient) -> None:
    answer = await ask(wire, CREATE_TOPICS, validate_only=True)

    assert answer.topics[0].error_code is ErrorCode.none
    assert (await ask(wire, METADATA, topics=None)).topics == ()


async def test_topics_are_deleted_by_name_or_id_once(wire: WireClient) -> None:
    made = (await ask(wire, CREATE_TOPICS)).topics[0]

    deleted = await ask(wire, DELETE_TOPICS, topics=[{"name": None, "topic_id": made.topic_id}])
    again = await ask(wire, DELETE_TOPICS, topics=[{"name": "n", "topic_id": None}])

    assert (deleted.responses[0].error_code, deleted.responses[0].name) == (ErrorCode.none, "n")
    assert again.responses[0].error_code is ErrorCode.unknown_topic_or_partition


async def test_configs_of_users_are_refused_and_of_the_broker_empty(wire: WireClient) -> None:
    resources = [
        {"resource_type": kind, "resource_name": "1", "configuration_keys": None}
        for kind in (BROKER_RESOURCE, USER_RESOURCE)
    ]

    answer = await ask(wire, DESCRIBE_CONFIGS, resources=resources)

    errors = [result.error_code for result in answer.results]
    assert errors == [ErrorCode.none, ErrorCode.invalid_request]


async def test_offsets_by_time(wire: WireClient) -> None:
    for stamp in (1000, 3000, 2000):
        await produce(wire, "t", record_batch(b"a", b"b", timestamp_ms=stamp))

    places = {time: await offset_of(wire, time) for time in (LATEST, EARLIEST, MAX_TIMESTAMP, 0, 2001, 9999)}

    assert {time: place.offset for time, place in places.items()} == {
        LATEST: 6,
        EARLIEST: 0,
        MAX_TIMESTAMP: 3,
        0: 0,
        2001: 2,
        9999: -1,
    }
    assert places[MAX_TIMESTAMP].timestamp == 3001


async def test_offsets_of_an_unknown_topic(wire: WireClient) -> None:
    place = await offset_of(wire, LATEST, topic="none")

    assert place.error_code is ErrorCode.unknown_topic_or_partition


@pytest.mark.parametrize("version", range(1, 9))
async def test_a_committed_offset_is_fetched_in_every_version(wire: WireClient, version: int) -> None:
    await produce(wire, "t", record_batch(b"a"))
    await ask(wire, OFFSET_COMMIT)

    answer = await ask(wire, OFFSET_FETCH, version)

    topics = answer.groups[0].topics if hasattr(answer, "groups") else answer.topics
    assert topics[0].partitions[0].committed_offset == 1


async def test_all_offsets_of_a_group_or_none(wire: WireClient) -> None:
    await produce(wire, "t", record_batch(b"a"))
    await ask(wire, OFFSET_COMMIT)

    asked = [{"group_id": group, "topics": None} for group in ("g", "nobody")]
    answer = await ask(wire, OFFSET_FETCH, groups=asked)

    assert [len(group.topics) for group in answer.groups] == [1, 0]


async def test_a_commit_for_what_is_not_there_is_refused(wire: WireClient) -> None:
    await produce(wire, "t", record_batch(b"a"))
    parts = [COMMITTED | {"partition_index": 99}, COMMITTED | {"committed_metadata": "x" * 5000}]

    answer = await ask(wire, OFFSET_COMMIT, topics=[{"name": "t", "partitions": parts}])

    errors = [part.error_code for part in answer.topics[0].partitions]
    assert errors == [ErrorCode.unknown_topic_or_partition, ErrorCode.offset_metadata_too_large]


async def test_offsets_are_forgotten_and_with_them_the_group(wire: WireClient) -> None:
    await produce(wire, "t", record_batch(b"a"))
    await ask(wire, OFFSET_COMMIT)

    assert [group.group_id for group in (await ask(wire, LIST_GROUPS)).groups] == ["g"]
    assert (await ask(wire, OFFSET_DELETE)).error_code is ErrorCode.none
    assert (await ask(wire, LIST_GROUPS)).groups == ()
    assert (await ask(wire, OFFSET_DELETE)).error_code is ErrorCode.group_id_not_found
    assert (await ask(wire, DELETE_GROUPS)).results[0].error_code is ErrorCode.group_id_not_found


async def test_a_group_with_members_is_neither_deleted_nor_reset(wire: WireClient, broker: Broker) -> None:
    await produce(wire, "t", record_batch(b"a"))
    await ask(wire, OFFSET_COMMIT)
    await ask(wire, JOIN, 3, session_timeout=timedelta(seconds=10))

    assert (await ask(wire, DELETE_GROUPS)).results[0].error_code is ErrorCode.non_empty_group
    assert (await ask(wire, OFFSET_DELETE)).error_code is ErrorCode.non_empty_group
    refused = await ask(wire, OFFSET_COMMIT)
    assert refused.topics[0].partitions[0].error_code is ErrorCode.unknown_member_id
    described = (await ask(wire, DESCRIBE_GROUPS)).groups[0]
    assert (described.group_state, len(described.members)) == ("CompletingRebalance", 1)


async def test_groups_are_listed_by_state(wire: WireClient) -> None:
    await produce(wire, "t", record_batch(b"a"))
    await ask(wire, OFFSET_COMMIT)

    empty = await ask(wire, LIST_GROUPS, states_filter=("Empty",))
    stable = await ask(wire, LIST_GROUPS, states_filter=("Stable",))
    new_kind = await ask(wire, LIST_GROUPS, types_filter=("consumer",))

    assert [len(answer.groups) for answer in (empty, stable, new_kind)] == [1, 0, 0]


async def test_a_group_nobody_knows_is_dead(wire: WireClient) -> None:
    assert (await ask(wire, DESCRIBE_GROUPS)).groups[0].group_state == "Dead"


async def test_a_group_without_a_name_is_refused(wire: WireClient) -> None:
    assert (await ask(wire, JOIN, group_id="")).error_code is ErrorCode.invalid_group_id


async def test_a_fetch_session_is_declined(wire: WireClient) -> None:
    await produce(wire, "t", record_batch(b"a"))

    opened = await ask(wire, FETCH, session_epoch=0)
    continued = await ask(wire, FETCH, session_id=7, session_epoch=1)

    assert opened.session_id == 0
    assert continued.error_code is ErrorCode.fetch_session_id_not_found


async def test_producer_ids_differ(wire: WireClient) -> None:
    answers = [await ask(wire, INIT_PRODUCER_ID) for _ in range(3)]

    assert len({answer.producer_id for answer in answers}) == 3
    assert {answer.producer_epoch for answer in answers} == {0}


async def test_a_repeated_batch_is_answered_with_its_first_offset(wire: WireClient) -> None:
    records = record_batch(b"a", b"b", producer_id=1000, epoch=0, sequence=0)
    await produce(wire, "t", record_batch(b"before"))

    first = await produce(wire, "t", records)
    again = await produce(wire, "t", records)
    gap = await produce(wire, "t", record_batch(b"c", producer_id=1000, epoch=0, sequence=5))

    assert (first.base_offset, again.base_offset) == (1, 1)
    assert again.error_code is ErrorCode.none
    assert gap.error_code is ErrorCode.out_of_order_sequence_number
