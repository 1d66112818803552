"""What is written below an attribute is its description in every schema, and is read only for one."""

import subprocess
import sys
from typing import ClassVar

from huiyin_contracts.event import Contract
from huiyin_contracts.prose import attribute_prose
from huiyin_contracts.registry import EVENTS


class Meal(Contract):
    dish: str
    """What is on the plate,
    in the cook's words."""
    price_cents: int = 0
    guests: int = 1
    """How many eat."""
    TAX: ClassVar[float] = 0.1
    """Not a field."""


class Dinner(Meal):
    guests: int = 2
    candles: int = 1
    """How many burn."""


def test_an_attribute_is_described_by_the_string_below_it() -> None:
    properties = Meal.model_json_schema()["properties"]

    assert properties["dish"]["description"] == "What is on the plate,\nin the cook's words."
    assert "description" not in properties["price_cents"]


def test_what_is_inherited_keeps_its_prose_and_what_is_overridden_in_silence_loses_it() -> None:
    described = {
        name: field["description"]
        for name, field in Dinner.model_json_schema()["properties"].items()
        if "description" in field
    }

    assert described == {
        "dish": "What is on the plate,\nin the cook's words.",
        "candles": "How many burn.",
    }


def test_a_class_without_source_has_no_prose() -> None:
    made = type("Made", (), {"__annotations__": {"word": str}})

    assert attribute_prose(made) == {}


def test_events_describe_their_fields() -> None:
    schema = EVENTS["ticket.routed"].model_json_schema()

    assert any("description" in field for field in schema["properties"].values())


def test_importing_the_events_reads_no_source() -> None:
    look = "import sys, huiyin_contracts.registry, linecache; print(len(linecache.cache))"

    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "0"
