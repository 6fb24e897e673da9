"""A relay on the loopback before a server of 127.0.0.1: what tests put between the two."""

from __future__ import annotations

import re
import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from typing import Final

_PLACE: Final = re.compile(r"(?P<head>[\w+.-]+://(?:[^@/?#]*@)?)127\.0\.0\.1:(?P<port>\d+)")


class Relay(ABC):
    """`url` is the server's with the relay's port. Subclasses say how a connection is relayed."""

    def __init__(self, url: str) -> None:
        found = _PLACE.match(url)
        if found is None:
            raise ValueError("a relay needs the URL of a server on 127.0.0.1 with its port")
        self._target = ("127.0.0.1", int(found["port"]))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"{found['head']}127.0.0.1:{self._listener.getsockname()[1]}{url[found.end() :]}"
        self._sockets: list[socket.socket] = []
        self._turns = threading.Lock()
        self._closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    @abstractmethod
    def _steps(
        self, client: socket.socket, server: socket.socket
    ) -> tuple[Callable[[], None], Callable[[], None]]:
        """What passes on what is asked, and what passes on the answers; each runs in a thread."""

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
            for step in self._steps(client, server):
                threading.Thread(target=step, daemon=True).start()


def pass_on(
    source: socket.socket, target: socket.socket, see: Callable[[bytes], None] | None = None
) -> None:
    """Give all that one end says to the other, until it ends; `see` is shown it before."""
    with suppress(OSError):
        while data := source.recv(1 << 16):
            if see is not None:
                see(data)
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
