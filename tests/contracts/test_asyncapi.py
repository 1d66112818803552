"""The event documents are fresh and valid."""

import json
from pathlib import Path

import jsonschema

from huiyin_contracts.registry import EVENTS
from huiyin_eventbus.asyncapi import ASYNCAPI_FILE, EVENTS_FILE, asyncapi_document, events_page

OFFICIAL = Path(__file__).parent / "asyncapi" / "3.1.0.json"


def test_the_documents_are_what_the_contracts_say_today() -> None:
    assert json.loads(ASYNCAPI_FILE.read_text(encoding="utf-8")) == asyncapi_document(), "run `make docs`"
    assert EVENTS_FILE.read_text(encoding="utf-8") == events_page(), "run `make docs`"


def test_the_asyncapi_file_fits_the_official_schema() -> None:
    official = json.loads(OFFICIAL.read_text(encoding="utf-8"))

    errors = [
        error.message for error in jsonschema.Draft7Validator(official).iter_errors(asyncapi_document())
    ]

    assert errors == []


def test_the_official_schema_refuses_a_broken_document() -> None:
    official = json.loads(OFFICIAL.read_text(encoding="utf-8"))
    broken = {**asyncapi_document(), "channels": {"x": {"messages": 3}}}

    assert not jsonschema.Draft7Validator(official).is_valid(broken)


def test_every_reference_in_the_asyncapi_file_leads_somewhere() -> None:
    document = asyncapi_document()

    for reference in references(document):
        place = document
        for part in reference.removeprefix("#/").split("/"):
            assert part in place, reference
            place = place[part]


def references(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [found for inner in value.values() for found in references(inner)]
    return [found for inner in value for found in references(inner)] if isinstance(value, list) else []


def test_every_event_has_a_channel_and_one_publisher() -> None:
    document = asyncapi_document()

    assert set(EVENTS) <= set(document["channels"])
    assert {event.PUBLISHER for event in EVENTS.values()} <= {"intake", "router", "desk", "sla", "directory"}
