"""The page of guarantees says what the runs have seen, and nothing that somebody typed."""

import pytest

from tests.guarantees.page import PAGE, filled


def test_the_page_holds_what_the_results_say() -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert page == filled(page), "run `make docs`"


def test_a_table_replaces_what_stood_between_its_markers() -> None:
    page = "before\n<!-- one -->\n| old |\n<!-- /one -->\nafter\n"

    assert (
        filled(page, {"one": lambda: "| new \\1 |"})
        == "before\n<!-- one -->\n| new \\1 |\n<!-- /one -->\nafter\n"
    )


@pytest.mark.parametrize("page", ["no marker\n", "<!-- one -->\nno end\n", "<!-- two -->\n<!-- /two -->\n"])
def test_a_page_with_other_markers_is_refused(page: str) -> None:
    with pytest.raises(ValueError, match=r"page|block"):
        filled(page, {"one": lambda: ""})
