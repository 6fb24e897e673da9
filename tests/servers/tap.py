"""A relay on the loopback that counts what is asked of a PostgreSQL server, message by message."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

_PLACE: Final = re.compile(r"(?P<head>[\w+.-]+://(?:[^@/?#]*@)?)127\.0\.0\.1:(?P<port>\d+)")
_NO_TYPE: Final = (80877103, 80877104)  # asking for TLS or GSSAPI, before the session begins


class Tap:
    """Counts the statements that pass: `asked` are their texts, `trips` the replies waited for.

    A statement is what is executed, whether it was prepared earlier or not; a reply is waited for
    once for each of them, or once for several that are sent together.
    """

    def __init__(self, url: str) -> None:
        found = _PLACE.match(url)
        if found is None:
            raise ValueError("a tap needs the URL of a server on 127.0.0.1 with its port")
        self._target = ("127.0.0.1", int(found["port"]))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"{found['head']}127.0.0.1:{self._listener.getsockname()[1]}{url[found.end() :]}"
        self.asked: list[str] = []
        self.trips = 0
        self._sockets: list[socket.socket] = []
        self._turns = threading.Lock()
        self._closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count from nothing."""
        self.asked.clear()
        self.trips = 0
        yield

    def close(self) -> None:
        """End the relay and its connections."""
        with self._turns:
            self._closed = True
        for one in (self._listener, *self._sockets):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._target)
            except OSError:
                client.close()
                continue
            with self._turns:
                if self._closed:  # meanwhile
                    client.close()
                    server.close()
                    return
                self._sockets += [client, server]
            reader = _Messages(self)
            for source, target, see in ((client, server, reader.feed), (server, client, None)):
                threading.Thread(target=_relay, args=(source, target, see), daemon=True).start()


def _relay(source: socket.socket, target: socket.socket, see: object) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            if callable(see):
                see(data)
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


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
