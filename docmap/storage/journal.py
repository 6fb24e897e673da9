"""What is told of each operation: a line for the logger `docmap`, a Command for who listens.

Both name engine, collection, plan, time and count; never a value or a credential. Slow operations
and large unindexed scans are warnings.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any, Self

from docmap.errors import DocmapError, StorageError
from docmap.storage.bridge import Local
from docmap.storage.deadlines import lifted, limited

if TYPE_CHECKING:
    from docmap.plan.plan import Plan
    from docmap.storage.lifecycle import Lifecycle

logger = logging.getLogger("docmap")
LEFT_OUT = {"docmap_left_out": True}
"""The `extra` of a warning that a store holds what no collection has: commands show it."""
_SHAPES_KEPT = 1000
_LOOKED_AGAIN = 60.0  # seconds until a small collection on a server may have grown
_SCANNED_AT_MOST = 1_000_000  # documents a second: no engine reads them faster


@dataclass(frozen=True, slots=True)
class Command:
    """One operation that ended, as `on_command` tells it; it holds no value that was stored.

    Times are seconds. What of `seconds` is neither `queue` nor `decode` nor `engine` is the
    program's own hooks.
    """

    storage: Any = field(repr=False, compare=False)
    """The storage that was asked."""
    engine: str
    """Its URL scheme: `sqlite`."""
    collection: str
    name: str
    """What was asked: `get`, `save`, `find`, `count`, ..."""
    plan: str
    """The shape of the condition, without operands; `by key` where there was none."""
    residual: str
    """The part of the condition that docmap filtered itself; empty if all of it was native."""
    count: int
    """How many documents were read, written or deleted."""
    failure: str
    """The class of the exception that ended it; empty if it did not fail."""
    seconds: float
    queue: float
    """Waiting for a lock or a connection, where the engine knows."""
    engine_seconds: float
    """In the engine, filtering what it cannot do natively included."""
    decode: float
    """Between documents and the form in which they are stored, either way."""

    @property
    def native(self) -> bool:
        """True if the engine ran the whole condition."""
        return not self.residual


Listener = Callable[[Command], object]


class Listeners:
    """Who is told of commands: of one storage, or of all."""

    __slots__ = ("_lock", "all")

    def __init__(self) -> None:
        self.all: tuple[Listener, ...] = ()
        self._lock = threading.Lock()

    def add(self, listener: Listener) -> Callable[[], None]:
        """Tell `listener` from now on; the function returned ends that."""
        if not callable(listener):
            raise TypeError(f"on_command takes a function, not {type(listener).__name__}")
        told = partial(listener)  # one of its own for each call, to be found again
        with self._lock:
            self.all = (*self.all, told)
        return partial(self._remove, told)

    def _remove(self, told: Listener) -> None:
        with self._lock:
            self.all = tuple(one for one in self.all if one is not told)


everywhere = Listeners()


def _listened_to(storage: Lifecycle) -> bool:
    return bool(everywhere.all or storage.listeners.all)


def on_command(listener: Listener, /) -> Callable[[], None]:
    """Call `listener` with a Command after each operation of every storage; gives what ends that.

    It is called in the thread of the operation, which waits for it. What it raises is logged and
    changes nothing; operations of its own are not told. `db.on_command` is about one storage.
    """
    return everywhere.add(listener)


class _Running(Local):
    """What happens in a thread or task: the operation that is timed, if somebody listens."""

    tally: Tally | None = None
    telling: bool = False


running = _Running()


class Tally:
    """The count of one operation, set by it, the seconds it spent in the storage, its failure."""

    __slots__ = ("aside", "count", "decode", "failure", "queue", "seconds")

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0
        self.failure = ""
        self.queue = self.decode = self.aside = 0.0

    @property
    def outcome(self) -> str:
        """How many documents, and what it failed with."""
        return f"{self.count} documents" + (f", {self.failure}" if self.failure else "")


class operation(Tally):  # noqa: N801 - it is called where it is used, as a function would be
    """Times one operation by key and logs it; an error of it says where it was.

    One that is `batched` has no deadline as a whole: each of its calls has. A class, because a
    generator would cost a read by key a tenth of its time.
    """

    __slots__ = (
        "_batched",
        "_collection",
        "_limit",
        "_name",
        "_outer",
        "_start",
        "_storage",
        "_timed",
    )

    def __init__(
        self, storage: Lifecycle, collection: str, name: str, *, batched: bool = False
    ) -> None:
        super().__init__()
        self._batched = batched
        self.count = 1
        self._storage = storage
        self._collection = collection
        self._name = name

    def __enter__(self) -> Self:
        self._timed = _listened_to(self._storage)
        if self._timed:
            self._outer, running.tally = running.tally, self
        self._limit = None if self._batched else limited(self._storage)
        self._start = perf_counter()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.seconds = perf_counter() - self._start
        if self._timed:
            running.tally = self._outer
        lifted(self._limit)
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
    if _listened_to(storage):
        _tell(storage, collection, name, tally, plan)
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


def _tell(storage: Lifecycle, collection: str, name: str, tally: Tally, plan: Plan | None) -> None:
    """Give the Command of an operation to all who listen, unless one of them caused it."""
    if running.telling:
        return
    outer = running.tally
    if outer is not None:
        outer.aside += tally.seconds
    parts = tally.queue + tally.decode + tally.aside
    command = Command(
        storage=storage,
        engine=storage.scheme,
        collection=collection,
        name=name,
        plan=_condition(plan),
        residual=_residual(plan),
        count=tally.count,
        failure=tally.failure,
        seconds=tally.seconds,
        queue=tally.queue,
        engine_seconds=max(0.0, tally.seconds - parts),
        decode=tally.decode,
    )
    running.telling = True
    try:
        for listener in (*everywhere.all, *storage.listeners.all):
            try:
                listener(command)
            except Exception as error:
                logger.exception("a listener of on_command failed with %s", type(error).__name__)
    finally:
        running.telling = False


class attending:  # noqa: N801 - as operation
    """Lets waiting, decoding and hooks in the block count for an operation that is timed apart."""

    __slots__ = ("_limit", "_outer", "_storage", "_tally", "_timed")

    def __init__(self, storage: Lifecycle, tally: Tally) -> None:
        self._timed = _listened_to(storage)
        self._storage, self._tally = storage, tally

    def __enter__(self) -> None:
        if self._timed:
            self._outer, running.tally = running.tally, self._tally
        # What the program does between the batches of a stream is none of the operation's time.
        self._limit = limited(self._storage, self._tally.seconds)

    def __exit__(self, *exception: object) -> None:
        if self._timed:
            running.tally = self._outer
        lifted(self._limit)


class aside:  # noqa: N801 - as operation
    """Leaves the block, which is the program's, out of the engine's time."""

    __slots__ = ("_before", "_start", "_tally")

    def __enter__(self) -> None:
        self._tally = running.tally
        if self._tally is not None:
            self._before, self._start = self._tally.aside, perf_counter()

    def __exit__(self, *exception: object) -> None:
        if self._tally is not None:  # operations inside have added their own time
            self._tally.aside = self._before + perf_counter() - self._start


class decoding:  # noqa: N801 - as operation
    """Counts the block as time between documents and the form in which they are stored."""

    __slots__ = ("_start", "_tally")

    def __init__(self, tally: Tally | None = None) -> None:
        self._tally = tally or running.tally

    def __enter__(self) -> None:
        if self._tally is not None:
            self._start = perf_counter()

    def __exit__(self, *exception: object) -> None:
        if self._tally is not None:
            self._tally.decode += perf_counter() - self._start


def waited(seconds: float) -> None:
    """Called by an adapter that had to wait for a lock or a connection."""
    if running.tally is not None:
        running.tally.queue += seconds


def _condition(plan: Plan | None) -> str:
    if plan is None:
        return "by key"
    from docmap.query.text import text

    return text(plan.request.whole)


def _residual(plan: Plan | None) -> str:
    if plan is None or plan.residual is None:
        return ""
    from docmap.query.text import text

    return text(plan.residual)


def _shape(plan: Plan | None) -> str:
    residual = _residual(plan)
    return f"{_condition(plan)} [residual: {residual}]" if residual else _condition(plan)


def _warn_of_scan(storage: Lifecycle, plan: Plan) -> None:
    """Warn once of each kind of query that reads all of a large collection."""
    shape = (plan.request.schema.collection, _shape(plan))
    if storage.scans_seen.get(shape, 0.0) > monotonic() or not logger.isEnabledFor(logging.WARNING):
        return
    try:
        own = storage._explain(plan.request.schema, plan.native)
    except StorageError:
        return  # the query is done: it does not fail for want of a warning
    small = own.scan and own.documents < storage.scan_documents
    if small and storage.default_timeout is None:
        return  # it may have grown when the query is made again
    if len(storage.scans_seen) >= _SHAPES_KEPT:
        storage.scans_seen.clear()  # a program may put its conditions together without end
    # To look is a question more to a server, and a query is as slow as the way there.
    storage.scans_seen[shape] = monotonic() + _LOOKED_AGAIN if small else math.inf
    if own.scan and not small:
        logger.warning(
            "unindexed scan of %s on %s: %s reads all of about %d documents; declare an index, or "
            "use options(allow_scan=False) to refuse such queries",
            shape[0],
            storage.scheme,
            shape[1],
            own.documents,
        )
