"""Makes what a service needs before it can start: data folder, database, schema, topics."""

from sqlalchemy.engine import make_url

from huiyin_chassis.broker import kafka_settings
from huiyin_chassis.datadir import open_data_dir
from huiyin_chassis.db import Database
from huiyin_chassis.revisions import is_current
from huiyin_chassis.service import Service
from huiyin_chassis.settings import Settings
from huiyin_chassis.unreachable import unreachable_in_one_line


async def migrate(settings: Settings, service: Service) -> list[str]:
    """Bring one service's schema up to date and return the applied revisions; makes the data folder if need be.

    Raises DatabaseUnreachable, DatabaseIsNewer or the data folder's errors.
    """
    if settings.database_url is None:
        open_data_dir(settings.data_dir)
    database = Database(settings.database_url_of(service.name))
    try:
        with unreachable_in_one_line(service):
            if await is_current(database, service):
                return []
            from huiyin_chassis.migrate import upgrade  # noqa: PLC0415 - Alembic takes long to import

            return await upgrade(database, service)
    finally:
        await database.close()


async def create_database(settings: Settings, service: Service) -> None:
    """Make a service's PostgreSQL database when it is missing; nothing to do on SQLite."""
    url = make_url(settings.database_url_of(service.name))
    if url.get_backend_name() != "postgresql":
        return
    import asyncpg  # noqa: PLC0415 - an extra

    server = url.set(drivername="postgresql", database="postgres")
    with unreachable_in_one_line(service):
        connection = await asyncpg.connect(server.render_as_string(hide_password=False), timeout=10)
    try:
        name = '"{}"'.format((url.database or "").replace('"', '""'))
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
    except asyncpg.DuplicateDatabaseError:
        return
    finally:
        await connection.close()


async def create_topics(settings: Settings) -> list[str]:
    """Make the topic of every event on Kafka and return their names; none on the embedded broker, which makes its own."""
    if settings.kafka_bootstrap is None:
        return []
    from huiyin_contracts.registry import EVENTS  # noqa: PLC0415
    from huiyin_eventbus.kafka import ensure_topics  # noqa: PLC0415 - aiokafka takes long to import

    topics = sorted(EVENTS)
    await ensure_topics(kafka_settings(settings, settings.kafka_bootstrap), topics)
    return topics
