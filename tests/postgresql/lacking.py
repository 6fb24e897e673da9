"""Servers of another make: a PostgreSQL that lacks some of what it has.

Functions are taken away by renaming them in one database. Statements are refused by a relay: in
their place it sends one that fails with the error that such servers give.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import Final

import psycopg

from tests.servers.relay import Relay, pass_on

_START: Final = 196608  # the protocol's version, with which a session begins


@contextmanager
def without_functions(url: str, *functions: str) -> Iterator[None]:
    """A database without some functions of the server, each with the types of its arguments."""
    plain = re.sub(r"\?.*", "", url)
    with psycopg.connect(plain, autocommit=True) as connection:
        for name in functions:
            bare = name.partition("(")[0]
            connection.execute(
                f"ALTER FUNCTION pg_catalog.{name} RENAME TO lacking_{bare}".encode()
            )
        try:
            yield
        finally:
            for name in functions:
                bare, rest = name.split("(")
                connection.execute(
                    f"ALTER FUNCTION pg_catalog.lacking_{bare}({rest} RENAME TO {bare}".encode()
                )


class Lacking(Relay):
    """A relay before a server on 127.0.0.1 that refuses what it `lacks`.

    `lacks` has a regular expression for the statements, each with its SQLSTATE. Those have
    no values. `refused` are the statements that were.
    """

    def __init__(self, url: str, lacks: Mapping[str, str]) -> None:
        self.refused: list[str] = []
        self._lacks = {re.compile(one): state for one, state in lacks.items()}
        super().__init__(url)

    def _steps(
        self, client: socket.socket, server: socket.socket
    ) -> tuple[Callable[[], None], Callable[[], None]]:
        return partial(self._ask, client, server), partial(pass_on, server, client)

    def _ask(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError), client.makefile("rb") as reader:
            began = False
            while head := reader.read(4 if not began else 5):
                length = int.from_bytes(head[-4:], "big")
                body = reader.read(length - 4)
                if not began:
                    began = int.from_bytes(body[:4], "big") == _START
                elif head[:1] == b"Q":
                    body = self._instead(body[:-1]) + b"\0"
                elif head[:1] == b"P":
                    name, text, rest = body.split(b"\0", 2)
                    body = b"\0".join((name, self._instead(text), rest))
                if began:
                    head = head[:-4] + (len(body) + 4).to_bytes(4, "big")
                server.sendall(head + body)
        with suppress(OSError):
            server.shutdown(socket.SHUT_WR)

    def _instead(self, statement: bytes) -> bytes:
        text = statement.decode()
        for lacking, state in self._lacks.items():
            if lacking.search(text):
                self.refused.append(text)
                return f"DO $$ BEGIN RAISE 'lacking' USING ERRCODE = '{state}'; END $$".encode()
        return statement
