import time
from datetime import timedelta

import pytest

from huiyin_simulator.client import connected
from huiyin_simulator.errors import KeyRefused, RequestRefused, SuiteUnreachable
from tests.simulator.answering import Answer, Asked, answering

KEY = "a-key"
SOON = timedelta(seconds=10)


class Script:
    """Gives its answers one after the other, the last one for ever."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)

    def __call__(self, _asked: Asked) -> Answer:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_a_call_that_is_put_off_is_made_again(status: int) -> None:
    script = Script(Answer(status=status), Answer({"ok": True}))

    with answering(script) as server:
        async with connected(server.url, KEY, patience=SOON) as client:
            assert await client.get("/v1/units") == {"ok": True}

    assert len(server.asked) == 2


async def test_the_pause_named_by_retry_after_is_kept() -> None:
    script = Script(Answer(status=503, headers={"Retry-After": "2"}), Answer({}))

    with answering(script) as server:
        began = time.monotonic()
        async with connected(server.url, KEY, patience=SOON) as client:
            await client.get("/v1/units")

    assert 2.0 <= time.monotonic() - began < 6.0


async def test_a_retry_after_that_is_a_date_is_as_good_as_none() -> None:
    dated = Answer(status=503, headers={"Retry-After": "Sun, 22 Nov 2026 18:00:00 GMT"})

    with answering(Script(dated, Answer({"ok": True}))) as server:
        async with connected(server.url, KEY, patience=SOON) as client:
            assert await client.get("/v1/units") == {"ok": True}


async def test_a_broken_connection_is_tried_again_with_the_same_body() -> None:
    with answering(Script(Answer(cut=True), Answer({"id": "1"}))) as server:
        async with connected(server.url, KEY, patience=SOON) as client:
            assert await client.post("/v1/people", {"name": "李娜"}) == {"id": "1"}

    assert [asked.body for asked in server.asked] == [{"name": "李娜"}] * 2


async def test_all_tries_of_a_making_carry_one_idempotency_key_and_each_making_its_own() -> None:
    running = Answer({"detail": "running"}, status=409, headers={"Retry-After": "0"})

    with answering(Script(Answer(cut=True), running, Answer({"id": "1"}))) as server:
        async with connected(server.url, KEY, patience=SOON) as client:
            assert await client.make("/v1/people", {"name": "李娜"}) == {"id": "1"}
            await client.make("/v1/people", {"name": "李娜"})

    first, second, third, other = (asked.headers["Idempotency-Key"] for asked in server.asked)
    assert first == second == third != other


async def test_patience_ends() -> None:
    with answering(Script(Answer(status=503))) as server:
        async with connected(server.url, KEY, patience=timedelta(seconds=0.3)) as client:
            with pytest.raises(SuiteUnreachable, match="503"):
                await client.get("/v1/units")


async def test_nobody_listening_is_told_with_the_address() -> None:
    async with connected("http://127.0.0.1:9", KEY, patience=timedelta(seconds=0.2)) as client:
        with pytest.raises(SuiteUnreachable, match=r"http://127\.0\.0\.1:9"):
            await client.get("/v1/units")


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_key_is_not_tried_again(status: int) -> None:
    with answering(Script(Answer(status=status))) as server:
        async with connected(server.url, KEY) as client:
            with pytest.raises(KeyRefused):
                await client.get("/v1/units")

    assert len(server.asked) == 1


async def test_a_refused_request_tells_the_problem() -> None:
    problem = Answer({"title": "Conflict", "detail": "allowed: review"}, status=409)

    with answering(Script(problem)) as server:
        async with connected(server.url, KEY) as client:
            with pytest.raises(RequestRefused, match="409: allowed: review") as refused:
                await client.post("/v1/tickets/1/accept")

    assert refused.value.status == 409


async def test_an_error_page_that_is_no_problem_document_is_told_by_its_status() -> None:
    with answering(Script(Answer(["no", "object"], status=500))) as server:
        async with connected(server.url, KEY) as client:
            with pytest.raises(RequestRefused, match="500"):
                await client.get("/v1/units")


async def test_the_key_goes_with_every_call() -> None:
    with answering(Script(Answer({}))) as server:
        async with connected(server.url, KEY) as client:
            await client.get("/v1/units")
            await client.patch("/v1/units/logistics", {"stream": True})

    assert {asked.headers["Authorization"] for asked in server.asked} == {f"Bearer {KEY}"}


async def test_a_list_is_read_page_by_page() -> None:
    pages = {"": (["a", "b"], "2"), "2": (["c"], "3"), "3": ([], None)}

    def answer(asked: Asked) -> Answer:
        items, following = pages[asked.query.get("cursor", "")]
        return Answer({"items": [{"id": each} for each in items], "next": following})

    with answering(answer) as server:
        async with connected(server.url, KEY) as client:
            found = [item["id"] async for item in client.items("/v1/tickets", department="product")]

    assert found == ["a", "b", "c"]
    assert {asked.query["department"] for asked in server.asked} == {"product"}
