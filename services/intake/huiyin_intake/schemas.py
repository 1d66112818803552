"""HTTP bodies of the front door. Unknown fields are refused: a typo must not lose a customer's words.

What may be any JSON is typed `Any`: bodies are JSON before they come here, and JsonValue would check it all again.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    StringConstraints,
    model_validator,
)

from huiyin_chassis.clock import Moment
from huiyin_chassis.problems import FieldError
from huiyin_contracts.feedback import Attachment, Author, FeedbackReceived, Rating
from huiyin_contracts.vocabulary import Identifier, Slug
from huiyin_intake.domain import has_content

Kind = Literal["message", "comment", "review", "survey", "form", "call", "email", "ticket", "opinion_book"]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
ExternalId = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Text = Annotated[str, StringConstraints(max_length=100_000)]
Tag = Annotated[str, StringConstraints(min_length=1, max_length=100)]
LanguageTag = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}$")]
# A bound within the pattern would be unrolled: 8 MB and 20 ms for each process.
WebAddress = Annotated[str, StringConstraints(max_length=2008, pattern=r"^https?://[^\s<>\"]+$")]

_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)


def _plausible(moment: datetime) -> datetime:
    if moment < _EARLIEST:
        raise ValueError("lies before the year 2000")
    return moment


Occurred = Annotated[Moment, AfterValidator(_plausible)]


_STRICT: Final = ConfigDict(extra="forbid", frozen=True)


class _Body(BaseModel):
    model_config = _STRICT


# The parts of a post narrow the parts of its event, so that they enter it as they are.
class AuthorIn(Author):
    """Who spoke up, as the channel knows them."""

    model_config = _STRICT

    id: Identifier
    name: Name | None = None
    phone: Annotated[str, StringConstraints(max_length=40)] | None = None
    email: Annotated[str, StringConstraints(max_length=254)] | None = None
    tier: Annotated[str, StringConstraints(max_length=40)] | None = None


class RatingIn(Rating):
    """A rating in the channel's own scale."""

    model_config = _STRICT

    value: Annotated[FiniteFloat, Field(ge=0)]
    max: Annotated[FiniteFloat, Field(gt=0, le=1000)]

    @model_validator(mode="after")
    def _within_its_scale(self) -> "RatingIn":
        if self.value > self.max:
            raise ValueError("value is above max")
        return self


class AttachmentIn(Attachment):
    """A file that the channel keeps, by its address."""

    model_config = _STRICT

    url: WebAddress
    name: Name | None = None
    media_type: Name | None = None
    size_bytes: Annotated[int, Field(ge=0)] | None = None


class FeedbackIn(_Body):
    """One feedback as a channel posts it."""

    channel: Slug
    kind: Kind
    external_id: ExternalId
    occurred_at: Occurred
    text: Text
    subject: Annotated[str, StringConstraints(max_length=1000)] | None = None
    lang: LanguageTag | None = None
    product: Name | None = None
    item: Name | None = None
    order_id: Name | None = None
    store: Name | None = None
    customer_source: Name | None = None
    account: Annotated[str, StringConstraints(max_length=200)] | None = None
    author: AuthorIn | None = None
    rating: RatingIn | None = None
    nps: Annotated[int, Field(ge=0, le=10)] | None = None
    tags: Annotated[tuple[Tag, ...], Field(max_length=50)] = ()
    attachments: Annotated[tuple[AttachmentIn, ...], Field(max_length=20)] = ()
    extra: Annotated[dict[Name, Any], Field(max_length=100)] = {}

    @model_validator(mode="after")
    def _says_something(self) -> "FeedbackIn":
        if not has_content(
            text=self.text,
            has_rating=self.rating is not None,
            has_nps=self.nps is not None,
            has_attachments=bool(self.attachments),
        ):
            raise ValueError("says nothing: give a text, a rating, an nps or an attachment")
        return self


class BatchIn(_Body):
    """Up to 1,000 posts; each is judged alone, so that a bad one never costs its neighbours."""

    items: Annotated[list[Any], Field(min_length=1, max_length=1000)]


class Accepted(BaseModel):
    """A post is stored for good; `duplicate` when it was there before."""

    id: str
    status: Literal["received"] = "received"
    duplicate: bool


class ItemProblem(BaseModel):
    """Why one item of a batch was not stored; pointers are relative to the item.

    `status` is what the item posted alone would have been answered: 413 and 422 are the sender's to mend, a 500 is
    ours, and after a 503 the item may be sent again as it is.
    """

    status: Literal[413, 422, 500, 503]
    detail: str
    errors: list[FieldError]


class BatchItem(BaseModel):
    """What became of one item: `id`, `status` and `duplicate`, or `error`."""

    index: int
    id: str | None = None
    status: Literal["received"] | None = None
    duplicate: bool | None = None
    error: ItemProblem | None = None


class BatchAccepted(BaseModel):
    """What became of each item, in the order sent."""

    items: list[BatchItem]


class FeedbackView(FeedbackReceived):
    """A stored feedback, as it was accepted."""

    status: Literal["received"] = "received"
