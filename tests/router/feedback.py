"""Feedback and units as the router hears of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import uuid_utils

from huiyin_contracts.feedback import Author, FeedbackReceived
from huiyin_contracts.people import UnitChanged
from huiyin_contracts.tickets import TicketProgressed
from huiyin_contracts.vocabulary import Step, TicketStatus, UnitKind

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)

LATE_DELIVERY = "外卖晚了一个多小时，快递员还把汤洒了一半。"
BROKEN = "手机屏幕碎了，开机就黑屏，完全不能用。"
RUDE = "客服态度很差，还骂人，太气人了。"
DISPUTE = "我要投诉你们，卖假货还拒绝退款，再不赔偿我就去12315和法院起诉！"
PRAISE = "非常好，很满意，谢谢！"
FOREIGN = "配達が三時間も遅れて、スープは冷たくなっていました。"
FRENCH = "Les colis sont arrivés après trois semaines, c'était très décevant."


def feedback(text: str = LATE_DELIVERY, *, author: str | None = None, **changes: Any) -> FeedbackReceived:
    """Return a feedback as intake tells it; `at` is when it was said, noon by default."""
    feedback_id = changes.pop("feedback_id", None) or str(uuid_utils.uuid7())
    at = changes.pop("at", NOON)
    return FeedbackReceived(
        **{
            "feedback_id": feedback_id,
            "channel": "wechat",
            "kind": "message",
            "external_id": feedback_id,
            "occurred_at": at,
            "received_at": at + timedelta(seconds=1),
            "text": text,
            "author": Author(id=author) if author else None,
            **changes,
        }
    )


def unit(slug: str, **changes: Any) -> UnitChanged:
    """Return a unit as the directory tells it."""
    return UnitChanged(
        **{
            "unit_id": f"unit-{slug}",
            "slug": slug,
            "kind": UnitKind.DEPARTMENT,
            "names": {"en": slug},
            "revision": 1,
            "changed_at": NOON,
            **changes,
        }
    )


def progressed(first: FeedbackReceived, step: str, **changes: Any) -> TicketProgressed:
    """Return a step of the desk on the ticket of a feedback."""
    return TicketProgressed(
        **{
            "ticket_id": first.feedback_id,
            "step": Step(step),
            "status": TicketStatus.DISPATCHED,
            "department": "logistics",
            "version": 2,
            "actor": "wang",
            "progressed_at": NOON,
            **changes,
        }
    )
