"""Transactions of a storage that is awaited: `async with db.transaction()`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from docmap.aio.runners import Session, finished
from docmap.storage.transactions import CONFLICTS, attempts_left, forget_closed, pause

if TYPE_CHECKING:
    from docmap.aio.storage import AsyncStorage

R = TypeVar("R")
S = TypeVar("S", bound="AsyncStorage")


class AsyncTransaction(Generic[S]):
    """All or nothing for the block; what `AsyncStorage.transaction` gives.

    A cancelled task rolls back before it ends, however often it is cancelled.
    """

    def __init__(self, storage: S) -> None:
        self._storage = storage
        self._session: Session | None = None
        self._block: Any = None

    async def __aenter__(self) -> S:
        session = self._storage._runner.transaction()
        try:
            await session.run(self._enter)
        except BaseException as error:
            if self._block is None:
                session.close()
            else:  # in a thread, which went on while the task was cancelled
                self._session = session
                await self.__aexit__(type(error), error, error.__traceback__)
            raise
        self._session = session
        return self._storage

    def _enter(self) -> None:
        block = self._storage._core.transaction()
        block.__enter__()
        self._block = block

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        session, self._session = self._session, None
        if session is None:
            raise RuntimeError("this transaction has ended")
        try:
            await finished(session.run(self._block.__exit__, kind, error, trace))
        finally:
            session.close()
            forget_closed()


async def retrying(storage: AsyncStorage, function: Callable[[], Awaitable[R]], attempts: int) -> R:
    """What `function` comes to in a transaction, and anew if it met others."""
    for attempt in range(1, await storage._run(attempts_left, storage._core, attempts)):
        try:
            return await _once(storage, function)
        except CONFLICTS:
            seconds = pause(attempt)
        await asyncio.sleep(seconds)
    return await _once(storage, function)


async def _once(storage: AsyncStorage, function: Callable[[], Awaitable[R]]) -> R:
    async with storage.transaction():
        return await function()
