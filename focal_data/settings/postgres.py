"""``POSTGRES_HOST`` and its kin, by which other software finds a PostgreSQL: what they add to a URL, or make of none.

They never overrule ``FOCAL_DATA_DATABASE_URL``: what both say must be the same.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, TypeVar

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.engine import URL, make_url

from focal_data.errors import SettingsError
from focal_data.settings.reading import PREFIX

DEFAULT_PORT: Final = 5432

V = TypeVar("V")


class SSLMode(StrEnum):
    """How PostgreSQL is spoken to, as libpq and asyncpg mean it."""

    DISABLE = "disable"
    ALLOW = "allow"
    PREFER = "prefer"
    REQUIRE = "require"
    VERIFY_CA = "verify-ca"
    VERIFY_FULL = "verify-full"


class PostgresVariables(BaseSettings):
    """What they say. None has a default but the port, and that in a URL's way."""

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

    def pool(self, known: int | None) -> int | None:
        """The pool's size: ``known``, or else what these say. ``SettingsError`` where the two disagree."""
        return _agreed("POOL_SIZE", self.pool_size, known, "POOL_SIZE")

    def url(self, known: SecretStr | None) -> SecretStr | None:
        """``known``, completed by these; ``None`` where there is neither.

        ``SettingsError`` where the two disagree, or a part is missing of what has no URL.
        """
        if known is not None:
            return _secret(self._completed(make_url(known.get_secret_value())))
        if self.host is None:
            return None
        self._require_whole()
        return _secret(self._completed(_at(URL.create("postgresql"), self.host, self.port)))

    def _completed(self, url: URL) -> URL:
        known_host = _text(url.query.get("host")) or url.host
        if known_host is None and self.host is not None:
            url = _at(url, self.host, self.port)
        _agreed("HOST", self.host, known_host)
        _agreed("PORT", self.port, _port(url))
        password = None if self.password is None else self.password.get_secret_value()
        url = url.set(
            database=_agreed("DB", self.db, url.database),
            username=_agreed("USER", self.user, url.username),
            password=_agreed("PASSWORD", password, url.password),
        )
        mode = _agreed("SSL_MODE", self.ssl_mode, _text(url.query.get("sslmode")))
        return url if mode is None else url.update_query_dict({"sslmode": mode})

    def _require_whole(self) -> None:
        for name in ("db", "user", "password"):
            if getattr(self, name) is None:
                raise SettingsError(
                    f"POSTGRES_{name.upper()}", f"is not set, and neither is {PREFIX}DATABASE_URL"
                )


def _secret(url: URL) -> SecretStr:
    return SecretStr(url.render_as_string(hide_password=False))


def _agreed(name: str, given: V | None, known: V | None, other: str = "DATABASE_URL") -> V | None:
    """What of the two is known. ``SettingsError`` where they disagree."""
    if given is not None and known is not None and given != known:
        raise SettingsError(f"POSTGRES_{name}", f"is not what {PREFIX}{other} says: set one of the two")
    return known if given is None else given


def _at(url: URL, host: str, port: int | None) -> URL:
    """``url`` with this place; a socket's is no part of the address, as drivers take it."""
    if "/" not in host:
        return url.set(host=host, port=port)
    return url.update_query_dict({"host": host} | ({"port": str(port)} if port else {}))


def _port(url: URL) -> int:
    said = _text(url.query.get("port"))
    return url.port or (int(said) if said and said.isdecimal() else DEFAULT_PORT)


def _text(value: str | tuple[str, ...] | None) -> str | None:
    return value if value is None or isinstance(value, str) else ",".join(value)
