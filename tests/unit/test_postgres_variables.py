"""The variables by which other software finds a PostgreSQL, beside our own; and the backend of ideation."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from focal_data.errors import SettingsError
from focal_data.settings import IDEATION_BACKEND, IdeationBackend, Settings, SSLMode, dsn

HERE = {"HOST": "db.example", "DB": "focal", "USER": "ada", "PASSWORD": "a:/@é secret"}
URL = "FOCAL_DATA_DATABASE_URL"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment that says nothing of any engine."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith(("FOCAL_DATA_", "POSTGRES_", "IDEATION_")):
            monkeypatch.delenv(name)


def loaded(monkeypatch: pytest.MonkeyPatch, url: str | None = None, **variables: str) -> Settings:
    """The settings of an environment with these ``POSTGRES_`` variables."""
    for name, value in variables.items():
        monkeypatch.setenv(f"POSTGRES_{name}", value)
    if url is not None:
        monkeypatch.setenv(URL, url)
    return Settings.load()


def refused(monkeypatch: pytest.MonkeyPatch, url: str | None = None, **variables: str) -> SettingsError:
    """What the settings say to such an environment."""
    with pytest.raises(SettingsError) as caught:
        loaded(monkeypatch, url, **variables)
    assert "secret" not in str(caught.value)
    return caught.value


def test_the_variables_make_a_url(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever characters the password has, by the usual port, and the mode of SSL as it is said."""
    url = loaded(monkeypatch, **HERE).service_url()
    assert ("db.example", None, "focal", "ada", "a:/@é secret") == (
        url.host,
        url.port,
        url.database,
        url.username,
        url.password,
    )
    settings = loaded(monkeypatch, **HERE, PORT="6543", SSL_MODE="verify-full", POOL_SIZE="3")
    url = settings.service_url()
    assert (6543, {"sslmode": "verify-full"}, 3) == (url.port, dict(url.query), settings.pool_size)
    assert settings.owner_url() == url


def test_a_url_that_leads_to_a_socket_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no host that a port could stand behind."""
    url = "postgresql+asyncpg://ada@/focal?host=%2Frun%2Fpostgresql"
    for variables in ({}, {"PORT": "5432", "DB": "focal"}):
        found = loaded(monkeypatch, url, **variables).service_url()
        assert url == found.render_as_string(hide_password=False)


def test_a_socket_is_a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its folder, and its port by that; in a URL, too."""
    settings = loaded(monkeypatch, **HERE | {"HOST": "/run/postgres ql", "PORT": "6543"})
    url = make_url(dsn(settings.service_url()))
    assert (None, None, {"host": "/run/postgres ql", "port": "6543"}) == (url.host, url.port, dict(url.query))
    assert url == loaded(monkeypatch, dsn(settings.service_url())).service_url().set(drivername="postgresql")
    assert "POSTGRES_PORT" == refused(monkeypatch, "postgresql://ada@/focal?host=/run/postgres ql").variable


@pytest.mark.parametrize("mode", SSLMode)
def test_every_mode_of_ssl_is_known(monkeypatch: pytest.MonkeyPatch, mode: SSLMode) -> None:
    """As libpq spells it."""
    url = loaded(monkeypatch, **HERE, SSL_MODE=mode.value).service_url()
    assert {"sslmode": mode.value} == dict(url.query)


@pytest.mark.parametrize("missing", HERE)
def test_nothing_has_a_default(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    """But the port: neither a name nor a password; empty is unset."""
    given = HERE | {missing: ""}
    if missing == "HOST":  # the others may be a container's
        with pytest.raises(SettingsError, match="POSTGRES_HOST"):
            loaded(monkeypatch, **given).service_url()
        return
    assert f"POSTGRES_{missing}" == refused(monkeypatch, **given).variable


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("HOST", "other"),
        ("HOST", "/run"),
        ("PORT", "6543"),
        ("DB", "other"),
        ("USER", "other"),
        ("PASSWORD", "other secret"),
        ("SSL_MODE", "disable"),
    ],
)
def test_to_contradict_the_url_is_an_error(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    """Also alone, and by a port that the URL takes for granted."""
    url = "postgresql://ada:secret@db.example/focal?sslmode=require"
    error = refused(monkeypatch, url, **{variable: value})
    assert (f"POSTGRES_{variable}", True) == (error.variable, URL in str(error))


def test_what_agrees_with_the_url_or_completes_it_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The URL keeps what it says beyond."""
    same = {"HOST": "h", "PORT": "5432", "DB": "d", "USER": "u"}
    url = loaded(
        monkeypatch,
        "postgresql+asyncpg://u@h/d?target_session_attrs=any",
        **same,
        PASSWORD="p",
        SSL_MODE="prefer",
    ).service_url()
    assert ("u", "p", "h", "d") == (url.username, url.password, url.host, url.database)
    assert {"target_session_attrs": "any", "sslmode": "prefer"} == dict(url.query)


def test_a_pools_size_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or twice alike."""
    monkeypatch.setenv("FOCAL_DATA_POOL_SIZE", "4")
    assert 4 == loaded(monkeypatch, POOL_SIZE="4").pool_size
    error = refused(monkeypatch, POOL_SIZE="10")
    assert ("POSTGRES_POOL_SIZE", True) == (error.variable, "FOCAL_DATA_POOL_SIZE" in str(error))


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PORT", "secret"),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("POOL_SIZE", "0"),
        ("SSL_MODE", "secret"),
        ("HOST", "secret:5432"),
        ("HOST", "[::1]"),
        ("HOST", " "),
    ],
)
def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    """By the name that it has outside."""
    assert f"POSTGRES_{variable}" == refused(monkeypatch, **HERE | {variable: value}).variable


def test_a_url_that_is_given_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables are about another server then; settings of arguments alone know none."""
    for name, value in HERE.items():
        monkeypatch.setenv(f"POSTGRES_{name}", value)
    given = "postgresql://u:p@h/d"
    assert "h" == Settings.load(database_url=given).service_url().host
    assert "h" == Settings.of(database_url=given).service_url().host
    assert Settings.of().database_url is None


def test_variables_of_a_file_count(tmp_path: Path) -> None:
    """As ours do, and only of the file that is asked for."""
    (tmp_path / ".env").write_text("".join(f"POSTGRES_{name}='{value}'\n" for name, value in HERE.items()))
    assert "db.example" == Settings.load().service_url().host
    assert Settings.load(_env_file=None).database_url is None


def test_the_backend_of_ideation_is_chosen_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL when nobody says; an unknown one is an error that lists those that are known."""
    assert Settings.load().ideation_persistence_backend is IdeationBackend.POSTGRES
    for value, backend in (("redis", IdeationBackend.REDIS), (" ", IdeationBackend.POSTGRES)):
        monkeypatch.setenv(IDEATION_BACKEND, value)
        assert Settings.load().ideation_persistence_backend is backend
    monkeypatch.setenv(IDEATION_BACKEND, "secret")
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    assert IDEATION_BACKEND == caught.value.variable
    assert "'postgres', 'redis' or 'memory'" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_an_address_of_colons_is_a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the brackets that a URL has."""
    assert "::1" == loaded(monkeypatch, **HERE | {"HOST": "::1"}).service_url().host


def test_a_url_says_sslmode(monkeypatch: pytest.MonkeyPatch) -> None:
    """What other tools call ssl would be sent to the server as a setting, and refused there."""
    error = refused(monkeypatch, "postgresql://ada:secret@db.example/focal?ssl=require")
    assert (URL, True) == (error.variable, "sslmode" in str(error))
