"""AsyncWatch: the change feed of a storage that is awaited."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator
from time import monotonic
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from docmap.aio.runners import Bridge, Session, finished
from docmap.errors import InvalidQuery
from docmap.storage.watching import ChangeEvent

if TYPE_CHECKING:
    from docmap.aio.storage import AsyncStorage
    from docmap.storage.watching import Watch

T = TypeVar("T")

_SLICE = 0.1  # seconds that a thread waits at a time: for so long a cancelled task waits for it


class AsyncWatch(Generic[T]):
    """The changes of a collection in the order of their commits: `async for` over it.

    `db.watch` makes it. It begins with `await`, with `async with`, or with the loop; from then on
    it has all that is committed. With `wait=None` iteration waits until there is a change, with a
    number it ends when there was none for so many seconds, and a new loop goes on behind it.
    `await close()` ends it for good.
    """

    def __init__(
        self, storage: AsyncStorage, begin: Callable[[], Watch[T]], wait: float | None
    ) -> None:
        self._storage = storage
        self._begin = begin
        self._wait = wait
        self._session: Session | None = None
        self._watch: Watch[T] | None = None
        self._token = ""
        self._kept: ChangeEvent[T] | Exception | None = None
        """What a call in a thread came to, until a task takes it: its own may be cancelled."""
        self._closed = False

    @property
    def token(self) -> str:
        """Where it stands: behind the change that it gave last, or where it began.

        Raises InvalidQuery before it has begun.
        """
        if self._watch is None:
            raise InvalidQuery("this watch has not begun: await it, or enter it with async with")
        return self._token

    def __await__(self) -> Generator[None, None, Self]:
        return self._begun().__await__()

    async def _begun(self) -> Self:
        await self._started()
        return self

    async def _started(self) -> tuple[Session, Watch[T]]:
        if self._watch is None:
            self._watch = await self._storage._run(self._begin)
            self._token = self._watch.token
        if self._session is None:
            self._session = self._storage._runner.apart()
        return self._session, self._watch

    def __aiter__(self) -> AsyncIterator[ChangeEvent[T]]:
        return self

    async def __anext__(self) -> ChangeEvent[T]:
        """The next change. Raises ChangesLost, and InvalidRecord for one that does not fit."""
        if self._closed:
            raise StopAsyncIteration
        session, watch = await self._started()
        end = None if self._wait is None else monotonic() + self._wait
        slices = not isinstance(self._storage._runner, Bridge)
        while not self._closed:
            left = None if end is None else max(0.0, end - monotonic())
            seconds = _SLICE if slices and (left is None or left > _SLICE) else left
            if self._kept is None:
                await session.run(self._look, watch, seconds)
            found, self._kept = self._kept, None
            self._token = found.token if isinstance(found, ChangeEvent) else watch.token
            if isinstance(found, Exception):
                raise found
            if found is not None:
                return found
            if end is not None and monotonic() >= end:
                break
        raise StopAsyncIteration

    def _look(self, watch: Watch[T], seconds: float | None) -> None:
        """Keep the next change, if there is one in time, or why there is none."""
        if self._kept is None:
            try:
                self._kept = watch.within(seconds)
            except Exception as error:  # noqa: BLE001 - raised by the task
                self._kept = error

    async def close(self) -> None:
        """End the iteration; nothing happens if it has ended."""
        session, self._session = self._session, None
        self._closed = True
        if session is not None:
            await finished(self._end(session))

    async def _end(self, session: Session) -> None:
        try:
            if self._watch is not None:
                await session.run(self._watch.close)
        finally:
            session.close()

    async def __aenter__(self) -> Self:
        return await self._begun()

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<AsyncWatch on {self._storage.scheme}>"
