import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from huiyin_simulator.errors import BadRow
from huiyin_simulator.rows import MAX_LINE_BYTES, Row, as_post, kind_of, stream_rows

STREAM = Path(__file__).parents[3] / "shared" / "data" / "feedback_stream.jsonl.gz"
LINE = {
    "external_id": "d-1",
    "channel": "hotline",
    "received_at": "2026-08-24T00:34:10+08:00",
    "author": "u1",
    "lang": "zh",
    "product": "平板",
    "rating": None,
    "text": "屏幕不亮",
    "source": "x-1",
    "source_label": None,
    "resend_of": None,
    "redelivery": False,
}


def written(tmp_path: Path, *lines: object) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return path


def changed(**fields: Any) -> dict[str, Any]:
    return {**LINE, **fields}


def test_a_line_becomes_a_row(tmp_path: Path) -> None:
    (row,) = stream_rows(written(tmp_path, LINE))

    assert row.external_id == "d-1"
    assert row.received_at == datetime(2026, 8, 23, 16, 34, 10, tzinfo=UTC)
    assert row.rating is None


def test_gzip_is_told_by_content_not_by_name(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(gzip.compress(json.dumps(LINE).encode()))

    assert [row.external_id for row in stream_rows(path)] == ["d-1"]


def test_empty_lines_are_skipped_but_counted(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f"\n{json.dumps(LINE)}\n  \n[]\n", encoding="utf-8")

    with pytest.raises(BadRow, match="line 4: not a JSON object"):
        list(stream_rows(path))


def test_rows_before_a_bad_line_are_still_given(tmp_path: Path) -> None:
    rows = stream_rows(written(tmp_path, LINE, changed(text=None)))

    assert next(rows).external_id == "d-1"
    with pytest.raises(BadRow) as caught:
        next(rows)
    assert caught.value.line == 2
    assert caught.value.reason == "text is missing or not a string"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"received_at": "yesterday"}, "ISO 8601"),
        ({"received_at": "2026-08-24T00:34:10"}, "no offset"),
        ({"received_at": 5}, "received_at is missing"),
        ({"rating": 6}, "from 0 to 5"),
        ({"rating": "5"}, "from 0 to 5"),
        ({"rating": True}, "from 0 to 5"),
        ({"rating": 3.5}, "whole number"),
        ({"rating": float("nan")}, "from 0 to 5"),
        ({"redelivery": "no"}, "redelivery"),
        ({"product": 3}, "product is missing or not a string"),
        ({"text": "\ud800"}, "surrogate"),
        ({"labels": []}, "labels is not an object"),
        ({"labels": {"nature": "praise"}}, "type is missing"),
    ],
)
def test_a_wrong_field_is_named(tmp_path: Path, fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadRow, match=reason):
        list(stream_rows(written(tmp_path, changed(**fields))))


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"{", "not JSON"),
        (b'"\xff"', "not UTF-8"),
        (b"[" * 100_000, "not JSON"),
        (b" " * (MAX_LINE_BYTES + 1), "longer than"),
        (gzip.compress(b"{}" * 1000)[:-9], "cut short"),
    ],
)
def test_a_line_that_cannot_be_read_is_refused(tmp_path: Path, raw: bytes, reason: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(raw)

    with pytest.raises(BadRow, match=f"line 1: .*{reason}"):
        list(stream_rows(path))


def test_a_missing_file_is_an_operating_system_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        next(stream_rows(tmp_path / "absent.jsonl"))


def test_a_post_carries_the_row_under_the_names_of_the_interface() -> None:
    row = Row(
        external_id="r1",
        channel="ecommerce_review",
        received_at=datetime(2026, 11, 1, tzinfo=UTC),
        author="u1",
        lang="zh",
        text="很好",
        product="平板",
        store="滨江店",
        rating=5,
        source="s",
        source_label="positive",
        resend_of="r0",
        redelivery=True,
    )

    assert as_post(row) == {
        "channel": "ecommerce_review",
        "kind": "review",
        "external_id": "r1",
        "occurred_at": "2026-11-01T00:00:00+00:00",
        "text": "很好",
        "lang": "zh",
        "product": "平板",
        "store": "滨江店",
        "author": {"id": "u1"},
        "rating": {"value": 5, "max": 5},
    }


@pytest.mark.parametrize(
    ("channel", "kind"),
    [
        ("hotline", "call"),
        ("wechat", "message"),
        ("chat", "message"),
        ("weibo", "comment"),
        ("twitter", "comment"),
        ("ecommerce_review", "review"),
        ("survey", "survey"),
        ("trial_survey", "survey"),
        ("app_form", "form"),
        ("website_form", "form"),
        ("store_book", "opinion_book"),
        ("email", "email"),
        ("carrier_pigeon", "form"),
    ],
)
def test_the_kind_follows_from_the_channel(channel: str, kind: str) -> None:
    assert kind_of(channel) == kind


@pytest.mark.shared_data
@pytest.mark.skipif(not STREAM.exists(), reason="needs the development data beside the project")
def test_the_development_stream_is_read_whole() -> None:
    rows = list(stream_rows(STREAM))

    assert len(rows) == 20_000
    assert sum(row.redelivery for row in rows) == 200
    assert sum(row.resend_of is not None for row in rows) == 200
    assert {kind_of(row.channel) for row in rows} == {
        *("call", "message", "comment", "review", "survey", "form", "opinion_book"),
    }
