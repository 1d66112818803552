"""Events from someone who can write to a topic but is not its publisher: put aside, and never obeyed."""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
import uuid_utils
from aiokafka import AIOKafkaProducer

from huiyin_chassis.keys import sha256_of
from tests.security.conftest import bearing
from tests.support.suite import Suite, eventually

STOLEN_KEY = "a-key-that-the-directory-never-made-0000"


def stolen_key(key_id: str) -> dict[str, Any]:
    """Return the event that would let anybody in."""
    return {
        "key_id": key_id,
        "name": "intruder",
        "sha256": sha256_of(STOLEN_KEY),
        "scopes": ["admin"],
        "departments": ["*"],
        "revision": 1,
        "changed_at": datetime.now(UTC).isoformat(),
    }


def publish(suite: Suite, topic: str, data: Mapping[str, Any], **changes: str) -> str:
    """Write a record whose envelope is right but for the changes, and return its event id."""
    event_id = str(uuid_utils.uuid7())
    envelope = {
        "content-type": "application/json",
        "ce_specversion": "1.0",
        "ce_id": event_id,
        "ce_source": "/services/directory",
        "ce_type": topic,
        "ce_time": datetime.now(UTC).isoformat(),
        "ce_dataschema": f"https://huiyin.dev/schemas/{topic}/1.0",
        "ce_sequence": "1",
    }
    headers = [(name, text.encode()) for name, text in (envelope | changes).items()]

    async def send() -> None:
        async with AIOKafkaProducer(bootstrap_servers=suite.bootstrap, max_request_size=2**20) as producer:
            await producer.send_and_wait(topic, json.dumps(data).encode(), key=b"forged", headers=headers)

    asyncio.run(send())
    return event_id


def dead_letters(client: httpx2.Client, topic: str) -> list[dict[str, Any]]:
    """Return the dead letters of a topic in all services."""
    found = client.get("/v1/dead-letters", params={"topic": topic, "limit": 200})
    items: list[dict[str, Any]] = found.json()["items"]
    return items


@pytest.mark.parametrize(
    ("topic", "changes", "readers"),
    [
        ("sla.warned", {"ce_type": "key.changed"}, 3),
        ("key.changed", {"ce_source": "/services/sla"}, 6),
        ("key.changed", {"ce_source": "https://evil.example"}, 6),
        ("key.changed", {"ce_correlationid": "c" * 300_000}, 6),
        ("key.changed", {"ce_dataschema": "https://huiyin.dev/schemas/key.changed/9.0"}, 6),
    ],
)
def test_a_forged_key_is_put_aside_by_every_reader_and_opens_nothing(
    suite: Suite, client: httpx2.Client, topic: str, changes: dict[str, str], readers: int
) -> None:
    before = len(dead_letters(client, topic))

    publish(suite, topic, stolen_key("forged"), **changes)

    eventually(lambda: len(dead_letters(client, topic)) > before)
    paths = ("/v1/units", "/v1/tickets", "/v1/feedback", "/v1/clocks", "/v1/metrics", "/v1/classifications")
    assert {bearing(client, STOLEN_KEY, path).status_code for path in paths} == {401}
    assert client.get("/readyz").status_code == 200


def test_a_true_event_after_a_forged_one_is_obeyed(suite: Suite, client: httpx2.Client) -> None:
    publish(suite, "key.changed", stolen_key("forged"), ce_source="/services/desk")

    made = client.post("/v1/api-keys", json={"name": "true", "role": "analyst"}).json()["key"]

    eventually(lambda: bearing(client, made, "/v1/tickets").status_code == 200)


def test_what_was_put_aside_is_shown_to_operators_without_its_words(
    suite: Suite, client: httpx2.Client
) -> None:
    author = {"id": "wang", "name": "Wang", "phone": "138-0000-7391", "email": "w7391"}
    words = {"text": "fraud7391", "author": author, "extra": {"card": "11010119900307391X"}, "channel": "web"}
    publish(suite, "feedback.received", words, ce_source="/services/nobody")

    letter = eventually(lambda: dead_letters(client, "feedback.received"))[-1]
    shown = client.get(f"/v1/dead-letters/{letter['id']}")

    assert shown.json()["data"]["channel"] == "web"
    assert not any(secret in shown.text for secret in ("7391", "Wang", "wang"))
