"""What a library only tries for can be kept out of a process, and is there for whoever needs it later."""

import subprocess
import sys

import pytest
from pydantic import BaseModel
from sqlalchemy.ext import asyncio as asyncio_of_sqlalchemy

from huiyin_chassis.lean_imports import import_in_part, models_made_on_first_use, without


def told_by(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_package_is_not_found_within_the_block_and_found_after_it() -> None:
    code = """
from huiyin_chassis.lean_imports import without
with without("wave"):
    try:
        import wave
    except ImportError:
        print("missing")
import wave
print(wave.__name__)
"""

    assert told_by(code).split() == ["missing", "wave"]


def test_what_has_been_imported_before_stays() -> None:
    before = sys.modules["pytest"]

    with without("pytest"):
        assert sys.modules["pytest"] is before

    assert sys.modules["pytest"] is before


def test_an_error_within_the_block_leaves_nothing_hidden() -> None:
    assert "wave" not in sys.modules

    with pytest.raises(LookupError), without("wave"):
        raise LookupError

    assert "wave" not in sys.modules


def test_a_service_starts_without_the_colours_of_a_console() -> None:
    code = """
import sys
from huiyin_chassis.commands.serve import _begin_lean
_begin_lean()
import huiyin_chassis.host
print("structlog" in sys.modules, "rich" in sys.modules)
"""

    assert told_by(code) == "True False"


def test_a_model_defined_in_the_block_is_made_on_first_use() -> None:
    with models_made_on_first_use():

        class Late(BaseModel):
            number: int

    class Usual(BaseModel):
        number: int

    assert Late.model_config == {"defer_build": True}
    assert Usual.model_config == {}
    assert Late.model_validate({"number": "7"}).number == 7


def test_a_service_starts_without_making_the_models_of_openapi_and_still_describes_itself() -> None:
    code = """
from huiyin_chassis.commands.serve import _begin_lean
_begin_lean()
from fastapi import FastAPI
from fastapi.openapi.models import OpenAPI
print(OpenAPI.model_config["defer_build"], FastAPI(title="late").openapi()["info"]["title"])
"""

    assert told_by(code) == "True late"


def test_a_service_starts_without_the_first_pydantic() -> None:
    code = """
import sys
from huiyin_chassis.commands.serve import _begin_lean
_begin_lean()
from huiyin_chassis.service import load_service
load_service("intake")
print(sys.modules["pydantic.v1"], "pydantic.v1.main" in sys.modules)
"""

    assert told_by(code) == "None False"


def test_a_service_starts_without_an_object_mapper_and_has_it_when_it_is_asked_for() -> None:
    code = """
import sys
from huiyin_chassis.commands.serve import _begin_lean
_begin_lean()
from huiyin_chassis.service import load_services
load_services()
print("sqlalchemy.orm" in sys.modules)
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session
import sqlalchemy.ext.asyncio.session
print(AsyncSession is sqlalchemy.ext.asyncio.session.AsyncSession, async_scoped_session.__name__)
print(hasattr(sqlalchemy.ext.asyncio, "of_no_module"))
"""

    assert told_by(code).split() == ["False", "True", "async_scoped_session", "False"]


def test_a_service_starts_without_drivers_and_servers_that_are_not_its_own() -> None:
    code = """
import sys
from huiyin_chassis.commands.serve import _begin_lean
_begin_lean()
import huiyin_chassis.http, huiyin_chassis.server
unused = ("click", "http.server", "sqlalchemy.dialects.sqlite.aiosqlite", "sqlalchemy.dialects.postgresql.asyncpg")
print([name for name in unused if name in sys.modules])
from sqlalchemy.dialects import postgresql, sqlite
import prometheus_client, uvicorn
print(postgresql.asyncpg.dialect.driver, sqlite.aiosqlite.dialect.driver, postgresql.dialect.name)
print(uvicorn.run.__name__, prometheus_client.exposition.generate_latest is prometheus_client.generate_latest)
"""

    assert told_by(code).splitlines() == ["[]", "asyncpg aiosqlite postgresql", "run True"]


def test_a_package_that_has_been_imported_before_stays_whole() -> None:
    before = vars(asyncio_of_sqlalchemy).copy()

    import_in_part("sqlalchemy.ext.asyncio", later=("scoping", "session"))

    assert vars(asyncio_of_sqlalchemy) == before
