"""Starting the programs of the fault tests as processes of their own, and hearing what they did.

A program opens the store by itself, from a `Target` that it is given as text: the URL, and for an
adapter without an entry point the name of its class.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from docmap import BaseStorageAdapter
    from docmap.testing.profile import BackendProfile


@dataclass(frozen=True, slots=True)
class Target:
    """A store that any process can open, as a profile says.

    `adapter` and `opener` name a class or a function as `package.module:name`.
    """

    url: str
    adapter: str = ""
    opener: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, backend: BackendProfile, directory: Path) -> Self:
        """The store of a profile in a directory.

        Raises ValueError if its adapter or opener is not to be found by a name, as those made in a
        function are.
        """
        return cls(
            backend.url_in(directory),
            _named(backend.adapter),
            _named(backend.opener),
            dict(backend.options),
        )

    def load(self) -> Callable[[], BaseStorageAdapter]:
        """What opens the store; all that it needs is imported, and nothing opened."""
        if self.opener:
            return partial(_found(self.opener), self.url)
        from docmap.storage.load import adapter

        made = _found(self.adapter) if self.adapter else adapter(self.url.partition("://")[0])
        return partial(_connected, made, self.url, self.options)

    def open(self) -> BaseStorageAdapter:
        """A storage on the store, connected."""
        return self.load()()


def _connected(
    adapter: type[BaseStorageAdapter], url: str, options: Mapping[str, Any]
) -> BaseStorageAdapter:
    storage = adapter(url or None, **options)
    storage.connect()
    return storage


def _named(what: Any) -> str:
    """`package.module:name` of a class or function; empty for None."""
    if what is None:
        return ""
    name = f"{what.__module__}:{what.__qualname__}"
    if "<" in name:
        raise ValueError(f"{name} is opened by other processes too: define it in a module")
    return name


def _found(name: str) -> Any:
    module, _, inner = name.partition(":")
    return attrgetter(inner)(import_module(module))


def tell(*what: Any) -> None:
    """Tell the test a line, in one piece whatever happens next. For programs."""
    os.write(1, json.dumps(what).encode() + b"\n")


def start(target: Target, name: str, *arguments: Any) -> subprocess.Popen[str]:
    """Start a program of `docmap.testing.programs`; what it tells can be read line by line."""
    path = os.pathsep.join(one or os.curdir for one in sys.path)
    given = json.dumps([asdict(target), name, *arguments])
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "docmap.testing.programs", given],
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def outputs(processes: list[subprocess.Popen[str]]) -> list[list[Any]]:
    """What programs that run at the same time tell, each line read as JSON.

    Raises AssertionError if one of them failed.
    """
    told = [process.communicate()[0] for process in processes]
    codes = [process.returncode for process in processes]
    if any(codes):
        raise AssertionError(f"programs ended with {codes}, their errors are on stderr")
    return [[json.loads(line) for line in text.splitlines()] for text in told]


@contextmanager
def running(target: Target, name: str, *arguments: Any) -> Iterator[list[Any]]:
    """A program that has told its first line, which is given; ended when the block is left.

    It goes on when its input ends; what it tells then is in the list after the block.
    """
    with start(target, name, *arguments) as process:
        if process.stdout is None:
            raise AssertionError("a program without output")
        told = [json.loads(process.stdout.readline() or '"nothing"')]
        try:
            yield told
        finally:
            rest = process.communicate("\n")[0]
            told += [json.loads(line) for line in rest.splitlines()]
        if process.returncode:
            raise AssertionError(f"{name} ended with {process.returncode}")


class Forker:
    """Runs programs one after another in children of one process that has opened nothing.

    A child is there within milliseconds, since all is imported already. Where there is no fork a
    new process is started for each.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._process: subprocess.Popen[str] | None = None
        self._child = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._close()

    def _close(self) -> None:
        if self._process is not None:
            with self._process as process:
                if self._child:
                    self.kill()
                if process.stdin is not None:
                    process.stdin.close()
            self._process = None

    def run(self, name: str, *arguments: Any) -> Iterator[Any]:
        """What a program tells, as it tells it; at its end `status` is how it ended."""
        if self._process is None or self._process.poll() is not None:
            self._close()
            self._process = start(self._target, "serve")
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise AssertionError("a server without pipes")
        stdin.write(json.dumps([name, *arguments]) + "\n")
        stdin.flush()
        self.status = -signal.SIGTERM
        for line in stdout:
            said = json.loads(line)
            if said[0] == "begun":
                self._child = said[1]
            elif said[0] == "ended":
                self.status = said[1]
                break
            else:
                yield said
        self._child = 0

    def told(self, name: str, *arguments: Any) -> list[Any]:
        """All that a program tells. Raises AssertionError if it failed, or was killed."""
        lines = list(self.run(name, *arguments))
        if self.status:
            raise AssertionError(f"{name}{arguments} ended with {self.status} after {lines}")
        return lines

    def kill(self, number: int = getattr(signal, "SIGKILL", signal.SIGTERM)) -> None:
        """Kill the program that runs, in the middle of whatever it does; once."""
        child, self._child = self._child, 0
        if child:
            with suppress(ProcessLookupError):  # it has ended, and its last lines are unread
                os.kill(child, number)
