"""Settings: frozen, read once at the edge from ``FOCAL_DATA_*`` variables (and a ``.env`` file in the working folder).

A wrong value is a ``SettingsError`` that names the variable and the reason, never the value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from focal_data.errors import SettingsError

PREFIX: Final = "FOCAL_DATA_"
IDEATION_BACKEND: Final = "IDEATION_PERSISTENCE_BACKEND"

Seconds = Annotated[float, Field(ge=0.001, le=86_400)]  # servers take milliseconds, and 0 as no limit
Identifier = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,62}$")]


MIN_AUDIT_KEY: Final = 32
"""Characters of a key of the audit chain: ``openssl rand -hex 32`` makes a good one of 64."""

DEFAULT_PORT: Final = 5432

S = TypeVar("S", bound=BaseSettings)
V = TypeVar("V")

_KEY_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_NO_URL: Final = "is not a database URL; a password's own :, / and @ are written %3A, %2F and %40"


class IdeationBackend(StrEnum):
    """What keeps the data of the ideation studio."""

    POSTGRES = "postgres"
    REDIS = "redis"
    MEMORY = "memory"


class SSLMode(StrEnum):
    """How PostgreSQL is spoken to, as libpq and asyncpg mean it."""

    DISABLE = "disable"
    ALLOW = "allow"
    PREFER = "prefer"
    REQUIRE = "require"
    VERIFY_CA = "verify-ca"
    VERIFY_FULL = "verify-full"


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
        settings = _loaded(cls, overrides)
        if "database_url" in overrides:
            return settings
        return settings._completed(_loaded(_PostgresVariables, _env_file_of(overrides)))

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
        return _unset_if_empty(value)

    @field_validator("ideation_persistence_backend", mode="before")
    @classmethod
    def _empty_is_the_default(cls, value: object) -> object:
        return IdeationBackend.POSTGRES if _unset_if_empty(value) is None else value

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

    def _completed(self, given: _PostgresVariables) -> Self:
        changes: dict[str, object] = {}
        if self.database_url is not None or given.host is not None:
            changes["database_url"] = given.url(self.database_url)
        if given.pool_size is not None:
            said = self.pool_size if "pool_size" in self.model_fields_set else given.pool_size
            changes["pool_size"] = _agreed("POOL_SIZE", given.pool_size, said, "POOL_SIZE")
        return self.model_copy(update=changes)

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
        return _loaded(cls, overrides)


class _PostgresVariables(BaseSettings):
    """The variables by which other software finds a PostgreSQL. None has a default but the port, and that in a URL's way."""

    model_config = SettingsConfigDict(
        env_prefix="POSTGRES_",
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        env_ignore_empty=True,
        frozen=True,
        hide_input_in_errors=True,
    )

    host: str | None = None
    port: Annotated[int, Field(ge=1, lt=2**16)] | None = None
    db: str | None = None
    user: str | None = None
    password: SecretStr | None = None
    ssl_mode: SSLMode | None = None
    pool_size: Annotated[int, Field(ge=1, le=1000)] | None = None

    @field_validator("host")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is not None and "/" not in value:
            if any(character.isspace() or character in "[]@" for character in value):
                raise ValueError("must be a name, an address without brackets, or a socket's folder")
            if value.count(":") == 1:
                raise ValueError("must have no port, which is POSTGRES_PORT")
        return value

    def url(self, known: SecretStr | None) -> SecretStr:
        """``known``, completed by these. ``SettingsError`` where the two disagree, or a part is missing of what has no URL."""
        url = URL.create("postgresql") if known is None else make_url(known.get_secret_value())
        password = None if self.password is None else self.password.get_secret_value()
        address = _text(url.query.get("host")) or url.host
        if _agreed("HOST", self.host, address) is not None and address is None:
            url = _at(url, str(self.host), self.port)
        if known is not None:
            _agreed("PORT", self.port, _port(url))
        url = url.set(
            database=_agreed("DB", self.db, url.database),
            username=_agreed("USER", self.user, url.username),
            password=_agreed("PASSWORD", password, url.password),
        )
        said = _text(url.query.get("sslmode"))
        if (mode := _agreed("SSL_MODE", self.ssl_mode, said)) is not None:
            url = url.update_query_dict({"sslmode": mode})
        if known is None:
            self._require_whole()
        return SecretStr(url.render_as_string(hide_password=False))

    def _require_whole(self) -> None:
        for name in ("host", "db", "user", "password"):
            if getattr(self, name) is None:
                raise SettingsError(
                    f"POSTGRES_{name.upper()}", f"is not set, and neither is {PREFIX}DATABASE_URL"
                )


def _loaded(kind: type[S], values: Mapping[str, Any]) -> S:
    try:
        return kind(**values)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = str(first["loc"][0]) if first["loc"] else "settings"
        failure = SettingsError(_variable(kind, name), first["msg"].removeprefix("Value error, "))
    raise failure  # out here, pydantic's error, which holds the value, is not its context


def _variable(kind: type[BaseSettings], name: str) -> str:
    """What a field is called outside; a name that others gave it is its own."""
    prefix = kind.model_config.get("env_prefix", "")
    known = name.upper()
    return known if known == IDEATION_BACKEND else f"{prefix}{known.removeprefix(prefix)}"


def _env_file_of(overrides: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in overrides.items() if name == "_env_file"}


def _unset_if_empty(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


def _text(value: str | tuple[str, ...] | None) -> str | None:
    return value if value is None or isinstance(value, str) else ",".join(value)


def _at(url: URL, host: str, port: int | None) -> URL:
    """``url`` with this place; a socket's is no part of the address, as drivers take it."""
    if "/" not in host:
        return url.set(host=host, port=port)
    return url.update_query_dict({"host": host} | ({"port": str(port)} if port else {}))


def _port(url: URL) -> int:
    said = _text(url.query.get("port"))
    return url.port or (int(said) if said and said.isdecimal() else DEFAULT_PORT)


def _agreed(name: str, given: V | None, known: V | None, other: str = "DATABASE_URL") -> V | None:
    """What of the two is known. ``SettingsError`` where they disagree."""
    if given is not None and known is not None and given != known:
        raise SettingsError(f"POSTGRES_{name}", f"is not what {PREFIX}{other} says: set one of the two")
    return known if given is None else given


def dsn(url: URL) -> str:
    """``url`` as asyncpg itself takes it."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def postgresql_url(text: str) -> URL:
    """``text`` as a URL for asyncpg: a bare ``postgresql://`` or ``postgres://`` gets its driver. ``ValueError`` otherwise."""
    try:
        url = make_url(text)
        (url.host or "").encode("idna")
    except (ArgumentError, ValueError):  # whose text may quote a part of the password
        raise ValueError(_NO_URL) from None
    if url.port is not None and not 0 < url.port < 2**16:
        raise ValueError("must have a port from 1 to 65535")
    if "ssl" in url.query:  # which the server would be sent as a setting of its own
        raise ValueError("must say sslmode, as PostgreSQL does, and not ssl")
    if url.drivername not in ("postgresql", "postgres", "postgresql+asyncpg"):
        raise ValueError("must start with postgresql:// or postgresql+asyncpg://")
    return url.set(drivername="postgresql+asyncpg")


def audit_keys(text: str) -> dict[str, bytes]:
    """The keys in ``id:key,id:key``, in their order. ``ValueError`` for what is not that; it quotes nothing."""
    keys: dict[str, bytes] = {}
    for number, part in enumerate(text.split(","), start=1):
        key_id, colon, key = part.strip().partition(":")
        if not colon or not _KEY_ID.fullmatch(key_id):
            raise ValueError(
                f"entry {number} must be id:key, the id of letters, digits, _, . and -, at most 64"
            )
        if key_id in keys:
            raise ValueError(f"entry {number} has the id of another")
        if len(key) < MIN_AUDIT_KEY:
            raise ValueError(f"entry {number} must have a key of {MIN_AUDIT_KEY} characters or more")
        keys[key_id] = key.encode(errors="surrogatepass")  # an error of its own would quote a part of the key
    return keys


def _required(secret: SecretStr | None, name: str, reason: str) -> str:
    if secret is None:
        raise SettingsError(f"{PREFIX}{name}", reason)
    return secret.get_secret_value()
