import pytest

from huiyin_router.classifier import (
    NATURES,
    PARENT_TYPES,
    SENTIMENTS,
    SUBTYPES,
    URGENCIES,
    Prediction,
    Text,
    explain,
    predict,
)

HEADS = {"nature", "type", "subtype", "urgency", "sentiment"}
ODD_TEXTS = [
    "",
    " ",
    "?",
    "\x00",
    "\ud800",
    "İ" * 50,
    "ﷺ" * 500,
    "👍👍",
    "12345",
    "不" * 1000,
    "n't" * 400,
    "'" * 900,
]


def read(text: str, *, rating: float | None = None) -> Prediction:
    return explain([Text(text, rating=rating)])[0]


@pytest.mark.parametrize(
    ("text", "nature", "subtype", "urgency"),
    [
        ("更新以后一打开就闪退，完全无法使用", "complaint", "defect", "urgent"),
        ("The app crashes every time I open it", "complaint", "defect", "urgent"),
        ("商家拒绝退款，一直不给退，我要投诉", "complaint", "after_sales", "complaint"),
        ("快递员态度恶劣，还骂人", "complaint", "attitude", "complaint"),
        ("The agent at the desk was very rude to my mother", "complaint", "attitude", "normal"),
        ("送餐太慢了，等了两个小时才送到", "complaint", "delivery", "normal"),
        ("味道很好吃，下次还会再来", "praise", "performance", "normal"),
        ("Love it, so easy to use and very intuitive", "praise", "usability", "normal"),
        ("性价比很高，价格实惠", "praise", "price", "normal"),
        ("建议增加夜间模式，希望能支持横屏", "suggestion", "demand", "normal"),
        ("It would be great if you could add a dark mode", "suggestion", "demand", "normal"),
        ("请问如何办理退休手续，需要什么材料？", "inquiry", "process", "normal"),
        ("界面太丑了，字体看不清", "complaint", "interface", "normal"),
        ("很好", "praise", "overall", "normal"),
        ("垃圾", "complaint", "overall", "normal"),
    ],
)
def test_plain_texts_are_read_as_a_person_would(text: str, nature: str, subtype: str, urgency: str) -> None:
    found = read(text)

    assert (found.nature, found.subtype, found.urgency) == (nature, subtype, urgency)
    assert found.type == PARENT_TYPES[subtype]


@pytest.mark.parametrize(
    ("text", "sentiment"),
    [
        ("不错", "positive"),
        ("没有问题", "positive"),
        ("不能不说，质量真好", "positive"),
        ("好贵", "negative"),
        ("一点都不贵，很满意", "positive"),
        ("并不舒服", "negative"),
        ("不太好用", "negative"),
        ("not bad at all", "positive"),
        ("It isn't helpful and not friendly", "negative"),
        ("不贵。好吃", "positive"),
    ],
)
def test_negation_turns_the_word_and_its_traps_do_not(text: str, sentiment: str) -> None:
    found = read(text)

    assert found.sentiment == sentiment


def test_negation_stops_at_punctuation() -> None:
    assert read("不，满意").sentiment == "positive"
    assert read("不满意").sentiment == "negative"


def test_a_fault_that_does_not_occur_is_no_emergency() -> None:
    assert read("用了很久，从不闪退").urgency == "normal"


def test_a_physical_danger_is_urgent_and_a_dispute_a_complaint() -> None:
    assert read("刹车突然失灵，差点追尾，存在安全隐患").urgency == "urgent"
    assert read("虚假宣传，卖假货，拒绝退款").urgency == "complaint"


def test_the_rating_is_evidence_where_the_text_is_silent() -> None:
    assert read("用了三天", rating=0.2).nature == "complaint"
    assert read("用了三天", rating=1.0).nature == "praise"
    assert read("12345", rating=0.2).sentiment == "negative"


def test_a_clear_text_wins_over_its_rating() -> None:
    assert read("垃圾，一打开就闪退，太失望了，差评", rating=1.0).nature == "complaint"


@pytest.mark.parametrize(
    ("text", "lang"),
    [
        ("味道不错", "zh"),
        ("app闪退", "zh"),
        ("The app crashes", "en"),
        ("Приложение не работает", "other"),
        ("アプリが起動しません", "other"),
        ("앱이 작동하지 않아요", "other"),
        ("😀😀", "other"),
    ],
)
def test_the_language_follows_the_script(text: str, lang: str) -> None:
    assert read(text).lang == lang


def test_a_declared_language_decides_only_where_the_text_cannot() -> None:
    assert predict([Text("👍", lang="zh-CN"), Text("The app crashes", lang="zh")])[0].lang == "zh"
    assert predict([Text("The app crashes", lang="zh")])[0].lang == "en"


@pytest.mark.parametrize("text", ["", "   ", "😀👍", "5", "……！！", "12345"])
def test_a_text_without_letters_is_textless(text: str) -> None:
    assert read(text).is_textless


def test_wishes_and_questions_are_noticed_in_praise() -> None:
    assert read("很好用，希望支持平板").has_wish_or_question
    assert read("很好，可以开发票吗？").has_wish_or_question
    assert not read("很好用，很满意").has_wish_or_question


def test_spans_point_into_the_text_as_it_was_sent() -> None:
    text = "ＡＰＰ 老是閃退，ＣＲＡＳＨ了！"

    spans = read(text).spans

    assert "ＣＲＡＳＨ" in {text[span.start : span.end] for span in spans}
    assert {span.label for span in spans} >= {"subtype:defect", "urgency:urgent"}


def test_spans_in_the_tail_of_a_long_text_keep_their_place() -> None:
    text = "。" * 100_000 + "一打开就闪退"

    spans = read(text).spans

    assert {text[span.start : span.end] for span in spans} >= {"闪退"}
    assert all(100_000 <= span.start < span.end <= len(text) for span in spans)


def test_the_developers_reply_is_not_the_authors_voice() -> None:
    reply = "很好用" + "-" * 40 + "开发者回复 非常抱歉给您带来闪退的问题，请反馈故障"

    assert read(reply).nature == "praise"


def test_traditional_characters_read_like_simplified_ones() -> None:
    assert read("連線失敗，無法開機").subtype == "defect"


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_any_string_gets_labels_of_the_taxonomy_and_shares_between_0_and_1(text: str) -> None:
    found = read(text)

    assert found.nature in NATURES
    assert found.subtype in SUBTYPES
    assert found.subtype2 in (None, *SUBTYPES)
    assert found.subtype2 != found.subtype
    assert found.urgency in URGENCIES
    assert found.sentiment in SENTIMENTS
    assert set(found.confidence) == HEADS
    assert all(0.0 <= share <= 1.0 for share in found.confidence.values())


def test_predictions_come_in_the_order_of_the_texts() -> None:
    found = predict([Text("垃圾"), Text("很好"), Text("垃圾")])

    assert [prediction.nature for prediction in found] == ["complaint", "praise", "complaint"]
    assert predict([]) == []


def test_a_prediction_that_is_explained_is_the_same_with_spans() -> None:
    text = Text("客服态度很差，还骂人，太气人了。")

    (bare,), (whole,) = predict([text]), explain([text])

    assert whole.spans
    assert bare == whole._replace(spans=())
