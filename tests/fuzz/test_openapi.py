"""Every endpoint of every service, fuzzed from its own description: no server error, no answer it did not promise.

One running suite describes itself at `/openapi.json`; schemathesis makes valid and broken requests from that for a
bounded number of examples per operation. The long run has the same code with more examples (`HUIYIN_FUZZ_EXAMPLES`).
"""

import os
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support.suite import ADMIN_KEY, SERVICES, Suite, running_suite

EXAMPLES = int(os.environ.get("HUIYIN_FUZZ_EXAMPLES", "12"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    """Give a suite that nobody else uses: what is posted here is rubbish."""
    with running_suite(tmp_path_factory.mktemp("fuzz")) as suite:
        yield suite


@pytest.fixture(scope="module")
def operations(fuzzed: Suite) -> list[Any]:
    """Give every operation of every service, as the suite describes it."""
    schema = schemathesis.openapi.from_url(f"{fuzzed.url}/openapi.json")
    found = list(schema.get_all_operations())
    assert all(isinstance(each, Ok) for each in found), found
    return [each.ok() for each in found if isinstance(each, Ok)]


@pytest.mark.parametrize("service", [*SERVICES, "operations"])
def test_every_operation_keeps_to_its_description(service: str, operations: list[Any]) -> None:
    own = [each for each in operations if service in (each.definition.raw.get("tags") or ["operations"])]

    assert own, f"{service} describes nothing"
    for operation in own:
        fuzz(operation)


def fuzz(operation: Any) -> None:
    """Send an operation as many requests as the run allows, valid and broken in turn."""
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def keeps_its_promises(case: Any) -> None:
            answer = case.call(headers={"Authorization": f"Bearer {ADMIN_KEY}"})
            case.validate_response(answer, checks=CHECKS)
            assert b"Traceback" not in answer.content

        keeps_its_promises()


def test_the_suite_is_still_well(fuzzed: Suite) -> None:
    with fuzzed.client() as client:
        ready = client.get("/readyz")

    assert ready.status_code == 200, ready.text
    assert "Traceback" not in fuzzed.stderr
