"""Codecs: documents to the bytes that JSON engines store, and back, compiled once per model."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import (
    PydanticSerializationError,
    SchemaSerializer,
    SchemaValidator,
    from_json,
    to_json,
)

from docmap.errors import InvalidRecord, InvalidValue
from docmap.schema.diagnose import find_fault, first_error
from docmap.schema.leaves import noted
from docmap.schema.readers import Readers
from docmap.schema.types import FieldType
from docmap.schema.wire import Reader, tagged, untagged
from docmap.values import MAX_BYTES, MAX_DEPTH, bson_size, normal

_CERTAINLY_SMALL = 1_500_000


class Codec:
    """Encodes and decodes the documents of one model, or plain dicts where there is none."""

    __slots__ = ("_fields", "_model", "_recheck", "_root", "_to_json", "_validate", "collection")

    def __init__(self, collection: str, root: FieldType, *, recheck: bool) -> None:
        self.collection = collection
        self._root = root
        self._model = root.annotation if root.kind == "model" else None
        self._recheck = recheck
        self._fields: Mapping[str, Reader | None] = {}
        if self._model is not None:
            # The prebuilt validators of nested models would bring back what they validate
            # and how they print themselves.
            self._validate: Callable[[Any], Any] = SchemaValidator(
                root.core, _use_prebuilt=False
            ).validate_json
            self._to_json: Callable[..., bytes] = SchemaSerializer(
                root.core, _use_prebuilt=False
            ).to_json
            self._fields = Readers().fields(root)

    def encode(self, document: Any) -> bytes:
        """The bytes of a document, checked whole; the document is brought in line with them.

        Raises InvalidValue naming the field that no engine could keep or that breaks a constraint.
        """
        if self._model is None:
            return self._encode_plain(document)
        noted.changed = False
        data = self.dump(document)
        if noted.changed or self._recheck:
            write_back(document, self._read_back(data), self._root)
        return data

    def dump(self, document: Any) -> bytes:
        """`encode` for a model's document, which is left as it is."""
        try:
            data = self._to_json(document, by_alias=True, warnings="error")
        except (PydanticSerializationError, RecursionError) as error:
            raise self._fault(document) from error
        self.check(data)
        return data

    def decode(self, data: bytes | str) -> Any:
        """The document that was stored as `data`: types and constraints checked, validators not run.

        Raises InvalidRecord naming the field that does not fit.
        """
        if self._model is None:
            return untagged(from_json(data))
        try:
            return self._validate(data)
        except ValidationError as error:
            raise self.unfit(error) from error

    def tree(self, data: bytes | str, names: Collection[Any] | None = None) -> Any:
        """The logical values of a stored document by storage name; only `names` if given."""
        wire = from_json(data)
        if type(wire) is not dict:
            return wire
        if self._model is None:
            if names is None:
                return untagged(wire)
            return {name: untagged(wire[name]) for name in names if name in wire}
        if names is None:
            names = wire.keys()
        result = {}
        for name in names:
            if name in wire:
                read = self._fields.get(name, untagged)
                result[name] = read(wire[name]) if read else wire[name]
        return result

    def unfit(self, error: ValidationError) -> InvalidRecord:
        """The error of a stored record that does not fit its class."""
        field, reason = first_error(error)
        return InvalidRecord(
            f"a record of {self.collection} does not fit {self._root.label}: {field} "
            f"{reason}; change the class, or mend the record with the help of raw()",
            collection=self.collection,
            field=field,
        )

    def check(self, data: bytes) -> None:
        """Raise InvalidValue for what only shows in the whole: NUL, depth, size."""
        nul = b"\\u0000" in data
        deep = data.count(b"[") + data.count(b"{") > MAX_DEPTH
        if nul or deep:
            normal(from_json(data))
        if len(data) > _CERTAINLY_SMALL and bson_size(from_json(data)) > MAX_BYTES:
            raise InvalidValue(
                f"the document for {self.collection} is larger than {MAX_BYTES:,} bytes: split "
                "it, or keep large parts in an object store",
                collection=self.collection,
            )

    def _encode_plain(self, document: Any) -> bytes:
        if not isinstance(document, Mapping):
            raise InvalidValue(
                f"{self.collection} is an untyped collection: its documents are dicts, not "
                f"{type(document).__name__}",
                collection=self.collection,
            )
        data = to_json(tagged(normal(document)))
        self.check(data)
        return data

    def _read_back(self, data: bytes) -> Any:
        try:
            return self._validate(data)
        except ValidationError as error:
            field, reason = first_error(error)
            raise InvalidValue(
                f"{self._root.label}.{field} {reason}; nothing was written",
                collection=self.collection,
                field=field,
            ) from error

    def _fault(self, document: Any) -> InvalidValue:
        field, reason = find_fault(document, self._root) or ("the document", "cannot be stored")
        place = f"{self._root.label}.{field}" if field else self._root.label
        return InvalidValue(
            f"{place} {reason}; nothing was written",
            collection=self.collection,
            field=field,
        )


def write_back(held: BaseModel, stored: BaseModel, kind: FieldType) -> None:
    """Bring `held` in line with what was stored, nested models in place."""
    for name, entry in kind.fields.items():
        ours, theirs = held.__dict__.get(name), stored.__dict__.get(name)
        held.__dict__[name] = _merged(ours, theirs, entry.type)


def _merged(ours: Any, theirs: Any, kind: FieldType) -> Any:
    if kind.kind == "model" and type(ours) is type(theirs) and hasattr(ours, "__dict__"):
        write_back(ours, theirs, kind)
        return ours
    if kind.kind == "list" and type(ours) is list and type(theirs) is list:
        if len(ours) == len(theirs):
            item = kind.element(0)
            theirs = [
                _merged(a, b, item) if item else b for a, b in zip(ours, theirs, strict=True)
            ]
        ours[:] = theirs
        return ours
    return theirs
