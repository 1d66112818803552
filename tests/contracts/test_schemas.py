"""Every event only ever grows: snapshots, golden samples and the changes nobody may make."""

import copy
import itertools
import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest

from huiyin_contracts.event import Event
from huiyin_contracts.registry import EVENTS
from huiyin_contracts.schemas import (
    FOLDER,
    Schema,
    forbidden_changes,
    read_snapshot,
    schema_of,
    versions_of,
)

SAMPLES = FOLDER.parent / "samples"
every_event = pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS.keys())


def sample(event_type: str, version: str) -> dict[str, Any]:
    text = (SAMPLES / event_type / f"{version}.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def opened(schema: Any) -> Any:
    """Return a schema as an older reader applies it: open enums take words they do not know."""
    if isinstance(schema, dict):
        kept = {key: opened(value) for key, value in schema.items()}
        if kept.get("x-open-enum"):
            kept.pop("enum", None)
        return kept
    return [opened(item) for item in schema] if isinstance(schema, list) else schema


def faults(data: object, schema: Schema) -> list[str]:
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    validator = jsonschema.Draft202012Validator(schema, format_checker=checker)
    return [error.message for error in validator.iter_errors(data)]


@every_event
def test_the_schema_of_an_event_equals_its_snapshot(event: type[Event]) -> None:
    assert versions_of(event.TYPE)[-1] == event.VERSION
    assert schema_of(event) == read_snapshot(event.TYPE, event.VERSION), "a change needs a new VERSION"


@every_event
def test_no_version_makes_a_forbidden_change_to_the_one_before(event: type[Event]) -> None:
    versions = versions_of(event.TYPE)

    for older, newer in itertools.pairwise(versions):
        assert forbidden_changes(read_snapshot(event.TYPE, older), read_snapshot(event.TYPE, newer)) == []


@every_event
def test_every_golden_sample_of_every_version_parses_for_ever(event: type[Event]) -> None:
    for version in versions_of(event.TYPE):
        golden = sample(event.TYPE, version)

        assert faults(golden, read_snapshot(event.TYPE, version)) == []
        parsed = event.model_validate_json(json.dumps(golden))

        assert parsed.key == golden[event.KEY]


@every_event
def test_a_golden_sample_fills_every_field_so_that_nothing_goes_untried(event: type[Event]) -> None:
    assert set(sample(event.TYPE, event.VERSION)) == set(event.model_fields)


@every_event
def test_the_two_versions_before_can_read_the_newest_sample(event: type[Event]) -> None:
    newest = sample(event.TYPE, event.VERSION)

    for version in versions_of(event.TYPE)[-3:]:
        assert faults(newest, opened(read_snapshot(event.TYPE, version))) == []


@every_event
def test_a_reader_ignores_fields_it_does_not_know(event: type[Event]) -> None:
    grown = {**sample(event.TYPE, event.VERSION), "field_of_tomorrow": 1}

    assert event.model_validate(grown) == event.model_validate(sample(event.TYPE, event.VERSION))


def test_a_reader_takes_an_unknown_word_of_an_open_list_as_other() -> None:
    golden = sample("ticket.progressed", "1.0")

    parsed = EVENTS["ticket.progressed"].model_validate_json(json.dumps({**golden, "step": "teleported"}))

    assert parsed.model_dump()["step"] == "other"


def remove(schema: Schema) -> None:
    del schema["properties"]["channel"]


def rename(schema: Schema) -> None:
    schema["properties"]["source_channel"] = schema["properties"].pop("channel")


def retype(schema: Schema) -> None:
    schema["properties"]["nps"] = {"type": "string"}


def narrow_to_one_type(schema: Schema) -> None:
    schema["properties"]["subject"] = {"type": "string"}


def require(schema: Schema) -> None:
    schema["required"].append("store")


def add_required(schema: Schema) -> None:
    schema["properties"]["tenant"] = {"type": "string"}
    schema["required"].append("tenant")


def shorten(schema: Schema) -> None:
    schema["properties"]["feedback_id"]["maxLength"] = 10


def change_pattern(schema: Schema) -> None:
    schema["properties"]["channel"]["pattern"] = "^[a-z]+$"


def bound_a_free_text(schema: Schema) -> None:
    schema["properties"]["text"]["maxLength"] = 1000


def change_a_nested_field(schema: Schema) -> None:
    schema["$defs"]["Rating"]["properties"]["max"] = {"type": "string"}


def require_a_nested_field(schema: Schema) -> None:
    schema["$defs"]["Author"]["required"] = ["id", "phone"]


def retype_items(schema: Schema) -> None:
    schema["properties"]["tags"]["items"] = {"type": "integer"}


@pytest.mark.parametrize(
    "change",
    [
        remove,
        rename,
        retype,
        narrow_to_one_type,
        require,
        add_required,
        shorten,
        change_pattern,
        bound_a_free_text,
        change_a_nested_field,
        require_a_nested_field,
        retype_items,
    ],
)
def test_a_forbidden_change_is_found(change: Callable[[Schema], None]) -> None:
    old = read_snapshot("feedback.received", "1.0")
    new = copy.deepcopy(old)

    change(new)

    assert forbidden_changes(old, new) != []


def test_losing_a_word_of_a_list_is_a_forbidden_change() -> None:
    old = read_snapshot("feedback.classified", "1.0")
    new = copy.deepcopy(old)

    new["$defs"]["Outcome"]["enum"].remove("thanked")

    assert forbidden_changes(old, new) == ["/outcome: enum lost ['thanked']"]


def test_an_optional_field_and_a_new_word_may_be_added() -> None:
    old = read_snapshot("feedback.classified", "1.0")
    new = copy.deepcopy(old)

    new["properties"]["tenant"] = {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}
    new["$defs"]["Outcome"]["enum"].append("merged")
    new["$defs"]["Labels"]["properties"]["intent"] = {"type": "string", "default": ""}

    assert forbidden_changes(old, new) == []
