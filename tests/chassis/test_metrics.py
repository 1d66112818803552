"""Metrics can be scraped without a key and tell nothing about customers."""

import re

from fastapi import APIRouter
from prometheus_client.parser import text_string_to_metric_families

from tests.chassis.web import app_of, client_of


async def test_metrics_are_there_for_prometheus() -> None:
    async with client_of(app_of(APIRouter(), name="scraped")) as client:
        await client.get("/v1/feedback/secret-customer-name")
        answer = await client.get("/metrics")

    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    assert families["huiyin_http_request_seconds"].type == "histogram"
    assert families["huiyin_http_rejected"].type == "counter"
    assert "secret-customer-name" not in answer.text


async def test_every_metric_of_the_door_says_what_it_means_and_in_which_unit() -> None:
    async with client_of(app_of(APIRouter())) as client:
        answer = await client.get("/metrics")

    helps = dict(re.findall(r"^# HELP (huiyin_http_\S+) (.*)$", answer.text, re.MULTILINE))
    assert len(helps) >= 3
    for name, meaning in helps.items():
        assert len(meaning) > 20, name
        assert name.endswith(("_seconds", "_total", "_in_flight", "_bytes", "_rows")), name
