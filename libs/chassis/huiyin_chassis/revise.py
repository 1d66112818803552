"""For developers: writes the next migration of a service from what its `MetaData` says and its chain does not.

    python -m huiyin_chassis.revise desk "give tickets a colour"

Compared on an empty SQLite database. The result is a draft: read it, give existing rows what new columns need, and let
the service's `test_models.py` prove it on both databases.
"""

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any, Literal

from alembic.autogenerate import produce_migrations, render_python_code
from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import UpgradeOps
from alembic.runtime.migration import MigrationContext
from sqlalchemy import JSON, Connection

from huiyin_chassis.db import Database, UtcDateTime
from huiyin_chassis.migrate import script_directory, upgrade
from huiyin_chassis.service import Service, load_service


async def write_revision(service: Service, message: str) -> Path:
    """Write the next file of a service's chain and return its path. Raises ValueError when there is nothing to do."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/empty.db")
        try:
            await upgrade(database, service)
            async with database.reading() as connection:
                draft = await connection.run_sync(_draft, service)
        finally:
            await database.close()
    scripts = script_directory(service)
    number = f"{len(list(scripts.walk_revisions())) + 1:04}"
    written = scripts.generate_revision(
        number, message, head="head", upgrades=draft.body, imports="\n".join(sorted(draft.imports))
    )
    if written is None:
        raise ValueError(f"{number} is there already")
    return Path(written.path)


class _Draft:
    """The body of an `upgrade`, and the imports it needs."""

    def __init__(self, upgrades: UpgradeOps) -> None:
        self.imports: set[str] = set()
        code = render_python_code(upgrades, render_as_batch=True, render_item=self._render_item)
        self.body = "\n".join(
            line for line in code.splitlines() if not line.lstrip().startswith("# ###")
        ).lstrip()

    def _render_item(self, kind: str, item: Any, _context: AutogenContext) -> str | Literal[False]:
        """Return how the house's own column types are written; Alembic knows the others."""
        name = "UtcDateTime" if isinstance(item, UtcDateTime) else "Json" if isinstance(item, JSON) else None
        if kind != "type" or name is None:
            return False
        self.imports.add(f"from huiyin_chassis.db import {name}")
        return name


def _draft(connection: Connection, service: Service) -> _Draft:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    upgrades = produce_migrations(context, service.metadata).upgrade_ops
    if upgrades is None or upgrades.is_empty():
        raise ValueError(f"the migrations of {service.name} and its tables agree")
    return _Draft(upgrades)


def main(arguments: list[str]) -> int:
    """Run the command and return its exit code."""
    if len(arguments) != len(("service", "message")):
        sys.stderr.write('usage: python -m huiyin_chassis.revise SERVICE "what changes"\n')
        return 2
    name, message = arguments
    try:
        path = asyncio.run(write_revision(load_service(name), message))
    except ValueError as nothing:
        sys.stderr.write(f"{nothing}\n")
        return 1
    sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
