"""The options of a MongoDB URL: docmap's own and the driver's, and the client made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

from docmap.errors import InvalidConfig
from docmap.storage.url import URL, Host, Secret

OWN: Final[Mapping[str, type]] = {"client": object, "connect_timeout": float, "pool_size": int}
DRIVER: Final[Mapping[str, type]] = {
    "appName": str,
    "authMechanism": str,
    "authMechanismProperties": str,
    "authSource": str,
    "compressors": str,
    "connectTimeoutMS": int,
    "directConnection": bool,
    "heartbeatFrequencyMS": int,
    "journal": bool,
    "loadBalanced": bool,
    "localThresholdMS": int,
    "maxConnecting": int,
    "maxIdleTimeMS": int,
    "maxPoolSize": int,
    "maxStalenessSeconds": int,
    "minPoolSize": int,
    "readConcernLevel": str,
    "readPreference": str,
    "replicaSet": str,
    "retryReads": bool,
    "retryWrites": bool,
    "serverSelectionTimeoutMS": int,
    "socketTimeoutMS": int,
    "srvMaxHosts": int,
    "srvServiceName": str,
    "tls": bool,
    "tlsAllowInvalidCertificates": bool,
    "tlsAllowInvalidHostnames": bool,
    "tlsCAFile": str,
    "tlsCRLFile": str,
    "tlsCertificateKeyFile": str,
    "tlsCertificateKeyFilePassword": str,
    "tlsInsecure": bool,
    "uuidRepresentation": str,
    "w": str,
    "wTimeoutMS": int,
    "waitQueueTimeoutMS": int,
    "zlibCompressionLevel": int,
}
SETTINGS: Final[Mapping[str, type]] = {**OWN, **DRIVER}
_SECRET: Final = ("authMechanismProperties", "tlsCertificateKeyFilePassword")
_CANONICAL: Final = {name.lower(): name for name in SETTINGS} | {"ssl": "tls"}

TIMEOUT: Final = 30.0  # seconds for a whole operation
CONNECT_TIMEOUT: Final = 10.0
_NAME_AT_MOST: Final = 63  # bytes: what MongoDB takes for the name of a database
_NOT_IN_NAMES: Final = frozenset('/\\. "$*<>:|?')


def canonical(given: URL | str | None) -> URL | None:
    """The URL with its options spelt as in `SETTINGS`: MongoDB takes them in any case."""
    if given is None:
        return None
    url = URL.parse(given)
    options = {_CANONICAL.get(name.lower(), name): value for name, value in url.options.items()}
    return replace(url, options=options)


def database_name(url: URL | None) -> str:
    """The database that the URL names. Raises InvalidConfig if it names none that can be."""
    name = url.path if url is not None else ""
    if not name:
        raise InvalidConfig(
            "mongodb: name the database in the URL: mongodb://localhost/shop", engine="mongodb"
        )
    if len(name.encode()) > _NAME_AT_MOST or not _NOT_IN_NAMES.isdisjoint(name):
        raise InvalidConfig(
            "mongodb: the URL's database cannot be called so: use up to 63 letters, digits, '_' "
            "and '-'",
            engine="mongodb",
        )
    return name


def seeds(url: URL | None) -> str:
    """The servers and the database of the URL as the driver takes them, without user and options.

    Where users are kept that `authSource` does not name the driver knows: in the database, or where
    the DNS record of a `mongodb+srv` URL says. Raises InvalidConfig for such a URL with a port.
    """
    if url is not None and url.scheme == "mongodb+srv" and any(host.port for host in url.hosts):
        raise InvalidConfig(
            "mongodb: a URL of mongodb+srv has no port: the DNS names the servers and theirs",
            engine="mongodb",
        )
    hosts = ",".join(map(str, url.hosts)) if url is not None else ""
    scheme = url.scheme if url is not None else "mongodb"
    return f"{scheme}://{hosts or 'localhost'}/{quote(database_name(url), safe='')}"


def place(url: URL | None) -> str:
    """The servers for messages: host and port of each."""
    hosts = url.hosts if url is not None else ()
    if url is not None and url.scheme == "mongodb+srv":
        return ", ".join(host.name for host in hosts)
    return ", ".join(map(_place, hosts)) or "localhost:27017"


def _place(host: Host) -> str:
    if "/" in host.name:  # the path of a socket
        return host.name
    name = f"[{host.name}]" if ":" in host.name else host.name
    return f"{name}:{host.port or 27017}"


def split(options: dict[str, Any], *, looked_up: bool = False) -> dict[str, Any]:
    """The driver's options; secrets are taken out of `options` and come back as Secret.

    `looked_up` says that the DNS names the servers, as it does for `mongodb+srv`.
    """
    given = {name: options[name] for name in DRIVER if name in options}
    for name in _SECRET:
        if name in given:
            options.pop(name)
            given[name] = Secret(given[name])
    if "pool_size" in options:
        given["maxPoolSize"] = options["pool_size"]
    if looked_up:  # twice, and nothing else ends that; then the servers are to be reached in time
        half = int(1000 * options.get("connect_timeout", CONNECT_TIMEOUT) / 2)
        given.setdefault("connectTimeoutMS", half)
    w = given.get("w")
    if w is not None and w.isdigit():
        given["w"] = int(w)
    return given


def keywords(url: URL | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """What the client is made with, secrets revealed: never keep it."""
    made = {
        name: value.reveal() if isinstance(value, Secret) else value
        for name, value in given.items()
    }
    if url is not None and url.user is not None:
        made["username"] = url.user
        if url.password is not None:
            made["password"] = url.password.reveal()
    return made
