"""Settings: where they come from, and one clear line when they are broken."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from huiyin_chassis.errors import SettingsBroken
from huiyin_chassis.settings import ServiceSettings, Settings, load, settings_config


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def test_without_any_setting_everything_stays_on_this_machine() -> None:
    settings = load(Settings)

    assert settings.host == "127.0.0.1"
    assert settings.port == 8000
    assert settings.kafka_bootstrap is None
    assert settings.time_zone == "Asia/Shanghai"
    assert settings.database_url_of("desk") == f"sqlite:///{Path('.huiyin').absolute()}/desk.db"


def test_the_environment_wins_over_dotenv_and_dotenv_over_secrets(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for name, value in {
        "huiyin_port": "1",
        "huiyin_host": "10.0.0.1",
        "huiyin_kafka_bootstrap": "k:1",
    }.items():
        (secrets / name).write_text(value)
    monkeypatch.setenv("HUIYIN_SECRETS_DIR", str(secrets))
    Path(".env").write_text("HUIYIN_PORT=2\nHUIYIN_HOST=10.0.0.2\n")
    monkeypatch.setenv("HUIYIN_PORT", "3")

    settings = load(Settings)

    assert (settings.port, settings.host, settings.kafka_bootstrap) == (3, "10.0.0.2", "k:1")


def test_a_command_line_option_wins_over_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUIYIN_PORT", "3")

    assert load(Settings, port=4).port == 4


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("HUIYIN_PORT", "eighty"),
        ("HUIYIN_PORT", "70000"),
        ("HUIYIN_TIME_ZONE", "Asia/Nowhere"),
        ("HUIYIN_TIME_ZONE", "../../etc/passwd"),
        ("HUIYIN_DATABASE_URL", "postgresql://huiyin:hunter2secret@db/one-for-all"),
        ("HUIYIN_DATABASE_URL", "mysql://huiyin:hunter2secret@db/{service}"),
        ("HUIYIN_ADMIN_KEY", "hunter2secret"),
        ("HUIYIN_BROKER_PARTITIONS", "0"),
        ("HUIYIN_KAFKA_SECURITY", "TELEPATHY"),
        ("HUIYIN_KAFKA_BOOTSTRAP", "kafka-1"),
        ("HUIYIN_KAFKA_BOOTSTRAP", "kafka-1:9092,kafka-2:70000"),
        ("HUIYIN_KAFKA_CA_FILE", "/nowhere/ca.pem"),
        ("HUIYIN_KAFKA_CA_FILE", "/"),
    ],
)
def test_a_broken_value_is_named_by_its_variable_and_never_repeated(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(SettingsBroken) as broken:
        load(Settings)

    message = str(broken.value)
    assert message.startswith(f"{variable}: ")
    assert value not in message
    assert "hunter2secret" not in message
    assert "\n" not in message
    assert broken.value.exit_code == 2


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, "HUIYIN_KAFKA_USERNAME"),
        ({"HUIYIN_KAFKA_PASSWORD": "hunter2secret"}, "HUIYIN_KAFKA_USERNAME"),
        ({"HUIYIN_KAFKA_USERNAME": "huiyin"}, "HUIYIN_KAFKA_PASSWORD"),
    ],
)
def test_what_sasl_needs_is_asked_for_by_name(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], missing: str
) -> None:
    for variable, value in ({"HUIYIN_KAFKA_SECURITY": "SASL_PLAINTEXT"} | given).items():
        monkeypatch.setenv(variable, value)

    with pytest.raises(SettingsBroken) as broken:
        load(Settings)

    assert str(broken.value) == f"{missing}: must be set with HUIYIN_KAFKA_SECURITY=SASL_PLAINTEXT"


def test_with_a_name_and_a_password_sasl_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUIYIN_KAFKA_SECURITY", "SASL_SSL")
    monkeypatch.setenv("HUIYIN_KAFKA_USERNAME", "huiyin")
    monkeypatch.setenv("HUIYIN_KAFKA_PASSWORD", "hunter2secret")

    assert load(Settings).kafka_security == "SASL_SSL"


def test_a_secrets_folder_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUIYIN_SECRETS_DIR", "/nowhere/secrets")

    with pytest.raises(SettingsBroken, match="HUIYIN_SECRETS_DIR"):
        load(Settings)


def test_a_service_reads_its_own_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    class DeskSettings(ServiceSettings):
        model_config = settings_config("HUIYIN_DESK_")
        queue_limit: int = 10

    monkeypatch.setenv("HUIYIN_DESK_QUEUE_LIMIT", "20")
    assert load(DeskSettings).queue_limit == 20

    monkeypatch.setenv("HUIYIN_DESK_QUEUE_LIMIT", "many")
    with pytest.raises(SettingsBroken, match="HUIYIN_DESK_QUEUE_LIMIT"):
        load(DeskSettings)


def test_secrets_do_not_show_when_settings_are_printed() -> None:
    settings = load(Settings, admin_key=SecretStr("k" * 40), kafka_password=SecretStr("hunter2secret"))

    assert "kkkk" not in repr(settings)
    assert "hunter2secret" not in repr(settings)


def test_every_service_gets_its_own_postgresql_database() -> None:
    settings = load(Settings, database_url="postgresql://u@h/huiyin_{service}")

    assert settings.database_url_of("sla") == "postgresql+asyncpg://u@h/huiyin_sla"
