"""HTTP bodies of the router."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    StringConstraints,
    model_validator,
)

from huiyin_contracts.feedback import Labels
from huiyin_contracts.vocabulary import Identifier, Outcome, Slug
from huiyin_router.domain.rules import Rule, When

Reason = Annotated[str, StringConstraints(min_length=1, max_length=1000, strip_whitespace=True)]
Words = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Share = Annotated[FiniteFloat, Field(ge=0, le=1)]
Place = Annotated[int, Field(ge=0, le=9)]
Position = Annotated[int, Field(ge=0, le=1_000_000)]
NatureWord = Literal["complaint", "suggestion", "praise", "inquiry", "other"]
UrgencyWord = Literal["normal", "urgent", "complaint"]
SentimentWord = Literal["negative", "neutral", "positive"]
OutcomeWord = Literal["ticket", "attached", "triage", "thanked", "not_feedback"]
RuleOutcome = Literal["thanked", "not_feedback", "triage"]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LabelsIn(_Body):
    """Labels as a person sees them; those left out stay as they are."""

    nature: NatureWord | None = None
    type: Slug | None = None
    subtype: Slug | None = None
    subtype2: Slug | None = None
    urgency: UrgencyWord | None = None
    sentiment: SentimentWord | None = None
    complex: bool | None = None


class CorrectionIn(_Body):
    """What was wrong about a classification, and why it is known to be."""

    labels: LabelsIn | None = None
    department: Slug | None = None
    outcome: Literal["ticket", "triage", "thanked", "not_feedback"] | None = None
    reason: Reason

    @model_validator(mode="after")
    def _says_something(self) -> "CorrectionIn":
        if self.labels is None and self.department is None and self.outcome is None:
            raise ValueError("names neither labels nor department nor outcome")
        if self.department is not None and self.outcome not in {None, "ticket"}:
            raise ValueError("a department goes with the outcome ticket only")
        return self


class DecisionIn(_Body):
    """What becomes of a feedback in triage: a department's ticket, or no feedback at all."""

    department: Slug | None = None
    labels: LabelsIn | None = None
    not_feedback: Literal[True] | None = None
    reason: Reason | None = None

    @model_validator(mode="after")
    def _exactly_one_form(self) -> "DecisionIn":
        if (self.department is None) == (self.not_feedback is None):
            raise ValueError("names either a department or not_feedback")
        if self.not_feedback and self.reason is None:
            raise ValueError("not_feedback needs a reason")
        if self.not_feedback and self.labels is not None:
            raise ValueError("what is no feedback has no labels")
        return self


class ClassificationView(BaseModel):
    """What became of one feedback."""

    feedback_id: Identifier
    outcome: OutcomeWord
    ticket_id: str | None
    department: str | None
    labels: Labels
    confidence: dict[str, float]
    model: str
    revision: int
    decided_by: str
    reason: str | None
    channel: str
    kind: str
    store: str | None
    product: str | None
    occurred_at: datetime
    received_at: datetime
    classified_at: datetime


class TriageItem(ClassificationView):
    """A feedback that waits for a person: `labels` are what the model proposes."""

    subject: str | None
    text: str


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


OneOf = Annotated[tuple[Words, ...], BeforeValidator(_one_or_many), Field(max_length=50)]


class WhenBody(_Body):
    """The conditions of a rule, all of which must hold; a list holds when one of its values does."""

    nature: OneOf = ()
    type: OneOf = ()
    subtype: OneOf = ()
    urgency: OneOf = ()
    sentiment: OneOf = ()
    channel: OneOf = ()
    kind: OneOf = ()
    store: OneOf = ()
    product: OneOf = ()
    lang: OneOf = ()
    text_contains: OneOf = ()
    min_confidence: Share | None = None
    below_confidence: Share | None = None
    textless: bool | None = None
    rated: bool | None = None
    wish_or_question: bool | None = None

    def conditions(self) -> When:
        """Return the conditions as the rules know them."""
        return When(**dict(self))


class _RuleBody(_Body):
    department: Slug | None = None
    outcome: RuleOutcome | None = None

    @model_validator(mode="after")
    def _one_end_at_most(self) -> "_RuleBody":
        if self.department is not None and self.outcome is not None:
            raise ValueError("names a department and an outcome; a rule has one of them")
        return self


class RuleIn(_RuleBody):
    """A new rule; without a position it becomes the last one."""

    name: Slug
    when: WhenBody
    position: Position | None = None
    active: bool = True
    complex: bool = False
    priority: Place | None = None

    @model_validator(mode="after")
    def _one_end(self) -> "RuleIn":
        if self.department is None and self.outcome is None:
            raise ValueError("names neither a department nor an outcome")
        return self

    def rule(self) -> Rule:
        """Return the rule as it would decide."""
        return Rule(
            name=self.name,
            when=self.when.conditions(),
            outcome=Outcome(self.outcome or Outcome.TICKET),
            department=self.department,
            complex=self.complex,
            priority=self.priority,
        )


class RulePatch(_RuleBody):
    """What may change of a rule; fields left out stay as they are, `when` is replaced as a whole."""

    name: Slug = "unchanged"
    when: WhenBody = WhenBody()
    position: Position = 0
    active: bool = True
    complex: bool = False
    priority: Place | None = None


class RuleView(BaseModel):
    """A rule as it stands."""

    id: Identifier
    name: str
    position: int
    active: bool
    when: dict[str, Any]
    outcome: str
    department: str | None
    complex: bool
    priority: int | None
    revision: int
    changed_at: datetime


class DryRunIn(_Body):
    """Rules to try on what was classified last; without rules, those in force are tried."""

    rules: Annotated[tuple[RuleIn, ...], Field(max_length=200)] | None = None
    limit: Annotated[int, Field(ge=1, le=2000)] = 500


class End(BaseModel):
    """Where a feedback ends: its outcome and, for tickets, the department."""

    outcome: OutcomeWord
    department: str | None


class Standing(End):
    """How a classification stood: where the feedback ended, with which ticket and labels."""

    ticket_id: str | None
    labels: Labels


class CorrectionView(BaseModel):
    """One change of a classification: by a person, or because its ticket was returned or moved."""

    id: Identifier
    revision: int
    """The revision of the classification that it led to."""
    actor: str
    reason: str | None
    before: Standing
    after: Standing
    corrected_at: datetime


class Difference(BaseModel):
    """A feedback that would end elsewhere."""

    feedback_id: str
    now: End
    then: End
    rule: str | None
    """The rule that would decide it, null when none matches."""


class DryRun(BaseModel):
    """What would change: all differences counted, the first 200 shown."""

    examined: int
    changed: int
    differences: list[Difference]
