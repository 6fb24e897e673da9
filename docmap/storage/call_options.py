"""Options of calls: what a view of a storage says of the operations that are asked of it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from time import monotonic
from typing import Any, ClassVar, Final, Literal, Self, get_args

from docmap.errors import InvalidConfig, Unavailable, nearest
from docmap.storage.deadlines import caller
from docmap.storage.hooks import Hooks
from docmap.storage.options import did_you_mean

Consistency = Literal["eventual", "causal", "strong"]
"""How new what is read must be at least.

`eventual`: it may be older than what was written last. `causal`: not older than what this storage
wrote and read before. `strong`: all that was acknowledged to anybody before the read began.
"""
ReadPreference = Literal[
    "primary", "primary_preferred", "secondary", "secondary_preferred", "nearest"
]
"""Which copy to read from, where there are several."""
ReadConcern = Literal["local", "available", "majority", "linearizable", "snapshot"]
"""MongoDB's own words for what it may read, in the place of what `consistency` says."""
WriteConcern = Literal["majority"] | int
"""How many copies have to confirm a write, where there are several: a number, or most of them."""


class _Keep:
    __slots__ = ()

    def __repr__(self) -> str:
        return "KEEP"


KEEP: Final[Any] = _Keep()
"""The default of an option of a call: as it was."""


class CallOptions(Hooks):
    """A storage as far as its views differ: they share everything but these slots."""

    __slots__ = (
        "_home",
        "allow_scan",
        "call_timeout",
        "consistency",
        "read_concern",
        "read_preference",
        "write_concern",
    )

    allow_scan: bool
    """False refuses a query that reads a whole collection."""
    call_timeout: float | None
    """The seconds in which an operation has to end, retries included; None for no limit."""
    consistency: Consistency | None
    """How new what is read must be; None is what the storage was opened with."""
    read_preference: ReadPreference | None
    """Which copy to read from; None is what the storage was opened with."""
    read_concern: ReadConcern | None
    """What MongoDB may read; None is what `consistency` says."""
    write_concern: WriteConcern | None
    """How many copies confirm a write; None is what the storage was opened with."""

    default_timeout: ClassVar[float | None] = None
    """For an engine of servers: `call_timeout` where the option `timeout` does not say it."""

    def _opened_with(self, timeout: float | None) -> None:
        """Set the options of the storage itself; an embedded engine's `timeout` is about locks."""
        self._opened_timeout = None
        if self.default_timeout is not None:
            self._opened_timeout = _timeout(self.default_timeout if timeout is None else timeout)
        self._home: Self | None = None
        self.allow_scan, self.call_timeout = True, self._opened_timeout
        self.consistency = self.read_preference = None
        self.read_concern = self.write_concern = None

    def options(  # noqa: PLR0913 - each is an option of a call
        self,
        *,
        allow_scan: bool = KEEP,
        timeout: float | None = KEEP,
        consistency: Consistency | None = KEEP,
        read_preference: ReadPreference | None = KEEP,
        read_concern: ReadConcern | None = KEEP,
        write_concern: WriteConcern | None = KEEP,
    ) -> Self:
        """This storage with other options for what is asked of it; both share the connection.

        `allow_scan=False` refuses queries that read everything. `timeout` is the seconds in which
        an operation has to end, retries included; of a stream without the time that the program
        spends between its documents, of bulk calls each batch. `consistency` is how new what is
        read must be at least: "eventual", "causal" or "strong". `read_preference` is which copy to
        read from: "primary", "primary_preferred", "secondary", "secondary_preferred" or "nearest".
        An engine with one copy is always strong and has nothing to prefer. `read_concern` and
        `write_concern` are MongoDB's, for a program that knows its replica set; other engines take
        no notice: what it may read ("local", "available", "majority", "linearizable", "snapshot"),
        and how many copies have to confirm a write ("majority", or a number from 1). None is what
        the storage was opened with.

        Raises InvalidConfig for a value that cannot be.
        """
        view = object.__new__(type(self))
        view.__dict__ = self.__dict__  # all but the slots is one: connections, transactions, locks
        view._home = None
        view.allow_scan = self.allow_scan if allow_scan is KEEP else bool(allow_scan)
        view.call_timeout = self.call_timeout
        if timeout is not KEEP:
            view.call_timeout = self._opened_timeout if timeout is None else _timeout(timeout)
        view.consistency, view.read_preference = self.consistency, self.read_preference
        if consistency is not KEEP:
            view.consistency = _one_of("consistency", consistency, get_args(Consistency))
        if read_preference is not KEEP:
            known = get_args(ReadPreference)
            view.read_preference = _one_of("read_preference", read_preference, known)
        view.read_concern, view.write_concern = self.read_concern, self.write_concern
        if read_concern is not KEEP:
            view.read_concern = _one_of("read_concern", read_concern, get_args(ReadConcern))
        if write_concern is not KEEP:
            view.write_concern = _write_concern(write_concern)
        return view

    def options_of_query(self, **options: Any) -> Self:
        """A view for one query: the documents that it loads belong to this storage all the same."""
        view = self.options(**options)
        view._home = self.home
        return view

    @property
    def home(self) -> Self:
        """The storage that documents loaded through this one belong to."""
        return self if self._home is None else self._home

    def deadline(self) -> float | None:
        """When what runs must have ended, by `time.monotonic()`; None if it may take any time.

        Hooks of one operation are given one deadline; outside of an operation it is `call_timeout`
        from now.
        """
        held = caller.deadline
        if held is None and self.call_timeout is not None:
            return monotonic() + self.call_timeout
        return held

    def check_deadline(self) -> None:
        """Raise Unavailable if the operation should have ended. For reads, between documents."""
        if caller.deadline is not None and monotonic() >= caller.deadline:
            raise self.late()

    def late(self) -> Unavailable:
        """The error of a read that did not end in time."""
        within = "" if self.call_timeout is None else f" of {self.call_timeout:g} s"
        return Unavailable(
            f"{self.scheme} did not end the operation within its timeout{within}; nothing was "
            "changed. Try again later, ask for less, or give it more time: options(timeout=...)",
            engine=self.scheme,
        )


def _timeout(seconds: Any) -> float:
    number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    if not number or not 0 < seconds < math.inf:
        raise InvalidConfig(
            "timeout is a number of seconds above 0, or None for that of the storage, not "
            f"{seconds if number else type(seconds).__name__}",
            field="timeout",
        )
    return float(seconds)


def _write_concern(value: Any) -> Any:
    if type(value) is int:
        if 1 <= value <= _COPIES:
            return value
        raise InvalidConfig(
            f"write_concern is a number of copies from 1 to {_COPIES}, as a write that nobody "
            f"confirms may be lost, not {value}",
            field="write_concern",
        )
    return _one_of("write_concern", value, ("majority",), f", a number from 1 to {_COPIES}")


_COPIES: Final = 50
"""What a replica set has at most."""


def _one_of(name: str, value: Any, known: Iterable[str], others: str = "") -> Any:
    if value is None or (isinstance(value, str) and value in known):
        return value
    written = value if isinstance(value, str) else type(value).__name__
    raise InvalidConfig(
        f"{name} is not {written!r}{did_you_mean(written, known)} It is one of "
        f"{', '.join(known)}{others}, or None",
        field=name,
        suggestions=nearest(written, known),
    )
