"""Schema: the frozen description of a collection that the lower levels work with."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel

from docmap.errors import InvalidModel, InvalidValue
from docmap.query.evaluate import matches, roots
from docmap.query.nodes import TRUE, Node, conjunction
from docmap.query.paths import Path, getter
from docmap.schema.annotations import Index
from docmap.schema.codec import Codec
from docmap.schema.compile import compile_model
from docmap.schema.events import NO_EVENTS, Events
from docmap.schema.expiry import Expiry, bind_expiry
from docmap.schema.family import Branch, Family
from docmap.schema.indexes import BoundIndex, annotated_indexes, bind_index
from docmap.schema.moments import NO_MOMENTS, Moments, moments_of
from docmap.schema.operands import NEVER, Misfit, coerce
from docmap.schema.readers import to_wire
from docmap.schema.references import Ref
from docmap.schema.registry import belongs
from docmap.schema.resolve import Root
from docmap.schema.sharding import ShardKey, bind_shard_key
from docmap.schema.stamps import Stamps, prefix_of, stamp_fields
from docmap.schema.types import ANY, Field, FieldType
from docmap.schema.upgrades import Upgrades
from docmap.values import (
    MAX_INDEX_BYTES,
    MAX_KEY_BYTES,
    MISSING,
    ObjectId,
    Unportable,
    normal,
    portable,
)

Unknown = Literal["keep", "forbid", "drop"]
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,47}\Z")
_KEY_KINDS = frozenset({"str", "int", "uuid", "objectid", "date", "datetime"})


@dataclass(frozen=True, slots=True, eq=False)
class Schema:
    """What the planner and the adapters know of a document class, or of an untyped collection."""

    name: str
    collection: str
    model: Any
    """The document class; None for an untyped collection, whose documents are dicts."""
    key: str
    """The Python name of the key field."""
    key_field: Field
    root: FieldType
    codec: Codec
    indexes: tuple[BoundIndex, ...] = ()
    unknown: Unknown = "keep"
    validates: bool = False
    """Run the model's own validators on loading too."""
    scopes: tuple[Callable[[], Node], ...] = ()
    """What every read of the class is narrowed by, asked anew for each: bound conditions."""

    events: Events = NO_EVENTS
    """The hooks of the class."""
    where: Node | None = None
    """The bound condition that the class declares: it is part of the scope, and saves obey it."""
    moments: Moments = NO_MOMENTS
    """The fields that docmap sets when a document is stored."""
    expiry: Expiry | None = None
    """When its documents are no longer there; `scopes` leaves those out."""
    stamps: Stamps = ()
    """What docmap writes into each record beside the fields: constants by storage name."""
    family: Family | None = None
    """The classes that share the collection; None of an untyped one."""
    family_name: str = ""
    """The name of the class in the family."""
    abstract: bool = False
    """A class without documents of its own: its collection has those of its subclasses."""
    upgrades: Upgrades | None = None
    """The version of the class; None if it declares none."""
    shard_key: ShardKey | None = None
    """By what an engine of several servers spreads the collection."""

    names: Root = field(init=False, repr=False)
    """Where the names of a query start."""
    key_path: Path = field(init=False, repr=False)
    """The key's path in a stored document."""
    upgrade_mark: bytes = field(init=False, repr=False)
    """How a record of the class's version begins; empty where versions play no part."""

    def __post_init__(self) -> None:
        names = Root(self.name, self.collection, self.root, self.key)
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "key_path", Path((self.key_field.stored,)))
        mark = prefix_of(self.stamps) if self.upgrades is not None else b""
        object.__setattr__(self, "upgrade_mark", mark)

    def scope(self) -> Node:
        """The bound condition that narrows every read of the class; TRUE for most classes."""
        return conjunction(*(part() for part in self.scopes)) if self.scopes else TRUE

    def sees(self, data: bytes | str) -> bool:
        """True if a stored document lies within the scope of the class."""
        if not self.scopes:
            return True
        if len(self.scopes) == 1 and isinstance(branch := self.scopes[0], Branch):
            return branch.has(data)
        scope = self.scope()
        return matches(scope, self.codec.tree(data, roots(scope)))

    def has_expired(self, data: bytes | str) -> bool:
        """True if a stored document is no longer there by `expires_after`."""
        if self.expiry is None:
            return False
        gone = self.expiry.gone()
        return matches(gone, self.codec.tree(data, roots(gone)))

    def resolve(self, data: bytes | str) -> tuple[Schema, bytes | str]:
        """The schema of the class that a record is of, and the record as that class now has it.

        Raises InvalidRecord for a record of a class or of a version that nobody knows here.
        """
        family = self.family
        member = self if family is None or family.alone else family.pick(self, data)
        return member, data if member.upgrades is None else member.upgrades.current(member, data)

    @property
    def decode(self) -> Callable[[bytes | str], Any]:
        """What makes documents of records, each of its own class and upgraded, for one read.

        The classes of a family may be others at the next. It raises InvalidRecord.
        """
        if self.family is None or (self.family.alone and self.upgrades is None):
            return self.codec.decode
        return self.family.decoder(self)

    @property
    def validating(self) -> bool:
        """True if loading may run the own validators of a class."""
        return self.validates or (self.family is not None and self.family.validates)

    @property
    def relatives(self) -> tuple[Schema, ...]:
        """The schemas of the other classes of the family."""
        if self.family is None or self.family.alone:
            return ()
        others = self.family.schemas()
        return tuple(other for other in others if other.model is not self.model)

    @property
    def class_field(self) -> frozenset[str]:
        """The stored name of the field that holds the class of a record, if it is a model's own."""
        family = self.family
        return frozenset({family.field} if family is not None and family.declared else ())

    @property
    def owned(self) -> frozenset[str]:
        """The stored names that are docmap's own: stamps, those of other classes included."""
        names = {name for name, _ in self.stamps}
        if self.family is not None and not self.family.declared and not self.family.alone:
            names.add(self.family.field)
        return frozenset(names)

    def key_of(self, data: bytes | str) -> Any:
        """The logical key in a stored document; MISSING if it has none. Raises InvalidRecord."""
        tree = self.codec.tree(data, (self.key_field.stored,))
        return tree.get(self.key_field.stored, MISSING) if type(tree) is dict else MISSING

    def key_value(self, key: Any) -> Any:
        """A key as a logical value. Raises InvalidValue if it is no key of this collection."""
        if type(key) is str and self.key_field.type.kind == "str":
            return self._text_key(key)
        if isinstance(key, Ref):
            return self.key_value(self._referred(key))
        if self.model is None:
            return self._untyped_key(key)
        try:
            value = coerce(self.key_field.type, key)
        except Misfit as error:
            raise InvalidValue(
                f"{self.name}.{self.key} {error}", collection=self.collection, field=self.key
            ) from error
        if value is None or value is NEVER:
            raise InvalidValue(
                f"{self.name}.{self.key} is the key: it must be {self.key_field.type.label}, not "
                f"{type(key).__name__}",
                collection=self.collection,
                field=self.key,
            )
        return self._text_key(value) if type(value) is str else value

    def _referred(self, reference: Ref[Any]) -> Any:
        """The key in a reference, which must be one to this class or its family."""
        target = reference.target
        if self.model is None or belongs(target, self.model) or belongs(self.model, target):
            return reference.key
        raise InvalidValue(
            f"a reference to {target.__name__} is no key of {self.name}", collection=self.collection
        )

    def _untyped_key(self, key: Any) -> Any:
        if isinstance(key, bool) or not isinstance(key, (str, int, UUID, ObjectId)):
            raise InvalidValue(
                f"the key {self.key!r} of {self.collection} must be text, an int, a UUID or an "
                f"ObjectId, not {type(key).__name__}",
                collection=self.collection,
                field=self.key,
            )
        key = normal(key, self.key)
        return self._text_key(key) if type(key) is str else key

    def _text_key(self, key: str) -> str:
        if len(key) * 4 > MAX_KEY_BYTES and len(key.encode(errors="replace")) > MAX_KEY_BYTES:
            raise InvalidValue(
                f"a key of {self.collection} is longer than {MAX_KEY_BYTES} bytes: use a shorter "
                "one, for example a hash of it",
                collection=self.collection,
                field=self.key,
            )
        if key.isascii() and "\0" not in key:
            return key
        try:
            return portable(key)  # type: ignore[no-any-return]
        except Unportable as error:
            raise InvalidValue(
                f"a key of {self.collection} {error}", collection=self.collection, field=self.key
            ) from error

    def stored_key(self, key: Any) -> str | int | bytes:
        """A logical key as JSON engines keep it; the order of keys is kept too."""
        if type(key) is str or type(key) is int:
            return key
        if self.model is None:
            # Beside text and ints, the other types of an untyped key follow in canonical order.
            return b"u" + key.bytes if isinstance(key, UUID) else b"v" + key.binary
        wire: str | int = to_wire(self.key_field.type, key)
        return wire

    def _check_elements(self, index: BoundIndex, tree: Any) -> None:
        """A unique index takes no null elements: whether two of them collide has no good answer."""
        for term in index.terms:
            value = getter(term.path)(tree)
            if term.elements and isinstance(value, list) and None in value:
                raise InvalidValue(
                    f"{self.name}.{term.path.dotted} holds None, and the {index.label} index takes "
                    "no null elements; nothing was written",
                    collection=self.collection,
                    field=term.path.dotted,
                )

    def check_index_sizes(self, data: bytes) -> None:
        """Raise InvalidValue if an index entry of the document would be too large, or null."""
        if not self.indexes:
            return
        lists = [index for index in self.indexes if index.unique and index.elements]
        if len(data) <= MAX_INDEX_BYTES and not lists:
            return
        tree = self.codec.tree(data)
        for index in lists:
            self._check_elements(index, tree)
        if len(data) <= MAX_INDEX_BYTES:
            return
        for index in self.indexes:
            total = 0
            for term in index.terms:
                value = getter(term.path)(tree)
                values = value if isinstance(value, list) and term.elements else [value]
                total += max((_size(v) for v in values), default=0)
            if total > MAX_INDEX_BYTES:
                raise InvalidValue(
                    f"{self.name}: an entry of the index {index.label} would take more than "
                    f"{MAX_INDEX_BYTES} bytes; index a shorter field, or a hash of it",
                    collection=self.collection,
                    index=index.name,
                    fields=index.fields,
                )


def _size(value: Any) -> int:
    """About the bytes of one value in an index entry."""
    if isinstance(value, str):
        return len(value.encode())
    return len(value) if isinstance(value, bytes) else 17


def check_collection(name: Any) -> str:
    """`name` if it can name a collection on every engine. Raises InvalidModel."""
    if not isinstance(name, str) or not _NAME.match(name):
        raise InvalidModel(
            f"{name!r} cannot name a collection: use 1 to 48 of the letters A-Z and a-z, digits, "
            "'_', '-' and '.', starting with a letter",
            collection=name if isinstance(name, str) else None,
        )
    return name


@lru_cache(maxsize=256)
def untyped(collection: str) -> Schema:
    """The schema of a collection whose documents are plain dicts with the key under `id`."""
    check_collection(collection)
    codec = Codec(collection, ANY, recheck=False)
    return Schema(collection, collection, None, "id", Field("id", "id", ANY), ANY, codec)


def typed(  # noqa: PLR0913 - a class keyword each
    model: type[BaseModel],
    collection: str,
    *,
    key: str = "id",
    indexes: Iterable[Index] = (),
    unknown: Unknown = "keep",
    validates: bool = False,
    stamps: Stamps = (),
    events: Events = NO_EVENTS,
    expires_after: Any = None,
    shard_key: Any = None,
    family: Family | None = None,
    named: tuple[str, str] | None = None,
    scopes: tuple[Callable[[], Node], ...] = (),
    **others: Any,
) -> Schema:
    """The schema of a document class. Raises InvalidModel where the class cannot work.

    `named` is the field that holds the name of the class in its family, and that name; `others`
    are attributes of the schema as they are.
    """
    check_collection(collection)
    if key not in model.model_fields:
        raise InvalidModel(f"{model.__name__} has no field {key!r} to be its key", field=key)
    compiled = compile_model(model, forbid_extra=unknown == "forbid", key=key)
    root = compiled.root
    key_field = root.fields[key]
    if key_field.type.kind not in _KEY_KINDS or key_field.type.options:
        raise InvalidModel(
            f"{model.__name__}.{key} is the key and cannot be {key_field.type.label}: declare "
            "str, int, UUID, ObjectId, date or datetime",
            field=key,
        )
    extended = replace(root, fields={**stamp_fields(stamps), **root.fields})
    names = Root(model.__name__, collection, extended, key)
    moments = moments_of(model, root)
    expiry = bind_expiry(expires_after, names, moments)
    found: dict[str, BoundIndex] = {}
    for index in (*annotated_indexes(model, model.__name__), *indexes):
        if not isinstance(index, Index):
            raise InvalidModel(f"indexes of {model.__name__} takes Index(...), not {index!r}")
        bound = bind_index(index, names)
        found[bound.name] = bound
    if expiry is not None and not any(b.terms[0].path == expiry.path for b in found.values()):
        bound = bind_index(Index(expiry.name), names)  # what is removed must be found
        found[bound.name] = bound
    strict = unknown == "forbid" or root.extra
    codec = Codec(
        collection, root, recheck=compiled.recheck, stamps=stamps, strict=strict, named=named
    )
    return Schema(
        model.__name__,
        collection,
        model,
        key,
        key_field,
        root,
        codec,
        tuple(found.values()),
        unknown,
        validates,
        scopes=scopes if expiry is None else (*scopes, expiry.scope),
        stamps=stamps,
        events=events,
        moments=moments,
        expiry=expiry,
        shard_key=bind_shard_key(shard_key, names, found.values()),
        family=family,
        **others,
    )
