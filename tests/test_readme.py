"""The first pages: what they show works, what they link exists, and both languages say the same."""

import re
from pathlib import Path

import pytest

from huiyin_chassis.settings import Settings
from huiyin_intake.schemas import FeedbackIn
from tests.support.servers import PROJECT

ENGLISH = PROJECT / "README.md"
CHINESE = PROJECT / "README.zh-CN.md"
PAGES = [
    ENGLISH,
    CHINESE,
    PROJECT / "CONTRIBUTING.md",
    PROJECT / "CHANGELOG.md",
    *sorted(PROJECT.glob("*/**/*.md")),
]
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
TARGETS = re.compile(r"^\.PHONY: (\S+)$", re.MULTILINE)


def _own_pages() -> list[Path]:
    return [
        page for page in PAGES if not any(part.startswith(".") for part in page.relative_to(PROJECT).parts)
    ]


def _text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def _commands(page: Path) -> list[str]:
    """Return the lines of all shell blocks, without their comments."""
    blocks = re.findall(r"```sh\n(.*?)```", _text(page), re.DOTALL)
    return [line.partition("  #")[0].rstrip() for block in blocks for line in block.splitlines()]


@pytest.mark.parametrize("page", _own_pages(), ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_link_leads_to_a_file(page: Path) -> None:
    assert [target for target in LINK.findall(_text(page)) if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", [ENGLISH, CHINESE], ids=["en", "zh"])
def test_the_example_feedback_is_accepted_by_intake(page: Path) -> None:
    found = re.search(r"-d '(\{.*?\})'", _text(page), re.DOTALL)
    assert found is not None

    assert FeedbackIn.model_validate_json(found[1]).external_id == "w-1001"


def test_both_languages_show_the_same_commands_and_settings() -> None:
    settings = re.compile(r"HUIYIN_[A-Z_]+")

    assert _commands(ENGLISH) == _commands(CHINESE)
    assert sorted(settings.findall(_text(ENGLISH))) == sorted(settings.findall(_text(CHINESE)))
    assert re.findall(r"^\| `(\w+)`", _text(ENGLISH), re.MULTILINE) == re.findall(
        r"^\| `(\w+)`", _text(CHINESE), re.MULTILINE
    )


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(TARGETS.findall(_text(PROJECT / "Makefile")))

    for page in (ENGLISH, CHINESE, PROJECT / "CONTRIBUTING.md"):
        assert set(re.findall(r"\bmake ([a-z]+)\b", _text(page))) - targets <= {"and"}, page


def test_every_setting_of_the_suite_is_named_in_full_for_its_reader() -> None:
    pages = [PROJECT / "README.md", *sorted((PROJECT / "docs/guide").glob("*.md"))]
    written = "\n".join(page.read_text(encoding="utf-8") for page in pages)

    unnamed = [
        variable
        for variable in (f"HUIYIN_{field.upper()}" for field in Settings.model_fields)
        if not re.search(rf"\b{variable}\b", written)
    ]

    assert unnamed == []
