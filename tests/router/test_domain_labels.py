"""What becomes of labels when a person says better."""

from typing import Any

import pytest

from huiyin_contracts.feedback import Labels
from huiyin_contracts.vocabulary import Nature, Sentiment, Urgency
from huiyin_router.domain.labels import is_dispute, merged
from huiyin_router.errors import LabelsContradict

PARENTS = {"delivery": "logistics", "attitude": "service", "process": "service", "overall": "general"}


def labels(**changes: Any) -> Labels:
    """Return the labels of a late delivery."""
    return Labels(
        **{
            "nature": Nature.COMPLAINT,
            "type": "logistics",
            "subtype": "delivery",
            "urgency": Urgency.NORMAL,
            "sentiment": Sentiment.NEGATIVE,
            **changes,
        }
    )


def after(before: Labels, **said: Any) -> Labels:
    """Return the labels after what a person said."""
    return merged(before, said, parent_types=PARENTS)


def test_what_nobody_said_anything_of_stays_as_it_is() -> None:
    before = labels(subtype2="attitude", complex=True)

    assert after(before) == before
    assert after(before, nature=None, subtype=None, complex=None) == before


def test_what_was_said_holds() -> None:
    found = after(labels(), nature="praise", urgency="urgent", sentiment="positive")

    assert (found.nature, found.urgency, found.sentiment) == ("praise", "urgent", "positive")
    assert (found.type, found.subtype) == ("logistics", "delivery")


def test_a_second_subtype_is_taken_away_by_saying_none() -> None:
    assert after(labels(subtype2="attitude"), subtype2=None).subtype2 is None
    assert after(labels(), subtype2="attitude").subtype2 == "attitude"


def test_a_known_subtype_brings_its_type_along() -> None:
    found = after(labels(), subtype="attitude")

    assert (found.type, found.subtype) == ("service", "attitude")


def test_a_subtype_nobody_knows_stays_with_the_type_there_is_or_the_one_said() -> None:
    own = after(labels(), subtype="packaging")
    told = after(labels(), type="service", subtype="queueing")

    assert (own.type, own.subtype) == ("logistics", "packaging")
    assert (told.type, told.subtype) == ("service", "queueing")


def test_a_type_with_one_subtype_brings_that() -> None:
    found = after(labels(), type="general")

    assert (found.type, found.subtype) == ("general", "overall")


def test_a_type_with_several_subtypes_takes_the_second_one_read_in_the_text() -> None:
    found = after(labels(subtype2="process"), type="service")

    assert (found.type, found.subtype) == ("service", "process")


@pytest.mark.parametrize("said", [{"type": "service"}, {"type": "service", "subtype": "delivery"}])
def test_a_type_and_a_subtype_of_another_one_contradict(said: dict[str, str]) -> None:
    with pytest.raises(LabelsContradict, match="subtype delivery does not belong to type service"):
        after(labels(), **said)


@pytest.mark.parametrize(("urgency", "dispute"), [("complaint", True), ("urgent", False), ("normal", False)])
def test_only_the_urgency_complaint_is_a_dispute(urgency: str, dispute: bool) -> None:  # noqa: FBT001
    assert is_dispute(urgency) is dispute


def test_a_dispute_is_complex_whatever_is_said() -> None:
    assert after(labels(), urgency="complaint").complex
    assert after(labels(), urgency="complaint", complex=False).complex


def test_what_is_no_dispute_any_more_is_no_longer_complex_unless_somebody_says_so() -> None:
    dispute = labels(urgency=Urgency.COMPLAINT, complex=True)

    assert not after(dispute, urgency="normal").complex
    assert after(dispute, urgency="normal", complex=True).complex


def test_what_a_rule_or_person_called_complex_stays_so_until_somebody_says_otherwise() -> None:
    major = labels(complex=True)

    assert after(major, urgency="urgent").complex
    assert not after(major, complex=False).complex
