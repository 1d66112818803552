"""What strangers send as JSON is a document that can be stored, or is refused with a pointer."""

import json
from time import process_time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from huiyin_chassis.problems import Refusal
from huiyin_chassis.strictjson import MAX_DEPTH, check_json, is_deeper_than

STORABLE = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=20)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | STORABLE
)
DOCUMENTS = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(STORABLE, inner, max_size=5)
)


def refused(body: bytes, **limits: int) -> Refusal:
    with pytest.raises(Refusal) as refusal:
        check_json(body, **limits)
    return refusal.value


def document_or_refusal(body: bytes) -> Any:
    try:
        return check_json(body)
    except Refusal as refusal:
        return refusal


def pointed(body: bytes) -> dict[str | None, str]:
    refusal = refused(body)
    assert refusal.status_code == 422
    return {error.pointer: error.detail for error in refusal.errors}


@given(DOCUMENTS, st.booleans())
@example(["\\u0000", '\\"[[[', "\U0001f600"], True)
@example({'"': '{"\\\\"}'}, False)
def test_what_json_can_say_and_tables_can_store_passes_unchanged(document: Any, ensure_ascii: bool) -> None:  # noqa: FBT001
    body = json.dumps(document, ensure_ascii=ensure_ascii).encode()

    assert check_json(body, max_depth=1000) == document


@given(
    st.binary(max_size=64) | st.text('{}[]",:\\u0d8abef1.eE-+ nulltrefas\x00', max_size=64).map(str.encode)
)
@settings(max_examples=500)
def test_any_bytes_are_a_document_or_a_refusal(body: bytes) -> None:
    outcome = document_or_refusal(body)

    if isinstance(outcome, Refusal):
        assert outcome.status_code == (422 if outcome.errors else 400)
    else:
        assert outcome == json.loads(body.decode())


@given(DOCUMENTS)
def test_depth_is_counted_as_a_walk_would(document: Any) -> None:
    def depth(value: Any) -> int:
        if isinstance(value, dict):
            value = list(value.values())
        return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0

    body = json.dumps(document).encode()

    assert is_deeper_than(depth(document), body) is False
    assert depth(document) == 0 or is_deeper_than(depth(document) - 1, body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{'a': 1}",
        b'{"a": 1} x',
        b"[1,]",
        b'"\x01"',
        b"\xff",
        b'"\xed\xa0\x80"',
        b"\xef\xbb\xbf{}",
        '{"a": 1}'.encode("utf-16"),
        b"nul",
        b"01",
    ],
)
def test_what_is_not_json_in_utf8_is_malformed(body: bytes) -> None:
    refusal = refused(body)

    assert (refusal.status_code, refusal.slug) == (400, "malformed-json")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b'{"a": {"b": 1, "b": 2}}', "#/a"),
        (b'[{"a": 1}, {"a": 1, "a": 1}]', "#/1"),
        (b'{"\\"": 1, "\\u0022": "\\\\"}', "#"),
        (b'{"a": "\\\\\\"\\u0022", "a": {"b": "\\""}}', "#"),
        (b'{"a": "1e0001", "b": 1E+999}', "#/b"),
        (b'{"a": ["x", "\\u0000"]}', "#/a/1"),
        (b'{"a": "\\ud800"}', "#/a"),
        (b'{"a": "\\udc00\\ud800"}', "#/a"),
        (b'{"a": "\\ud83d\\ude00\\ud83d"}', "#/a"),
        (b'{"a": "\\\\ud83d\\ude00"}', "#/a"),
        (b'{"a": "\\ud83d\\\\\\ude00"}', "#/a"),
        (b'{"a": {"\\\\ud83d\\ude00": 1}}', "#/a"),
        (b'{"a": {"\\u0000": 1}}', "#/a"),
        (b'{"a": NaN}', "#/a"),
        (b"[-Infinity]", "#/0"),
        (b'{"a": 1e999}', "#/a"),
        (b'{"a": 9223372036854775808}', "#/a"),
        (b'{"a": ' + b"9" * 5000 + b"}", "#/a"),
        (b"[" * 33 + b"]" * 33, "#" + "/0" * 32),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "#" + "/a" * 32),
        (b"[" * 100_000, "#"),
    ],
)
def test_what_json_can_say_but_no_table_should_hold_is_pointed_at(body: bytes, pointer: str) -> None:
    assert list(pointed(body)) == [pointer]


def test_a_repeated_name_is_named_and_values_are_not() -> None:
    assert pointed(b'{"a": "secret", "a": "secret"}') == {"#": 'The name "a" stands twice in this object.'}


@given(st.dictionaries(STORABLE, SCALARS, min_size=1, max_size=5), st.booleans())
def test_a_name_that_stands_twice_is_found_whatever_stands_beside_it(
    members: dict[str, Any],
    ensure_ascii: bool,  # noqa: FBT001
) -> None:
    written = json.dumps(members, ensure_ascii=ensure_ascii)
    again = json.dumps(dict([members.popitem()]), ensure_ascii=not ensure_ascii)

    assert list(pointed(f"{written[:-1]},{again[1:]}".encode())) == ["#"]


@pytest.mark.parametrize(
    "body",
    [
        b"[" * MAX_DEPTH + b"]" * MAX_DEPTH,
        b'["' + b"[{" * 100 + b'"]',
        b'["\\\\", "\\"[[", "' + b"[" * 50 + b'"]',
        b'["\\\\u0000", "\\\\ud800"]',
        b'{"id": "1e0001", "order": "00000000000000000000", "\\"": "\\u0022\\\\"}',
        b"[-9223372036854775808, 9223372036854775807, 1.7976931348623157e308, 1e-999]",
        '["😀", "\\ud83d\\ude00"]'.encode(),
    ],
)
def test_what_only_looks_dangerous_passes(body: bytes) -> None:
    assert check_json(body) == json.loads(body)


def test_the_number_of_values_is_bounded() -> None:
    assert list(pointed(b"[" + b"0," * 600_000 + b"0]")) == ["#"]


@pytest.mark.parametrize(
    "body",
    [
        b'"' + b'\\"' * 2_000_000,
        b'"' + b"\\" * 4_000_001,
        b'["' + b"\\u0041" * 500_000 + b'\\ud800"]',
        b'[{"a":1,"a":2}' + b",0" * 200_000 + b"]",
        b"[" * 200_000 + b"]" * 200_000,
        b"[" + b'{"a":{}},' * 80_000 + b"9" * 100_000 + b"]",
    ],
)
def test_no_body_makes_the_check_slow(body: bytes) -> None:
    started_at = process_time()

    refused(body)

    assert process_time() - started_at < 3
