"""Streams: a generator of the sync core as an async one, in bounded batches."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from itertools import islice
from typing import Any, TypeVar

from docmap.aio.runners import Runner, Session, finished

T = TypeVar("T")

FIRST, BATCH = 32, 512
"""How many documents are made at a time, as many as the core makes: first a few, then more."""


async def stream(
    runner: Runner, begin: Callable[[], Iterator[T]], first: int = FIRST, most: int = BATCH
) -> AsyncIterator[T]:
    """What a generator gives, at most `most` of it held at once; nothing is read ahead of need.

    It runs in the transaction of the task that began it. Leaving the loop early closes it.
    """
    session = runner.session()
    source: Iterator[T] | None = None
    try:
        source = await session.run(begin)
        size = first
        while True:
            items, failure = await session.run(_some, source, size)
            for item in items:
                yield item
            if failure is not None:
                raise failure
            if len(items) < size:
                break
            size = most
    finally:
        await finished(_close(session, source))


def _some(source: Iterator[T], size: int) -> tuple[list[T], Exception | None]:
    """The next items, and what failed behind them."""
    items: list[T] = []
    try:
        items.extend(islice(source, size))
    except Exception as error:  # noqa: BLE001 - raised when its turn comes
        return items, error
    return items, None


async def _close(session: Session, source: Any) -> None:
    try:
        close = getattr(source, "close", None)
        if close is not None:
            await session.leave(close)
    finally:
        session.close()
