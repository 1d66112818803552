"""What a service needs before it starts is made, or its absence told in one line."""

import pytest
from sqlalchemy.engine import make_url

from huiyin_chassis import provision
from huiyin_chassis.errors import DatabaseUnreachable
from huiyin_chassis.settings import Settings
from tests.chassis.example.app import SERVICE


def settings_beside(url: str, *, name: str) -> Settings:
    """Return settings whose template names another database on the same server."""
    template = make_url(url).set(database=f"{name}_{{service}}").render_as_string(hide_password=False)
    return Settings(database_url=template.replace("%7Bservice%7D", "{service}"))


async def test_a_missing_postgresql_database_is_made_once(postgresql_url: str) -> None:
    settings = settings_beside(postgresql_url, name="made")

    with pytest.raises(DatabaseUnreachable, match="huiyin migrate --create"):
        await provision.migrate(settings, SERVICE)
    await provision.create_database(settings, SERVICE)
    await provision.create_database(settings, SERVICE)

    assert await provision.migrate(settings, SERVICE) == ["0001", "0002", "0003"]


async def test_a_server_that_is_not_there_is_told_in_one_line_without_the_password() -> None:
    settings = Settings(database_url="postgresql://huiyin:hunter2secret@127.0.0.1:1/{service}")

    with pytest.raises(DatabaseUnreachable) as refused:
        await provision.migrate(settings, SERVICE)
    with pytest.raises(DatabaseUnreachable):
        await provision.create_database(settings, SERVICE)

    assert "example cannot be reached" in str(refused.value)
    assert "hunter2secret" not in str(refused.value)
    assert "\n" not in str(refused.value)


async def test_without_kafka_no_topic_needs_making() -> None:
    assert await provision.create_topics(Settings()) == []
