"""The files of Python's other dbm modules, read: which one made a shelf, and what is in it."""

from __future__ import annotations

import ast
import sqlite3
import struct
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from docmap.errors import CorruptStore, InvalidConfig
from docmap_backends._shelve_file import is_plain_shelf
from docmap_backends._shelve_gdbm import MAGIC as GDBM
from docmap_backends._shelve_gdbm import gdbm_entries
from docmap_backends._sqlfile_files import File

Entries = Iterator[tuple[bytes, bytes]]

ENTRIES: Final = "SELECT CAST(key AS BLOB), CAST(value AS BLOB) FROM Dict"
"""What is in a shelf of dbm.sqlite3; other programs may have written text."""

_BERKELEY: Final = 0x061561  # at byte 12, in either order of bytes
_AT_12: Final = {order: struct.Struct(f"{order}12xI").unpack for order in "<>"}


@dataclass(frozen=True, slots=True)
class Flavour:
    """A shelf of Python's own: the module that made it, its name there, and its files."""

    module: str
    place: Path
    files: tuple[Path, ...]

    def entries(self) -> Entries:
        """Its keys and values. Raises CorruptStore, or InvalidConfig if this Python lacks it."""
        return _READERS[self.module](self.place)


def flavour_of(path: Path) -> Flavour | None:
    """The flavour of the shelf at a path, which may lack the ending that its module gave it.

    None if there is none, or what is there is docmap's or no shelf at all.
    """
    if path.is_file() and path.stat().st_size:
        return _of_file(path)
    parts = {suffix: Path(f"{path}{suffix}") for suffix in (".dat", ".dir", ".pag", ".db")}
    there = {suffix for suffix, file in parts.items() if file.is_file()}
    if {".dat", ".dir"} <= there:
        return Flavour("dbm.dumb", path, (parts[".dir"], parts[".dat"]))
    if {".pag", ".dir"} <= there:
        return Flavour("dbm.ndbm", path, (parts[".dir"], parts[".pag"]))
    found = _of_file(parts[".db"]) if ".db" in there else None
    return found if found is not None and found.module == "dbm.ndbm" else None


def _of_file(path: Path) -> Flavour | None:
    # SQLite is asked first: to open and close a file of its own here would drop the locks that it
    # holds on it for this process.
    plain = is_plain_shelf(File(str(path)))
    if plain is not None:
        return Flavour("dbm.sqlite3", path, (path,)) if plain else None
    with path.open("rb") as file:
        head = file.read(16)
    if head[:4] in GDBM:
        return Flavour("dbm.gnu", path, (path,))
    if len(head) == 16 and _BERKELEY in {*_AT_12["<"](head), *_AT_12[">"](head)}:
        place = path.with_suffix("") if path.suffix == ".db" else path
        return Flavour("dbm.ndbm", place, (path,))
    return None


def sqlite_entries(place: Path) -> Entries:
    """Keys and values of a `dbm.sqlite3` shelf, as one snapshot."""
    file = File(str(place), read_only=True, engine="shelve")
    try:
        with closing(sqlite3.connect(file.uri("ro"), uri=True)) as connection:
            rows = connection.execute(ENTRIES).fetchall()
            counted = connection.execute("SELECT count(key) FROM Dict").fetchone()[0]
    except sqlite3.Error as error:
        raise file.error(error) from error
    if counted != len(rows):  # damage may hide rows from one of the two
        raise file.damaged()
    return iter(rows)


def _dumb_entries(place: Path) -> Entries:
    """A line of the directory names a key, and where its value stands in the other file."""
    directory, data = Path(f"{place}.dir"), Path(f"{place}.dat")
    places: dict[bytes, tuple[int, int]] = {}
    for line in directory.read_text("latin-1").splitlines():
        try:
            key, (start, size) = ast.literal_eval(line.rstrip())
            places[key.encode("latin-1")] = (int(start), int(size))
        except (ValueError, TypeError, SyntaxError, AttributeError, MemoryError) as error:
            raise damaged(directory) from error
    held = data.read_bytes()
    for name, (start, size) in places.items():
        if not 0 <= start <= start + size <= len(held):
            raise damaged(data)
        yield name, held[start : start + size]


def _driver_entries(module: str) -> Callable[[Path], Entries]:
    """What a module of Python's reads, where this Python has it."""

    def entries(place: Path) -> Entries:
        driver = _driver(module, place)
        try:
            shelf = driver.open(str(place), "r")
        except (driver.error, OSError) as error:
            raise damaged(place) from error
        try:
            keys = [bytes(key) for key in shelf.keys()]  # noqa: SIM118 - no mapping of Python's
            yield from [(key, bytes(shelf[key])) for key in keys]
        except (driver.error, KeyError) as error:
            raise damaged(place) from error
        finally:
            with suppress(driver.error):
                shelf.close()

    return entries


def _driver(module: str, place: Path) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise InvalidConfig(
            f"{place} was made by {module}, which this Python does not have: open it with one that "
            "has, or install the module",
            engine="shelve",
            path=str(place),
        ) from error


def _gdbm_entries(place: Path) -> Entries:
    """Read here, since most Pythons lack the module."""
    try:
        yield from gdbm_entries(place.read_bytes())
    except (ValueError, struct.error) as error:
        raise damaged(place) from error


def damaged(path: Path) -> CorruptStore:
    """The error for a file that is not as its module wrote it."""
    return CorruptStore(f"{path} is damaged: restore a backup", engine="shelve", path=str(path))


_READERS: Final[dict[str, Callable[[Path], Entries]]] = {
    "dbm.dumb": _dumb_entries,
    "dbm.gnu": _gdbm_entries,
    "dbm.ndbm": _driver_entries("dbm.ndbm"),
    "dbm.sqlite3": sqlite_entries,
}
