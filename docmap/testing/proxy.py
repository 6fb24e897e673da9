"""A proxy on the loopback that disturbs connections: delays, cuts, swallows and freezes them.

A storage is given the proxy's URL instead of its server's. What the proxy does to it is told from
the test's thread, and holds when the call returns:

    with Proxy(url) as proxy, connect(proxy.url, timeout=1.0) as db:
        proxy.freeze()
        ...  # every call ends in Unavailable or OutcomeUnknown within its deadline
        proxy.heal()
        ...  # and works again

Bytes are passed on as they are, so that what is to be found in requests (`lose_reply`) must not be
encrypted.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final, Literal, Self

_SERVER: Final = re.compile(r"(?P<head>[\w+.-]+://(?:[^@/?#]*@)?)(?P<host>\[[^\]]+\]|[^:/?#,]+)")
_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 seconds; closing sends a reset
Loss = Literal["request", "reply"]


class Proxy:
    """A proxy before the server of a URL, which names one host and its port.

    `url` is the same URL for the proxy, `port` its port on 127.0.0.1. Raises ValueError if the URL
    names several hosts, or no port.
    """

    def __init__(self, url: str) -> None:
        found = _SERVER.match(url)
        port = re.match(r":(\d+)(?=[/?#]|$)", url[found.end() :]) if found else None
        if found is None or port is None:
            raise ValueError("a proxy needs a URL with one host and its port")
        self._target = (found["host"].strip("[]"), int(port[1]))
        self.lost = threading.Event()
        """Set once a `lose_request`, a `lose_reply` or a `cut_reply` did what it was told."""
        self._loop = asyncio.new_event_loop()
        self._links: set[_Link] = set()
        self._server: asyncio.Server | None = None
        self._reserved: socket.socket | None = None
        self._delay = 0.0
        self._frozen = False
        self._swallows = False
        self._loss: tuple[Loss, bytes] | None = None
        self._budget: int | None = None
        self._thread = threading.Thread(target=self._run, name="docmap proxy", daemon=True)
        self._thread.start()
        self.port = 0
        self._call(self._listen())
        self.url = f"{found['head']}127.0.0.1:{self.port}{url[found.end() + port.end() :]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def connections(self) -> int:
        """How many connections pass through it now."""
        return len(self._links)

    def delay(self, seconds: float) -> None:
        """Pass on each piece of data so much later, in both directions."""
        self._set(_delay=seconds)

    def cut(self) -> None:
        """Reset all connections; new ones are served."""
        self._call(self._cut())

    def refuse(self) -> None:
        """Reset all connections and refuse new ones, as if there were no server."""
        self._call(self._refuse())

    def freeze(self) -> None:
        """Pass on nothing any more. Connections stay, and new ones are taken and never served."""
        self._set(_frozen=True)

    def swallow(self) -> None:
        """Pass on what is asked, and throw the replies away."""
        self._set(_swallows=True)

    def lose_request(self, having: bytes) -> None:
        """Reset the next connection that asks something with these bytes, before it arrives.

        Upper and lower case are the same. `lost` is set when it has happened.
        """
        self.lost.clear()
        self._set(_loss=("request", having.lower()))

    def lose_reply(self, having: bytes) -> None:
        """Reset the next connection that asks something with these bytes when the reply comes.

        The server has done by then what it was asked, and only the reply is lost.
        """
        self.lost.clear()
        self._set(_loss=("reply", having.lower()))

    def cut_reply(self, after: int) -> None:
        """Reset the connection on which, from now on, this many bytes of replies were passed on."""
        self.lost.clear()
        self._set(_budget=after)

    def half_close(self) -> None:
        """Tell all clients that their server will say no more; what they send still arrives."""
        self._call(self._half_close())

    def heal(self) -> None:
        """Do no more harm. Connections whose replies were thrown away are reset."""
        self._call(self._heal())

    def close(self) -> None:
        """End all connections and the proxy. Nothing happens the second time."""
        if not self._loop.is_closed():
            self._call(self._end())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    # -- in the proxy's own thread

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _call(self, task: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(task, self._loop).result()

    def _set(self, **values: Any) -> None:
        async def setting() -> None:
            for name, value in values.items():
                setattr(self, name, value)
            for link in self._links:
                link.flow()

        self._call(setting())

    async def _listen(self) -> None:
        if self._server is None:
            self._release()
            made = partial(_Link, self)
            self._server = await self._loop.create_server(
                lambda: made().client, "127.0.0.1", self.port
            )
            self.port = self._server.sockets[0].getsockname()[1]

    async def _cut(self) -> None:
        for link in tuple(self._links):
            link.reset()
        await asyncio.sleep(0)  # the sockets are closed in the loop's next round

    async def _refuse(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
            self._reserve()
        await self._cut()

    def _reserve(self) -> None:
        """Keep the port from others, among them the clients' own ends of connections."""
        self._reserved = socket.socket()
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reserved.bind(("127.0.0.1", self.port))

    def _release(self) -> None:
        if self._reserved is not None:
            self._reserved.close()
            self._reserved = None

    async def _end(self) -> None:
        await self._refuse()
        self._release()
        late = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in late:  # connections to the server that are still being made
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        await asyncio.sleep(0)  # their sockets are closed in the loop's next round

    async def _half_close(self) -> None:
        for link in self._links:
            link.client.end()

    async def _heal(self) -> None:
        if self._swallows:
            await self._cut()
        self._delay, self._frozen, self._swallows = 0.0, False, False
        self._loss = self._budget = None
        await self._listen()
        for link in tuple(self._links):
            link.flow()

    def _asked(self, link: _Link, data: bytes) -> bool:
        """What a client sends may be passed on."""
        if self._loss is None or self._loss[1] not in data.lower():
            return True
        what, self._loss = self._loss[0], None
        link.doomed = True
        if what == "request":
            self._lose(link)
        return what == "reply"

    def _replied(self, link: _Link, data: bytes) -> bytes:
        """What of a reply may be passed on."""
        if link.doomed:
            self._lose(link)
            return b""
        if self._swallows:
            return b""
        if self._budget is not None:
            data = data[: self._budget]
            self._budget -= len(data)
            if not self._budget:
                self._budget = None
                link.client.send(data)
                self._lose(link)
                return b""
        return data

    def _lose(self, link: _Link) -> None:
        link.reset()
        self.lost.set()


class _Side(asyncio.Protocol):
    """One end of a connection through the proxy, and how what it says reaches the other."""

    def __init__(
        self, link: _Link, said: Callable[[bytes], None], ended: Callable[[], None]
    ) -> None:
        self._link, self._said, self._ended = link, said, ended
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._link.joined(self)

    def data_received(self, data: bytes) -> None:
        self._said(data)

    def eof_received(self) -> bool:
        self._ended()
        return True  # the other direction goes on

    def connection_lost(self, error: Exception | None) -> None:
        self._link.reset()

    def send(self, data: bytes) -> None:
        if data and self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def end(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write_eof()

    def reset(self) -> None:
        if self.transport is not None:
            inner = self.transport.get_extra_info("socket")
            if inner is not None and inner.fileno() >= 0:
                inner.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.transport.abort()


class _Link:
    """A connection through the proxy: the client's side and the server's."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._connecting: asyncio.Task[Any] | None = None
        self.doomed = False
        self.client = _Side(self, self._asked, lambda: self._later(self.server.end))
        self.server = _Side(self, self._replied, lambda: self._later(self.client.end))

    def joined(self, side: _Side) -> None:
        if side is self.client:
            self._proxy._links.add(self)
        self.flow()

    def flow(self) -> None:
        """Read from both sides, or from none while the proxy is frozen or one is not there yet."""
        if not self._proxy._frozen and self._connecting is None:
            self._connecting = self._proxy._loop.create_task(self._connect())
        flows = not self._proxy._frozen and self.server.transport is not None
        for side in (self.client, self.server):
            if side.transport is not None and not side.transport.is_closing():
                (side.transport.resume_reading if flows else side.transport.pause_reading)()

    async def _connect(self) -> None:
        try:
            await self._proxy._loop.create_connection(lambda: self.server, *self._proxy._target)
        except OSError:  # no server there: the client sees it from its own connection
            self.reset()
        else:
            if self not in self._proxy._links:  # it was reset meanwhile
                self.server.reset()

    def reset(self) -> None:
        """End both sides with a reset."""
        self._proxy._links.discard(self)
        self.client.reset()
        self.server.reset()

    def _asked(self, data: bytes) -> None:
        if self._proxy._asked(self, data):
            self._later(partial(self.server.send, data))

    def _replied(self, data: bytes) -> None:
        self._later(partial(self.client.send, self._proxy._replied(self, data)))

    def _later(self, step: Callable[[], None]) -> None:
        if self._proxy._delay:
            self._proxy._loop.call_later(self._proxy._delay, step)
        else:
            step()
