"""URLs of databases, as they are written and as drivers take them."""

from __future__ import annotations

from typing import Final

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

_NO_URL: Final = "is not a database URL; a password's own :, / and @ are written %3A, %2F and %40"


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


def dsn(url: URL) -> str:
    """``url`` as asyncpg itself takes it."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)
