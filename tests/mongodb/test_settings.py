"""What a URL says of servers, users and options, and how the driver is told."""

from __future__ import annotations

import re
from contextlib import suppress
from time import monotonic
from types import SimpleNamespace
from typing import Any

import dns.resolver
import pytest
from pymongo.errors import ServerSelectionTimeoutError

from docmap import InvalidConfig, StorageError, Unavailable, connect
from docmap.storage.url import URL
from docmap_backends._mongodb_client import Client
from docmap_backends._mongodb_errors import translated
from docmap_backends._mongodb_settings import canonical, split
from docmap_backends.mongodb import MongoDBStorage
from tests.mongodb.scripted import Scripted

RESOLVE = "pymongo.synchronous.srv_resolver._resolve"


class Names:
    """A DNS that knows one cluster."""

    def __init__(self, text: str = "") -> None:
        self.text = text
        self.lifetimes: list[float] = []

    def __call__(self, name: str, kind: str, lifetime: float) -> list[Any]:
        self.lifetimes.append(lifetime)
        if kind == "TXT":
            if not self.text:
                raise dns.resolver.NoAnswer
            return [SimpleNamespace(strings=[self.text.encode()])]
        target = SimpleNamespace(to_text=lambda **_: "a.cluster.invalid")
        return [SimpleNamespace(target=target, port=27017, priority=0)]


def source(url: str) -> str:
    """Where the driver looks for the user of a URL."""
    parsed = canonical(url)
    assert parsed is not None
    client = Client(parsed, split(dict(parsed.options)), asynchronous=False)
    with suppress(StorageError):
        client.open(monotonic() + 0.2)
    credentials = client.native.options.pool_options._credentials
    client.close()
    return str(credentials.source)


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("mongodb://ann:pw@127.0.0.1:1/shop", "shop"),
        ("mongodb://ann:pw@127.0.0.1:1/shop?authSource=admin", "admin"),
        ("mongodb://ann:pw@127.0.0.1:1/caf%C3%A9", "café"),
        ("mongodb://ann@127.0.0.1:1/shop?authMechanism=MONGODB-X509", "$external"),
    ],
)
def test_a_user_is_looked_for_where_the_url_says(url: str, where: str) -> None:
    assert source(url) == where


@pytest.mark.parametrize(
    ("text", "url", "where"),
    [
        ("authSource=admin&replicaSet=rs0", "mongodb+srv://ann:pw@c.cluster.invalid/shop", "admin"),
        ("", "mongodb+srv://ann:pw@c.cluster.invalid/shop", "shop"),
        ("authSource=x", "mongodb+srv://ann:pw@c.cluster.invalid/shop?authSource=b", "b"),
    ],
)
def test_a_cluster_says_in_the_dns_where_its_users_are(
    text: str, url: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RESOLVE, Names(text))
    assert source(url) == where


def test_names_that_nobody_knows_are_no_wrong_options(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> None:
        raise dns.resolver.NXDOMAIN

    monkeypatch.setattr(RESOLVE, unknown)
    with pytest.raises(Unavailable, match="DNS names no servers for c.cluster.invalid"):
        connect("mongodb+srv://ann:secret@c.cluster.invalid/shop")


def test_names_are_looked_up_within_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names()
    monkeypatch.setattr(RESOLVE, names)
    with pytest.raises(Unavailable):
        connect("mongodb+srv://c.cluster.invalid/shop?connect_timeout=0.4")
    assert sum(names.lifetimes) <= 0.4


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("replicaset=rs0", None),
        ("RETRYWRITES=false&ssl=false", None),
        ("retryWrite=false", "did you mean 'retryWrites'"),
        ("replica_set=rs0", "did you mean 'replicaSet'"),
        ("tls=maybe", "tls"),
        ("serverSelectionTimeoutMS=500&connectTimeoutMS=500&uuidRepresentation=standard", None),
    ],
)
def test_options_in_any_case_and_misspelt(options: str, told: str | None) -> None:
    url = f"mongodb://127.0.0.1:1/shop?{options}"
    if told is None:
        assert MongoDBStorage(URL.parse(url)).url is not None
    else:
        with pytest.raises(InvalidConfig, match=told):
            MongoDBStorage(URL.parse(url))


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("mongodb://127.0.0.1:1/shop?readPreference=secret", "the option readPreference"),
        ("mongodb://127.0.0.1:1/shop?authMechanism=secret", "the option authMechanism"),
        (
            "mongodb://127.0.0.1:1/shop?tlsCAFile=/nowhere/secret.pem",
            "cannot be read: see tlsCAFile",
        ),
        ("mongodb+srv://c.cluster.invalid:27017/shop", "has no port"),
    ],
)
def test_what_the_driver_refuses_is_named(url: str, told: str) -> None:
    with pytest.raises(InvalidConfig, match=told) as caught:
        connect(url)
    assert "secret" not in f"{caught.value}{caught.value.__cause__}"


@pytest.mark.parametrize(
    ("host", "told"),
    [
        ("127.0.0.1:1", "127.0.0.1:1 cannot be reached: check host and port"),
        ("[::1]:1", "[::1]:1 cannot be reached"),
        ("%2Fnowhere%2Fmongodb.sock", "/nowhere/mongodb.sock cannot be reached"),
    ],
)
def test_a_server_that_is_not_there_is_named(host: str, told: str) -> None:
    with pytest.raises(Unavailable, match=re.escape(told)):
        connect(f"mongodb://{host}/shop?connect_timeout=0.2")


def test_another_replica_set_is_told() -> None:
    with Scripted() as server, pytest.raises(Unavailable, match="check replicaSet"):
        connect(f"{server.url}?replicaSet=other&connect_timeout=3")


@pytest.mark.parametrize("selector", ["Primary()", "Secondary(tag_sets=None)"])
def test_a_set_without_the_member_that_is_wanted_is_told(selector: str) -> None:
    told = f'No replica set members match selector "{selector}", Timeout: 1s'
    error = translated(ServerSelectionTimeoutError(told), "here:27017")
    assert type(error) is Unavailable
    assert "here:27017 has no member now that may answer this" in str(error)
