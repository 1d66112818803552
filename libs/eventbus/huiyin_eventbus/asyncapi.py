"""The event documents, made from the contracts: `docs/asyncapi.json` (AsyncAPI 3.1) and `docs/events.md`.

Run `python -m huiyin_eventbus.asyncapi` after a contract has changed; a test refuses stale files. Own generator,
because no well-kept one works from plain models (and AsyncAPI 3.1 is what department systems' tools read).
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from huiyin_contracts.event import Event
from huiyin_contracts.registry import EVENTS
from huiyin_contracts.schemas import FOLDER

ROOT: Final = FOLDER.parents[2]
ASYNCAPI_FILE: Final = ROOT / "docs" / "asyncapi.json"
EVENTS_FILE: Final = ROOT / "docs" / "events.md"
SAMPLES: Final = FOLDER.parent / "samples"
PARTITIONS: Final = 12
DEPARTMENT_STREAM: Final = "ticket.routed.{department}"

_HEADERS: Final = {
    "content-type": "Always application/json.",
    "ce_specversion": "Always 1.0.",
    "ce_id": "UUIDv7, or a UUIDv5 where a repeat is possible by design; consumers drop repeats by it.",
    "ce_source": "The publishing service, such as /services/intake.",
    "ce_type": "The event's type, equal to the topic.",
    "ce_time": "When it was published, RFC 3339.",
    "ce_dataschema": "Type and version of the data's schema.",
    "ce_sequence": "Counts per (topic, key) from 1 without gaps.",
}
_OPTIONAL_HEADERS: Final = {
    "ce_subject": "The key: the case id.",
    "ce_partitionkey": "The key again, as the partitioning extension names it.",
    "ce_correlationid": "The id of the first event of the chain.",
    "ce_causationid": "The id of the event that caused this one.",
    "traceparent": "W3C Trace Context.",
}


def asyncapi_document() -> dict[str, Any]:
    """Return the AsyncAPI 3.1 document of every event."""
    _, schemas = models_json_schema(
        [(event, "validation") for event in EVENTS.values()], ref_template="#/components/schemas/{model}"
    )
    return {
        "asyncapi": "3.1.0",
        "info": {
            "title": "Huiyin events",
            "version": "1.0.0",
            "description": "Facts published by the services of Huiyin 回音: CloudEvents 1.0 in Kafka's binary mode.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "embedded": {
                "host": "127.0.0.1:9092",
                "protocol": "kafka",
                "description": "The embedded broker of one machine; in production, your Apache Kafka.",
            }
        },
        "channels": {**{event.TYPE: _channel(event) for event in EVENTS.values()}, **_department_stream()},
        "operations": {f"publish.{event.TYPE}": _operation(event) for event in EVENTS.values()},
        "components": {
            "messages": {event.__name__: _message(event) for event in EVENTS.values()},
            "schemas": {**schemas["$defs"], "CloudEventHeaders": _header_schema()},
        },
    }


def _channel(event: type[Event]) -> dict[str, Any]:
    return {
        "address": event.TYPE,
        "description": _first_line(event),
        "messages": {event.__name__: {"$ref": f"#/components/messages/{event.__name__}"}},
        "bindings": {"kafka": {"topic": event.TYPE, "partitions": PARTITIONS, "bindingVersion": "0.5.0"}},
    }


def _department_stream() -> dict[str, Any]:
    return {
        DEPARTMENT_STREAM: {
            "address": DEPARTMENT_STREAM,
            "description": "A department's own copy of its routed tickets, for units that asked for a stream.",
            "parameters": {"department": {"description": "Slug of the unit."}},
            "messages": {"TicketRouted": {"$ref": "#/components/messages/TicketRouted"}},
        }
    }


def _operation(event: type[Event]) -> dict[str, Any]:
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{event.TYPE}"},
        "summary": f"{event.PUBLISHER} publishes {event.TYPE}.",
        "messages": [{"$ref": f"#/channels/{event.TYPE}/messages/{event.__name__}"}],
    }


def _message(event: type[Event]) -> dict[str, Any]:
    return {
        "name": event.TYPE,
        "title": event.__name__,
        "summary": _first_line(event),
        "contentType": "application/json",
        "headers": {"$ref": "#/components/schemas/CloudEventHeaders"},
        "payload": {"$ref": f"#/components/schemas/{event.__name__}"},
        "bindings": {
            "kafka": {"key": {"type": "string", "description": event.KEY}, "bindingVersion": "0.5.0"}
        },
        "examples": [{"name": f"{event.TYPE}-{event.VERSION}", "payload": sample_of(event)}],
    }


def _header_schema() -> dict[str, Any]:
    described = {**_HEADERS, **_OPTIONAL_HEADERS}
    return {
        "type": "object",
        "properties": {name: {"type": "string", "description": text} for name, text in described.items()},
        "required": list(_HEADERS),
    }


def sample_of(event: type[Event]) -> dict[str, Any]:
    """Return the golden sample of an event's current version."""
    path = SAMPLES / event.TYPE / f"{event.VERSION}.json"
    sample: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return sample


def events_page() -> str:
    """Return `docs/events.md`: one section per event, one row per field."""
    return "\n".join(_page_lines()) + "\n"


def _page_lines() -> Iterator[str]:
    yield "# Events"
    yield ""
    yield "Made from the contracts by `make docs`; edit the contracts, not this page."
    yield ""
    yield "CloudEvents 1.0 in Kafka's binary mode: the attributes travel as headers, the value is the data as JSON."
    yield f"Topic = type, {PARTITIONS} partitions, key as named below. Each topic has one publisher. Order holds per key"
    yield "inside a topic, never across topics. Readers ignore fields they do not know and take unknown words of an"
    yield "open list as `other`. A break is a new type ending in `.v2` beside the old one."
    yield ""
    yield "| header | meaning |"
    yield "|---|---|"
    yield from (f"| `{name}` | {text} |" for name, text in {**_HEADERS, **_OPTIONAL_HEADERS}.items())
    yield ""
    yield "A department that asked for a stream (`stream: true` on its unit) also gets its own topic"
    yield f"`{DEPARTMENT_STREAM}`, with `ticket.routed` events."
    for event in EVENTS.values():
        yield ""
        yield from _event_lines(event)


def _event_lines(event: type[Event]) -> Iterator[str]:
    yield f"## `{event.TYPE}`"
    yield ""
    yield f"{_first_line(event)} Version {event.VERSION}, published by {event.PUBLISHER}, key `{event.KEY}`."
    yield ""
    yield "| field | type | required | meaning |"
    yield "|---|---|---|---|"
    schema = event.model_json_schema()
    for name, field in schema["properties"].items():
        required = "yes" if name in schema.get("required", ()) else "no"
        meaning = " ".join(str(field.get("description", "")).split())
        yield f"| `{name}` | {_type_name(field, schema)} | {required} | {meaning} |"


def _type_name(field: dict[str, Any], schema: dict[str, Any]) -> str:
    if reference := field.get("$ref"):
        name = str(reference).rsplit("/", 1)[1]
        words = schema["$defs"][name].get("enum")
        return ", ".join(f"`{word}`" for word in words) if words else name
    if options := field.get("anyOf"):
        return " or ".join(_type_name(option, schema) for option in options)
    if field.get("type") == "array":
        return f"list of {_type_name(field.get('items', {}), schema)}"
    kind = str(field.get("format") or field.get("type", "any"))
    return {"object": "map", "date-time": "time"}.get(kind, kind)


def _first_line(event: type[Event]) -> str:
    return (event.__doc__ or "").strip().splitlines()[0]


def write_documents() -> tuple[Path, Path]:
    """Write both documents and return their paths."""
    document = json.dumps(asyncapi_document(), indent=1, ensure_ascii=False)
    ASYNCAPI_FILE.write_text(document + "\n", encoding="utf-8")
    EVENTS_FILE.write_text(events_page(), encoding="utf-8")
    return ASYNCAPI_FILE, EVENTS_FILE


if __name__ == "__main__":
    write_documents()
