"""Feedback comes in: read by the classifier, given its one outcome, announced."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any, Final

import structlog
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_contracts.feedback import FeedbackAttached, FeedbackReceived
from huiyin_contracts.vocabulary import Outcome, RoutingReason
from huiyin_eventbus.bulk import BulkInsert
from huiyin_eventbus.outbox import Outgoing, append
from huiyin_eventbus.subscriptions import Received
from huiyin_router import queries
from huiyin_router.classifier import REVISION, Prediction, Text, is_ready, predict, prepare
from huiyin_router.domain.cases import EARLIER_COMPARED, Earlier, Home, Said, find_home
from huiyin_router.domain.labels import is_dispute
from huiyin_router.domain.rules import Facts, Rule, end_of, first_match
from huiyin_router.models import classification, routed_case
from huiyin_router.usecases.announcements import classified, dispatches, labels_of, routed
from huiyin_router.usecases.revise import new_case

log = structlog.get_logger()

_TEXTS_AT_ONCE: Final = 16
"""Texts read before others get a turn of the event loop: one to two milliseconds, five where all are long."""
_NPS_SCALE: Final = 10
_LATIN_READ: Final = frozenset({"en", "zh"})
_CLASSIFICATION: Final = tuple(classification.c.keys())
_classification_values: Final = itemgetter(*_CLASSIFICATION)
_ADD_CLASSIFICATIONS: Final = BulkInsert(
    classification, _CLASSIFICATION, conflict=lambda put: put.on_conflict_do_nothing()
)
_TICKET: Final = tuple(routed_case.c.keys())
_ticket_values: Final = itemgetter(*_TICKET)
_ADD_TICKETS: Final = BulkInsert(routed_case, _TICKET, conflict=lambda put: put.on_conflict_do_nothing())


@dataclass(frozen=True, slots=True)
class Case:
    """What was decided for one feedback: its classification's columns, and the rule or ticket behind it."""

    received: Received[FeedbackReceived]
    row: Mapping[str, Any]
    rule: Rule | None = None
    home: Home | None = None


class Batch:
    """What decisions need beside the feedback itself; learns each new ticket, for feedback later in the batch."""

    def __init__(
        self,
        rules: Sequence[Rule],
        closed_units: frozenset[str],
        earlier: dict[queries.Author, list[Earlier]],
    ) -> None:
        self._rules = rules
        self._closed_units = closed_units
        self._earlier = earlier

    def decide(self, received: Received[FeedbackReceived], prediction: Prediction, *, now: datetime) -> Case:
        """Return the case of one feedback: attached to a ticket, or what the first matching rule says."""
        feedback = received.event
        author = author_of(feedback)
        words = Said(text=feedback.text, kind=feedback.kind, occurred_at=feedback.occurred_at)
        home = find_home(words, self._earlier.get(author, ())) if author else None
        read = _columns(received, prediction, now=now)
        case = self._attach(received, read, home) if home else self._by_rules(received, read)
        if author and case.row["ticket_id"]:
            self._remember(author, words, case)
        return case

    def _attach(self, received: Received[FeedbackReceived], read: Mapping[str, Any], home: Home) -> Case:
        outcome = {
            "outcome": Outcome.ATTACHED.value,
            "ticket_id": home.earlier.ticket_id,
            "department": home.earlier.department,
            "decided_by": f"rule:{home.reason}",
        }
        return Case(received, {**read, **outcome}, home=home)

    def _by_rules(self, received: Received[FeedbackReceived], read: Mapping[str, Any]) -> Case:
        rule = first_match(self._rules, facts_of(read, received.event))
        outcome, department = end_of(rule, closed_units=self._closed_units)
        row = {
            **read,
            "outcome": str(outcome),
            "ticket_id": read["feedback_id"] if outcome is Outcome.TICKET else None,
            "department": department,
            "complex": read["complex"] or (rule is not None and rule.complex),
            "decided_by": f"rule:{rule.name}" if rule else "model",
            "reason": _why_triage(rule) if outcome is Outcome.TRIAGE else None,
        }
        return Case(received, row, rule)

    def _remember(self, author: queries.Author, words: Said, case: Case) -> None:
        """Keep it among the author's newest, so that the rest of the batch can join its ticket."""
        earlier = Earlier(
            said=words,
            ticket_id=case.row["ticket_id"],
            department=case.row["department"],
            is_open=case.home is None or case.home.earlier.is_open,
        )
        newest = [*self._earlier.get(author, ()), earlier]
        self._earlier[author] = newest[-EARLIER_COMPARED:]


async def classify_feedback(
    tx: AsyncConnection, received: Sequence[Received[FeedbackReceived]], *, now: datetime
) -> None:
    """Give each feedback of a batch its outcome and announce it; what has one already is left alone.

    Others get turns of the event loop while it reads; the number of statements does not grow with the batch.
    """
    fresh = await _fresh(tx, received)
    if not fresh:
        return
    predictions = await _read(fresh)
    units = await queries.units(tx)
    authors = {author for one in fresh if (author := author_of(one.event))}
    await queries.lock_authors(tx, authors)
    batch = Batch(
        await queries.active_rules(tx),
        closed_among(units),
        await queries.earlier_of_authors(tx, authors) if authors else {},
    )
    cases = [batch.decide(one, found, now=now) for one, found in zip(fresh, predictions, strict=True)]
    await _save(tx, cases)
    streaming = frozenset(slug for slug, unit in units.items() if unit.stream)
    await append(tx, *(event for case in cases for event in _announce(case, streaming, now=now)))
    log.debug("feedback_classified", count=len(cases))


def closed_among(units: Mapping[str, Row[Any]]) -> frozenset[str]:
    """Return the slugs of the units that take no tickets."""
    return frozenset(slug for slug, unit in units.items() if not unit.active)


def author_of(feedback: FeedbackReceived) -> queries.Author | None:
    """Return who spoke up within channel and account, None when the channel does not say."""
    return (feedback.channel, feedback.account, feedback.author.id) if feedback.author else None


def facts_of(row: Mapping[str, Any], feedback: FeedbackReceived) -> Facts:
    """Return what rules may ask of a classified feedback."""
    confidence = row["confidence"]
    return Facts(
        nature=row["nature"],
        type=row["type"],
        subtype=row["subtype"],
        urgency=row["urgency"],
        sentiment=row["sentiment"],
        channel=row["channel"],
        kind=row["kind"],
        store=row["store"],
        product=row["product"],
        lang=row["read_lang"],
        text=words_of(feedback),
        confidence=min(confidence["nature"], confidence["type"]),
        textless=row["textless"],
        rated=feedback.rating is not None or feedback.nps is not None,
        wish_or_question=row["wish_or_question"],
    )


def words_of(feedback: FeedbackReceived) -> str:
    """Return all that the author wrote, the subject first."""
    return f"{feedback.subject}\n{feedback.text}" if feedback.subject else feedback.text


def _why_triage(rule: Rule | None) -> str:
    if rule is None:
        return "no routing rule matched"
    return f"department {rule.department} takes no tickets" if rule.department else f"rule {rule.name}"


async def _fresh(
    tx: AsyncConnection, received: Sequence[Received[FeedbackReceived]]
) -> list[Received[FeedbackReceived]]:
    """Return what has no outcome yet, each feedback once, in the order in which it was said."""
    once = {one.event.feedback_id: one for one in reversed(received)}
    known = await queries.known_ids(tx, once)
    fresh = [one for feedback_id, one in once.items() if feedback_id not in known]
    return sorted(
        fresh, key=lambda one: (one.event.occurred_at, one.event.received_at, one.event.feedback_id)
    )


async def _read(received: Sequence[Received[FeedbackReceived]]) -> list[Prediction]:
    """Return a prediction for each feedback, read where it is called.

    A thread would make the event loop wait for the interpreter's lock longer than the reading takes.
    """
    if not is_ready():
        await asyncio.to_thread(prepare)
    texts = [_text(one.event) for one in received]
    found: list[Prediction] = []
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        found += predict(texts[start : start + _TEXTS_AT_ONCE])
        await asyncio.sleep(0)
    return found


def _text(feedback: FeedbackReceived) -> Text:
    rating = feedback.rating.share if feedback.rating else None
    if rating is None and feedback.nps is not None:
        rating = min(max(feedback.nps / _NPS_SCALE, 0.0), 1.0)
    return Text(words_of(feedback), rating, feedback.lang)


def _columns(
    received: Received[FeedbackReceived], prediction: Prediction, *, now: datetime
) -> dict[str, Any]:
    """Return a classification's columns as far as the classifier decides them, enumerated ones as plain strings.

    A driver asks of any other kind of string first whether somebody has adapted it.
    """
    feedback = received.event
    return {
        "feedback_id": feedback.feedback_id,
        "ticket_id": None,
        "department": None,
        "nature": prediction.nature,
        "type": prediction.type,
        "subtype": prediction.subtype,
        "subtype2": prediction.subtype2,
        "urgency": prediction.urgency,
        "sentiment": prediction.sentiment,
        "complex": is_dispute(prediction.urgency),
        "confidence": dict(prediction.confidence),
        "model": REVISION,
        "revision": 1,
        "reason": None,
        "read_lang": _language(feedback, prediction),
        "textless": prediction.is_textless,
        "wish_or_question": prediction.has_wish_or_question,
        "channel": feedback.channel,
        "account": feedback.account,
        "author_id": feedback.author.id if feedback.author else None,
        "kind": feedback.kind,
        "store": feedback.store,
        "product": feedback.product,
        "occurred_at": feedback.occurred_at,
        "received_at": feedback.received_at,
        "classified_at": now,
        "content": received.envelope.data.decode(),
    }


def _language(feedback: FeedbackReceived, prediction: Prediction) -> str:
    """Return the language the text was read in; Latin letters alone do not make it English when the channel says so."""
    declared = (feedback.lang or prediction.lang).lower().partition("-")[0]
    return "other" if prediction.lang == "en" and declared not in _LATIN_READ else prediction.lang


async def _save(tx: AsyncConnection, cases: Sequence[Case]) -> None:
    rows = [case.row for case in cases]
    await _ADD_CLASSIFICATIONS.write(tx, [_classification_values(row) for row in rows])
    tickets = [new_case(row) for row in rows if row["outcome"] == Outcome.TICKET]
    await _ADD_TICKETS.write(tx, [_ticket_values(ticket) for ticket in tickets])


def _announce(case: Case, streaming: frozenset[str], *, now: datetime) -> list[Outgoing]:
    """Return the events of one decision, each caused by the feedback's own."""
    labels = labels_of(case.row)
    events = [Outgoing(classified(case.row, labels=labels), cause=case.received)]
    if case.home is not None:
        events.append(Outgoing(_attached(case.received.event, case.home, now=now), cause=case.received))
    if case.row["outcome"] == Outcome.TICKET and case.rule is not None:
        event = routed(
            case.row,
            case.received.event,
            now=now,
            reason=RoutingReason.RULE,
            rule=case.rule.name,
            told_priority=case.rule.priority,
            labels=labels,
        )
        events += dispatches(event, has_stream=event.department in streaming, cause=case.received)
    return events


def _attached(feedback: FeedbackReceived, home: Home, *, now: datetime) -> FeedbackAttached:
    return FeedbackAttached(
        ticket_id=home.earlier.ticket_id,
        feedback_id=feedback.feedback_id,
        reason=home.reason,
        similarity=home.similarity,
        channel=feedback.channel,
        kind=feedback.kind,
        text=feedback.text,
        author=feedback.author,
        occurred_at=feedback.occurred_at,
        attached_at=now,
    )
