"""What the conformance suite knows of a backend: how to open it, what it claims, what it lacks."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from docmap import BaseStorageAdapter, DocmapError
from docmap.storage.load import load

Kind = Literal["memory", "file", "server"]
GapKind = Literal["engine", "driver", "planned", "standin"]
Sharing = Literal["shares", "process", "locked", "alone"]

ABILITIES: Final = frozenset({"transactions", "counters", "indexes", "watch"})
_KINDS: Final = frozenset({"memory", "file", "server"})


@dataclass(frozen=True, slots=True)
class Gap:
    """A test that a backend does not pass, said openly: it fails the run once it passes."""

    test: str
    """The name of a test of the suite, or a pattern for several: `test_a_counted_key_*`."""
    reason: str
    """Why, in a sentence."""
    raises: type[Exception]
    """The named error that the user gets instead: one of docmap's own. A wrong answer is never a
    gap, but of a stand-in, which no user has: that may raise AssertionError."""
    kind: GapKind = "engine"
    """`engine` (it cannot by its nature), `driver` (the engine could), `planned`, or `standin` (a
    server that stands in for the engine in tests answers otherwise than the engine)."""
    sometimes: bool = False
    """It passes at times, as a stand-in may that has races; it never fails the run then."""

    def __post_init__(self) -> None:
        if not self.reason.strip():
            raise ValueError(f"the gap {self.test} needs a reason")
        if self.sometimes and self.kind != "standin":
            raise ValueError(f"the gap {self.test} is of an engine, which passes or does not")
        wrong = self.kind == "standin" and self.raises is AssertionError
        if not wrong and not issubclass(self.raises, DocmapError):
            raise TypeError(f"the gap {self.test} must raise one of docmap's own errors")


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendProfile:
    """A backend as the suite sees it. A test file has one, called `profile`.

    >>> profile = BackendProfile(name="memory", url="memory://")
    >>> with profile.open(Path()) as storage:
    ...     storage.collections()
    []
    """

    name: str
    """What the backend is called in messages."""
    url: str | Callable[[], str] = ""
    """The URL of a store; `{directory}` in it stands for the path of the test's directory. A
    server's names a database that holds nothing else: it is cleared after each test. A function
    gives it when the first test asks, so that collecting tests starts no server."""
    adapter: type[BaseStorageAdapter] | None = None
    """The adapter class; needed where no entry point has its scheme."""
    opener: Callable[[str], BaseStorageAdapter] | None = None
    """Makes a connected storage of the URL in another way, such as `docmap.storage.wrap`."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What is given to `connect` beside the URL."""
    kind: Kind = "memory"
    """Where data lives. Files are killed, filled up and damaged; a server's are not ours."""
    abilities: frozenset[str] = frozenset()
    """Those of `ABILITIES` that it claims; the suite fails if the class says otherwise."""
    second: Sharing = "alone"
    """What another opener of the same store finds: `shares` (it works, in other processes too),
    `process` (it works in this process, others get StoreLocked), `locked` (StoreLocked here and
    there) or `alone` (a store of its own)."""
    asynchronous: bool = False
    """Run the suite over docmap.aio: each call of a test is awaited in an event loop. Programs of
    the suite that run as other processes use the store as it is."""
    durable: bool | None = None
    """What was acknowledged is there after a kill. None: if it is not in memory."""
    native: frozenset[str] | None = None
    """The lookups that are native on a plain declared field: what is named must be, what is not
    must be residual. None makes no claim."""
    gaps: tuple[Gap, ...] = ()
    """Tests that it does not pass. Query tests are never a gap."""
    files: Callable[[Path], list[Path]] | None = None
    """The files that hold the data in a directory; None takes all that are in it."""
    faults: str | Callable[[], str] = ""
    """The URL of an empty database on a server that may be disturbed, with one host and its port:
    the suite reaches it through a proxy of its own, and restarts it. Empty for the one of `url`."""
    restart: Callable[[], None] | None = None
    """Stops the server of `faults` without a word and starts it again where it was."""

    def __post_init__(self) -> None:
        unknown = self.abilities - ABILITIES
        if unknown:
            raise ValueError(
                f"{self.name}: unknown abilities {', '.join(sorted(unknown))}; "
                f"known are {', '.join(sorted(ABILITIES))}"
            )
        if self.asynchronous and self.opener is not None:
            raise ValueError(f"{self.name}: what an opener gives is connected, and not awaited")
        if self.kind not in _KINDS:
            raise ValueError(f"{self.name}: kind is memory, file or server, not {self.kind!r}")
        if self.kind == "file" and "{directory}" not in self.url_in(Path("{directory}")):
            raise ValueError(f"{self.name}: the URL of a file needs {{directory}} in it")

    def url_in(self, directory: Path) -> str:
        """The URL of the store in a directory."""
        url = self.url if isinstance(self.url, str) else self.url()
        return url.replace("{directory}", directory.as_posix())

    def open(self, directory: Path, **options: Any) -> BaseStorageAdapter:
        """A connected storage on the store in a directory, another one with each call.

        Raises what connecting raises: StoreLocked for a second one where they are not shared.
        """
        return self.open_at(self.url_in(directory), **options)

    def open_at(self, url: str, **options: Any) -> BaseStorageAdapter:
        """A connected storage on the store of another URL, otherwise as the profile says."""
        given = {**self.options, **options}
        if self.opener is not None:
            return self.opener(url)
        storage = load(url, **given) if self.adapter is None else self._made(url, given)
        if self.asynchronous:
            from docmap.testing.awaiting import faced

            storage = faced(storage)
        storage.connect()
        return storage

    def _made(self, url: str, options: Mapping[str, Any]) -> BaseStorageAdapter:
        assert self.adapter is not None  # noqa: S101 - for type checkers
        return self.adapter(url=url or None, **options)

    def fault_url(self) -> str:
        """The URL of the server on which faults are made."""
        given = self.faults or self.url
        return given if isinstance(given, str) else given()

    def store_files(self, directory: Path) -> list[Path]:
        """The files that hold the data of the store in a directory, sorted."""
        if self.files is not None:
            return sorted(self.files(directory))
        return sorted(path for path in directory.rglob("*") if path.is_file())

    @property
    def features(self) -> frozenset[str]:
        """What tests may require of it.

        Its abilities, its kind (`outside` is each but memory), the word for what a second opener
        finds, `processes` if that works in several of them, `durable`, `restart` if it can, `sync`
        unless it is awaited, and `posix` where processes can fork.
        """
        durable = self.kind != "memory" if self.durable is None else self.durable
        own = {
            "restart": self.restart is not None,
            "durable": durable,
            "outside": self.kind != "memory",
            "processes": self.second == "shares",
            "posix": hasattr(os, "fork"),
            "sync": not self.asynchronous,
        }
        found = {name for name, has in own.items() if has}
        return self.abilities | {self.kind, self.second} | found
