"""The import table of the house as data, and what breaks it in given sources."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

LEVELS: Final = {
    "docmap.errors": 0,
    "docmap.values": 0,
    "docmap.query": 1,
    "docmap.schema": 2,
    "docmap.plan": 3,
    "docmap.storage": 4,
    "docmap.model": 5,
    "docmap.config": 6,
    "docmap.telemetry": 6,
    "docmap.aio": 6,
    "docmap.cli": 6,
    "docmap": 7,  # the facade: all public names in one place
}
# Beside the levels, and on top of them: they and the facade import one another.
BESIDE: Final = ("docmap.handlers", "docmap.manager", "docmap.services", "docmap.content")
TESTING: Final = "docmap.testing"

ADAPTER_LEVEL: Final = 4
ADAPTER_PARTS: Final = (
    "access",
    "files",
    "keyvalue",
    "ordered",
    "references",
    "spans",
    "sql",
    "sqlfile",
    "tables",
)
DRIVERS: Final[Mapping[str, tuple[str, ...]]] = {
    "memory": (),
    "sqlite": ("sqlite3",),
    "tinydb": ("tinydb",),
    "shelve": ("shelve", "dbm", "sqlite3"),
    "leveldb": ("plyvel",),
    "mongodb": ("pymongo", "bson", "gridfs"),
    "postgresql": ("psycopg", "psycopg_pool"),
    "rqlite": (),
}
PART_DRIVERS: Final[Mapping[str, tuple[str, ...]]] = {"sqlfile": ("sqlite3",)}

STANDARD: Final = sys.stdlib_module_names - {name for own in DRIVERS.values() for name in own}
REQUIRED: Final = {"pydantic", "pydantic_core", "annotated_types", "typing_extensions"}
EXTRAS: Final = {
    "docmap.storage": {"greenlet"},
    "docmap.cli": {"tqdm"},
    "docmap.telemetry": {"opentelemetry"},
    TESTING: {"pytest", "hypothesis"},
}


@dataclass(frozen=True, slots=True)
class Room:
    """A place of the house. `level` bounds what it imports and who imports it."""

    place: str
    level: int
    packages: frozenset[str] = frozenset()

    @property
    def adapter(self) -> bool:
        return self.place.startswith("docmap_backends.")


@dataclass(frozen=True, slots=True)
class Import:
    """One imported module, and the name taken from it if there is one."""

    line: int
    module: str
    name: str = ""

    @property
    def target(self) -> str:
        """The module that is meant: `from docmap import errors` takes a module, not a name."""
        inner = room_of(f"{self.module}.{self.name}") if self.name else None
        if inner and inner != room_of(self.module):
            return inner.place
        return self.module

    @property
    def private(self) -> bool:
        return any(part.startswith("_") for part in (*self.module.split("."), self.name))


def violations(sources: Mapping[str, str]) -> list[str]:
    """One line for each import that the table forbids; `sources` maps module names to code."""
    return [line for module, source in sources.items() for line in _violations(module, source)]


def _violations(module: str, source: str) -> Iterator[str]:
    room = room_of(module)
    if room is None:
        yield f"{module}: belongs to no room of the table in tests/house/imports.py"
        return
    for one in imports_of(source, module):
        if reason := _refused(room, one):
            yield f"{module}:{one.line}: imports {one.target}: {reason}"


def room_of(module: str) -> Room | None:
    """The room that `module` stands in; None for a place that is not in the table."""
    parts = module.split(".")
    if parts[0] == "docmap_backends":
        return _adapter_room(parts[1] if len(parts) > 1 else "")
    place = ".".join(parts[:2])
    packages = frozenset(EXTRAS.get(place, ()))
    if place in LEVELS:
        return Room(place, LEVELS[place], packages)
    if place in BESIDE:
        return Room(place, LEVELS["docmap"])
    return Room(place, LEVELS["docmap"], packages) if place == TESTING else None


def _adapter_room(name: str) -> Room | None:
    """`sqlite` and `_sqlite_pool` are one adapter's room; `_sql` and `_sql_text` are shared."""
    if not name:
        return Room("docmap_backends", -1)
    plain = name.removeprefix("_")
    for part in (*DRIVERS, *(ADAPTER_PARTS if name.startswith("_") else ())):
        if plain == part or (name.startswith("_") and plain.startswith(f"{part}_")):
            place = f"docmap_backends.{part}"
            return Room(
                place, ADAPTER_LEVEL, frozenset(DRIVERS.get(part) or PART_DRIVERS.get(part, ()))
            )
    return None


def imports_of(source: str, origin: str) -> Iterator[Import]:
    """Every import in `source`: in functions, under TYPE_CHECKING, by name with importlib too."""
    for node in ast.walk(ast.parse(source, origin)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            for alias in node.names:
                yield Import(node.lineno, module, alias.name)
        elif isinstance(node, ast.Call) and (name := _imported_by_call(node)):
            yield Import(node.lineno, name)


def _imported_by_call(node: ast.Call) -> str:
    """The module that `import_module("...")` names; empty for other calls."""
    match node:
        case ast.Call(
            func=ast.Name(id=function) | ast.Attribute(attr=function),
            args=[ast.Constant(value=str(name)), *_],
        ) if function in {"import_module", "__import__"}:
            return name
    return ""


def _refused(room: Room, one: Import) -> str:
    """Why `room` may not import this; empty if it may."""
    root = one.module.partition(".")[0]
    if not root:
        return "write imports absolutely"
    if root in {"docmap", "docmap_backends"}:
        target = room_of(one.target)
        return _refused_room(room, target, one) if target else "a place that is not in the table"
    if root in STANDARD | REQUIRED | room.packages:
        return ""
    return "neither the standard library nor a package that this place may use"


def _refused_room(room: Room, target: Room, one: Import) -> str:
    if target.place == room.place:
        return ""
    if target.place == TESTING:
        return "docmap.testing is imported by nothing"
    if target.place.startswith("docmap_backends"):
        return _refused_adapter(room, target)
    if room.place in BESIDE and one.private:
        return "what stands beside the levels uses public names only"
    if target.level > room.level:
        return f"level {room.level} imports from levels up to {room.level}, not {target.level}"
    return ""


def _refused_adapter(room: Room, target: Room) -> str:
    if not room.adapter:
        return "docmap never imports an adapter; entry points find them"
    if target.place.removeprefix("docmap_backends.") in ADAPTER_PARTS:
        return ""
    return "an adapter never imports another adapter"
