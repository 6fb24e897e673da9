"""Updating stored documents: the operators over their JSON, and what a result may not be."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import lru_cache
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import SchemaValidator, from_json, to_json

from docmap.errors import DocmapError, InvalidRecord, InvalidValue
from docmap.query.changes import Form, Touched, Update, Value
from docmap.query.evaluate import roots
from docmap.query.paths import Path, getter
from docmap.query.updates import LOGICAL, applying
from docmap.schema.diagnose import WHOLE, first_error
from docmap.schema.filters import check_where
from docmap.schema.overrides import Overrides
from docmap.schema.readers import Readers, to_wire
from docmap.schema.schema import Schema
from docmap.schema.types import FieldType
from docmap.schema.wire import Reader, escaped, tagged, unescaped, untagged


class _Wire(Form):
    """Values in the JSON form that engines store."""

    def operand(self, value: Value) -> Any:
        return value.stored

    def read(self, kind: FieldType, held: Any) -> Any:
        read = reader(kind)
        return read(held) if read is not None else held

    def write(self, kind: FieldType, value: Any) -> Any:
        return to_wire(kind, value)

    def inside(self, kind: FieldType, held: Any) -> tuple[Any, Form]:
        if kind.kind == "any":
            return untagged(held), LOGICAL
        if kind.kind == "union" and kind.tagged:
            return unescaped(held), self
        return held, self

    def outside(self, kind: FieldType, inner: Any) -> Any:
        if kind.kind == "any":
            return tagged(inner)
        if kind.kind == "union" and kind.tagged and type(inner) is dict:
            return escaped(inner)
        return inner


WIRE: Final = _Wire()


@lru_cache(maxsize=1024)
def reader(kind: FieldType) -> Reader | None:
    """What reads the JSON form of a place of a type; None if it is the logical value."""
    return Readers().reader(kind)


@lru_cache(maxsize=1024)
def _validator(kind: FieldType) -> SchemaValidator:
    return SchemaValidator(kind.schema, _use_prebuilt=False)


def check_value(kind: FieldType, stored: Any) -> None:
    """Raise ValidationError for a JSON form that breaks what the type asks of it."""
    if kind.core is not None and not (kind.kind == "any" and kind.annotation is Any):
        _validator(kind).validate_json(to_json(stored))


class Rewriter:
    """One update of the documents of a schema, in the form in which they are stored."""

    def __init__(self, schema: Schema, update: Update) -> None:
        self.schema = schema
        self.update = update
        paths = [step.path for step in update]
        paths += [step.operand.path for step in update if step.operator == "rename"]
        self.names: frozenset[str] | None = None
        """The names at the top of a document below which it changes something; None if any may."""
        if schema.upgrades is None and (schema.family is None or schema.family.alone):
            self.names = frozenset(str(path.segments[0]) for path in paths)
        self.indexed = any(
            _related(path, term.path)
            for index in schema.indexes
            for term in index.terms
            for path in paths
        )
        """It changes what an index holds."""
        self.unique = any(
            _related(path, term.path)
            for index in schema.indexes
            if index.unique
            for term in index.terms
            for path in paths
        )
        """It changes what a unique index holds."""
        self.narrow = schema.where is not None and _touches(paths, roots(schema.where))
        """It changes what the condition of the class is about."""
        self._apply = applying(update)
        self._places: dict[tuple[Any, ...], Callable[[Any], Any]] = {}
        self.overrides = Overrides(schema, {str(path.segments[0]) for path in paths})
        """What it changes that subclasses declare otherwise."""

    @property
    def text(self) -> str:
        """The changes in words, without their values."""
        return ", ".join(f"{step.operator} {step.path}" for step in self.update)

    def read(self, data: bytes | str) -> Any:
        """The JSON of a stored document, as of the version of its class.

        Raises InvalidRecord for what is no JSON, or cannot be upgraded.
        """
        try:
            return from_json(self.schema.resolve(data)[1])
        except ValueError as error:
            raise InvalidRecord(
                f"a record of {self.schema.collection} is not JSON that can be read ({error}): "
                "mend it with the program that wrote it, or delete it",
                collection=self.schema.collection,
            ) from error

    def key(self, wire: Any) -> Any:
        """The logical key of a document. Raises InvalidRecord for one in another form."""
        held = wire.get(self.schema.key_field.stored) if type(wire) is dict else None
        key = WIRE.read(self.schema.key_field.type, held)
        if isinstance(key, (dict, list)):
            raise InvalidRecord(
                f"a record of {self.schema.collection} has a key of another form than the keys of "
                f"{self.schema.name}: it was written without the class; insert it anew through "
                f"{self.schema.name}, and delete it by raw()",
                collection=self.schema.collection,
                field=self.schema.key,
            )
        return key

    def change(self, wire: Any) -> bytes:
        """The bytes of a document after the update.

        Raises UpdateTypeError where an operator meets a value of another type, and InvalidValue for
        a result that the class or the engines refuse.
        """
        try:
            changed, touched = self._apply(wire, WIRE)
            for place in touched:
                self._check(place, changed)
            if self.overrides:
                self.overrides.check(changed, check_value)
            written = to_json(changed)
            self.schema.codec.check_whole(written)
            if self.indexed:
                self.schema.check_index_sizes(written)
            if self.narrow:
                check_where(self.schema, written)
        except DocmapError as error:
            error.collection = self.schema.collection
            raise
        return written

    def _check(self, place: Touched, document: Any) -> None:
        get = self._places.get(place.segments)
        if get is None:
            get = self._places[place.segments] = getter(Path(place.segments))
        try:
            check_value(place.kind, get(document))
        except ValidationError as error:
            written = Path(place.segments).dotted
            field, reason = first_error(error, place.kind)
            field = f"{written}.{field}" if field != WHOLE else written
            raise InvalidValue(
                f"{self.schema.name}.{field} {reason} after the update; the document was not "
                "changed",
                field=field,
            ) from error


def _touches(paths: Iterable[Path], names: Collection[Any] | None) -> bool:
    """True if one of the places lies in a field of the names; None is the whole document."""
    return names is None or any(str(path.segments[0]) in map(str, names) for path in paths)


def _related(path: Path, other: Path) -> bool:
    """True if one of the places lies in the other."""
    pairs = zip(path.segments, other.segments, strict=False)
    return all(str(one) == str(two) for one, two in pairs)
