"""Headers as text: JSON that anyone can read, and nothing lost."""

import json

from hypothesis import given
from hypothesis import strategies as st

from huiyin_eventbus import headers

ANY = st.lists(st.tuples(st.text(), st.binary()))


@given(ANY)
def test_any_headers_come_back(listed: list[tuple[str, bytes]]) -> None:
    assert headers.from_text(headers.to_text(listed)) == listed


@given(ANY)
def test_the_text_is_what_any_json_encoder_writes(listed: list[tuple[str, bytes]]) -> None:
    texts = [(name, value.decode("utf-8", "surrogateescape")) for name, value in listed]

    assert headers.to_text(listed) == json.dumps(texts, separators=(",", ":"))


def test_a_null_header_comes_back_empty() -> None:
    assert headers.from_text(headers.to_text([("ce_id", None)])) == [("ce_id", b"")]
