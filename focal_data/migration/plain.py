"""Settings that are plainly right, read without what settings are read with.

pydantic-settings and SQLAlchemy are two thirds of what a command loads that has only one question to a database
(docs/decisions/0008). Whatever is not plain here is left to ``Settings.load``: each pattern takes less than the setting does,
and a variable that has none is never plain. ``.env`` is read by the same parser.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

FILE: Final = Path(".env")
PREFIX: Final = "focal_data_"
POSTGRES: Final = "postgres_"
"""In lower case, since any will do. These are read where they aren't empty."""

_WORD: Final = r"[\w .~!$*+-]+"
_SIGNS: Final = r"(?:[\w .~!$*+-]|%[2-7][0-9A-F])+"
_HOST: Final = r"(?:[\w-]{1,63}\.)*[\w-]{1,63}"
_PORT: Final = r"[1-9]\d{0,3}|[1-5]\d{4}"
_DATABASE: Final = r"[\w.-]+"
_OPTION: Final = r"(?!ssl=)[a-z_]+=(?:[\w./-]|%[2-7][0-9A-F])+"
_POSTGRESQL: Final = (
    r"(?:(?:postgres|postgresql|postgresql\+asyncpg)://"
    rf"(?:{_SIGNS}(?::{_SIGNS})?@)?(?:{_HOST}(?::(?:{_PORT}))?)?(?:/(?:{_DATABASE})?)?(?:\?{_OPTION}(?:&{_OPTION})*)?)?"
)
_AUDIT_KEY: Final = r"[\w.-]{1,64}:[!-+\--~]{32,}"
_SWITCH: Final = "true|false|0|1"
_COUNT: Final = r"[1-9]\d{0,2}"
_SECONDS: Final = r"[1-9]\d{0,3}(?:\.\d{1,3})?"
_API_KEY: Final = "[!-~]*"

PATTERNS: Final[Mapping[str, str]] = {
    "focal_data_database_url": _POSTGRESQL,
    "focal_data_migration_url": _POSTGRESQL,
    "focal_data_redis_url": r"(?:(?:redis|rediss|unix)://[\w.~:/@?&=%!$*-]+)?",
    "focal_data_app_role": "[a-z_][a-z0-9_]{0,62}",
    "focal_data_transaction_pooling": _SWITCH,
    "focal_data_pool_size": _COUNT,
    "focal_data_pool_timeout": _SECONDS,
    "focal_data_connect_timeout": _SECONDS,
    "focal_data_statement_timeout": _SECONDS,
    "focal_data_redis_pool_size": _COUNT,
    "focal_data_redis_timeout": _SECONDS,
    "focal_data_redis_cluster": _SWITCH,
    "focal_data_session_durability": "primary|replicated",
    "focal_data_session_hot_ttl": _SECONDS,
    "focal_data_session_max_age": r"[1-9]\d{0,7}",
    "focal_data_audit_keys": rf"(?!(?:.*,)?([\w.-]+):.*,\1:)(?:{_AUDIT_KEY}(?:,{_AUDIT_KEY})*)?",
    "focal_data_anthropic_api_key": _API_KEY,
    "focal_data_openai_api_key": _API_KEY,
    "anthropic_api_key": _API_KEY,
    "openai_api_key": _API_KEY,
    "ideation_persistence_backend": "(?:postgres|redis|memory)?",
    "postgres_host": _HOST,
    "postgres_port": _PORT,
    "postgres_db": _DATABASE,
    "postgres_user": _WORD,
    "postgres_password": _WORD,
    "postgres_ssl_mode": "disable|allow|prefer|require|verify-ca|verify-full",
}
"""What a variable is that is plainly right, whole and in ASCII; empty where that means that it is unset."""

_PARTS: Final = ("postgres_user", "postgres_password", "postgres_host", "postgres_db")


def settings() -> dict[str, str] | None:
    """The variables that are set, in lower case; ``None`` unless all of them are plainly right, and agree."""
    try:
        found = dict(_named(_file())) | dict(_named(os.environ.items()))
    except (OSError, ValueError):
        return None
    plain = {name: value for name, value in found.items() if value is not None and _is_plain(name, value)}
    return plain if plain.keys() == found.keys() and _agree(plain) else None


def address(known: Mapping[str, str], url: str | None = None) -> str | None:
    """The database at ``url``, or else the one that plain settings migrate, as asyncpg takes it.

    ``None`` where none is set, and for a ``url`` that isn't plain.
    """
    text = url or known.get("focal_data_migration_url") or known.get("focal_data_database_url")
    if not text:
        return _put_together(known) if "postgres_host" in known else None
    plainly = re.fullmatch(_POSTGRESQL, text, re.ASCII)
    return f"postgresql://{text.partition('://')[2]}" if plainly else None


def _put_together(known: Mapping[str, str]) -> str:
    user, password, host, name = (known[part] for part in _PARTS)
    port = f":{known['postgres_port']}" if "postgres_port" in known else ""
    mode = f"?sslmode={known['postgres_ssl_mode']}" if "postgres_ssl_mode" in known else ""
    return f"postgresql://{user}:{password}@{host}{port}/{name}{mode}"


def _agree(known: Mapping[str, str]) -> bool:
    """Whether ``POSTGRES_*`` variables have nothing to contradict, and leave nothing out."""
    given = {name for name in known if name.startswith(POSTGRES)}
    return not given or (not known.get("focal_data_database_url") and given.issuperset(_PARTS))


def _file() -> Iterable[tuple[str, str | None]]:
    """What ``.env`` says. ``OSError`` where that is anything but a file, which may be read only once."""
    if not FILE.is_file():
        if FILE.exists():
            raise FileExistsError(FILE)
        return ()
    from dotenv import dotenv_values

    return dotenv_values(FILE, encoding="utf-8").items()


def _named(variables: Iterable[tuple[str, str | None]]) -> Iterator[tuple[str, str | None]]:
    """Those of settings. ``ValueError`` for one that is there in two spellings."""
    names = set()
    for spelt, value in variables:
        name = spelt.lower()
        if not (name in PATTERNS or name.startswith((PREFIX, POSTGRES))):
            continue
        if value == "" and name.startswith(POSTGRES):
            continue
        if name in names:
            raise ValueError(f"{name} is set twice")
        names.add(name)
        yield name, value


def _is_plain(name: str, value: str) -> bool:
    return name in PATTERNS and re.fullmatch(PATTERNS[name], value, re.ASCII) is not None
