"""Taking turns on a lock: given back whatever comes between, an interrupt in its place included."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from docmap.errors import StoreLocked
from docmap.storage.journal import waited


@contextmanager
def turn(lock: threading.RLock, timeout: float, path: str, engine: str) -> Iterator[None]:
    """Hold the lock; a negative timeout waits for ever. Raises StoreLocked after the timeout.

    An interrupt can keep one line from running, so what gives the lock back stands there twice, and
    what takes it is one line with what remembers it.
    """
    held: list[threading.RLock] = []
    wait = partial(_waited_for, lock, timeout, path, engine)
    try:
        try:
            held += [lock] if lock.acquire(blocking=False) else [wait()]
            yield
        finally:
            for _ in held[:]:
                held.pop().release()
    finally:
        for _ in held[:]:
            held.pop().release()


def _waited_for(lock: threading.RLock, timeout: float, path: str, engine: str) -> threading.RLock:
    start = time.perf_counter()
    acquired = lock.acquire(timeout=timeout)
    waited(time.perf_counter() - start)
    if not acquired:
        raise StoreLocked(
            f"{path} is locked by another thread, which has been in a transaction for over "
            f"{timeout} s: end it sooner, or raise the option timeout",
            engine=engine,
            path=path,
        )
    return lock
