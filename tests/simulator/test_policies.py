import json

from huiyin_simulator.policies import DEMO_POLICIES, policies_document, promise_for
from huiyin_sla.domain.china import china_calendar
from huiyin_sla.domain.policies import DEFAULT_POLICIES, Policies, check_order, policy_for


def test_the_service_reads_the_policies_as_they_are_meant() -> None:
    read = Policies.from_dict(json.loads(policies_document(DEMO_POLICIES)))

    check_order(read, calendar=china_calendar())
    assert str(read.named("urgent").response) == f"PT{DEMO_POLICIES['urgent'].response_seconds}S"
    assert read.classification == DEFAULT_POLICIES.classification


def test_a_ticket_gets_the_promise_of_the_policy_that_the_service_chooses() -> None:
    for urgency in ("normal", "urgent", "complaint"):
        for is_complex in (False, True):
            promise = promise_for(urgency, is_complex=is_complex)

            assert promise == DEMO_POLICIES[policy_for(urgency, is_complex=is_complex)]
