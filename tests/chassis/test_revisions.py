"""The newest revision by file names is the one Alembic finds, and asking a database for its own needs no Alembic."""

import subprocess
import sys
from pathlib import Path

import pytest

from huiyin_chassis.db import Database
from huiyin_chassis.migrate import script_directory, upgrade
from huiyin_chassis.revisions import is_current, newest_revision
from huiyin_chassis.service import Service, load_services
from tests.chassis.example.app import SERVICE


@pytest.mark.parametrize("service", [SERVICE, *load_services()], ids=lambda service: service.name)
def test_the_last_file_is_the_head_of_the_chain(service: Service) -> None:
    assert script_directory(service).get_heads() == [newest_revision(service)]


async def test_a_schema_is_current_once_it_is_upgraded(database_url: str) -> None:
    database = Database(database_url)

    before = await is_current(database, SERVICE)
    await upgrade(database, SERVICE)
    after = await is_current(database, SERVICE)
    await database.close()

    assert (before, after) == (False, True)


def test_a_start_on_a_current_schema_does_not_import_alembic(tmp_path: Path) -> None:
    look = (
        "import asyncio, sys; from huiyin_chassis.provision import migrate; from huiyin_chassis.settings import Settings; "
        "from huiyin_chassis.service import load_service; import huiyin_chassis.host; "
        f"settings = Settings(data_dir={str(tmp_path)!r}, _env_file=None); service = load_service('directory'); "
        "print(asyncio.run(migrate(settings, service)), 'alembic' in sys.modules)"
    )

    first, second = (
        subprocess.run(
            [sys.executable, "-c", look], capture_output=True, text=True, check=True
        ).stdout.split()
        for _ in range(2)
    )

    assert first == ["['0001']", "True"]
    assert second == ["[]", "False"]
