"""Settings read at a glance: never other than what they are, and a wrong one never taken for right."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from inspect import signature
from pathlib import Path
from unittest.mock import patch

import pytest
from asyncpg import connect_utils
from hypothesis import HealthCheck, event, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from pydantic_settings import EnvSettingsSource

from focal_data.errors import SettingsError
from focal_data.migration import plain
from focal_data.settings import Settings, dsn
from focal_data.settings.postgres import PostgresVariables

URL = "postgresql://owner:pass%40word@db.example:5433/focal?sslmode=require"
KEY = "k" * 32
USUAL = {
    "FOCAL_DATA_DATABASE_URL": "postgresql+asyncpg://service:Pa$$w0rd!*~-_.@postgres/focal",
    "FOCAL_DATA_MIGRATION_URL": URL,
    "FOCAL_DATA_REDIS_URL": "rediss://:secret@cache-1.example:6380/0",
    "FOCAL_DATA_APP_ROLE": "focal_app",
    "FOCAL_DATA_TRANSACTION_POOLING": "false",
    "FOCAL_DATA_POOL_SIZE": "20",
    "FOCAL_DATA_STATEMENT_TIMEOUT": "2.5",
    "FOCAL_DATA_SESSION_MAX_AGE": "604800",
    "FOCAL_DATA_AUDIT_KEYS": f"2026:{KEY},2025:{KEY}",
    "ANTHROPIC_API_KEY": "sk-ant-api03-abc",
    "OPENAI_API_KEY": "",
    "PATH": "/usr/bin",
    "DATABASE_URL": "mysql://of/another",
}
NOT_PLAIN = [
    ("FOCAL_DATA_MIGRATION_URL", "postgresql://owner@h..x/db"),
    ("FOCAL_DATA_MIGRATION_URL", "postgresql://owner:pa/ss@h/db"),
    ("FOCAL_DATA_MIGRATION_URL", "postgresql://owner@h:0/db"),
    ("FOCAL_DATA_MIGRATION_URL", "postgresql://owner@h:65536/db"),
    ("FOCAL_DATA_MIGRATION_URL", "postgresql://owner@a,b/db"),
    ("FOCAL_DATA_MIGRATION_URL", "postgresql://owner@h/db?ssl=require"),
    ("FOCAL_DATA_MIGRATION_URL", "postgresql://owner@h/db?a=b&ssl=require"),
    ("FOCAL_DATA_MIGRATION_URL", "postgresql+psycopg://owner@h/db"),
    ("FOCAL_DATA_MIGRATION_URL", f"{URL}\n"),
    ("FOCAL_DATA_MIGRATION_URL", " "),
    ("focal_data_migration_url", "postgresql://owner@elsewhere/db"),
    ("Focal_Data_Migration_Url", "postgresql://owner@elsewhere/db"),
    ("FOCAL_DATA_POOL_SIZE", "none"),
    ("FOCAL_DATA_POOL_SIZE", ""),
    ("FOCAL_DATA_POOL_SIZE", "1٣"),
    ("FOCAL_DATA_AUDIT_KEYS", f"2026:{KEY},2026:{KEY}"),
    ("FOCAL_DATA_AUDIT_KEYS", "2026:short"),
    ("FOCAL_DATA_DEBUG", ""),
    ("FOCAL_DATA_OF_TOMORROW", "1"),
    ("POSTGRES_HOST", "elsewhere"),
    ("POSTGRES_POOL_SIZE", "3"),
]
PARTS = {
    "POSTGRES_HOST": "postgres",
    "POSTGRES_DB": "focal",
    "POSTGRES_USER": "own er",
    "POSTGRES_PASSWORD": "Pa$$w0rd!*~-_.+ ",
}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module", autouse=True)
def _empty() -> Iterator[None]:
    with patch.dict(os.environ, clear=True):
        yield


def agreed() -> str | None:
    """The address that is read at a glance, if any, and that the settings give the same."""
    known = plain.settings()
    if known is None:
        return None
    loaded = Settings.load()
    found = plain.address(known)
    if found is None:
        with pytest.raises(SettingsError, match="MIGRATION_URL"):
            loaded.owner_url()
    else:
        assert _understood(dsn(loaded.owner_url())) == _understood(found)
    return found


def _understood(address: str) -> object:
    """What the driver makes of it, the context of TLS apart, which is made anew each time."""
    parse = connect_utils._parse_connect_dsn_and_args
    try:
        places, parameters, *rest = parse(**dict.fromkeys(signature(parse).parameters) | {"dsn": address})
    except Exception as error:  # noqa: BLE001  (which is raised for both, then)
        return type(error), str(error)
    values = {name: getattr(parameters, name) for name in parameters._fields if name != "ssl"}
    return places, values, rest


def test_what_is_usual_is_plain() -> None:
    """Of every kind of setting; what is none doesn't matter."""
    with patch.dict(os.environ, USUAL):
        assert agreed() == URL


@pytest.mark.parametrize(("name", "value"), NOT_PLAIN)
def test_what_is_not_plain_is_left_to_the_settings(name: str, value: str) -> None:
    """Wrong values, those that are hard to read, a variable in two spellings, and what nobody knows here."""
    with patch.dict(os.environ, USUAL | {name: value}):
        assert None is agreed()


def test_what_others_call_a_database_is_plain() -> None:
    """All of it, a part that is missing, one that is wrong, and beside a URL."""
    place = "postgresql://own er:Pa$$w0rd!*~-_.+ @postgres"
    more = {"POSTGRES_PORT": "6432", "POSTGRES_SSL_MODE": "disable", "POSTGRES_POOL_SIZE": ""}
    for variables, expected in (
        (PARTS, f"{place}/focal"),
        (PARTS | more, f"{place}:6432/focal?sslmode=disable"),
        (PARTS | {"FOCAL_DATA_MIGRATION_URL": URL}, URL),
        (PARTS | {"FOCAL_DATA_DATABASE_URL": ""}, f"{place}/focal"),
        (PARTS | {"FOCAL_DATA_DATABASE_URL": URL}, None),
        (PARTS | {"POSTGRES_PASSWORD": ""}, None),
        (PARTS | {"POSTGRES_PASSWORD": "a%40"}, None),
        (PARTS | {"POSTGRES_PORT": "0"}, None),
    ):
        with patch.dict(os.environ, variables):
            assert expected == agreed(), variables


@pytest.mark.parametrize(
    "text",
    [
        f"FOCAL_DATA_MIGRATION_URL={URL}",
        f"export FOCAL_DATA_MIGRATION_URL='{URL}'  # the owner",
        f'focal_data_migration_url: x\nFOCAL_DATA_MIGRATION_URL="{URL}"',
        f"WHOLE={URL}\nFOCAL_DATA_MIGRATION_URL=${{WHOLE}}",
        f"FOCAL_DATA_MIGRATION_URL={URL}\nFOCAL_DATA_MIGRATION_URL=postgresql://u@second/db",
        "FOCAL_DATA_MIGRATION_URL",
        f"FOCAL_DATA_MIGRATION_URL={URL}\nPOSTGRES_HOST=elsewhere",
        f"FOCAL_DATA_MIGRATION_URL={URL}\nPOSTGRES_HOST=",
        "FOCAL_DATA_MIGRATION_URL=\nFOCAL_DATA_DATABASE_URL=postgresql://u@h/db",
        "",
    ],
)
def test_a_file_says_the_same_to_both(text: str) -> None:
    """Quoted, exported, put together, said twice."""
    Path(".env").write_text(text, encoding="utf-8")
    agreed()
    with patch.dict(os.environ, {"FOCAL_DATA_MIGRATION_URL": "postgresql://u@first/db"}):
        agreed()


def test_a_file_alone_is_enough() -> None:
    """And variables come first."""
    Path(".env").write_text(f"FOCAL_DATA_MIGRATION_URL='{URL}'", encoding="utf-8")
    assert URL == agreed()
    with patch.dict(os.environ, {"FOCAL_DATA_MIGRATION_URL": "postgresql://u@first/db"}):
        assert "postgresql://u@first/db" == agreed()


def test_a_file_that_cant_be_read_is_left_to_the_settings() -> None:
    """What isn't text, and what may be read only once."""
    with patch.dict(os.environ, USUAL):
        Path(".env").write_bytes(b"A=\xff")
        assert None is plain.settings()
        Path(".env").unlink()
        os.mkfifo(".env")
        assert None is plain.settings()


def test_every_setting_is_known() -> None:
    """By every name that it is read by, whatever is added: there is no setting that could be wrong unseen."""
    sources = (EnvSettingsSource(kind) for kind in (Settings, PostgresVariables))
    names = {
        name
        for source in sources
        for field, about in source.settings_cls.model_fields.items()
        for _, name, _ in source._extract_field_info(about, field)
    }
    assert {"focal_data_pool_size", "openai_api_key", "postgres_host"} <= names
    assert set() == {
        name for name in names - plain.PATTERNS.keys() if not name.startswith((plain.PREFIX, plain.POSTGRES))
    }
    ours = {name for name in names if not name.startswith(plain.POSTGRES)}
    never_plain = {"focal_data_debug", "focal_data_ideation_persistence_backend"}
    assert never_plain == ours - plain.PATTERNS.keys()


SOME = {
    name: st.from_regex(re.compile(pattern, re.ASCII), fullmatch=True)
    for name, pattern in plain.PATTERNS.items()
}


@pytest.mark.slow
@hypothesis(
    deadline=None,
    max_examples=150,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.filter_too_much,
    ],
)
@given(variables=st.fixed_dictionaries({}, optional=SOME), data=st.data())
def test_whatever_is_plain_is_right(variables: dict[str, str], data: st.DataObject) -> None:
    """Each on its own, all together, and with a sign more, less or other anywhere."""
    if variables and data.draw(st.booleans(), "changed"):
        name = data.draw(st.sampled_from(sorted(variables)), "name")
        at = data.draw(st.integers(0, len(variables[name])), "place")
        sign = data.draw(st.sampled_from(["", *":/@?&=%#[], .+-_09aZ~\n\\\"'$é"]), "sign")
        value = variables[name]
        variables[name] = f"{value[:at]}{sign}{value[at + data.draw(st.integers(0, 1), 'removed') :]}"
    with patch.dict(os.environ, variables):
        event("plain" if plain.settings() is not None else "not plain")
        agreed()
