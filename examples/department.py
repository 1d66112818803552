"""A department's own system: takes its tickets from Kafka as they are routed, accepts and answers them by the API.

    HUIYIN_KEY=… python examples/department.py logistics

Settings: HUIYIN_URL (http://127.0.0.1:8000), HUIYIN_KEY, HUIYIN_BOOTSTRAP (127.0.0.1:9092). A key of the role
`department` is enough for the work; the stream is asked for once, with a key that may manage the directory. Offsets are committed after the work: what was cut short is done again, which changes nothing, because a verb
that already holds changes nothing.
"""

import asyncio
import json
import os
import sys

import httpx2
from aiokafka import AIOKafkaConsumer

URL = os.environ.get("HUIYIN_URL", "http://127.0.0.1:8000")
BOOTSTRAP = os.environ.get("HUIYIN_BOOTSTRAP", "127.0.0.1:9092")


async def work(api: httpx2.AsyncClient, ticket: dict[str, str]) -> None:
    """Accept one ticket and answer the customer."""
    pauses = iter((0.1, 0.5, 2, 5, 10))
    for verb, body in (("accept", None), ("answer", {"text": "已收到，我们马上处理。"})):
        answer = await api.post(f"/v1/tickets/{ticket['ticket_id']}/{verb}", json=body)
        while answer.status_code == httpx2.codes.NOT_FOUND and (pause := next(pauses, None)):
            await asyncio.sleep(pause)  # we are faster than the desk, which reads the same event
            answer = await api.post(f"/v1/tickets/{ticket['ticket_id']}/{verb}", json=body)
        if answer.status_code in {httpx2.codes.NOT_FOUND, httpx2.codes.CONFLICT}:
            return  # it was given to another department, or a colleague was faster
        answer.raise_for_status()
    print("answered", ticket["ticket_id"], flush=True)


async def main(department: str) -> None:
    """Work for a department until interrupted."""
    headers = {"Authorization": f"Bearer {os.environ['HUIYIN_KEY']}"}
    async with httpx2.AsyncClient(base_url=URL, headers=headers) as api:
        # 403: a department's key may not ask; an operator has done it before.
        asked = await api.patch(f"/v1/units/{department}", json={"stream": True})
        if asked.status_code != httpx2.codes.FORBIDDEN:
            asked.raise_for_status()
        async with AIOKafkaConsumer(
            f"ticket.routed.{department}",
            bootstrap_servers=BOOTSTRAP,
            group_id=f"{department}-system",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            metadata_max_age_ms=5_000,  # the topic may come into being only with its first ticket
        ) as tickets:
            async for message in tickets:
                await work(api, json.loads(message.value))
                await tickets.commit()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
