"""A stale precondition stops a change; none stops nothing."""

from typing import Annotated

import pytest
from fastapi import APIRouter, Response

from huiyin_chassis.etag import IfMatch, etag, parse_if_match, set_etag
from huiyin_chassis.problems import Refusal
from tests.chassis.web import app_of, client_of, slug

router = APIRouter()
Version = Annotated[int, "the row's"]


@router.post("/v1/tickets/{version}/accept")
async def accept(version: int, response: Response, if_match: IfMatch) -> int:
    if_match.check(version)
    set_etag(response, version + 1)
    return version + 1


@pytest.mark.parametrize("header", [None, "*", '"7"', '"1", "7"', 'W/"7" , "7"', '"a,b","7"'])
async def test_a_change_goes_ahead_when_the_row_is_as_it_was_read(header: str | None) -> None:
    async with client_of(app_of(router)) as client:
        headers = {} if header is None else {"If-Match": header}

        answer = await client.post("/v1/tickets/7/accept", headers=headers)

        assert (answer.json(), answer.headers["etag"]) == (8, '"8"')


@pytest.mark.parametrize("header", ['"6"', 'W/"7"', '"1", "2"', '"77"', '"7,"', '""'])
async def test_a_stale_or_weak_tag_is_a_412_with_the_present_one(header: str) -> None:
    async with client_of(app_of(router)) as client:
        answer = await client.post("/v1/tickets/7/accept", headers={"If-Match": header})

        assert (answer.status_code, slug(answer)) == (412, "precondition-failed")
        assert answer.headers["etag"] == '"7"'


@pytest.mark.parametrize("header", ["", "7", '"7', '"7" "8"', '"7",', 'w/"7"', '"' + "7" * 2000 + '"'])
def test_what_is_no_list_of_tags_is_malformed(header: str) -> None:
    with pytest.raises(Refusal) as refusal:
        parse_if_match(header)

    assert refusal.value.status_code == 400


def test_versions_become_strong_tags() -> None:
    assert etag(7) == '"7"'
