"""The connections of one storage that nobody uses just now: bounded, and safe to fork.

No thread of its own: who needs a connection makes it, and so learns at once why there is none.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from time import monotonic

from docmap.errors import NotConnected, Unavailable
from docmap.storage.bridge import Event
from docmap.storage.journal import waited
from docmap_backends._postgresql_errors import ENGINE
from docmap_backends._postgresql_link import Link

_IDLE_SECONDS = 300.0  # after which a connection that nobody used is closed


class _Waiter:
    """Who waits for a connection; it gets one, or the right to make one (None)."""

    __slots__ = ("event", "link")

    def __init__(self) -> None:
        self.event = Event()
        self.link: Link | None = None


class Pool:
    """At most `size` connections, each made when it is first needed."""

    def __init__(self, make: Callable[[float], Link], size: int, where: str) -> None:
        self._make = make
        self.size = size
        """How many connections there may be."""
        self._where = where
        self._guard = threading.Lock()  # for moments, never around I/O
        self._idle: deque[Link] = deque()
        self._used: set[Link] = set()
        self._count = 0
        self._waiting: deque[_Waiter] = deque()
        self._pid = os.getpid()
        self._closed = False

    def take(self, deadline: float) -> Link:
        """A connection for the caller alone. Raises Unavailable if none is free in time."""
        self.check()
        while True:
            link = self._taken(deadline)
            if link is None:
                try:
                    link = self._make(deadline)
                except BaseException:
                    self._release()
                    raise
            elif not link.is_quiet():
                link.close()
                self._release()
                continue
            self._used.add(link)
            if self._closed:  # meanwhile
                self.give(link)
                self.check()
            return link

    def _taken(self, deadline: float) -> Link | None:
        """An idle connection, or None: then the caller may make one."""
        with self._guard:
            if self._idle:
                return self._idle.pop()
            if self._count < self.size:
                self._count += 1
                return None
            waiter = _Waiter()
            self._waiting.append(waiter)
        start = monotonic()
        try:
            waiter.event.wait(max(deadline - start, 0.0))
        except BaseException:
            with self._guard:
                served = waiter not in self._waiting
                if not served:
                    self._waiting.remove(waiter)
            if served:
                self._hand_on(waiter.link)
            raise
        finally:
            waited(monotonic() - start)
        with self._guard:
            if waiter not in self._waiting:
                return waiter.link
            self._waiting.remove(waiter)
        raise Unavailable(
            f"none of the {self.size} connections to {self._where} became free in time: close "
            "streams and transactions earlier, or raise pool_size",
            engine=ENGINE,
        )

    def give(self, link: Link) -> None:
        """Take a connection back; one that is in the middle of anything is closed."""
        self._used.discard(link)
        if self._pid != os.getpid():
            return
        if self._closed or link.closed or not link.idle:
            link.close()
            self._release()
        else:
            link.idle_since = monotonic()
            self._hand_on(link)

    def _hand_on(self, link: Link | None) -> None:
        """To the first who waits, else to the idle ones; None is the right to make one."""
        with self._guard:
            if self._waiting:
                waiter = self._waiting.popleft()
                waiter.link = link
                waiter.event.set()
            elif link is None:
                self._count -= 1
            else:
                self._idle.append(link)
                self._idle_closed()

    def _release(self) -> None:
        self._hand_on(None)

    def _idle_closed(self) -> None:
        """Close what was idle for long, the oldest first."""
        limit = monotonic() - _IDLE_SECONDS
        while self._idle and self._idle[0].idle_since < limit:
            self._idle.popleft().close()
            self._count -= 1

    def drop_idle(self) -> None:
        """Close all that are idle: the server is another one now, or has restarted."""
        with self._guard:
            while self._idle:
                self._idle.popleft().close()
                self._count -= 1

    def close(self) -> None:
        """Close all connections, those in use too: whoever uses them gets an error."""
        self._closed = True
        if self._pid != os.getpid():
            return  # a child must not touch what its parent has open
        self.drop_idle()
        for link in tuple(self._used):
            link.interrupt()  # its user closes it

    def check(self) -> None:
        """Raise NotConnected after a fork, and once the storage was closed."""
        if self._pid != os.getpid():
            raise NotConnected(
                "this PostgreSQL storage was opened before the process forked: call reconnect() "
                "in the child",
                engine=ENGINE,
            )
        if self._closed:
            raise NotConnected("the PostgreSQL storage was closed: call connect()", engine=ENGINE)
