"""What intake tells `huiyin verify`: the feedback it has accepted. Every other count starts from here."""

from collections.abc import Mapping
from typing import Final

from huiyin_chassis.service import Fact
from huiyin_intake import queries

FACTS: Final[Mapping[str, Fact]] = {"intake.feedback": queries.accepted_feedback}
