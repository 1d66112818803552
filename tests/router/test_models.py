"""The migrated schema is the one the code describes."""

from huiyin_chassis.migrate import assert_schema_matches
from tests.support.service import ServiceDriver


async def test_the_migrations_build_what_the_models_say(router: ServiceDriver) -> None:
    await assert_schema_matches(router.database, router.service)
