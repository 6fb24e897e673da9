"""What a storage writes to the logger `docmap`: each operation, slow ones, large unindexed scans.

A line names engine, collection, plan, time in milliseconds and count; never a value or a
credential.
"""

from __future__ import annotations

import logging
from time import perf_counter
from typing import TYPE_CHECKING, Self

from docmap.errors import DocmapError

if TYPE_CHECKING:
    from docmap.plan.plan import Plan
    from docmap.storage.lifecycle import Lifecycle

logger = logging.getLogger("docmap")
_SCANNED_AT_MOST = 1_000_000  # documents a second: no engine reads them faster


class Tally:
    """The count of one operation, set by it, the seconds it spent in the storage, its failure."""

    __slots__ = ("count", "failure", "seconds")

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0
        self.failure = ""

    @property
    def outcome(self) -> str:
        """How many documents, and what it failed with."""
        return f"{self.count} documents" + (f", {self.failure}" if self.failure else "")


class operation(Tally):  # noqa: N801 - it is called where it is used, as a function would be
    """Times one operation by key and logs it; an error of it says where it was.

    A class, because a generator would cost a read by key a tenth of its time.
    """

    __slots__ = ("_collection", "_name", "_start", "_storage")

    def __init__(self, storage: Lifecycle, collection: str, name: str) -> None:
        super().__init__()
        self.count = 1
        self._storage = storage
        self._collection = collection
        self._name = name

    def __enter__(self) -> Self:
        self._start = perf_counter()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.seconds = perf_counter() - self._start
        if error is not None:
            self.failure = type(error).__name__
        if isinstance(error, DocmapError):
            self.count = error.done or 0
            error.engine = error.engine or self._storage.scheme
            error.collection = error.collection or self._collection
        report(self._storage, self._collection, self._name, self)


def report(
    storage: Lifecycle, collection: str, name: str, tally: Tally, plan: Plan | None = None
) -> None:
    """Log an operation that ended: at DEBUG, at WARNING if it was slow or scanned too much."""
    slow = tally.seconds >= storage.slow_seconds
    large = tally.seconds * _SCANNED_AT_MOST >= storage.scan_documents
    if plan is not None and large and storage.is_open:
        _warn_of_scan(storage, plan)
    level = logging.WARNING if slow else logging.DEBUG
    if logger.isEnabledFor(level):
        logger.log(
            level,
            "%s%s %s on %s: %s, %s, %.1f ms",
            "slow: " if slow else "",
            name,
            collection,
            storage.scheme,
            _shape(plan),
            tally.outcome,
            tally.seconds * 1000,
        )


def _shape(plan: Plan | None) -> str:
    if plan is None:
        return "by key"
    from docmap.query.text import text

    shape = text(plan.request.condition)
    return shape if plan.residual is None else f"{shape} [residual: {text(plan.residual)}]"


def _warn_of_scan(storage: Lifecycle, plan: Plan) -> None:
    """Warn once of each kind of query that reads all of a large collection."""
    shape = (plan.request.schema.collection, _shape(plan))
    if shape in storage.scans_seen or not logger.isEnabledFor(logging.WARNING):
        return
    own = storage._explain(plan.request.schema, plan.native)
    if own.scan and own.documents < storage.scan_documents:
        return  # it may have grown when the query is made again
    storage.scans_seen.add(shape)
    if own.scan:
        logger.warning(
            "unindexed scan of %s on %s: %s reads all of about %d documents; declare an index, or "
            "use options(allow_scan=False) to refuse such queries",
            shape[0],
            storage.scheme,
            shape[1],
            own.documents,
        )
