"""What can go wrong below an engine: full disks, failing calls, damaged bytes; made on purpose.

Nothing here needs a compiler, privileges or the engine's help.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

_CALLS: Final = (
    *("write", "writev", "pwrite", "pwritev", "sendfile", "fsync", "fdatasync", "ftruncate"),
    *("truncate", "replace", "rename", "link", "unlink", "remove", "mkdir"),
)
_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Calls:
    """Counts the calls that write, and makes one of them fail.

    `kind` is the name of an error (`EIO`, `ENOSPC`), or `kill`: the process then dies before the
    call. Calls from C libraries are not seen; `file_size_limit` reaches those.
    """

    def __init__(self, kind: str, at: int) -> None:
        self.seen = 0
        self._kind = kind
        self._at = at

    @property
    def hit(self) -> bool:
        """True if the call that was to fail did."""
        return self.seen >= self._at

    def _count(self, what: str) -> None:
        self.seen += 1
        if self.seen != self._at:
            return
        if self._kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        number = getattr(errno, self._kind)
        raise OSError(number, f"{os.strerror(number)} ({what} failed on purpose)")

    def _counted(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            self._count(name)
            return call(*arguments, **options)

        return counted

    def _opened(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def opened(file: Any, mode: Any = "r", *arguments: Any, **options: Any) -> Any:
            if isinstance(mode, int):
                writing = bool(mode & _WRITING)
            else:
                writing = not set("wax+").isdisjoint(str(mode))
            if writing:
                self._count("open")
            return call(file, mode, *arguments, **options)

        return opened

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Count in the block."""
        with ExitStack() as stack:
            for name in _CALLS:
                if hasattr(os, name):
                    counted = self._counted(name, getattr(os, name))
                    stack.enter_context(patch.object(os, name, counted))
            for module in (os, io, builtins):
                stack.enter_context(patch.object(module, "open", self._opened(module.open)))
            yield


@contextmanager
def file_size_limit(size: int, *, kill: bool = False) -> Iterator[None]:
    """No file grows beyond `size` bytes in the block: the write that would fails in its middle.

    What fits is written, as on a disk that is full. With `kill` the process dies there instead.
    """
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_DFL if kill else signal.SIG_IGN)
    if kill:
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)


def damaged(data: bytes, rng: random.Random) -> tuple[str, bytes]:
    """Bytes with a fault that disks and programs make, and its name.

    One or more flipped bits, a block of zeros, or the end cut off; never all of it.
    """
    kind = rng.choice(("flipped", "flipped", "zeroed", "cut off"))
    if kind == "flipped":
        changed = bytearray(data)
        for _ in range(rng.choice((1, 1, 8))):
            changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        return kind, bytes(changed)
    if kind == "zeroed":
        size = rng.choice((1, 64, 512, 4096))
        begin = rng.randrange(len(data)) // size * size
        return kind, data[:begin] + b"\0" * len(data[begin : begin + size]) + data[begin + size :]
    return kind, data[: rng.randrange(1, max(2, len(data)))]


def sizes(files: list[Path]) -> dict[str, int]:
    """The sizes of files, by path."""
    return {str(file): file.stat().st_size for file in files}


def points(
    before: dict[str, int], after: dict[str, int], count: int, rng: random.Random
) -> list[int]:
    """So many file sizes at which to let a write fail, given the sizes before it and after.

    The bounds of what each file grew by, sizes between them, and some anywhere: a file that is
    written anew passes all of these.
    """
    spans = [sorted((before.get(name, 0), size)) for name, size in after.items() if size]
    found = {size for low, high in spans if low < high for size in (low, low + 1, high - 1)}
    for _ in range(count if spans else 0):
        low, high = rng.choice(spans)
        found.add(rng.randint(low, high) if rng.random() < 0.7 else rng.randrange(high + 1))
    # Revisions are random, and with them the last bytes of a size: half of it fails for certain.
    halves = [high // 2 for _, high in spans]
    return sorted({*rng.sample(sorted(found), min(count, len(found))), *halves[:1], *halves[-1:]})
