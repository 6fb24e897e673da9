"""A relay on the loopback that counts what is asked of a PostgreSQL server, message by message."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

from tests.servers.relay import Relay, pass_on

_NO_TYPE: Final = (80877103, 80877104)  # asking for TLS or GSSAPI, before the session begins


class Tap(Relay):
    """Counts the statements that pass: `asked` are their texts, `trips` the replies waited for.

    A statement is what is executed, whether it was prepared earlier or not; a reply is waited for
    once for each of them, or once for several that are sent together.
    """

    def __init__(self, url: str) -> None:
        self.asked: list[str] = []
        self.trips = 0
        super().__init__(url)

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count from nothing."""
        self.asked.clear()
        self.trips = 0
        yield

    def _steps(
        self, client: socket.socket, server: socket.socket
    ) -> tuple[Callable[[], None], Callable[[], None]]:
        see = _Messages(self).feed
        return partial(pass_on, client, server, see), partial(pass_on, server, client)


class _Messages:
    """The messages of one client: a byte for the type, four for the length, the rest."""

    def __init__(self, tap: Tap) -> None:
        self._tap = tap
        self._data = b""
        self._began = False
        self._prepared: dict[bytes, str] = {}
        self._bound = b""

    def feed(self, data: bytes) -> None:
        self._data += data
        head = 1 if self._began else 0
        while len(self._data) >= head + 4:
            length = int.from_bytes(self._data[head : head + 4], "big")
            if len(self._data) < head + length:
                return
            kind, body = self._data[:head], self._data[head + 4 : head + length]
            self._data = self._data[head + length :]
            if not self._began:
                self._began = int.from_bytes(body[:4], "big") not in _NO_TYPE
                head = 1 if self._began else 0
            else:
                self._message(kind, body)

    def _message(self, kind: bytes, body: bytes) -> None:
        if kind == b"Q":
            self._tap.asked.append(body.rstrip(b"\0").decode())
            self._tap.trips += 1
        elif kind == b"P":
            name, text, _ = body.split(b"\0", 2)
            self._prepared[name] = text.decode()
        elif kind == b"B":
            self._bound = body.split(b"\0", 2)[1]
        elif kind == b"E":
            self._tap.asked.append(self._prepared.get(self._bound, "?"))
        elif kind == b"S":
            self._tap.trips += 1
