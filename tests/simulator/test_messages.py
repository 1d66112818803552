import re
from dataclasses import asdict

import pytest

from huiyin_simulator.messages import CHINESE, ENGLISH, department_name, messages_for

PLACES = re.compile(r"\{(\w+)")


@pytest.mark.parametrize("name", sorted(asdict(ENGLISH)))
def test_both_languages_tell_the_same_figures(name: str) -> None:
    assert sorted(PLACES.findall(asdict(CHINESE)[name])) == sorted(PLACES.findall(asdict(ENGLISH)[name]))


@pytest.mark.parametrize(
    ("lang", "environment", "expected"),
    [
        ("zh-CN", {"LANG": "en_US.UTF-8"}, "zh"),
        ("en", {"LANG": "zh_CN.UTF-8"}, "en"),
        (None, {"LANG": "zh_CN.UTF-8"}, "zh"),
        (None, {"LC_ALL": "en_GB.UTF-8", "LANG": "zh_CN.UTF-8"}, "en"),
        (None, {"LC_ALL": "", "LANG": "zh_TW.UTF-8"}, "zh"),
        (None, {"LANG": "C.UTF-8"}, "en"),
        (None, {}, "en"),
    ],
)
def test_the_language_is_the_option_or_else_the_environments(
    lang: str | None, environment: dict[str, str], expected: str
) -> None:
    assert messages_for(lang, environment).lang == expected


def test_a_department_is_named_in_both_languages_beside_english_words() -> None:
    names = {"zh-CN": "物流部", "en": "Logistics"}

    assert department_name("logistics", names, messages=ENGLISH) == "Logistics 物流部"
    assert department_name("logistics", names, messages=CHINESE) == "物流部"
    assert department_name("logistics", {}, messages=ENGLISH) == "logistics"
