"""What an older version has written is read by today's contracts, and says what it said."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from huiyin_contracts.event import Envelope
from huiyin_contracts.registry import EVENTS, parse_event
from tests.faults.snapshot import Old, snapshot
from tests.faults.version_faults import OLDER

RECORDS = snapshot(OLDER)


def _lacks_options(record: Old) -> bool:
    model = EVENTS[record.topic]
    optional = {name for name, field in model.model_fields.items() if not field.is_required()}
    return bool(optional - record.said.keys())


def _has_unknown_fields(record: Old) -> bool:
    return bool(record.said.keys() - EVENTS[record.topic].model_fields.keys())


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: f"{record.topic}-{record.headers['ce_id']}")
def test_a_kept_record_means_today_what_it_meant(record: Old) -> None:
    headers = [(name, value.encode()) for name, value in record.headers.items()]

    event = parse_event(Envelope.from_headers(headers, record.value.encode()))

    assert event.key == record.key
    assert _contains(event.model_dump(mode="json"), _known(record))


def test_the_snapshot_has_records_without_options_and_with_fields_nobody_knows() -> None:
    for topic in Counter(record.topic for record in RECORDS):
        records = [record for record in RECORDS if record.topic == topic]

        assert any(map(_has_unknown_fields, records)), topic
    assert sum(map(_lacks_options, RECORDS)) >= len(RECORDS) // 4


def _known(record: Old) -> Mapping[str, Any]:
    fields = EVENTS[record.topic].model_fields
    return {
        name: value for name, value in record.said.items() if name in fields and isinstance(value, str | int)
    }


def _contains(whole: Mapping[str, Any], part: Mapping[str, Any]) -> bool:
    return all(whole[name] == value for name, value in part.items())
