"""Two routers at once: what one author says in two feedbacks is one ticket, whoever reads them."""

import asyncio
from collections import Counter
from datetime import timedelta

from huiyin_contracts.feedback import FeedbackAttached, FeedbackReceived
from huiyin_contracts.tickets import TicketRouted
from tests.router.feedback import LATE_DELIVERY, NOON, feedback
from tests.support.service import ServiceDriver

AUTHORS = 6


def said_twice(author: str) -> list[FeedbackReceived]:
    """Return the same words twice, minutes apart."""
    return [
        feedback(LATE_DELIVERY, author=author, at=NOON + timedelta(minutes=minutes)) for minutes in (0, 5)
    ]


async def test_what_two_routers_read_at_once_of_one_author_is_one_ticket(router: ServiceDriver) -> None:
    pairs = [said_twice(f"author-{number}") for number in range(AUTHORS)]

    await asyncio.gather(*(router.deliver(one) for pair in pairs for one in pair))

    tickets = {routed.ticket_id for routed in await router.published(TicketRouted)}
    attached = await router.published(FeedbackAttached)
    assert [len(tickets & {one.feedback_id for one in pair}) for pair in pairs] == [1] * AUTHORS
    assert len(attached) == AUTHORS


async def test_batches_that_share_authors_in_any_order_do_not_wait_in_a_circle(router: ServiceDriver) -> None:
    firsts, seconds = zip(*(said_twice(f"author-{number}") for number in range(20)), strict=True)

    async with asyncio.timeout(30):
        await asyncio.gather(router.deliver(*firsts), router.deliver(*reversed(seconds)))

    counted = Counter(routed.feedback_id for routed in await router.published(TicketRouted))
    assert len(counted) == 20
    assert set(counted.values()) == {1}
