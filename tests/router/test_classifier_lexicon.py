import tomllib
from importlib.resources import files
from typing import Any

import pytest

from huiyin_router.classifier import NATURES, SUBTYPES, URGENCIES
from huiyin_router.classifier.lexicon import (
    HEADS,
    POINTS,
    Lexicon,
    UnknownStrength,
    build_lexicon,
    shipped_lexicon,
    split_terms,
)

GRAMMAR: dict[str, Any] = {
    "negators": {"terms": "不, not"},
    "neutral": {"terms": "不但"},
    "contrast": {"terms": "但是"},
    "boilerplate": {"tail_markers": ["回复:"]},
}
LABELS = {"subtype": SUBTYPES, "urgency": URGENCIES, "nature": NATURES, "polarity": ("positive", "negative")}


def lexicon(**polarity: str) -> Lexicon:
    return build_lexicon({"polarity": {"negative": polarity}}, GRAMMAR)


def found(words: Lexicon, text: str) -> list[str]:
    return [term.written for _, _, term in words.scan(text)]


def shipped(name: str) -> dict[str, Any]:
    text = (files("huiyin_router.classifier") / "lexicons" / f"{name}.toml").read_text("utf-8")
    return tomllib.loads(text)


def test_the_longest_term_wins_at_each_place() -> None:
    words = lexicon(strong="失败, 更新失败", weak="败")

    assert found(words, "更新失败了，败") == ["更新失败", "败"]


def test_a_term_that_ends_the_text_ends_with_it() -> None:
    words = lexicon(strong="买了, 买了又坏")

    assert [(start, end) for start, end, _ in words.scan("又买了")] == [(1, 3)]


def test_a_longer_term_that_is_not_there_leaves_its_beginnings() -> None:
    words = lexicon(strong="更新, 更新总失败, 更", weak="失败的, 总是")

    assert found(words, "更新总是失败更换更") == ["更新", "总是", "更", "更"]


def test_a_shield_hides_the_negator_inside_it() -> None:
    words = lexicon(strong="差")

    assert found(words, "不但差") == ["不但", "差"]


def test_english_terms_match_whole_words_and_stems_longer_ones() -> None:
    words = lexicon(strong="crash*, slow")

    assert found(words, "it crashes slowly") == ["crash*"]
    assert found(words, "slow crash") == ["slow", "crash*"]


def test_english_phrases_win_over_their_first_word() -> None:
    words = lexicon(strong="no reply", weak="no")

    assert found(words, "no reply, no") == ["no reply", "no"]


def test_a_term_keeps_its_strongest_listing() -> None:
    words = lexicon(weak="差", strong="差")

    assert [term.effects for _, _, term in words.scan("差")] == [
        ((("polarity", "negative"), POINTS["strong"]),)
    ]


def test_a_term_that_a_head_does_not_list_speaks_by_its_parts() -> None:
    words = build_lexicon(
        {"subtype": {"defect": {"strong": "更新失败"}}, "polarity": {"negative": {"clear": "失败"}}}, GRAMMAR
    )

    effects = {effect for _, _, term in words.scan("更新失败") for effect in term.effects}

    assert effects == {(("subtype", "defect"), 3.0), (("polarity", "negative"), 2.0)}


def test_an_unknown_strength_is_refused_by_name() -> None:
    with pytest.raises(UnknownStrength, match=r"polarity\.negative: strength 'huge'") as refused:
        lexicon(huge="差")

    assert refused.value.where == "polarity.negative"


def test_lists_are_split_and_folded() -> None:
    assert split_terms("\n闪退, ＡＰＰ\nWon’t open,，\n") == ["闪退", "app", "won't open"]


@pytest.mark.parametrize("head", HEADS)
def test_shipped_lists_name_only_labels_of_the_taxonomy(head: str) -> None:
    assert set(shipped(head)) <= set(LABELS[head])


@pytest.mark.parametrize("head", HEADS)
def test_shipped_lists_never_repeat_a_term_within_a_label(head: str) -> None:
    for label, strengths in shipped(head).items():
        listed = [term for terms in strengths.values() for term in split_terms(terms)]
        repeated = sorted({term for term in listed if listed.count(term) > 1})

        assert repeated == [], f"{head}.{label}"


def test_every_subtype_has_words_in_both_languages() -> None:
    for label, strengths in shipped("subtype").items():
        listed = [term for terms in strengths.values() for term in split_terms(terms)]

        assert sum(term[0].isascii() for term in listed) >= 10, label
        assert sum(not term[0].isascii() for term in listed) >= 10, label


def test_every_shipped_term_is_found_in_a_text_that_is_just_it() -> None:
    words = shipped_lexicon()

    for head in HEADS:
        for strengths in shipped(head).values():
            for term in (term for terms in strengths.values() for term in split_terms(terms)):
                assert found(words, term.removesuffix("*"))[:1] in ([term], [term.removesuffix("*")]), term
