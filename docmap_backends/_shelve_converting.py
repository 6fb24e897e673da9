"""Shelves of Python's other modules, brought into a file of docmap's that takes their name."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from docmap.errors import StorageError
from docmap_backends._files import FileLock, file_error, flush_directory
from docmap_backends._shelve_flavours import Flavour, flavour_of


def convert(flavour: Flavour, path: Path, timeout: float, write: Callable[[Path], None]) -> None:
    """Make a file at `path`, once `write` has filled it under another name.

    The files of the other flavour stay. One that has the name of the new file gets `.old` behind
    it. Raises StorageError where the disk refuses; nothing is changed then.
    """
    part = Path(f"{path}.converting")
    lock = FileLock(f"{part}.lock", "shelve")
    try:
        lock.acquire(timeout)
        if flavour_of(path) == flavour:  # nobody was faster
            _remove(part)  # what is left of one that was killed
            write(part)
            _put_in_place(part, path, flavour)
    except OSError as error:
        raise file_error(error, str(path), "shelve") from error
    finally:
        _remove(part)
        lock.close()


def _put_in_place(part: Path, path: Path, flavour: Flavour) -> None:
    if path in flavour.files:
        _keep_old(path, Path(f"{path}.old"))
        part.replace(path)
    else:
        os.link(part, path)  # not over a file that has come meanwhile
    flush_directory(str(path))


def _keep_old(path: Path, old: Path) -> None:
    if old.exists() and old.samefile(path):
        return  # one that was killed before the last step had come so far
    try:
        os.link(path, old)
    except FileExistsError as error:
        raise StorageError(
            f"{old} is there already, and {path} would get its name: move it away",
            engine="shelve",
            path=str(old),
        ) from error


def _remove(part: Path) -> None:
    for end in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            Path(f"{part}{end}").unlink()
