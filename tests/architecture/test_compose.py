"""docker-compose.yml: well-formed, safe, and in agreement with .env.example and the settings.

``compose_schema.json`` says in our own words what the Compose Specification (compose-spec/compose-spec: 05-services.md,
07-volumes.md, 12-interpolation.md, schema/compose-spec.json) allows for what the file uses, and nothing beyond that: what the
file begins to use has to be looked up and added. Where docker has its compose plugin, ``docker compose config`` is asked too.
"""

from __future__ import annotations

import copy
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from dotenv import dotenv_values
from jsonschema import Draft202012Validator

from focal_data.settings import IDEATION_BACKEND, PREFIX, Settings

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"
EXAMPLE = ROOT / ".env.example"
SCHEMA = json.loads((Path(__file__).parent / "compose_schema.json").read_text())
SECRETS = {"POSTGRES_USER": "ada", "POSTGRES_PASSWORD": "secret1", "REDIS_PASSWORD": "secret2"}

VARIABLE = re.compile(r"\$(?:(\$)|\{([A-Z][A-Z0-9_]*)(?:(:[-?])([^}]*))?\})")
"""``$$``, ``${NAME}``, ``${NAME:-default}`` and ``${NAME:?message}``; the specification knows more, the file does without."""

EXAMPLE_LINE = re.compile(r"(#?)([A-Z][A-Z0-9_]*)=(.*)")


def _file() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return content


def _variables() -> dict[str, set[tuple[str, str]]]:
    """What the file takes from outside: name → the ways it is asked for (operator, what follows it)."""
    found: dict[str, set[tuple[str, str]]] = {}
    for escaped, name, operator, rest in VARIABLE.findall(COMPOSE.read_text()):
        if not escaped:
            found.setdefault(name, set()).add((operator, rest))
    return found


def _example() -> dict[str, tuple[bool, str]]:
    """What .env.example documents: name → (set there and not only shown, value)."""
    lines = (EXAMPLE_LINE.fullmatch(line) for line in EXAMPLE.read_text().splitlines())
    return {found[2]: (not found[1], found[3]) for found in lines if found}


def _is_secret(name: str) -> bool:
    return name.endswith(("_PASSWORD", "_USER", "_KEY", "_KEYS", "_TOKEN"))


def _words(service: str) -> str:
    return " ".join(_file()["services"][service]["command"])


def test_the_file_keeps_the_specification() -> None:
    """Every key and value of the file has the form that the Compose Specification gives it."""
    errors = [
        f"{error.json_path}: {error.message}" for error in Draft202012Validator(SCHEMA).iter_errors(_file())
    ]
    assert [] == errors


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("services", "redis", "image"), 7),
        (("services", "redis", "imagee"), "redis"),
        (("services", "redis", "healthcheck", "interval"), "2 seconds"),
        (("services", "redis", "healthcheck", "test"), ["redis-cli", "ping"]),
        (("services", "redis", "ports"), ["1:1", "1:1"]),
        (("services", "redis", "command"), ["redis-server", "--appendonly", True]),
        (("services", "redis", "restart"), "sometimes"),
        (("services", "red is"), {"image": "redis"}),
        (("volumes", "data"), "here"),
        (("version",), "3"),
    ],
)
def test_the_schema_refuses_what_is_wrong(path: tuple[str, ...], value: object) -> None:
    """The schema would notice: one wrong key or value is enough."""
    content = copy.deepcopy(_file())
    place = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert not Draft202012Validator(SCHEMA).is_valid(content)


def test_every_dollar_is_understood() -> None:
    """A lone ``$`` would be an interpolation that nobody meant."""
    assert "$" not in VARIABLE.sub("", COMPOSE.read_text())


def test_the_engines_are_those_that_the_project_is_made_for() -> None:
    """PostgreSQL 16 with pgvector, and Redis 7; what has a profile is started for those who ask for it."""
    services = _file()["services"]
    images = {name: one["image"] for name, one in services.items() if "profiles" not in one}
    assert {"postgres": "pgvector/pgvector:pg16", "redis": "redis:7"} == images


def test_citus_is_pinned_and_has_pgvector() -> None:
    """Its profile builds on one version, and adds the extension for whatever PostgreSQL that has."""
    recipe = _file()["services"]["citus"]["build"]["dockerfile_inline"]
    assert re.match(r"FROM citusdata/citus:14\.\d+\n", recipe)
    assert '"postgresql-$$PG_MAJOR-pgvector"' in recipe


def test_ports_are_open_to_this_machine_only() -> None:
    """Every port is published on 127.0.0.1, and its number can be chosen."""
    ports = [port for service in _file()["services"].values() for port in service["ports"]]
    assert 3 == len(ports)
    assert [] == [port for port in ports if not re.fullmatch(r"127\.0\.0\.1:\$\{[A-Z_]+:-\d+\}:\d+", port)]


def test_data_lies_in_named_volumes() -> None:
    """Each engine keeps its data in a volume that the file declares."""
    mounted = {
        volume.partition(":")[0] for service in _file()["services"].values() for volume in service["volumes"]
    }
    assert set(_file()["volumes"]) == mounted
    assert 3 == len(mounted)


def test_redis_keeps_what_it_acknowledged() -> None:
    """An append-only file, no eviction, and a password."""
    for words in ("--appendonly yes", "--maxmemory-policy noeviction", "--requirepass ${REDIS_PASSWORD:?"):
        assert words in _words("redis")


def test_credentials_are_required_and_never_defaulted() -> None:
    """Without a value for each credential nothing starts, and the message says what to set."""
    asked = {name: ways for name, ways in _variables().items() if _is_secret(name)}
    assert set(SECRETS) == set(asked)
    assert {(":?", f"set {name} in .env") for name in asked} == {
        way for ways in asked.values() for way in ways
    }


def _settings() -> set[str]:
    """The variable of each setting."""
    return {
        IDEATION_BACKEND if field == IDEATION_BACKEND.lower() else f"{PREFIX}{field.upper()}"
        for field in Settings.model_fields
    }


def test_every_variable_of_the_file_is_documented_with_its_default() -> None:
    """.env.example holds every variable of the file, and shows the default that the file has."""
    example = _example()
    defaults = {n: rest for n, ways in _variables().items() for operator, rest in ways if operator == ":-"}
    assert [] == [name for name in _variables() if name not in example]
    assert defaults == {name: example[name][1] for name in defaults}


def test_the_example_documents_every_setting_and_nothing_else() -> None:
    """Each field of the settings is in .env.example, and each name there is a setting's or the compose file's."""
    others = {"POSTGRES_HOST", "POSTGRES_SSL_MODE", "POSTGRES_POOL_SIZE"}
    assert _settings() | set(_variables()) | others == set(_example())


def test_the_example_gives_no_secret_a_value() -> None:
    """Names of users, passwords and keys are left to fill in."""
    example = _example()
    assert [] == [name for name, (_, value) in example.items() if _is_secret(name) and value]
    assert set(SECRETS) == {name for name, (given, value) in example.items() if given and not value}


def test_the_example_shows_the_true_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    """A default that .env.example shows is the one that the settings have."""
    shown = {name: value for name, (given, value) in _example().items() if not given and name in _settings()}
    for name in _settings():
        monkeypatch.delenv(name, raising=False)
    defaults = Settings.of()
    for name, value in shown.items():
        monkeypatch.setenv(name, value)
    assert defaults == Settings.of()
    assert len(Settings.model_fields) - 2 == len(shown)


def test_the_example_with_its_secrets_reaches_the_engines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Filled in, .env.example is a .env by which the settings find the engines that the compose file publishes."""
    for name in (*_variables(), *_settings()):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / ".env"
    path.write_text(_filled_in(EXAMPLE.read_text()))
    settings = Settings(_env_file=path)
    url = settings.service_url().render_as_string(hide_password=False)
    assert "postgresql+asyncpg://ada:secret1@127.0.0.1:5432/focal" == url
    assert "redis://:secret2@127.0.0.1:6379/0" == settings.sessions_url()
    assert {"POSTGRES_PORT": "5432", "REDIS_PORT": "6379"}.items() <= dotenv_values(path).items()


def test_a_shell_reads_the_example_as_the_settings_do(tmp_path: Path) -> None:
    """The same file can be sourced: interpolation is the same in a shell."""
    path = tmp_path / ".env"
    path.write_text(_filled_in(EXAMPLE.read_text()))
    script = f'set -aeu; . "{path}"; printf %s "$FOCAL_DATA_DATABASE_URL"'
    told = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True, env={})
    assert dotenv_values(path, interpolate=True)["FOCAL_DATA_DATABASE_URL"] == told.stdout


def _filled_in(example: str) -> str:
    for name, value in SECRETS.items():
        example = example.replace(f"\n{name}=\n", f"\n{name}={value}\n")
    return example


def test_docker_compose_reads_the_file(tmp_path: Path) -> None:
    """Docker's own reading of the file, with .env.example filled in, and refused without."""
    docker = shutil.which("docker")
    if (
        docker is None
        or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode
    ):
        pytest.skip("no docker with its compose plugin on this machine")
    path = tmp_path / ".env"
    command = [docker, "compose", "--file", str(COMPOSE), "--env-file", str(path), "config", "--quiet"]
    for text, expected in ((_filled_in(EXAMPLE.read_text()), 0), (EXAMPLE.read_text(), 1)):
        path.write_text(text)
        result = subprocess.run(
            command, capture_output=True, text=True, check=False, env={"PATH": "", "HOME": str(tmp_path)}
        )
        assert bool(expected) == bool(result.returncode), result.stderr
