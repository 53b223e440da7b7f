from __future__ import annotations

from importlib.resources import files

import pytest

from focal_data.errors import SettingsError
from focal_data.redis.client import RedisClient
from focal_data.redis.cluster_client import ClusterClient, client_of, replicas_of_itself
from focal_data.redis.script import Effect, Script, packed
from focal_data.settings import Settings

FOLDER = files("focal_data.redis") / "scripts"
SCRIPTS = sorted({file.name.removesuffix(".lua") for file in FOLDER.iterdir()} - {"prelude"})


@pytest.mark.parametrize(
    "url",
    [
        "redis://host:notaport",
        "redis://host/0?unknown_option=1",
        "redis://host/x?db=x",
        "redis://host:99999999",
    ],
)
async def test_bad_url(url: str) -> None:
    """A URL that can't be used is told by the variable's name, without the URL."""
    with pytest.raises(SettingsError) as error:
        RedisClient(Settings.of(redis_url=url))

    assert "FOCAL_DATA_REDIS_URL" == error.value.variable
    assert "host" not in str(error.value)


async def test_no_url() -> None:
    """Without a URL the variable is named."""
    with pytest.raises(SettingsError, match="FOCAL_DATA_REDIS_URL"):
        RedisClient(Settings.of(redis_url=None))


def test_packed() -> None:
    """A command is an array of strings with their lengths in bytes."""
    assert b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\n\r\n\r\n" == packed((b"SET", b"k", b"\r\n"))


@pytest.mark.parametrize(
    "name",
    sorted(
        file.name[:-4]
        for file in (files("focal_data.redis") / "scripts").iterdir()
        if file.name != "prelude.lua"
    ),
)
def test_every_script(name: str) -> None:
    """A script is sent by its digest first, and in full where the server does not know it."""
    script = Script(name, Effect.READ)

    assert script.digest in script.by_digest([b"k"], [b"a"])
    assert script.source in script.in_full([b"k"], [b"a"])
    assert 40 == len(script.digest)


def test_which_replicas_could_be_promoted() -> None:
    """Of the node that answers, also those that fail now; not such as were told never to take over."""
    nodes = (
        b"aa 127.0.0.1:1@1 myself,master - 0 0 1 connected 0-5460\n"
        b"bb 127.0.0.1:2@2 master - 0 0 2 connected 5461-16383\n"
        b"cc 127.0.0.1:3@3 slave aa 0 0 1 connected\n"
        b"dd 127.0.0.1:4@4 slave,fail aa 0 0 1 disconnected\n"
        b"ee 127.0.0.1:5@5 slave,nofailover aa 0 0 1 connected\n"
        b"ff 127.0.0.1:6@6 slave bb 0 0 2 connected\n"
    )
    assert 2 == replicas_of_itself(nodes)


async def test_which_client() -> None:
    """The settings say whether it is a cluster."""
    url = "redis://localhost"
    assert RedisClient is type(client_of(Settings.of(redis_url=url)))
    async with client_of(Settings.of(redis_url=url, redis_cluster=True)) as client:
        assert ClusterClient is type(client)
