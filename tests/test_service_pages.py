"""Each service's page: the same headings for all, and the events that it names are those the code takes and tells."""

import re

import pytest

from huiyin_chassis.service import Service, load_services
from huiyin_contracts.registry import EVENTS
from tests.support.servers import PROJECT

HEADINGS = ("Owns", "Events in", "Events out", "Endpoints", "Settings")
SERVICES = load_services()
each_service = pytest.mark.parametrize("service", SERVICES, ids=[service.name for service in SERVICES])


def _sections(service: Service) -> dict[str, str]:
    """Return the page's sections by their headings, in order."""
    page = (PROJECT / "services" / service.name / "README.md").read_text(encoding="utf-8")
    _title, *sections = re.split(r"^## ", page, flags=re.MULTILINE)
    return {heading: text for heading, _, text in (section.partition("\n") for section in sections)}


def _events(text: str) -> set[str]:
    return set(re.findall(r"`([a-z]+\.[a-z_]+(?:\.v\d+)?)`", text))


@each_service
def test_the_same_headings_come_first_on_every_page(service: Service) -> None:
    assert tuple(_sections(service))[: len(HEADINGS)] == HEADINGS


@each_service
def test_a_page_names_the_events_that_the_service_takes(service: Service) -> None:
    assert service.subscriptions is not None
    assert _events(_sections(service)["Events in"]) == set(service.subscriptions.topics)


@each_service
def test_a_page_names_the_events_that_the_service_tells(service: Service) -> None:
    told = {event.TYPE for event in EVENTS.values() if service.name == event.PUBLISHER}

    assert _events(_sections(service)["Events out"]) == told


@each_service
def test_a_page_names_every_setting_of_the_service(service: Service) -> None:
    prefix = service.settings.model_config.get("env_prefix", "")
    named = {f"{prefix}{field}".upper() for field in service.settings.model_fields}

    assert named <= set(re.findall(r"HUIYIN_[A-Z_]+", _sections(service)["Settings"]))
