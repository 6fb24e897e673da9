"""Codecs: documents to the bytes that JSON engines store, and back, compiled once per model."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import (
    PydanticSerializationError,
    SchemaValidator,
    from_json,
    to_json,
)

from docmap.errors import InvalidRecord, InvalidValue
from docmap.schema.align import write_back
from docmap.schema.checked import none_finder, serializer
from docmap.schema.diagnose import (
    TOO_DEEP,
    WHOLE,
    Fault,
    dotted,
    find_fault,
    find_flaw,
    find_subclass,
    find_torn_key,
    first_error,
    python_path,
)
from docmap.schema.partial import decoder
from docmap.schema.readers import Readers, to_wire
from docmap.schema.shape import Shape
from docmap.schema.stamps import Stamps, prefix_of, stamped, without
from docmap.schema.tagless import without_tags
from docmap.schema.types import FieldType
from docmap.schema.wire import Reader, untagged
from docmap.schema.writers import Change, noted
from docmap.values import MAX_BYTES, MAX_DEPTH, Unportable, bson_size, portable

_CERTAINLY_SMALL = 1_500_000


class Codec:
    """Encodes and decodes the documents of one model, or plain dicts where there is none."""

    __slots__ = (
        "_deep",
        "_fields",
        "_holds_none",
        "_keyed",
        "_model",
        "_moments",
        "_named",
        "_nested",
        "_overlapping",
        "_prefix",
        "_recheck",
        "_root",
        "_stamps",
        "_strict",
        "_to_json",
        "_validate",
        "collection",
    )

    def __init__(  # noqa: PLR0913 - what records of a class need beside its type
        self,
        collection: str,
        root: FieldType,
        *,
        recheck: bool,
        stamps: Stamps = (),
        strict: bool = False,
        named: tuple[str, str] | None = None,
    ) -> None:
        """`strict`: the model takes, or refuses, fields that it does not declare.

        `named` is the field that holds the name of the class in its family, and that name.
        """
        self.collection = collection
        self._root = root
        self._stamps, self._prefix = dict(stamps), prefix_of(stamps)
        self._strict = strict and bool(stamps)
        self._named = named
        self._model: Any = root.annotation if root.kind == "model" else None
        self._recheck = recheck
        self._fields: Mapping[str, Reader | None] = Readers().fields(root)
        shape = Shape.of(root)
        self._deep, self._keyed, self._overlapping = shape.deep, shape.keyed, shape.overlapping
        self._nested, self._moments = shape.nested, shape.moments
        if self._model is not None:
            # The prebuilt validators of nested models would bring back what they validate
            # and how they print themselves.
            self._validate: Callable[[Any], Any] = SchemaValidator(
                root.schema, _use_prebuilt=False
            ).validate_json
            self._to_json: Callable[..., bytes] = serializer(root).to_json
            self._holds_none = none_finder(root)

    def encode(self, document: Any) -> bytes:
        """The bytes of a document, checked whole; the document is brought in line with them.

        Raises InvalidValue naming the field that no engine could keep or that breaks a constraint.
        """
        if self._model is None:
            return self._encode_plain(document)
        if self._named is not None:
            self._name(document, *self._named)
        changes: list[Change] = []
        outer, noted.changes = noted.changes, changes
        try:
            data = self.dump(document)
        finally:
            noted.changes = outer
        if changes or self._recheck:
            self._align(document, data, changes)
        if self._strict:
            self._check_extra(document)
        return stamped(self._prefix, data)

    def dump(self, document: Any) -> bytes:
        """`encode` for a model's document, which is left as it is; without the stamps."""
        try:
            data = self._to_json(document, by_alias=True, warnings="error")
        except (PydanticSerializationError, RecursionError) as error:
            fault = find_fault(document, self._root) or ((), "cannot be stored")
            raise self._refused(fault) from error
        null = b"null" in data or (self._keyed and b'"None"' in data)
        if null and self._holds_none(document):
            raise self._refused(find_fault(document, self._root) or ((), "holds None"))
        if self._overlapping:
            self._refuse_subclasses(document)
        for model in self._nested:
            # Only a class that has subclasses can meet an instance of one.
            if model.__subclasses__():
                self._refuse_subclasses(document)
                break
        self._check(data, document)
        if torn := find_torn_key(document, self._root, data):
            raise self._refused(torn)
        return data

    def decode(self, data: bytes | str) -> Any:
        """The document stored as `data`: types and constraints checked, validators not run.

        Raises InvalidRecord naming the field that does not fit.
        """
        if self._model is None:
            return self.tree(data)
        if self._strict:
            data = without(self._prefix, self._stamps, data)
        try:
            return self._validate(data)
        except ValidationError as error:
            # What was stored without a class has tags where the class declares a type.
            bare = without_tags(data, self._root)
            if bare is None:
                raise self.unfit(error) from error
        try:
            return self._validate(bare)
        except ValidationError as error:
            raise self.unfit(error) from error

    def tree(self, data: bytes | str, names: Collection[Any] | None = None) -> Any:
        """The logical values of a stored document by storage name; only `names` if given.

        Raises InvalidRecord for what is no JSON: another program wrote it.
        """
        try:
            wire = from_json(data)
        except ValueError as error:
            raise InvalidRecord(
                f"a record of {self.collection} is not JSON that can be read ({error}): mend it "
                "with the program that wrote it, or delete it",
                collection=self.collection,
            ) from error
        if type(wire) is not dict:
            return wire
        if names is None:
            names = wire.keys()
        fields, result = self._fields, {}
        for name in names:
            if name in wire:
                read = fields.get(name, untagged)
                result[name] = read(wire[name]) if read else wire[name]
        return result

    def reader(self, names: Collection[Any] | None) -> Callable[[bytes | str], Any]:
        """A function that does what `tree` does with these names, and does it faster."""
        if names is None:
            return self.tree
        known = frozenset(str(name) for name in names if isinstance(name, str))
        decode = decoder(known)
        needed = [(n, read) for n in known if (read := self._fields.get(n, untagged)) is not None]

        def read_part(data: bytes | str) -> Any:
            try:
                wire = decode(data)
            except ValidationError:  # no object: another program wrote it
                return self.tree(data, known)
            for name, read in needed:
                if name in wire:
                    wire[name] = read(wire[name])
            return wire

        return read_part

    def check_whole(self, data: bytes) -> None:
        """Raise InvalidValue for a stored document that became too large or too deep."""
        if len(data) > _CERTAINLY_SMALL or data.count(b"[") + data.count(b"{") > MAX_DEPTH:
            self._check_size(data)
            fault = find_flaw(self.tree(data))
            if fault is not None and fault[1] == TOO_DEEP:
                raise self._refused(fault)

    def unfit(self, error: ValidationError) -> InvalidRecord:
        """The error of a stored record that does not fit its class."""
        field, reason = first_error(error, self._root)
        return InvalidRecord(
            f"a record of {self.collection} does not fit {self._root.label}: {field} "
            f"{reason}; change the class, or mend the record with the help of raw()",
            collection=self.collection,
            field=field,
        )

    def _check(self, data: bytes, document: Any) -> None:
        """Raise InvalidValue for what only shows in the whole: NUL, depth, size."""
        nul = b"\\" in data and b"\\u0000" in data
        if nul or (self._deep and data.count(b"[") + data.count(b"{") > MAX_DEPTH):
            self._check_tree(data, document)
        self._check_size(data)

    def _check_size(self, data: bytes) -> None:
        if len(data) > _CERTAINLY_SMALL and bson_size(self.tree(data)) > MAX_BYTES:
            raise InvalidValue(
                f"the {self._label} to be stored is larger than {MAX_BYTES:,} bytes: split it, or "
                "keep large parts in an object store; nothing was written",
                collection=self.collection,
            )

    def _check_tree(self, data: bytes, document: Any) -> None:
        try:
            tree = self.tree(data)
        except InvalidRecord as error:  # beyond what JSON readers take, and so far beyond ours
            raise self._refused(find_fault(document, self._root) or ((), TOO_DEEP)) from error
        fault = find_flaw(tree)
        if fault is not None:
            path, reason = fault
            raise self._refused((tuple(python_path(self._root, path)), reason))

    def _encode_plain(self, document: Any) -> bytes:
        if not isinstance(document, Mapping):
            raise InvalidValue(
                f"{self.collection} is an untyped collection: its documents are dicts, not "
                f"{type(document).__name__}",
                collection=self.collection,
            )
        try:
            data = to_json(to_wire(self._root, portable(document)))
        except Unportable as fault:
            raise self._refused((tuple(reversed(fault.segments)), fault.reason)) from fault
        except PydanticSerializationError as error:
            raise self._refused(((), TOO_DEEP)) from error
        self._check(data, document)
        return data

    def _align(self, document: Any, data: bytes, changes: Sequence[Change]) -> None:
        """Bring the document in line with what is stored."""
        held = document.__dict__
        if not self._recheck:
            cut = {id(change[0]): change[1] for change in changes if change is not None}
            moments = {n: cut[id(held[n])] for n in self._moments if id(held.get(n)) in cut}
            if len(moments) == len(changes):
                held.update(moments)
                return
        write_back(document, self._read_back(data), self._root)

    def _read_back(self, data: bytes) -> Any:
        try:
            return self._validate(data)
        except ValidationError as error:
            field, reason = first_error(error, self._root)
            place = self._label if field == WHOLE else f"{self._label}.{field}"
            raise InvalidValue(
                f"{place} {reason}; nothing was written",
                collection=self.collection,
                field=field,
            ) from error

    def rename(self, document: Any) -> None:
        """Put the name of the class into the field that holds it, if there is one."""
        if self._named is not None:
            field, name = self._named
            document.__dict__[field] = name

    def _name(self, document: Any, field: str, name: str) -> None:
        """The name of the class in the field that holds it, where the user gave none."""
        held = document.__dict__.get(field)
        if getattr(held, "value", held) == name:
            return
        if field in document.__pydantic_fields_set__ and held:
            raise self._refused(((field,), f"holds the name of the class, which is {name!r}"))
        document.__dict__[field] = name

    def _check_extra(self, document: Any) -> None:
        """Refuse an extra field that would stand beside the stamp of the same name."""
        for name in self._stamps:
            if name in (document.__pydantic_extra__ or ()):
                raise self._refused(
                    ((name,), "is a name that docmap itself writes: choose another")
                )

    def _refuse_subclasses(self, document: Any) -> None:
        fault = find_subclass(document, self._root)
        if fault is not None:
            raise self._refused(fault)

    def _refused(self, fault: Fault) -> InvalidValue:
        path, reason = fault
        field = dotted(path)
        place = f"{self._label}.{field}" if field else self._label
        return InvalidValue(
            f"{place} {reason}; nothing was written", collection=self.collection, field=field
        )

    @property
    def _label(self) -> str:
        return self._root.label if self._model is not None else self.collection
