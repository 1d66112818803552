"""Settings from the environment, `.env` or a folder of secrets: twelve-factor, read once at start.

`Settings` is what the suite shares (prefix `HUIYIN_`); each service adds its own in a subclass of
`ServiceSettings` (prefix `HUIYIN_<NAME>_`). `load` turns a broken value into one line that names the variable
and never repeats the value, because it may be a secret.
"""

import os
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, SecretStr, ValidationError, ValidationInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from huiyin_chassis.errors import SettingsBroken

SECRETS_DIR_VARIABLE: Final = "HUIYIN_SECRETS_DIR"
_DEFAULT_SECRETS_DIR: Final = Path("/run/secrets")
_ADMIN_KEY_CHARACTERS: Final = 32
_MAX_PORT: Final = 65535

Loaded = TypeVar("Loaded", bound=BaseSettings)
Secret = TypeVar("Secret", str | None, SecretStr | None)


def settings_config(prefix: str) -> SettingsConfigDict:
    """Return the pydantic configuration that all settings share, under an environment prefix."""
    return SettingsConfigDict(
        env_prefix=prefix,
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("is not the name of a time zone, such as Asia/Shanghai") from None
    return name


def _named_per_service(url: str) -> str:
    if "{service}" not in url:
        raise ValueError("must contain {service}: every service has a database of its own")
    if not url.startswith(("postgresql://", "postgresql+asyncpg://", "sqlite:///")):
        raise ValueError("must start with postgresql:// or sqlite:///")
    return url


def _host_and_port(addresses: str) -> str:
    for address in addresses.split(","):
        host, _, port = address.strip().rpartition(":")
        if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) <= _MAX_PORT:
            raise ValueError("must be host:port, or several with commas between them")
    return addresses


def _readable(file: Path) -> Path:
    if not (file.is_file() and os.access(file, os.R_OK)):
        raise ValueError("must be a file that can be read")
    return file


def _known_with_sasl(secret: Secret, found: ValidationInfo) -> Secret:
    security = found.data.get("kafka_security", "")
    if not secret and security.startswith("SASL"):
        raise ValueError(f"must be set with HUIYIN_KAFKA_SECURITY={security}")
    return secret


def _long_enough(key: SecretStr) -> SecretStr:
    if len(key.get_secret_value()) < _ADMIN_KEY_CHARACTERS:
        raise ValueError(f"must have at least {_ADMIN_KEY_CHARACTERS} characters")
    return key


_ALSO_UNSET: Final = Field(validate_default=True)
Port = Annotated[int, Field(ge=0, le=_MAX_PORT)]


class Settings(BaseSettings):
    """What the whole suite shares. Port 0 takes any free port."""

    model_config = settings_config("HUIYIN_")

    data_dir: Path = Path(".huiyin")
    database_url: Annotated[str, AfterValidator(_named_per_service)] | None = None
    kafka_bootstrap: Annotated[str, AfterValidator(_host_and_port)] | None = None
    kafka_security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    kafka_username: Annotated[str | None, AfterValidator(_known_with_sasl), _ALSO_UNSET] = None
    kafka_password: Annotated[SecretStr | None, AfterValidator(_known_with_sasl), _ALSO_UNSET] = None
    kafka_ca_file: Annotated[Path, AfterValidator(_readable)] | None = None
    broker_port: Port = 9092
    broker_partitions: Annotated[int, Field(ge=1, le=1000)] = 12
    broker_password: SecretStr | None = None
    host: str = "127.0.0.1"
    port: Port = 8000
    admin_key: Annotated[SecretStr, AfterValidator(_long_enough)] | None = None
    time_zone: Annotated[str, AfterValidator(_known_zone)] = "Asia/Shanghai"
    """The zone of reports, calendars and days."""
    instance: Annotated[int, Field(ge=0)] = 0
    """This process's number among those that run the same service, for its place in the consumer group."""
    outbox_limit: Annotated[int, Field(ge=1)] = 1_000_000
    """Events that may wait for the broker before intake refuses more (503)."""
    min_free_share: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """The share of the disk that must be free for intake to take more, and for readiness."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    def database_url_of(self, service: str) -> str:
        """Return the SQLAlchemy URL of one service's database."""
        if self.database_url is None:
            return f"sqlite:///{(self.data_dir / f'{service}.db').absolute()}"
        return with_asyncio_driver(self.database_url.replace("{service}", service))


class ServiceSettings(BaseSettings):
    """Base of one service's own settings.

    A subclass names its prefix: `model_config = settings_config("HUIYIN_DESK_")`.
    """

    model_config = settings_config("HUIYIN_")


def with_asyncio_driver(url: str) -> str:
    """Return a database URL that names the driver of PostgreSQL; for SQLite `db` chooses its own."""
    plain = "postgresql://"
    return f"postgresql+asyncpg://{url.removeprefix(plain)}" if url.startswith(plain) else url


def load(settings: type[Loaded], **given: Any) -> Loaded:
    """Read settings from the environment, `.env` and the folder of secrets; `given` values (CLI options) win.

    Raises SettingsBroken, whose text names the first broken variable and not its value.
    """
    try:
        return settings(_secrets_dir=_secrets_dir(), **given)
    except ValidationError as broken:
        raise SettingsBroken(_first_problem(settings, broken)) from None


def _secrets_dir() -> Path | None:
    named = os.environ.get(SECRETS_DIR_VARIABLE)
    if named is not None and not Path(named).is_dir():
        raise SettingsBroken(f"{SECRETS_DIR_VARIABLE}: {named} is not a folder")
    folder = Path(named) if named else _DEFAULT_SECRETS_DIR
    return folder if folder.is_dir() else None


def _first_problem(settings: type[BaseSettings], broken: ValidationError) -> str:
    problem = broken.errors(include_input=False, include_url=False, include_context=False)[0]
    prefix = settings.model_config.get("env_prefix", "")
    variable = prefix + str(problem["loc"][0]).upper() if problem["loc"] else f"{prefix}*"
    return f"{variable}: {problem['msg'].removeprefix('Value error, ')}"
