"""Document: a pydantic model that a storage keeps."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from inspect import get_annotations
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, overload

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticUndefined, from_json

from docmap.errors import NoStorage
from docmap.model.converting import convert, save_copy
from docmap.model.declaration import Declaration, check_fields, declare
from docmap.model.expressions import field
from docmap.model.families import (
    branch_of,
    complete_family,
    inherited_by,
    join_family,
    name_field,
    stamps_of,
)
from docmap.model.hooks import events_of
from docmap.model.inputs import input_model
from docmap.model.metaclass import DocumentMeta
from docmap.model.upgrades import upgrades_of
from docmap.schema.filters import narrowed
from docmap.schema.registry import DECLARATION, TargetUndefined, known
from docmap.schema.schema import Schema, typed
from docmap.storage.base import BaseStorageAdapter
from docmap.storage.bridge import outside
from docmap.storage.loading import SCHEMA, STATE, State, state_of
from docmap.values import ObjectId, uuid7_text

if TYPE_CHECKING:
    from collections.abc import Mapping

D = TypeVar("D")
R = TypeVar("R")
S = TypeVar("S", bound="Document")


class _SchemaOfClass:
    """`Order.__docmap_schema__`, for the levels below; an abstract class has none."""

    def __get__(self, instance: object, owner: Any) -> Schema:
        if getattr(owner, DECLARATION, Declaration()).collection is None:
            raise AttributeError(f"{owner.__name__} is abstract and has no collection")
        return schema_of_class(owner)


class Document(BaseModel, metaclass=DocumentMeta):
    """The base of document classes.

    ```
    class Order(Document, collection="orders", indexes=[Index("status", "-created_at")]):
        number: Annotated[str, Indexed(unique=True)]
        total: Decimal
    ```

    Class keywords: `collection` (default: the class name in snake_case), `indexes`, `key` (the key
    field, default `id`), `abstract` (a base without documents of its own), `unknown` (stored fields
    that the class does not declare: "keep", "forbid" or "drop"), `load` ("validate" runs the
    class's own validators on loading too), `where` (a condition that all of its records satisfy;
    it sees no others), `version` (see `upgrade`), `family_field` and `family_name`,
    `expires_after` (a timedelta, a field and a timedelta, or a field that holds the moment),
    `shard_key` (fields by which an engine of several servers spreads the collection). All others go
    to pydantic.

    A subclass of a class with a collection joins that collection as a family: its documents carry
    their class, and reads of the base give each as what it is. `collection=` begins a new one.

    `id` is a time-ordered UUID as text unless the class declares another type: an `int` is counted
    by the storage, an `ObjectId` is made. No storage is needed to build and validate documents.
    """

    __slots__ = (STATE,)

    model_config = ConfigDict(validate_assignment=True)

    if TYPE_CHECKING:
        # To type checkers any type may override the key's, as at run time. The two are apart: a
        # checker asks a subclass that overrides a field with a default to have one as well.
        id: Any = field(init=False)
        _docmap_id: Any = field(default=None, alias="id")
    else:
        id: str = Field(default_factory=uuid7_text)

    __docmap_schema__: ClassVar[Schema] = _SchemaOfClass()  # type: ignore[assignment]
    __docmap_keywords__: ClassVar[frozenset[str]] = frozenset()
    __docmap_default__: ClassVar[Callable[[], BaseStorageAdapter | None]] = lambda: None

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__()
        check_fields(cls, get_annotations(cls))
        setattr(cls, DECLARATION, declare(cls, inherited_by(cls, keywords), keywords))
        cls.__docmap_keywords__ = frozenset(keywords)
        known.add(cls)

    @classmethod
    def __pydantic_init_subclass__(cls, **keywords: Any) -> None:
        super().__pydantic_init_subclass__()
        origin = cls.__pydantic_generic_metadata__["origin"]
        if origin is not None:  # Page[int] shares the collection of Page
            setattr(cls, DECLARATION, getattr(origin, DECLARATION))
        check_fields(cls, cls.model_fields)
        if origin is None:
            complete_family(cls)
        _complete_key(cls, getattr(cls, DECLARATION))
        if getattr(cls, DECLARATION).abstract:
            events_of(cls)
        if cls.__pydantic_complete__ and getattr(cls, DECLARATION).collection is not None:
            with known.defining(), suppress(TargetUndefined):  # made when it is first needed
                schema_of_class(cls)
        if origin is None:
            join_family(cls)

    # -- the key and the state

    @property
    def pk(self) -> Any:
        """The value of the key field, whatever its name; None before the storage counted it."""
        return self.__dict__.get(getattr(type(self), DECLARATION).key)

    @property
    def is_new(self) -> bool:
        """True if the document was neither loaded nor saved."""
        return state_of(self) is None

    @property
    def changed_fields(self) -> frozenset[str]:
        """The names of the fields whose stored form differs from what was loaded or saved."""
        schema, state = schema_of_class(type(self)), state_of(self)
        if state is None:
            return frozenset(schema.root.fields)
        # What was loaded is written as a save would write it: its unknown fields are not ours.
        loaded = schema.codec.dump(schema.codec.decode(schema.resolve(state.data)[1]))
        then, now = from_json(loaded), from_json(schema.codec.dump(self))
        return frozenset(
            name
            for name, field in schema.root.fields.items()
            if then.get(field.stored, ...) != now.get(field.stored, ...)
        )

    # -- storing

    def save(self, storage: BaseStorageAdapter | None = None, /) -> Any:
        """Insert the document if it is new, else update it; its key.

        Without `storage` it is the one that the document was loaded from or saved to, else the
        configured default. Raises NoStorage, InvalidValue, DuplicateKey, StaleDocument.
        """
        return self._storage(storage).save(self)

    def insert(self, storage: BaseStorageAdapter | None = None, /) -> Any:
        """Store the document as a new one; its key. Raises DuplicateKey if the key is taken."""
        return self._storage(storage).insert(self)

    def delete(self, storage: BaseStorageAdapter | None = None, /) -> bool:
        """Delete the stored document. Raises StaleDocument over a newer revision."""
        return self._storage(storage).delete(self)

    def reload(self, storage: BaseStorageAdapter | None = None, /) -> Self:
        """Bring the document up to date with what is stored. Raises DocumentNotFound."""
        self._storage(storage).reload(self)
        return self

    @classmethod
    def from_storage(cls, storage: BaseStorageAdapter, primary_key: Any) -> Self:
        """The stored document of a key. Raises DocumentNotFound."""
        return _to_be_asked(storage).get(cls, primary_key)

    # -- other classes, other records

    def convert_to(self, other: type[R], /) -> R:
        """The record of this document, as it is in memory, as an instance of another class.

        Takes what `Query.view` takes. Stored fields that the class does not declare are part of the
        record. A document class over the same collection gives a document of the same record,
        which can be saved. Raises InvalidRecord naming a field that the record does not have.
        """
        converted: R = convert(self, other)
        return converted

    @overload
    def save_as(
        self,
        other: None = None,
        /,
        *,
        storage: BaseStorageAdapter | None = None,
        key: Any = None,
    ) -> Self: ...
    @overload
    def save_as(
        self, other: type[S], /, *, storage: BaseStorageAdapter | None = None, key: Any = None
    ) -> S: ...
    def save_as(
        self, other: Any = None, /, *, storage: BaseStorageAdapter | None = None, key: Any = None
    ) -> Any:
        """Store the record as a new one, of another document class if given; the new document.

        It has the key given, else a new one. This document stays what it is. Raises DuplicateKey,
        and InvalidRecord for a class whose fields the record does not have.
        """
        return save_copy(self, other or type(self), self._storage(storage), key)

    @classmethod
    def input_model(cls) -> type[BaseModel]:
        """The class without the key and what the storage sets: a pydantic model of request bodies.

        Its validators are those of the class. A key that only the user can give stays in. Made once
        for each class; `OrderInput` for `Order`.
        """
        return input_model(cls)

    def _storage(self, given: BaseStorageAdapter | None) -> BaseStorageAdapter:
        state = state_of(self)
        found = given or (state.storage if state else None) or type(self).__docmap_default__()
        if found is None:
            raise NoStorage(
                f"this {type(self).__name__} was neither loaded nor saved, and no default storage "
                "is configured: pass one, order.save(db), or call "
                'docmap.configure({"default": URL})'
            )
        return _to_be_asked(found)

    # -- equality, copies

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        mine, theirs = self.__dict__, other.__dict__
        if mine == theirs:
            return self.__pydantic_extra__ == other.__pydantic_extra__
        return self.__pydantic_extra__ == other.__pydantic_extra__ and all(
            mine.get(name, ...) == theirs.get(name, ...) for name in type(self).model_fields
        )

    __hash__ = None  # type: ignore[assignment]

    def __copy__(self) -> Self:
        return _with_state(self, super().__copy__())

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        return _with_state(self, super().__deepcopy__(memo))

    def __getstate__(self) -> dict[Any, Any]:
        state = state_of(self)
        kept = None if state is None else state[1:]
        return {**super().__getstate__(), STATE: kept}

    def __setstate__(self, state: dict[Any, Any]) -> None:
        kept = state.pop(STATE, None)
        super().__setstate__(state)
        if kept is not None:
            object.__setattr__(self, STATE, State(None, *kept))

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A new, unsaved document with a new key, unless `update` gives the key."""
        copied = super().model_copy(update=update, deep=deep)
        if state_of(copied) is not None:
            object.__delattr__(copied, STATE)
        key = getattr(type(self), DECLARATION).key
        if key not in (update or {}):
            made = (
                type(self)
                .model_fields[key]
                .get_default(call_default_factory=True, validated_data=copied.__dict__)
            )
            # A key that must be given has no default: until it is, the copy cannot be saved.
            copied.__dict__[key] = None if made is PydanticUndefined else made
        moments = schema_of_class(type(self)).moments
        for marked in (*moments.created, *moments.updated):
            if marked.name not in (update or {}):
                copied.__pydantic_fields_set__.discard(marked.name)  # docmap sets it anew
        return copied


def _to_be_asked(storage: BaseStorageAdapter) -> BaseStorageAdapter:
    """The storage, unless it is awaited: then raises UseAsyncStorage."""
    if getattr(storage, "awaited", False):
        raise outside()
    return storage


def _with_state(original: Document, copied: D) -> D:
    state = state_of(original)
    if state is not None:
        object.__setattr__(copied, STATE, state._replace(storage=None))
    return copied


def schema_of_class(cls: Any) -> Schema:
    """The schema of a document class, made when it is first needed."""
    made: Schema | None = cls.__dict__.get(SCHEMA)
    if made is None:
        if not cls.__pydantic_complete__:
            cls.model_rebuild(raise_errors=True)
        declared: Declaration = getattr(cls, DECLARATION)
        made = typed(
            cls,
            declared.collection or "",
            key=declared.key,
            indexes=declared.indexes,
            unknown=declared.unknown,  # type: ignore[arg-type]
            validates=declared.load == "validate",
            events=events_of(cls),
            expires_after=declared.expires_after,
            shard_key=declared.shard_key,
            stamps=stamps_of(cls, declared),
            family=declared.family,
            family_name=declared.family_name,
            named=name_field(declared),
            abstract=declared.abstract,
            upgrades=upgrades_of(cls, declared.version),
            scopes=branch_of(cls, declared),
        )
        made = narrowed(made, declared.where)
        setattr(cls, SCHEMA, made)
    return made


def _complete_key(cls: Any, declared: Declaration) -> None:
    """Give the key field the default that its type has: counted, made, or a UUID as text."""
    fields = cls.__pydantic_fields__
    changed = False
    if declared.key != "id" and "id" in fields and _inherited_id(cls):
        del fields["id"]
        cls.__annotations__ = {n: a for n, a in cls.__annotations__.items() if n != "id"}
        changed = True
    key = fields.get(declared.key)
    if key is not None and key.is_required():
        if key.annotation is int:
            key.default, changed = None, True
        elif key.annotation is ObjectId:
            key.default_factory, changed = ObjectId, True
        elif key.annotation is str and declared.key == "id":
            key.default_factory, changed = uuid7_text, True
    if changed:
        cls.model_rebuild(force=True, raise_errors=False, _parent_namespace_depth=4)


def _inherited_id(cls: Any) -> bool:
    return all("id" not in get_annotations(base) for base in cls.__mro__ if base is not Document)
