"""Routing rules: each condition, their order, and where returned tickets go."""

from typing import Any

import pytest

from huiyin_contracts.vocabulary import Outcome
from huiyin_router.classifier import PARENT_TYPES
from huiyin_router.domain.rules import SHIPPED_RULES, Facts, Rule, When, end_of, first_match, next_match

FACTS = Facts(
    nature="complaint",
    type="logistics",
    subtype="delivery",
    urgency="normal",
    sentiment="negative",
    channel="wechat",
    kind="message",
    store="shanghai-01",
    product=None,
    lang="zh",
    text="外卖 Late AGAIN",
    confidence=0.6,
    textless=False,
    rated=False,
    wish_or_question=False,
)


def ticket_rule(department: str, **when: Any) -> Rule:
    """Return a rule that gives what it matches to a department."""
    return Rule(name=f"to-{department}", when=When(**when), outcome=Outcome.TICKET, department=department)


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ({}, True),
        ({"nature": ("complaint",)}, True),
        ({"nature": ("praise", "complaint")}, True),
        ({"nature": ("praise",)}, False),
        ({"nature": ("complaint",), "type": ("product",)}, False),
        ({"store": ("shanghai-01",)}, True),
        ({"product": ("phone",)}, False),
        ({"text_contains": ("late again",)}, True),
        ({"text_contains": ("early", "外卖")}, True),
        ({"text_contains": ("l.te",)}, False),
        ({"min_confidence": 0.6}, True),
        ({"min_confidence": 0.61}, False),
        ({"below_confidence": 0.6}, False),
        ({"below_confidence": 0.61}, True),
        ({"textless": False}, True),
        ({"textless": True}, False),
        ({"rated": True}, False),
        ({"wish_or_question": False}, True),
    ],
)
def test_a_rule_holds_when_all_its_conditions_do(when: dict[str, Any], holds: object) -> None:
    assert When(**when).holds(FACTS) is holds


def test_the_first_rule_that_matches_holds() -> None:
    rules = (ticket_rule("design", nature=("praise",)), ticket_rule("product"), ticket_rule("marketing"))

    found = first_match(rules, FACTS)

    assert found is not None
    assert found.department == "product"


def test_what_no_rule_matches_waits_for_a_person() -> None:
    found = first_match((ticket_rule("design", nature=("praise",)),), FACTS)

    assert end_of(found, closed_units=()) == (Outcome.TRIAGE, None)


def test_what_a_closed_department_would_get_waits_for_a_person() -> None:
    rule = ticket_rule("design")

    assert end_of(rule, closed_units={"design"}) == (Outcome.TRIAGE, None)
    assert end_of(rule, closed_units={"product"}) == (Outcome.TICKET, "design")


def test_a_returned_ticket_passes_over_those_who_returned_it_and_is_never_thanked() -> None:
    thanks = Rule(name="thanks", when=When(), outcome=Outcome.THANKED)
    rules = (thanks, ticket_rule("design"), ticket_rule("product"))

    found = next_match(rules, FACTS, returned_by={"design"})

    assert found is not None
    assert found.department == "product"
    assert next_match(rules, FACTS, returned_by={"design", "product"}) is None


@pytest.mark.parametrize(
    ("given_type", "subtype", "department"),
    [
        ("product", "defect", "product"),
        ("product", "demand", "product"),
        ("service", "after_sales", "customer-service"),
        ("experience", "interface", "design"),
        ("experience", "usability", "design"),
        ("experience", "price", "marketing"),
        ("logistics", "delivery", "logistics"),
        ("general", "overall", "customer-service"),
    ],
)
def test_the_shipped_rules_give_each_type_to_its_department(
    given_type: str, subtype: str, department: str
) -> None:
    found = first_match(SHIPPED_RULES, FACTS._replace(type=given_type, subtype=subtype))

    assert found is not None
    assert found.department == department


def test_the_shipped_rules_leave_no_type_of_the_classifier_without_a_department() -> None:
    for subtype, given_type in PARENT_TYPES.items():
        found = first_match(SHIPPED_RULES, FACTS._replace(type=given_type, subtype=subtype))

        assert found is not None, subtype
        assert found.department is not None, subtype


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"nature": "praise"}, Outcome.THANKED),
        ({"nature": "praise", "wish_or_question": True}, Outcome.TICKET),
        ({"nature": "praise", "urgency": "urgent"}, Outcome.TICKET),
        ({"nature": "praise", "confidence": 0.2}, Outcome.TRIAGE),
        ({"nature": "complaint", "confidence": 0.29}, Outcome.TRIAGE),
        ({"nature": "complaint", "confidence": 0.3}, Outcome.TICKET),
        ({"nature": "complaint", "confidence": 0.1, "urgency": "urgent"}, Outcome.TICKET),
        ({"nature": "inquiry", "confidence": 0.1, "urgency": "complaint"}, Outcome.TICKET),
        ({"nature": "other", "confidence": 0.1, "urgency": "urgent"}, Outcome.TICKET),
        ({"nature": "other"}, Outcome.TRIAGE),
        ({"lang": "other"}, Outcome.TRIAGE),
        ({"textless": True, "rated": True, "lang": "other"}, Outcome.THANKED),
        ({"textless": True, "rated": True, "wish_or_question": True, "lang": "other"}, Outcome.TRIAGE),
    ],
)
def test_the_shipped_rules_thank_ask_a_person_or_route(changes: dict[str, Any], outcome: Outcome) -> None:
    found = first_match(SHIPPED_RULES, FACTS._replace(**changes))

    assert end_of(found, closed_units=())[0] is outcome


def test_nothing_is_no_feedback_by_the_shipped_rules() -> None:
    assert Outcome.NOT_FEEDBACK not in {rule.outcome for rule in SHIPPED_RULES}


def test_conditions_of_a_newer_version_are_left_out_when_a_stored_rule_is_read() -> None:
    read = When.from_json({"nature": ["praise"], "moon": "full"})

    assert read == When(nature=("praise",))
