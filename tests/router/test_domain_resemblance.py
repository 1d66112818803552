"""Near-duplicates: what two texts have in common, and when they are the same."""

import pytest

from huiyin_router.domain.resemblance import RESENT_SIMILARITY, resemblance, shingles


def similarity(first: str, second: str) -> float:
    """Return what two texts have in common."""
    return resemblance(shingles(first), shingles(second))


def test_chinese_is_cut_into_pairs_and_english_into_fours() -> None:
    assert shingles("闪退了") == {"闪退", "退了"}
    assert shingles("crash!") == {"cras", "rash"}


def test_case_width_spaces_and_punctuation_do_not_count() -> None:
    assert shingles("ＡＰＰ 闪退！") == shingles("app闪退")
    assert similarity("The app crashes.", "the APP, crashes") == 1.0


def test_a_text_shorter_than_a_shingle_is_one_shingle() -> None:
    assert shingles("好") == {"好"}
    assert shingles("bad") == {"bad"}


@pytest.mark.parametrize("text", ["", "！！！", "😀"])
def test_texts_without_letters_are_like_nothing(text: str) -> None:
    assert shingles(text) == frozenset()
    assert similarity(text, text) == 0.0


def test_similarity_is_the_share_of_common_shingles() -> None:
    assert similarity("闪退了", "闪退啦") == pytest.approx(1 / 3)
    assert similarity("闪退", "打不开") == 0.0
    assert similarity("打不开啊", "打不开") == similarity("打不开", "打不开啊")


def test_a_few_typing_changes_leave_a_text_the_same() -> None:
    first = "送餐太慢了，等了两个多小时才送到，米饭都凉了"
    again = "送餐太慢，等了两个多小时才送到！米饭都凉"

    assert similarity(first, again) >= RESENT_SIMILARITY


def test_two_complaints_about_the_same_aspect_are_not_the_same_text() -> None:
    chinese = similarity("送餐太慢了，等了两个多小时", "送餐员态度很差，还少送了一份米饭")
    english = similarity("The app crashes when I open the camera", "The app crashes after the login page")

    assert max(chinese, english) < RESENT_SIMILARITY


def test_only_the_beginning_of_a_huge_text_is_compared() -> None:
    assert len(shingles("".join(chr(0x4E00 + n) for n in range(20_000)))) == 3_999
