"""Resolving names: from what a user writes to a storage path, its type and a lookup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from docmap.errors import InvalidQuery, nearest
from docmap.query.changes import OPERATORS
from docmap.query.lookups import SYNONYMS, VOCABULARY
from docmap.query.paths import EACH, Digits, Path, Segment
from docmap.schema.diagnose import is_torn
from docmap.schema.types import ANY, LISTS, UNTYPED, Field, FieldType


@dataclass(frozen=True, slots=True)
class Root:
    """Where names start: a model with its key, or an element inside `any` and `all`."""

    name: str
    collection: str
    type: FieldType
    key: str | None = None
    known: dict[str, Resolved] = field(default_factory=dict, compare=False, repr=False)
    """Keywords and names that were resolved before: programs ask the same few again and again."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """A storage path, the type there, and the lookup that a keyword ended with."""

    path: Path
    type: FieldType
    lookup: str | None = None


def resolve_keyword(root: Root, keyword: str) -> Resolved:
    """Resolve `customer__country__startswith`. Raises InvalidQuery with the nearest names."""
    found = root.known.get(keyword)
    if found is None:
        found = _resolve_keyword(root, keyword)
        if len(root.known) < _KEPT:
            root.known[keyword] = found
    return found


_KEPT = 1000


def resolve_change(root: Root, keyword: str) -> Resolved:
    """Resolve a keyword of `update`, such as `items__0__qty__inc`; its `lookup` is the operator."""
    return _resolve_keyword(root, keyword, updates=True)


def _resolve_keyword(root: Root, keyword: str, *, updates: bool = False) -> Resolved:
    walk = _Walk(root, keyword, updates=updates)
    rest: str | None = keyword
    while rest is not None:
        if field := walk.longest_field(rest):
            walk.enter(field)
            rest = rest[len(walk.taken) + 2 :] if len(rest) > len(walk.taken) else None
            continue
        name, _, more = rest.partition("__")
        rest = more or None
        if rest is None and (name in OPERATORS and walk.segments if updates else is_lookup(name)):
            return Resolved(Path(tuple(walk.segments)), walk.type, name)
        walk.step(name, last=rest is None, lookups=True)
    return Resolved(Path(tuple(walk.segments)), walk.type)


def resolve_path(root: Root, segments: Sequence[Segment]) -> Resolved:
    """Resolve a path of Python names, list indexes and EACH; every segment is a place."""
    walk = _Walk(root, ".".join("*" if s is EACH else str(s) for s in segments))
    for position, segment in enumerate(segments):
        last = position == len(segments) - 1
        if segment is EACH:
            walk.each()
        elif isinstance(segment, int):
            walk.index(segment)
        else:
            walk.step(str(segment), last=last, lookups=False)
    return Resolved(Path(tuple(walk.segments)), walk.type)


def resolve_name(root: Root, name: Any) -> Resolved:
    """Resolve the name of a place as text: `customer.country` or `customer__country`."""
    if not isinstance(name, str) or not name:
        raise InvalidQuery(f"{root.name} needs the name of a field here, not {name!r}")
    if "." not in name and "__" in name:
        found = resolve_keyword(root, name)
        if found.lookup is not None:
            raise InvalidQuery(
                f"{name!r} ends with the lookup {found.lookup!r}; a field is wanted here",
                collection=root.collection,
                field=name,
            )
        return found
    return resolve_path(root, name.split("."))


def resolve_place(root: Root, place: Any) -> Resolved:
    """Resolve a place given by name, or by a field expression."""
    path = getattr(place, "_path", None)
    return (
        resolve_path(root, path.segments) if isinstance(path, Path) else resolve_name(root, place)
    )


def is_lookup(name: str) -> bool:
    """True if the vocabulary has a lookup of this name."""
    return name in VOCABULARY or name in SYNONYMS or name in {"any", "all"}


def beyond(kind: FieldType, owner: str, names: Sequence[str], name: str) -> str:
    """Why a name after a reference cannot be asked in one query, and how in two; else empty."""
    one = kind.item if kind.kind in LISTS else kind
    if one is None or one.target is None:
        return ""
    many = "contains_any" if one is not kind else "in"
    keys = f'db.find({one.target().__name__}, {name}=value).values("pk")'
    return (
        f"is {kind.label}, a document of its own that one query does not read: ask in two, "
        f"db.find({owner}, {'__'.join([*names, many])}={keys}); a key is compared with "
        f"{'__'.join(names)}{'__contains' if one is not kind else ''}=key"
    )


def unknown(root: Root, kind: str, name: str, known: Iterable[str], hint: str = "") -> InvalidQuery:
    """The error for a name that nothing has, with the nearest ones."""
    near = nearest(name, known)
    text = f"{root.name} has no {kind} {name!r}"
    if near:
        text += ": did you mean " + " or ".join(map(repr, near)) + "?"
    elif hint:
        text += f": {hint}"
    return InvalidQuery(text, collection=root.collection, field=name, suggestions=near)


class _Walk:
    def __init__(self, root: Root, written: str, *, updates: bool = False) -> None:
        self.root = root
        self.updates = updates
        self.type = root.type
        self.written = written
        self.segments: list[Segment] = []
        self.names: list[str] = []
        self.taken = ""

    def longest_field(self, rest: str) -> Field | None:
        """The field that `rest` begins with; names may hold double underscores themselves."""
        candidates = [rest[:i] for i in range(len(rest), 0, -1) if rest[i : i + 2] in {"", "__"}]
        for candidate in candidates:
            field = self.field(candidate)
            if field is not None:
                self.taken = candidate
                return field
        return None

    def field(self, name: str) -> Field | None:
        if not self.segments and name == "pk" and self.root.key and "pk" not in self.type.fields:
            name = self.root.key
        found = self.type.child(name)
        if (
            found is None
            and not self.segments
            and self.type.kind == "any"
            and name == self.root.key
        ):
            return Field(name, name, ANY)
        return found

    def enter(self, field: Field) -> None:
        self.segments.append(field.stored)
        self.names.append(field.name)
        self.type = field.type

    def each(self) -> None:
        if self.type.kind not in LISTS and self.type.kind not in UNTYPED:
            raise self.error(f"is {self.type.label}, not a list: each() goes through lists only")
        self.type = self.type.element(0) or ANY if self.type.kind in LISTS else ANY
        self.segments.append(EACH)

    def index(self, index: int) -> None:
        if index < 0:
            raise self.error("takes list indexes from 0: negative ones have no meaning on engines")
        if self.type.kind == "dict":
            return self.step(str(index), last=False, lookups=False)
        if self.type.kind not in LISTS and self.type.kind not in UNTYPED:
            raise self.error(f"is {self.type.label}, not a list")
        element = self.type.element(index) if self.type.kind in LISTS else ANY
        if element is None:
            raise self.error(f"has {len(self.type.items)} elements: there is no element {index}")
        self.segments.append(index)
        self.type = element
        return None

    def step(self, name: str, *, last: bool, lookups: bool) -> None:
        field = self.field(name)
        if field is not None:
            return self.enter(field)
        if not is_lookup(name) and (two := beyond(self.type, self.root.name, self.names, name)):
            raise self.error(two)
        if self.type.kind in LISTS:
            if name.isascii() and name.isdigit():
                return self.index(int(name))
            item = self.type.item
            if item is not None and item.child(name) is not None:
                way = f"write any({name}=...) or an index before {name!r}"
                if not lookups:
                    elements = f"path({', '.join(map(repr, self.segments))}).each()"
                    way = (
                        f"write an index before {name!r}; values and aggregates take all elements "
                        f"with {elements}[{name!r}]"
                    )
                raise self.error(f"is a list, and docmap does not walk into lists silently: {way}")
        elif self.type.kind == "dict":
            self.segments.append(self.key(name))
            self.type = self.type.item or ANY
            return None
        elif self.type.kind in UNTYPED or self.type.extra:
            digits = name.isascii() and name.isdigit() and not self.type.extra
            self.segments.append(Digits(name) if digits else self.key(name))
            self.type = ANY
            return None
        raise self.missing(name, last=last, lookups=lookups)

    def key(self, name: str) -> str:
        """A key of an object, if one can be stored under it: else nobody can ask for it."""
        if "\0" in name:
            raise self.error("has no key with a NUL character: no engine keeps one")
        if is_torn(name):
            raise self.error("has no key with a lone surrogate: it is not text, and not kept")
        return name

    def missing(self, name: str, *, last: bool, lookups: bool) -> InvalidQuery:
        place = self.place
        fields = set(self.type.fields)
        for option in self.type.options:
            fields.update(option.fields)
        words: set[str] = set()
        if lookups and last:
            words = {*OPERATORS} if self.updates else {*VOCABULARY, *SYNONYMS, "any", "all"}
        word = "operator" if self.updates else "lookup"
        kind = f"field or {word}" if fields and words else "field" if fields else word
        if not fields and not words:
            raise self.error(f"is {self.type.label} and has no fields")
        root = Root(place, self.root.collection, self.root.type)
        hint = f"its fields are {', '.join(sorted(fields))}" if fields else ""
        return unknown(root, kind, name, fields | words, hint)

    @property
    def place(self) -> str:
        return ".".join([self.root.name, *("*" if s is EACH else str(s) for s in self.segments)])

    def error(self, text: str) -> InvalidQuery:
        return InvalidQuery(
            f"{self.place} {text}", collection=self.root.collection, field=self.written
        )
