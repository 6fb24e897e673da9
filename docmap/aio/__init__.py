"""docmap awaited: the same words, for programs that run in an event loop."""

from __future__ import annotations

from docmap.aio.connecting import Connecting, connect, dependency, disconnect_all, storage
from docmap.aio.grouping import AsyncCollection, AsyncGroupedQuery
from docmap.aio.query import AsyncQuery
from docmap.aio.storage import AsyncStorage
from docmap.aio.transactions import AsyncTransaction
from docmap.aio.watching import AsyncWatch

__all__ = [
    "AsyncCollection",
    "AsyncGroupedQuery",
    "AsyncQuery",
    "AsyncStorage",
    "AsyncTransaction",
    "AsyncWatch",
    "Connecting",
    "connect",
    "dependency",
    "disconnect_all",
    "storage",
]
