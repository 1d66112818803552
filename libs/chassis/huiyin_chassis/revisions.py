"""Which revision a schema has, told without Alembic: importing that takes longer than asking, and every start asks.

Migrations stand in `migrations/versions/NNNN_what.py` and `NNNN` is their revision, so the newest is the last file.
"""

import importlib.util
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, column, inspect, select, table

from huiyin_chassis.db import Database
from huiyin_chassis.service import Service

_STORED: Final = table("alembic_version", column("version_num"))


def versions_folder(service: Service) -> Path:
    """Return the folder that holds a service's migrations."""
    if service.migrations is not None:
        return service.migrations / "versions"
    found = importlib.util.find_spec(service.package)
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError(service.package)
    return Path(found.submodule_search_locations[0]) / "migrations" / "versions"


def newest_revision(service: Service) -> str:
    """Return the revision of a service's last migration, empty when it has none."""
    return max(
        (file.stem.partition("_")[0] for file in versions_folder(service).glob("[0-9]*_*.py")), default=""
    )


async def is_current(database: Database, service: Service) -> bool:
    """Tell whether the schema stands at the newest revision; false says nothing about what it lacks."""
    async with database.reading() as connection:
        return await connection.run_sync(_stored) == {newest_revision(service)}


def _stored(connection: Connection) -> set[str]:
    if not inspect(connection).has_table(_STORED.name):
        return set()
    return set(connection.execute(select(_STORED.c.version_num)).scalars())
