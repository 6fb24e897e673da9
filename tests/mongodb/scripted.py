"""A server that plays replies: what MongoDB's wire protocol looks like to the driver, and no more.

It is as it says it is: a member of a replica set, a router of a sharded cluster, or alone. Each
command is noted and gets the reply that was scripted for its name, else a plain good one.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final, Self

import bson

Command = dict[str, Any]
Reply = Mapping[str, Any] | Callable[[Command], Mapping[str, Any] | None]
"""What is answered; a function that gives None closes the connection without an answer."""

_OP_REPLY, _OP_QUERY, _OP_MSG = 1, 2004, 2013
_HANDSHAKES: Final = frozenset({"hello", "ismaster", "isMaster", "ping", "endSessions"})
_KINDS: Final[Mapping[str, Mapping[str, Any]]] = {
    "replica set": {"setName": "rs0", "setVersion": 1, "secondary": False},
    "sharded": {"msg": "isdbgrid"},
    "alone": {},
}


class Scripted:
    """One server on a loopback port; a `with` block ends it."""

    def __init__(
        self, kind: str = "replica set", *, hello: Mapping[str, Any] | None = None
    ) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._kind = kind
        self._hello = dict(hello or {})
        self._replies: defaultdict[str, deque[Reply]] = defaultdict(deque)
        self._always: dict[str, Reply] = {}
        self._turns = threading.Lock()
        self._stopped = False
        self._open: list[socket.socket] = []
        self.commands: list[Command] = []
        """What was asked, but for greetings."""
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """The URL of a database on it."""
        direct = "?directConnection=true" if self._kind == "alone" else ""
        return f"mongodb://127.0.0.1:{self.port}/shop{direct}"

    def answer(self, name: str, *replies: Reply) -> None:
        """Give these replies, one after the other, to the next commands of a name."""
        self._replies[name] += replies

    def always(self, name: str, reply: Reply) -> None:
        """Give this reply to all commands of a name for which there is no other."""
        self._always[name] = reply

    @property
    def names(self) -> list[str]:
        """The names of the commands that were asked."""
        return [next(iter(command)) for command in self.commands]

    def asked(self, name: str) -> list[Command]:
        """The commands of a name."""
        return [command for command in self.commands if next(iter(command)) == name]

    def forget(self) -> None:
        """Begin to note commands anew."""
        self.commands.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End all connections, and take no new one."""
        with self._turns:
            self._stopped = True
            ended = [self._socket, *self._open]
        for one in ended:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    # -- the protocol

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                link, _ = self._socket.accept()
                with self._turns:
                    if self._stopped:  # meanwhile
                        link.close()
                        return
                    self._open.append(link)
                threading.Thread(target=self._serve, args=(link,), daemon=True).start()

    def _serve(self, link: socket.socket) -> None:
        with suppress(OSError, EOFError), link:
            while True:
                length, request, _, code = struct.unpack("<iiii", _read(link, 16))
                command = _command(code, _read(link, length - 16))
                reply = self._reply(command)
                if reply is None:
                    return
                link.sendall(_message(code, request, reply))

    def _reply(self, command: Command) -> Mapping[str, Any] | None:
        name = next(iter(command))
        if name not in _HANDSHAKES:
            self.commands.append(command)
        with self._turns:  # several connections may ask at once
            queue = self._replies[name]
            chosen = queue.popleft() if queue else self._always.get(name, self._plain)
        return chosen(command) if callable(chosen) else chosen

    def _plain(self, command: Command) -> Mapping[str, Any]:
        name = next(iter(command))
        made = _GOOD.get(name)
        if name in {"hello", "ismaster", "isMaster"}:
            return self._greeting()
        return {"ok": 1.0} if made is None else {**made(command), "ok": 1.0}

    def _greeting(self) -> Mapping[str, Any]:
        here = f"127.0.0.1:{self.port}"
        members = {"hosts": [here], "me": here, "primary": here}
        return {
            "helloOk": True,
            "ismaster": True,
            "isWritablePrimary": True,
            "maxBsonObjectSize": 16 * 1024 * 1024,
            "maxMessageSizeBytes": 48_000_000,
            "maxWriteBatchSize": 100_000,
            "logicalSessionTimeoutMinutes": 30,
            "minWireVersion": 0,
            "maxWireVersion": 21,
            "readOnly": False,
            **_KINDS[self._kind],
            **(members if self._kind == "replica set" else {}),
            **self._hello,
            "ok": 1.0,
        }


def _read(link: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = link.recv(count - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def _command(code: int, body: bytes) -> Command:
    if code == _OP_QUERY:
        end = body.index(b"\0", 4) + 1
        return bson.decode(body[end + 8 :])
    position, command = 4, Command()
    lists: dict[str, list[Any]] = {}
    while position < len(body):
        kind = body[position]
        size = struct.unpack_from("<i", body, position + 1)[0]
        part = body[position + 1 : position + 1 + size]
        if kind == 0:
            command = bson.decode(part)
        else:
            end = part.index(b"\0", 4)
            lists[part[4:end].decode()] = bson.decode_all(part[end + 1 :])
        position += 1 + size
    return {**command, **lists}


def _message(code: int, request: int, reply: Mapping[str, Any]) -> bytes:
    document = bson.encode(reply)
    if code == _OP_QUERY:
        body = struct.pack("<iqii", 8, 0, 0, 1) + document
        return struct.pack("<iiii", 16 + len(body), 1, request, _OP_REPLY) + body
    body = struct.pack("<IB", 0, 0) + document
    return struct.pack("<iiii", 16 + len(body), 1, request, _OP_MSG) + body


def batch(collection: str, *documents: Mapping[str, Any]) -> Mapping[str, Any]:
    """The reply to a find or an aggregate: these documents, and no more."""
    cursor = {"id": 0, "ns": f"shop.{collection}", "firstBatch": list(documents)}
    return {"cursor": cursor, "ok": 1.0}


def failure(code: int, name: str = "", *labels: str) -> Mapping[str, Any]:
    """The reply to a command that failed as a whole."""
    told = {"ok": 0.0, "code": code, "codeName": name, "errmsg": f"{name} with 'secret' in it"}
    return {**told, **({"errorLabels": list(labels)} if labels else {})}


def refused(code: int, text: str = "", **more: Any) -> Mapping[str, Any]:
    """The reply to a write of which the first document was refused."""
    told = {"index": 0, "code": code, "errmsg": text or 'refused: { email: "secret" }', **more}
    return {"ok": 1.0, "n": 0, "nModified": 0, "writeErrors": [told]}


def _found_none(command: Command) -> Mapping[str, Any]:
    name = next(iter(command))
    space = command[name] if isinstance(command[name], str) else "$cmd"
    return {"cursor": {"id": 0, "ns": f"shop.{space}", "firstBatch": []}}


_GOOD: Final[Mapping[str, Callable[[Command], Mapping[str, Any]]]] = {
    "aggregate": _found_none,
    "find": _found_none,
    "listCollections": _found_none,
    "listIndexes": _found_none,
    "insert": lambda command: {"n": len(command["documents"])},
    "update": lambda command: {"n": len(command["updates"]), "nModified": len(command["updates"])},
    "delete": lambda command: {"n": len(command["deletes"])},
    "count": lambda _: {"n": 0},
    "distinct": lambda _: {"values": []},
    "findAndModify": lambda _: {"value": None},
}
