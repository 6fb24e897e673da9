"""Data on its way into a PostgreSQL table by COPY, block by block, on one connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn, Protocol

import psycopg

from docmap_backends._postgresql_link import Deadline, Link
from docmap_backends._postgresql_pool import Pool
from docmap_backends._postgresql_transactions import PASSED


class Failing(Protocol):
    """What raises docmap's error for one of the driver's."""

    def __call__(self, error: psycopg.Error, /, *, sent_write: bool = False) -> NoReturn:
        """Raise it; `sent_write` if what was sent may have been done."""


class Copying:
    """One COPY that has begun: all of its blocks are stored when it is finished, or none."""

    def __init__(
        self, link: Link, pool: Pool, deadline: Callable[[], Deadline], fail: Failing
    ) -> None:
        self._link: Link | None = link
        self._pool = pool
        self._deadline = deadline
        self._fail = fail

    def send(self, block: bytes) -> None:
        """Send a block. Raises StorageError if the connection is lost, and nothing is stored."""
        if self._link is None:
            raise RuntimeError("the COPY has ended")
        try:
            self._link.copy_send(block, self._deadline())
        except psycopg.Error as error:
            self.abort()
            self._fail(error)
        except BaseException:
            self.abort()
            raise

    def finish(self) -> None:
        """Store what was sent. Raises psycopg.IntegrityError, or StorageError."""
        link = self._link
        if link is None:
            raise RuntimeError("the COPY has ended")
        try:
            link.copy_end(self._deadline())
        except PASSED:
            raise
        except psycopg.Error as error:
            self._fail(error, sent_write=True)
        except BaseException:
            link.close()
            raise
        finally:
            self._link = None
            self._pool.give(link)

    def abort(self) -> None:
        """Store nothing: the server undoes a COPY whose connection is closed."""
        link, self._link = self._link, None
        if link is not None:
            link.close()
            self._pool.give(link)
