"""Danger to people is urgent, whatever else a text says, and is never thanked away or left to wait in triage."""

import pytest

from huiyin_contracts.vocabulary import Outcome
from huiyin_router.classifier import Text, predict
from huiyin_router.domain.rules import SHIPPED_RULES, Facts, end_of, first_match

DANGER = [
    "小区电梯困人，有老人晕倒了，快来人救命！",
    "孩子吃了你们的酸奶上吐下泻，现在在医院",
    "电梯困人了，里面有孕妇",
    "有人晕倒了快来救命",
    "地铺湿滑老人摔伤骨折送医",
    "商场里孩子走丢了！",
    "我想自杀，你们逼的",
    "充电器冒烟起火了，差点烧到孩子，太危险了！",
    "家里燃气泄漏，没人管",
    "不错，就是差点着火",
    "Elevator stuck with people inside",
    "Allergic reaction, ambulance called after eating your nuts",
    "I want to kill myself",
    "There is a gas leak in the building",
    "My child choked on a small part of your toy",
    "Someone is being attacked in your store",
    "The charger caught fire and burned my hand, this is dangerous",
]
CALM = [
    "物流很快，包装完好，非常满意",
    "建议增加夜间模式，看着舒服一些",
    "请问周末几点关门？",
    "The delivery was quick and the staff were friendly",
    "Could you add a dark mode please",
]


@pytest.mark.parametrize("text", DANGER)
def test_a_text_of_danger_is_urgent_and_goes_to_a_department(text: str) -> None:
    [found] = predict([Text(text)])

    rule = first_match(
        SHIPPED_RULES,
        Facts(
            nature=found.nature,
            type=found.type,
            subtype=found.subtype,
            urgency=found.urgency,
            sentiment=found.sentiment,
            channel="hotline",
            kind="call",
            store=None,
            product=None,
            lang=found.lang,
            text=text,
            confidence=min(found.confidence["nature"], found.confidence["type"]),
            textless=found.is_textless,
            rated=False,
            wish_or_question=found.has_wish_or_question,
        ),
    )

    assert found.urgency == "urgent"
    assert end_of(rule, closed_units=())[0] is Outcome.TICKET


@pytest.mark.parametrize("text", CALM)
def test_a_calm_text_is_not_urgent(text: str) -> None:
    [found] = predict([Text(text)])

    assert found.urgency == "normal"
