"""The migrations give what the code expects, on both databases."""

from huiyin_analytics.app import SERVICE
from huiyin_chassis.migrate import assert_schema_matches
from tests.support.service import ServiceDriver


async def test_the_migrated_schema_is_the_one_of_the_code(analytics: ServiceDriver) -> None:
    await assert_schema_matches(analytics.database, SERVICE)
