"""Connecting to PostgreSQL: from a URL to a connection, within a deadline, host after host."""

from __future__ import annotations

import ipaddress
import re
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final

import psycopg
from psycopg import errors as pg
from psycopg import generators, waiting
from psycopg.conninfo import make_conninfo

from docmap.errors import DocmapError, InvalidConfig, StorageError, Unavailable
from docmap.storage.bridge import is_bridged, wait
from docmap.storage.url import URL, Secret
from docmap_backends._postgresql_errors import ENGINE
from docmap_backends._postgresql_link import Link

LIBPQ: Final = (
    "application_name",
    "channel_binding",
    "host",
    "passfile",
    "service",
    "sslcert",
    "sslcrl",
    "sslkey",
    "sslmode",
    "sslpassword",
    "sslrootcert",
    "target_session_attrs",
)
"""The options that are given to libpq as they are."""

_PORT: Final = 5432
# What a server says when it lets somebody not in; it says it in English unless set up otherwise.
_REFUSALS: Final = (
    (
        "password authentication failed",
        "the server refuses this user or password: check them in the URL",
    ),
    ("no password supplied", "the server asks for a password: give one in the URL"),
    ("no pg_hba.conf entry", "the server's pg_hba.conf has no entry for this user and address"),
    ("permission denied", "this user may not use the database: GRANT CONNECT ON DATABASE to it"),
    ("not permitted to log in", "this user may not log in: ALTER ROLE gives it LOGIN"),
    ("channel binding", "it does not offer what channel_binding asks for"),
    ("definition of service", "libpq's file of services has none of the name that service gives"),
    ("authentication failed", "the server refuses this user: check it in the URL"),
    ("role ", "the server knows no such user: check it in the URL, or create it (createuser)"),
    ("database ", "the server has no such database: create it (createdb), or name another"),
    ("certificate", "its TLS certificate is not trusted: check sslmode and sslrootcert"),
    ("SSL error", "TLS with it failed: check sslmode and sslrootcert"),
    ("server does not support SSL", "it does not offer TLS, which sslmode asks for"),
    ("session is", "it is not of the kind that target_session_attrs asks for"),
    ("server is in", "it is not of the kind that target_session_attrs asks for"),
    ("hot standby", "it is not of the kind that target_session_attrs asks for"),
)
_INVALID: Final = re.compile(r"invalid (\w+) value")  # libpq's, before it connects
_FULL: Final = ("too many", "remaining connection slots")
_LATER: Final = (*_FULL, "starting up", "shutting down")
_TRANSIENT: Final = ("session is", "server is in", "hot standby")


@dataclass(frozen=True, slots=True)
class Server:
    """Where a storage connects to."""

    hosts: tuple[tuple[str, int], ...]
    where: str
    """The server without user and password, for messages."""
    parameters: Mapping[str, Any] = field(repr=False)
    """For libpq, without hosts; what is secret is a Secret."""

    @classmethod
    def of(cls, url: URL | None, options: Mapping[str, Any]) -> Server:
        """The server of a URL, with the options that are libpq's."""
        given = {name: options[name] for name in LIBPQ if name in options}
        hosts = [(host.name, host.port or _PORT) for host in url.hosts] if url else []
        named = given.pop("host", None)
        if named and hosts:
            raise InvalidConfig(
                "postgresql: the URL names a host already; give the option host without one",
                engine=ENGINE,
                field="host",
            )
        if named:
            hosts = [(one, _PORT) for one in named.split(",")]
        if url and url.path:
            given["dbname"] = url.path
        if url and url.user:
            given["user"] = url.user
        if url and url.password:
            given["password"] = url.password
        if "sslpassword" in given:
            given["sslpassword"] = Secret(given["sslpassword"])
        shown = ", ".join(f"{name}:{port}" for name, port in hosts) or "the local server"
        return cls(tuple(hosts), f"PostgreSQL at {shown}", given)

    def conninfo(self, **where: Any) -> str:
        """The parameters as libpq takes them. Holds the password."""
        plain = {
            name: value.reveal() if isinstance(value, Secret) else value
            for name, value in self.parameters.items()
        }
        return make_conninfo(
            "", **plain, **where, client_encoding="utf8", gssencmode="disable", options=""
        )


def connect(server: Server, deadline: float, *, asynchronous: bool) -> Link:
    """A new connection. Raises Unavailable, or StorageError for what waiting does not mend."""
    failure = _attempts(server, deadline, asynchronous=asynchronous)
    if isinstance(failure, Link):
        return failure
    error, cause = failure
    # Frames of the driver hold the password: an error tracker that prints variables would
    # publish it.
    raise error from cause.with_traceback(None)


def _attempts(
    server: Server, deadline: float, *, asynchronous: bool
) -> Link | tuple[DocmapError, BaseException]:
    places: list[tuple[str, int] | None] = [*server.hosts] or [None]
    failures: list[BaseException] = []
    for position, place in enumerate(places):
        share = (deadline - monotonic()) / (len(places) - position)
        try:
            return _connect_to(server, place, monotonic() + share, asynchronous=asynchronous)
        except (psycopg.Error, OSError) as error:
            failures.append(error)
    return _told(server, failures), failures[-1]


def _connect_to(
    server: Server, place: tuple[str, int] | None, deadline: float, *, asynchronous: bool
) -> Link:
    failure: Exception | None = None
    for where in _addresses(place, deadline):
        left = max(deadline - monotonic(), 0.0)
        steps = generators.connect(server.conninfo(**where))
        try:
            if asynchronous:
                pgconn = wait(waiting.wait_conn_async(steps, interval=0.1, timeout=left))
                return Link(psycopg.AsyncConnection(pgconn))
            return Link(psycopg.Connection(waiting.wait_conn(steps, interval=0.1, timeout=left)))
        except psycopg.Error as error:
            failure = _scrubbed(error)
        finally:
            steps.close()
    raise failure if failure is not None else OSError("no address")


def _scrubbed(error: psycopg.Error) -> psycopg.Error:
    """The driver's error without its frames and the connection: both know the password."""
    error._pgconn = None
    return error.with_traceback(None)


def _addresses(place: tuple[str, int] | None, deadline: float) -> Iterator[dict[str, Any]]:
    """What libpq is told of a host, once for each of its addresses; found within the deadline."""
    if place is None:
        yield {}
        return
    host, port = place
    if host.startswith(("/", "@")) or _is_address(host):
        yield {"host": host, "port": port}
        return
    for address in _resolved(host, port, deadline):
        yield {"host": host, "hostaddr": address, "port": port}


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _resolved(host: str, port: int, deadline: float) -> list[str]:
    """The addresses of a host. The system's resolver waits as long as it likes; this does not."""
    if is_bridged():
        import asyncio

        loop = asyncio.get_running_loop()
        asked = loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        try:
            found = wait(asyncio.wait_for(asked, max(deadline - monotonic(), 0.0)))
        except TimeoutError as error:
            raise _unresolved(host) from error
        return list(dict.fromkeys(str(one[4][0]) for one in found))
    answer: list[Any] = []

    def ask() -> None:
        try:
            answer.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except OSError as error:
            answer.append(error)

    thread = threading.Thread(target=ask, name="docmap-resolver", daemon=True)
    thread.start()
    thread.join(max(deadline - monotonic(), 0.0))
    if not answer:
        raise _unresolved(host)
    if isinstance(answer[0], OSError):
        raise answer[0]
    return list(dict.fromkeys(str(one[4][0]) for one in answer[0]))


def _unresolved(host: str) -> OSError:
    return OSError(f"the name {host} was not resolved in time")


def _told(server: Server, failures: list[BaseException]) -> DocmapError:
    """The error of hosts that none could be connected to: what is not mended by waiting first."""
    for error in failures:
        text = str(error)
        invalid = _INVALID.search(text)
        if invalid and invalid[1] in LIBPQ:
            return InvalidConfig(
                f"postgresql: libpq knows no such value of {invalid[1]}: see its documentation",
                engine=ENGINE,
                field=invalid[1],
            )
        if any(mark in text for mark in _LATER):
            continue
        for mark, told in _REFUSALS:
            if mark in text and "refused" not in text.partition(mark)[0]:
                kind = Unavailable if mark in _TRANSIENT else StorageError
                return kind(f"{server.where} cannot be used: {told}", engine=ENGINE)
    last = failures[-1]
    if isinstance(last, pg._WaitTimeout):
        why = "did not answer in time: check host and port, and that it runs"
    elif isinstance(last, OSError):
        why = "cannot be found: its name is not resolved; check the host"
    elif any(mark in str(last) for mark in _FULL):
        why = (
            "takes no more connections now: lower pool_size, or raise its max_connections or the "
            "limit of the user"
        )
    elif any(mark in str(last) for mark in _LATER):
        why = "starts or stops: try again"
    else:
        why = "cannot be reached: check host and port, and that it runs"
    return Unavailable(f"{server.where} {why}", engine=ENGINE)
