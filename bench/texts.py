"""The feedback that is posted: synthetic Chinese complaints of about 600 bytes, the same for the same seed.

Every request has an id and an author of its own, so that none joins another's ticket.
"""

import json
from collections.abc import Sequence
from random import Random
from typing import Any, Final

SEED: Final = 20261122
ID_SLOT: Final = "{{id}}"
"""Where a request's own id goes; it stands in the external id and in the author's."""
VARIANTS: Final = 64

_CHANNELS: Final = ("app", "website", "wechat", "weibo", "ecommerce", "hotline", "store", "survey")
_KINDS: Final = ("form", "review", "call", "form")
_PRODUCTS: Final = ("空气净化器", "电饭煲", "扫地机器人", "热水器", "洗衣机", "智能门锁")
_PROBLEMS: Final = (
    "使用不到两天就出现异响,联系客服三次都没有得到明确答复",
    "快递送到时外箱破损,里面的配件也少了一件",
    "申请退款已经八天还没有到账,页面一直显示处理中",
    "预约的安装师傅两次都没有来,也没有人打电话说明",
    "用了一个星期就漏水,地板泡坏了一块",
    "门店店员态度很差,问保修政策也说不清楚",
    "多扣了一次款,账单和订单对不上",
    "升级以后应用总是闪退,设备连不上网络",
)
_WISHES: Final = (
    "希望尽快安排上门检修或者更换,并说明后续的保修政策。",
    "请尽快退款,并给我一个书面的说明。",
    "请今天之内回电话,不要再让我反复解释。",
)


def complaint(variant: int) -> dict[str, Any]:
    """Return one variant's body of POST /v1/feedback, with `ID_SLOT` where the id goes."""
    chance = Random(SEED * 1000 + variant)
    product, problem = chance.choice(_PRODUCTS), chance.choice(_PROBLEMS)
    return {
        "external_id": ID_SLOT,
        "channel": chance.choice(_CHANNELS),
        "kind": chance.choice(_KINDS),
        "subject": f"{product}的问题,客服未答复",
        "text": f"您好,上周在你们店里购买的{product}{problem},已经影响到家里的生活,{chance.choice(_WISHES)}",
        "author": {"id": f"c-{ID_SLOT}", "name": "王小明", "tier": "vip"},
        "product": "air-purifier-x2",
        "rating": {"value": 2, "max": 5},
        "lang": "zh-CN",
        "occurred_at": "2026-11-22T08:15:30+08:00",
        "tags": ["售后", "质量"],
        "extra": {"order_id": f"SO-20261118-{variant:06}", "app_version": "8.4.1"},
    }


def shipped(variants: int) -> list[dict[str, Any]]:
    """Return bodies from the feedback that ships with the simulator, each with ids of its own to be filled in."""
    from huiyin_simulator.shipped import as_post, shipped_feedback  # noqa: PLC0415 - only where it is asked for

    bodies = [as_post(row) for row in shipped_feedback(SEED, variants)]
    return [body | {"external_id": ID_SLOT, "author": {"id": f"c-{ID_SLOT}"}} for body in bodies]


def pieces(preset: str) -> list[list[bytes]]:
    """Return the bodies of a preset, each as the pieces between its id slots.

    Presets: `feedback`, `shipped`, `batch:N` (N items in a body), `helpdesk:QUEUE` (django-helpdesk's create).
    """
    kind, _, argument = preset.partition(":")
    return [_encoded(body).split(ID_SLOT.encode()) for body in _bodies(kind, argument)]


def items_of(preset: str) -> int:
    """Return how many feedbacks one request of a preset carries."""
    kind, _, argument = preset.partition(":")
    return int(argument) if kind == "batch" else 1


def _bodies(kind: str, argument: str) -> Sequence[object]:
    if kind == "shipped":
        return shipped(400)
    if kind == "batch":
        count = int(argument)
        return [{"items": [complaint(first * count + each) for each in range(count)]} for first in range(8)]
    if kind == "helpdesk":
        return [_helpdesk_ticket(variant, queue=int(argument)) for variant in range(VARIANTS)]
    return [complaint(variant) for variant in range(VARIANTS)]


def _helpdesk_ticket(variant: int, *, queue: int) -> dict[str, object]:
    said = complaint(variant)
    return {
        "queue": queue,
        "title": f"{said['subject']} {ID_SLOT}",
        "description": said["text"],
        "submitter_email": f"c{variant:05}@example.com",
        "status": 1,
        "priority": 3,
    }


def _encoded(body: object) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
