"""Every refusal and every failure is one kind of document, and tells nothing it should not."""

from typing import Annotated, ClassVar, Literal

import pytest
from fastapi import APIRouter, Body, HTTPException
from pydantic import BaseModel, ConfigDict, Field, field_validator
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from huiyin_chassis.db import Reading
from huiyin_chassis.errors import WriterFull
from huiyin_chassis.problems import FieldError, Refusal, pointer, slug_of_exception, slug_of_status
from tests.chassis.web import app_of, client_of, opened, out_of_reach, pointers, slug

CANARY = "canary-7f3a"


class TicketNotFound(Exception):
    def __init__(self, ticket_id: str) -> None:
        super().__init__(f"There is no ticket {ticket_id}.")


class StepNotAllowed(Exception):
    extensions: ClassVar = ("allowed",)

    def __init__(self) -> None:
        super().__init__("The ticket is archived.")
        self.allowed = frozenset({"reopen", "merge"})


class PostgresqlError(Exception):
    """A driver's error, as asyncpg raises it."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__(CANARY)
        self.sqlstate = sqlstate


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]


class Post(BaseModel):
    model_config = ConfigDict(extra="forbid")

    count: int
    tags: list[Annotated[str, Field(max_length=3)]] = []
    animal: Annotated[Cat | Dog, Field(discriminator="kind")] | None = None

    @field_validator("count")
    @classmethod
    def _positive(cls, count: int) -> int:
        if count < 0:
            raise ValueError("Must not be negative.")
        return count


router = APIRouter()


@router.get("/v1/things/{what}")
async def fail(what: str, limit: int = 1) -> None:
    errors: dict[str, Exception] = {
        "missing": TicketNotFound("T1"),
        "conflict": StepNotAllowed(),
        "plain": HTTPException(410, "Gone for good."),
        "refused": Refusal(422, "No.", slug="own-slug", errors=[FieldError(pointer="#/a", detail="Bad.")]),
        "unforeseen": RuntimeError(CANARY),
        "busy": WriterFull("4096 items wait"),
        "lost": ConnectionRefusedError(CANARY),
        "deadlock": DBAPIError("x", {}, PostgresqlError("40P01")),
        "locked": DBAPIError("x", {}, PostgresqlError("55P03")),
        "late": DBAPIError("x", {}, PostgresqlError("57014")),
        "standby": DBAPIError("x", {}, PostgresqlError("25006")),
        "starting": PostgresqlError("57P03"),
        "wrong": DBAPIError("x", {}, PostgresqlError("42601")),
        "no-file": FileNotFoundError(CANARY),
    }
    raise errors[what]


@router.get("/v1/things")
async def list_things() -> list[str]:
    return []


@router.post("/v1/things")
async def post(post: Annotated[Post, Body()]) -> None:
    """Take a post."""


@router.get("/v1/rows")
async def rows(tx: Reading) -> None:
    await tx.execute(text("SELECT 1"))


PROBLEMS: dict[type[Exception], int] = {TicketNotFound: 404, StepNotAllowed: 409}
APP = app_of(router, problems=PROBLEMS)


@pytest.mark.parametrize(
    ("what", "status", "expected"),
    [
        ("missing", 404, "ticket-not-found"),
        ("conflict", 409, "step-not-allowed"),
        ("plain", 410, "gone"),
        ("refused", 422, "own-slug"),
        ("busy", 503, "unavailable"),
        ("lost", 503, "unavailable"),
    ],
)
async def test_what_a_service_raises_becomes_a_problem_of_its_own_type(
    what: str, status: int, expected: str
) -> None:
    async with client_of(APP) as client:
        answer = await client.get(f"/v1/things/{what}")

        assert (answer.status_code, slug(answer)) == (status, expected)
        assert answer.json()["instance"] == f"/v1/things/{what}"
        assert CANARY not in answer.text


@pytest.mark.parametrize("what", ["lost", "deadlock", "locked", "late", "standby", "starting"])
async def test_what_the_request_is_not_to_blame_for_may_be_sent_again(what: str) -> None:
    async with client_of(APP) as client:
        answer = await client.get(f"/v1/things/{what}")

        assert (answer.status_code, slug(answer)) == (503, "unavailable")
        assert int(answer.headers["retry-after"]) > 0
        assert CANARY not in answer.text


@pytest.mark.parametrize("what", ["wrong", "no-file"])
async def test_a_wrong_statement_or_a_missing_file_is_our_own_fault(what: str) -> None:
    async with client_of(APP) as client:
        answer = await client.get(f"/v1/things/{what}")

        assert (answer.status_code, slug(answer)) == (500, "internal-error")
        assert CANARY not in answer.text


async def test_an_exceptions_extensions_become_members() -> None:
    async with client_of(APP) as client:
        answer = await client.get("/v1/things/conflict")

        assert answer.json()["allowed"] == ["merge", "reopen"]
        assert answer.json()["detail"] == "The ticket is archived."


async def test_what_nobody_foresaw_is_logged_and_told_to_nobody() -> None:
    async with client_of(APP) as client:
        with capture_logs() as logs:
            answer = await client.get("/v1/things/unforeseen")

        assert (answer.status_code, slug(answer)) == (500, "internal-error")
        assert CANARY not in answer.text
        assert "Traceback" not in answer.text
        failure = next(entry for entry in logs if entry["event"] == "request_failed")
        assert failure["route"] == "/v1/things/{what}"


async def test_unknown_paths_and_methods_are_problems_too() -> None:
    async with client_of(APP) as client:
        unknown = await client.get("/v1/nothing")
        wrong = await client.delete("/v1/things")

        assert (unknown.status_code, slug(unknown)) == (404, "not-found")
        assert (wrong.status_code, slug(wrong)) == (405, "method-not-allowed")
        assert wrong.headers["allow"] == "GET, HEAD, POST"


async def test_an_invalid_body_is_answered_with_pointers_and_without_what_was_sent() -> None:
    body = {
        "count": CANARY,
        "tags": ["ok", CANARY],
        "animal": {"kind": CANARY},
        "a/b~c 名": 1,
    }
    async with client_of(APP) as client:
        answer = await client.post("/v1/things", json=body)

        assert (answer.status_code, slug(answer)) == (422, "invalid-content")
        assert set(pointers(answer)) == {"#/count", "#/tags/1", "#/animal", "#/a~1b~0c%20%E5%90%8D"}
        assert CANARY not in answer.text


async def test_a_rule_of_ours_speaks_in_its_own_words() -> None:
    async with client_of(APP) as client:
        answer = await client.post("/v1/things", json={"count": -1})

        assert pointers(answer) == {"#/count": "Must not be negative."}


async def test_a_missing_body_is_the_documents_root() -> None:
    async with client_of(APP) as client:
        answer = await client.post("/v1/things")

        assert list(pointers(answer)) == ["#"]


async def test_an_invalid_parameter_is_named() -> None:
    async with client_of(APP) as client:
        answer = await client.get(f"/v1/things/missing?limit={CANARY}")

        assert list(pointers(answer)) == ["limit"]
        assert CANARY not in answer.json()["errors"][0]["detail"]


async def test_errors_are_bounded() -> None:
    async with client_of(APP) as client:
        answer = await client.post("/v1/things", json={"count": 1} | {f"x{n}": 1 for n in range(1000)})

        assert len(answer.json()["errors"]) == 50


async def test_a_database_out_of_reach_is_a_503_that_says_when_to_come_back() -> None:
    async with out_of_reach() as database, client_of(app_of(router, database)) as client:
        answer = await client.get("/v1/rows")

        assert (answer.status_code, slug(answer)) == (503, "unavailable")
        assert int(answer.headers["retry-after"]) > 0
        assert "nonexistent" not in answer.text


async def test_a_failing_statement_is_never_shown(database_url: str) -> None:
    broken = APIRouter()

    @broken.get("/v1/broken")
    async def broken_statement(tx: Reading) -> None:
        await tx.execute(text("SELECT CAST('x' AS INTEGER) FROM"))

    async with opened(database_url) as database, client_of(app_of(broken, database)) as client:
        with capture_logs():
            answer = await client.get("/v1/broken")

        assert answer.status_code >= 500
        assert "CAST" not in answer.text


def test_pointers_escape_and_are_cut() -> None:
    assert pointer(()) == "#"
    assert pointer(("items", 3, "a/b", "~")) == "#/items/3/a~1b/~0"
    assert len(pointer(["x" * 10_000])) < 1000


def test_slugs_come_from_names_and_statuses() -> None:
    assert slug_of_exception(TicketNotFound) == "ticket-not-found"
    assert slug_of_status(422) == "invalid-content"
    assert slug_of_status(418) == "i-m-a-teapot"
