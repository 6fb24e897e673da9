"""The clock of docmap: what time it is for fields that docmap sets, and for what expires."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial

Clock = Callable[[], datetime]


class _Clock:
    """The clock in use; the system's unless a test has put another one in its place."""

    read: Clock | None = None


_clock = _Clock()


def now() -> datetime:
    """The time by the clock in use, in UTC."""
    read = _clock.read
    return datetime.now(UTC) if read is None else read().astimezone(UTC)


def is_systems() -> bool:
    """True unless another clock is in use."""
    return _clock.read is None


def _same(moment: datetime) -> datetime:
    return moment


@contextmanager
def use_clock(clock: Clock | datetime) -> Iterator[None]:
    """Another clock for all threads inside the block, for tests: a function, or a fixed moment.

    Raises ValueError for a moment without a time zone.
    """
    read = clock if callable(clock) else partial(_same, clock)
    if read().tzinfo is None:
        raise ValueError("a clock gives aware datetimes: datetime.now(UTC)")
    before, _clock.read = _clock.read, read
    try:
        yield
    finally:
        _clock.read = before
