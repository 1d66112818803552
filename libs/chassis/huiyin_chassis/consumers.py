"""`/v1/consumers`: what an operator can ask of the consumers in this process."""

from collections.abc import Mapping
from typing import Annotated, Final, cast

import structlog
from fastapi import APIRouter, Depends, FastAPI, Request

from huiyin_chassis.auth import Principal, require
from huiyin_chassis.errors import ConsumerNotFlooded, ConsumerUnknown
from huiyin_chassis.runtime import Runtime

log = structlog.get_logger()

router = APIRouter(prefix="/v1/consumers", tags=["operations"])

PROBLEMS: Final[dict[type[Exception], int]] = {ConsumerUnknown: 404, ConsumerNotFlooded: 409}


def install_consumers(app: FastAPI, runtimes: Mapping[str, Runtime]) -> None:
    """Let an app answer for the consumers of some services, by the services' names, which are their groups too."""
    app.state.runtimes = runtimes
    app.include_router(router)


def _runtimes(request: Request) -> Mapping[str, Runtime]:
    return cast("Mapping[str, Runtime]", request.app.state.runtimes)


@router.post("/{group}/resume", status_code=204)
async def resume_consumer(
    group: str,
    runtimes: Annotated[Mapping[str, Runtime], Depends(_runtimes)],
    operator: Annotated[Principal, require("operations")],
) -> None:
    """Let a consumer that a flood of poison has stopped go on; the flood's dead letters stay as they are."""
    runtime = runtimes.get(group)
    if runtime is None or runtime.consumer is None:
        raise ConsumerUnknown(group)
    if not runtime.consumer.is_flooded:
        raise ConsumerNotFlooded(group)
    runtime.consumer.resume()
    log.info("consumer_resumed", group=group, actor=operator.id)
