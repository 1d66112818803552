"""Counts and logs what became of a batch; never a word of a customer's, only ids and kinds of error."""

from collections import Counter
from collections.abc import Iterable

import structlog

from huiyin_eventbus import metrics, tracing
from huiyin_eventbus.deliveries import Delivery
from huiyin_eventbus.handling import Failure, Fate
from huiyin_eventbus.sequences import REGULAR, SequenceWatch
from huiyin_eventbus.taking import Polled, Taken

log = structlog.get_logger(__name__)


def account(group: str, taken: Taken, *, polled: Polled, sequences: SequenceWatch) -> None:
    """Count a committed batch and log what was put aside."""
    failed = {each.delivery.event_id for each in taken.failures}
    done = Counter([each.record.topic for each in taken.fresh if each.event_id not in failed])
    for topic, events in done.items():
        metrics.consumed_total.labels(group, topic).inc(events)
    metrics.duplicates_total.labels(group).inc(len(polled.deliveries) - len(taken.fresh))
    account_failures(group, taken.failures)
    _watch_sequences(group, taken.fresh, sequences=sequences)


def account_failures(group: str, failures: Iterable[Failure]) -> None:
    """Count and log events that were put aside."""
    for each in failures:
        record = each.delivery.record
        if each.fate is Fate.POISON:
            metrics.dead_letters_total.labels(group, record.topic).inc()
        else:
            metrics.parked_total.labels(group).inc()
        if each.fate is not Fate.BEHIND:
            received = each.delivery.received
            log.warning(
                "event_put_aside",
                group=group,
                fate=each.fate.value,
                error=type(each.error).__name__,
                event_id=each.delivery.event_id,
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                trace_id=tracing.trace_id(received.traceparent) if received else None,
            )


def _watch_sequences(group: str, fresh: Iterable[Delivery], *, sequences: SequenceWatch) -> None:
    for each in fresh:
        if each.received is None:
            continue
        found = sequences.observe(each.record.topic, each.key, sequence=each.received.envelope.sequence)
        if found != REGULAR:
            metrics.event_gap_total.labels(group).inc(found.gaps)
            metrics.event_stale_total.labels(group).inc(found.stale)
            log.warning(
                "sequence_irregular",
                group=group,
                event_id=each.event_id,
                sequence=each.received.sequence,
                gap=bool(found.gaps),
            )
