"""A consumer that a flood has stopped goes on when an operator says so, and only then."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from httpx2 import AsyncClient

from huiyin_chassis.db import Database
from huiyin_chassis.http import create_service_app, create_suite_app
from huiyin_chassis.keys import sha256_of
from huiyin_chassis.runtime import Runtime
from huiyin_chassis.settings import Settings
from huiyin_eventbus.consumer import Consumer, ConsumerState
from huiyin_eventbus.kafka import KafkaSettings
from huiyin_eventbus.subscriptions import Subscriptions
from tests.chassis.example.app import SERVICE
from tests.chassis.web import client_of, slug

KEY = "k" * 40
RESUME = f"/v1/consumers/{SERVICE.name}/resume"


@pytest.fixture
def consumer(database: Database) -> Consumer:
    """Give a consumer that was never started."""
    kafka = KafkaSettings(bootstrap="127.0.0.1:1")
    return Consumer(database, kafka, service=SERVICE.name, subscriptions=Subscriptions())


@pytest.fixture
async def client(database: Database, consumer: Consumer) -> AsyncIterator[AsyncClient]:
    """Give an operator's client of a suite of one service."""
    runtime = Runtime(SERVICE, Settings(), database=database, admin_sha256=sha256_of(KEY))
    runtime.consumer = consumer
    suite = create_suite_app({SERVICE.name: create_service_app(SERVICE, runtime)}, healths={})
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(client_of(suite, Authorization=f"Bearer {KEY}"))


async def test_a_flooded_consumer_goes_on_once(client: AsyncClient, consumer: Consumer) -> None:
    consumer.state = ConsumerState.FLOODED

    resumed = await client.post(RESUME)
    again = await client.post(RESUME)

    assert (resumed.status_code, resumed.content) == (204, b"")
    assert consumer.state is ConsumerState.STARTING
    assert (again.status_code, slug(again)) == (409, "consumer-not-flooded")


async def test_a_consumer_that_takes_events_is_left_alone(client: AsyncClient, consumer: Consumer) -> None:
    consumer.state = ConsumerState.RUNNING

    answer = await client.post(RESUME)

    assert answer.status_code == 409
    assert consumer.healthy


async def test_an_unknown_group_is_not_found(client: AsyncClient) -> None:
    answer = await client.post("/v1/consumers/nobody/resume")

    assert (answer.status_code, slug(answer)) == (404, "consumer-unknown")


@pytest.mark.parametrize("headers", [{"Authorization": ""}, {"Authorization": "Bearer nobody"}])
async def test_without_a_key_nothing_goes_on(
    client: AsyncClient, consumer: Consumer, headers: dict[str, str]
) -> None:
    consumer.state = ConsumerState.FLOODED

    answer = await client.post(RESUME, headers=headers)

    assert answer.status_code == 401
    assert consumer.is_flooded
