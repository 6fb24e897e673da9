"""What a storage writes to the logger `docmap`: each operation, slow ones, large unindexed scans.

A line names engine, collection, plan, time in milliseconds and count; never a value or a
credential.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docmap.plan.plan import Plan
    from docmap.storage.hooks import Hooks

logger = logging.getLogger("docmap")
_WORTH_A_LOOK = 0.01  # seconds: no scan of a large collection is faster


class Tally:
    """The count of one operation, set by it, and the seconds it spent in the storage."""

    __slots__ = ("count", "seconds")

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0


@contextmanager
def operation(storage: Hooks, collection: str, name: str, count: int = 1) -> Iterator[Tally]:
    """Time one operation by key and log it when it ends well."""
    tally = Tally()
    tally.count = count
    start = perf_counter()
    yield tally
    tally.seconds = perf_counter() - start
    report(storage, collection, name, tally)


def report(
    storage: Hooks, collection: str, name: str, tally: Tally, plan: Plan | None = None
) -> None:
    """Log an operation that ended: at DEBUG, at WARNING if it was slow or scanned too much."""
    slow = tally.seconds >= storage.slow_seconds
    if plan is not None and tally.seconds >= _WORTH_A_LOOK and logger.isEnabledFor(logging.WARNING):
        _warn_of_scan(storage, plan)
    level = logging.WARNING if slow else logging.DEBUG
    if logger.isEnabledFor(level):
        logger.log(
            level,
            "%s%s %s on %s: %s, %d documents, %.1f ms",
            "slow: " if slow else "",
            name,
            collection,
            storage.scheme,
            _shape(plan),
            tally.count,
            tally.seconds * 1000,
        )


def _shape(plan: Plan | None) -> str:
    if plan is None:
        return "by key"
    from docmap.query.text import text

    shape = text(plan.request.condition)
    return shape if plan.residual is None else f"{shape} [residual: {text(plan.residual)}]"


def _warn_of_scan(storage: Hooks, plan: Plan) -> None:
    shape = (plan.request.schema.collection, _shape(plan))
    if shape in storage.scans_seen:
        return
    own = storage._explain(plan.request.schema, plan.native)
    storage.scans_seen.add(shape)
    if own.scan and own.documents >= storage.scan_documents:
        logger.warning(
            "unindexed scan of %s on %s: %s reads all of about %d documents; declare an index, or "
            "use options(allow_scan=False) to refuse such queries",
            shape[0],
            storage.scheme,
            shape[1],
            own.documents,
        )
