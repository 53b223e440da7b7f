"""Settings: frozen, read once at the edge from ``FOCAL_DATA_*`` variables (and a ``.env`` file in the working folder).

A wrong value is a ``SettingsError`` that names the variable and the reason, never the value. Here is all that can be set;
``reading`` turns variables into fields, ``postgres`` knows the ``POSTGRES_*`` variables, ``urls`` what a database's URL is,
and ``keys`` how the audit chain's keys are written.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from sqlalchemy.engine import URL

from focal_data.errors import SettingsError
from focal_data.settings.keys import MIN_AUDIT_KEY, audit_keys
from focal_data.settings.postgres import DEFAULT_PORT, PostgresVariables, SSLMode
from focal_data.settings.reading import IDEATION_BACKEND, PREFIX, loaded, unset_if_empty
from focal_data.settings.urls import dsn, postgresql_url

__all__ = [
    "DEFAULT_PORT",
    "IDEATION_BACKEND",
    "MIN_AUDIT_KEY",
    "PREFIX",
    "IdeationBackend",
    "SSLMode",
    "Settings",
    "audit_keys",
    "dsn",
    "postgresql_url",
]

Seconds = Annotated[float, Field(ge=0.001, le=86_400)]  # servers take milliseconds, and 0 as no limit
Identifier = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,62}$")]


class IdeationBackend(StrEnum):
    """What keeps the data of the ideation studio."""

    POSTGRES = "postgres"
    REDIS = "redis"
    MEMORY = "memory"


class Settings(BaseSettings):
    """What focal_data needs to know. Times are in seconds unless the name says otherwise."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        populate_by_name=True,
    )

    database_url: SecretStr | None = Field(None, description="PostgreSQL, as the login that services use")
    migration_url: SecretStr | None = Field(
        None, description="PostgreSQL, as the owner of the tables; unset: the other one"
    )
    redis_url: SecretStr | None = Field(
        None, description="Redis, for live sessions: redis://, rediss:// or unix://"
    )

    app_role: Identifier = Field(
        "focal_app", description="the role that services run as; the policies bind it"
    )
    transaction_pooling: bool = Field(
        False, description="a proxy that pools by transaction stands before PostgreSQL"
    )

    pool_size: Annotated[int, Field(ge=1, le=1000)] = Field(
        10, description="connections to PostgreSQL per process"
    )
    pool_timeout: Seconds = Field(30.0, description="wait for a free connection")
    connect_timeout: Seconds = Field(10.0, description="wait for a new connection")
    statement_timeout: Seconds = Field(60.0, description="wait for one statement")

    redis_pool_size: Annotated[int, Field(ge=1, le=1000)] = Field(
        32, description="connections to Redis per process"
    )
    redis_timeout: Seconds = Field(5.0, description="wait for one answer of Redis, retries included")
    redis_cluster: bool = Field(
        False, description="the Redis is a cluster; the URL leads to any of its nodes"
    )
    session_durability: Literal["primary", "replicated"] = Field(
        "primary",
        description="a save is acknowledged when the primary has it, or every replica that may be promoted as well",
    )
    session_hot_ttl: Seconds = Field(1800.0, description="an idle session's hot copy expires after this")
    session_max_age: Annotated[float, Field(gt=0, le=10 * 366 * 86_400)] = Field(
        604_800.0, description="a session without activity is gone after this"
    )

    anthropic_api_key: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices(f"{PREFIX}ANTHROPIC_API_KEY", "ANTHROPIC_API_KEY"),
        description="the key of Anthropic's API; ANTHROPIC_API_KEY counts where this is unset",
    )
    openai_api_key: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices(f"{PREFIX}OPENAI_API_KEY", "OPENAI_API_KEY"),
        description="the key of OpenAI's API; OPENAI_API_KEY counts where this is unset",
    )

    ideation_persistence_backend: IdeationBackend = Field(
        IdeationBackend.POSTGRES,
        validation_alias=IDEATION_BACKEND,  # the name that such deployments have
        description="what keeps the ideation studio's data: postgres, redis or memory",
    )

    debug: bool = Field(False, description="raise where a model provider is called inside of a transaction")

    audit_keys: SecretStr | None = Field(
        None,
        description="keys of the audit chain, id:key,id:key, the newest first; unset: rows are not chained",
    )

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """The settings from the environment, ``overrides`` first. Raises ``SettingsError`` for the first wrong variable.

        ``POSTGRES_HOST``, ``_PORT``, ``_DB``, ``_USER``, ``_PASSWORD``, ``_SSL_MODE`` and ``_POOL_SIZE`` say what the
        database's URL and the pool's size leave out; to contradict them is an error, unless the URL is an override.
        """
        settings = loaded(cls, overrides)
        if "database_url" in overrides:
            return settings
        file = {name: value for name, value in overrides.items() if name == "_env_file"}
        return settings._completed(loaded(PostgresVariables, file))

    @staticmethod
    def of(**values: Any) -> Settings:
        """Exactly these and the defaults: neither the environment nor a ``.env`` file is read. Raises as ``load`` does."""
        return _Given.load(**values)

    @field_validator(
        *("database_url", "migration_url", "redis_url", "audit_keys", "anthropic_api_key", "openai_api_key"),
        mode="before",
    )
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return unset_if_empty(value)

    @field_validator("ideation_persistence_backend", mode="before")
    @classmethod
    def _empty_is_the_default(cls, value: object) -> object:
        return IdeationBackend.POSTGRES if unset_if_empty(value) is None else value

    @field_validator("database_url", "migration_url")
    @classmethod
    def _postgresql(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            postgresql_url(value.get_secret_value())
        return value

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and urlsplit(value.get_secret_value()).scheme not in ("redis", "rediss", "unix"):
            raise ValueError("must start with redis://, rediss:// or unix://")
        return value

    @field_validator("anthropic_api_key", "openai_api_key")
    @classmethod
    def _header(cls, value: SecretStr | None) -> SecretStr | None:
        key = "" if value is None else value.get_secret_value().strip()
        if not all("!" <= character <= "~" for character in key):
            raise ValueError("must have visible ASCII characters only: it is sent in a header")
        return SecretStr(key) if value is not None else None

    @field_validator("audit_keys")
    @classmethod
    def _keys(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            audit_keys(value.get_secret_value())
        return value

    def chain_keys(self) -> Mapping[str, bytes]:
        """The keys of the audit chain by id, the newest first; empty when none is set."""
        return {} if self.audit_keys is None else audit_keys(self.audit_keys.get_secret_value())

    def service_url(self) -> URL:
        """PostgreSQL as services use it, for asyncpg. ``SettingsError`` when it is not set."""
        return postgresql_url(
            _required(
                self.database_url, "DATABASE_URL", "the PostgreSQL to run on is not set, nor is POSTGRES_HOST"
            )
        )

    def owner_url(self) -> URL:
        """PostgreSQL as the owner of the tables, for asyncpg; the service's own URL where no other is set."""
        secret = self.migration_url or self.database_url
        return postgresql_url(
            _required(secret, "MIGRATION_URL", "the PostgreSQL to migrate is not set, nor is DATABASE_URL")
        )

    def sessions_url(self) -> str:
        """Redis. ``SettingsError`` when it is not set."""
        return _required(self.redis_url, "REDIS_URL", "the Redis to keep live sessions on is not set")

    def _completed(self, given: PostgresVariables) -> Self:
        own = self.pool_size if "pool_size" in self.model_fields_set else None
        changes = {"database_url": given.url(self.database_url), "pool_size": given.pool(own)}
        return self.model_copy(update={name: value for name, value in changes.items() if value is not None})

    @property
    def hot_ttl(self) -> timedelta:
        return timedelta(seconds=self.session_hot_ttl)

    @property
    def max_age(self) -> timedelta:
        return timedelta(seconds=self.session_max_age)


class _Given(Settings):
    """Settings from nothing but arguments."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        return loaded(cls, overrides)


def _required(secret: SecretStr | None, name: str, reason: str) -> str:
    if secret is None:
        raise SettingsError(f"{PREFIX}{name}", reason)
    return secret.get_secret_value()
