"""Ref: a field that holds the key of another document, inert until it is fetched."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterable
from datetime import date
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Protocol, Self, TypeVar, overload
from uuid import UUID
from weakref import ref

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter
from pydantic_core import CoreSchema, to_jsonable_python
from pydantic_core import core_schema as cs

from docmap.errors import DocumentNotFound, InvalidModel, InvalidValue, NotFetched
from docmap.schema.registry import DECLARATION, belongs, is_document_class, known
from docmap.values import ObjectId

if TYPE_CHECKING:
    from docmap.query.conditions import Condition
    from docmap.query.order import OrderTerm

T = TypeVar("T")
D = TypeVar("D")
Key = str | int | UUID | ObjectId | date
_MADE = "__docmap_reference__"


class Awaited(Protocol):
    """A storage whose methods are awaited."""

    awaited: ClassVar[Literal[True]]


class Ref(Generic[T]):
    """`customer: Ref[Customer]` holds the key of a Customer and is stored as that key.

    It takes a document, another reference or a key; `Ref["Customer"]` names a class that is defined
    elsewhere or later. `Ref(ann)` is a reference to a document at hand. Nothing is read before it
    is asked for: `get(db)` reads the document, and after `fetch("customer")` on the query it is in
    `value`. References are equal if class and key are.
    """

    __slots__ = ("_held", "_key")

    _to: ClassVar[Callable[[], Any] | None] = None
    """Gives the referenced class; None on `Ref` itself."""
    _key: Any
    _held: Any
    """The document, or None if it was fetched and is not there; unset before."""

    def __new__(cls, to: T | Key | Ref[T], /) -> Self:
        """A reference to a document, by a key, or as another reference.

        Raises InvalidValue for what is none of these, and for another class's document.
        """
        if cls._to is not None:
            try:
                return cls._made(to)
            except InvalidValue:
                raise
            except ValueError as error:
                raise InvalidValue(f"{cls.__name__} {error}") from None
        if isinstance(to, Ref):
            return to  # type: ignore[return-value]
        if not is_document_class(type(to)):
            raise InvalidValue('Ref(...) takes a document; for a key write Ref[Customer]("key")')
        return Ref[type(to)]._made(to)  # type: ignore[misc, no-any-return]

    @property
    def key(self) -> Any:
        """The key of the document; None if it was given as a document that has none yet."""
        return self._held.pk if self._key is None else self._key

    @property
    def target(self) -> type[T]:
        """The class that is referred to."""
        return self._class()  # type: ignore[no-any-return]

    @property
    def is_fetched(self) -> bool:
        """True if `value` can be asked: the reference was fetched, or given as a document."""
        return hasattr(self, "_held")

    @property
    def value(self) -> T:
        """The document that was fetched, or that the reference was made of; this never reads.

        Raises NotFetched before `fetch`, DocumentNotFound if the document was not there.
        """
        try:
            held = self._held
        except AttributeError:
            raise NotFetched(
                f"this Ref[{self.target.__name__}] was not fetched: name its field in fetch(...) "
                "on the query, call db.fetch(documents, ...) for documents at hand, or read this "
                "one with .get(db)",
                collection=getattr(self.target, DECLARATION).collection,
                key=self._key,
            ) from None
        if held is None:
            collection = getattr(self.target, DECLARATION).collection
            text = f"{collection} had no document with the key of this reference"
            raise DocumentNotFound(text, collection=collection, key=self._key)
        return held  # type: ignore[no-any-return]

    @overload
    def get(self, storage: Awaited, /) -> Awaitable[T]: ...
    @overload
    def get(self, storage: Any, /) -> T: ...
    def get(self, storage: Any, /) -> T | Awaitable[T]:
        """Read the document from a storage, each time anew. Raises DocumentNotFound.

        Of a storage of `docmap.aio` it is awaited: `await order.customer.get(db)`.
        """
        if self.key is None:
            raise InvalidValue(_keyless(self.target))
        return storage.get(self.target, self.key)  # type: ignore[no-any-return]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Ref):
            return NotImplemented
        if type(self) is not type(other) and self._class() is not other._class():
            return False
        mine, theirs = self.key, other.key
        if mine is None or theirs is None:
            return mine is theirs and self._held is other._held
        return bool(mine == theirs)

    def __hash__(self) -> int:
        if self.key is None:
            raise TypeError(_keyless(self.target))
        return hash((self._class(), self.key))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.key!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        held = (self._held,) if self.is_fetched else ()
        return _restored, (self._class(),), (self._key, held)

    def __setstate__(self, state: tuple[Any, tuple[Any, ...]]) -> None:
        self._key, held = state
        if held:
            (self._held,) = held

    # -- the class of references to one class

    if not TYPE_CHECKING:

        def __class_getitem__(cls, target: Any) -> type[Ref[Any]]:
            if cls._to is not None:
                raise InvalidModel(f"{cls.__name__} refers to one class already")
            if isinstance(target, str):
                # The module of the annotation, also where pydantic evaluates it from text.
                module = str(sys._getframe(1).f_globals.get("__name__"))
                return _class(f'Ref["{target}"]', _Named(target, module))
            if not is_document_class(target):
                name = getattr(target, "__name__", None) or str(target)
                raise InvalidModel(
                    f"Ref[{name}]: a reference names one class that derives from Document, or its "
                    'name in quotes, Ref["Customer"]'
                )
            made = target.__dict__.get(_MADE)
            if made is None:
                made = _class(f"Ref[{target.__name__}]", _Direct(target))
                setattr(target, _MADE, made)
            return made

    @classmethod
    def _class(cls) -> Any:
        """The referenced class. Raises InvalidModel if it is not defined, or has no collection."""
        if cls._to is None:
            raise InvalidModel("Ref needs the class that it refers to: Ref[Customer]")
        target = cls._to()
        if getattr(target, DECLARATION).collection is None:
            raise InvalidModel(
                f"Ref[{target.__name__}]: {target.__name__} is abstract and has no collection; "
                "refer to a class that has one"
            )
        return target

    @classmethod
    def _of(cls) -> Callable[[Any], Ref[T]]:
        """What makes a reference of a key that is known to be right."""
        new = object.__new__

        def make(key: Any) -> Ref[T]:
            made = new(cls)
            made._key = key
            return made

        return make

    @classmethod
    def _made(cls, value: Any) -> Self:
        """A reference from what a user gives. Raises ValueError that says what is wrong."""
        if type(value) is cls:
            return value
        made, target = object.__new__(cls), cls._class()
        if isinstance(value, Ref):
            _check_class(value._class(), target, "a reference to ")
            made._key = value._key
            if value.is_fetched:
                made._held = value._held
        elif is_document_class(type(value)):
            _check_class(type(value), target, "")
            key = value.pk
            made._key = None if key is None else target.__docmap_schema__.key_value(key)
            made._held = value
        elif value is None:
            raise ValueError(f"is None: give a {target.__name__} or its key")
        else:
            made._key = target.__docmap_schema__.key_value(value)
        return made

    # -- for pydantic

    @classmethod
    def __get_pydantic_core_schema__(cls, _: Any, __: GetCoreSchemaHandler) -> CoreSchema:
        if cls._to is None:
            cls._class()
        return cs.no_info_plain_validator_function(
            cls._made,
            serialization=cs.plain_serializer_function_ser_schema(_dumped, info_arg=True),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, _: CoreSchema, handler: GetJsonSchemaHandler) -> Any:
        return handler(TypeAdapter(key_field(cls._class()).annotation).core_schema)

    if TYPE_CHECKING:
        # A checker sees a field `customer: Ref[Customer]` as a descriptor: it takes what is said
        # above, `Order.customer` is an expression, and `order.customer` a reference.
        @overload
        def __get__(self, instance: None, owner: Any, /) -> ReferenceExpression[T]: ...
        @overload
        def __get__(self, instance: object, owner: Any, /) -> Ref[T]: ...
        def __get__(self, instance: object, owner: Any, /) -> Any: ...

        def __set__(self, instance: object, value: T | Ref[T] | Key, /) -> None: ...


if TYPE_CHECKING:

    class ReferenceExpression(Generic[T]):
        """A reference field of a class, to be compared with documents, references and keys."""

        __hash__ = None  # type: ignore[assignment]

        def __eq__(self, other: T | Ref[T] | Key | None, /) -> Condition: ...  # type: ignore[override]
        def __ne__(self, other: T | Ref[T] | Key | None, /) -> Condition: ...  # type: ignore[override]

        def in_(self, values: Iterable[T | Ref[T] | Key | None], /) -> Condition:
            """True if the reference is to one of these."""

        def not_in(self, values: Iterable[T | Ref[T] | Key | None], /) -> Condition:
            """True if the reference is to none of these."""

        def exists(self, flag: bool = True, /) -> Condition:
            """True where something is stored, null included."""

        def is_null(self, flag: bool = True, /) -> Condition:
            """True where null or nothing is stored."""

        def asc(self) -> OrderTerm:
            """Sort by the key."""

        def desc(self) -> OrderTerm:
            """Sort by the key, the greatest first."""


class _Direct:
    """A referenced class that is at hand; the class itself holds what refers to it."""

    def __init__(self, target: Any) -> None:
        self._target = target

    def __call__(self) -> Any:
        return self._target


class _Named:
    """A referenced class by name: looked up when it is needed, and again once it is replaced."""

    def __init__(self, name: str, module: str) -> None:
        self._name = name
        self._module = module
        self._found: ref[Any] | None = None

    def __call__(self) -> Any:
        found = self._found() if self._found is not None else None
        if found is None or not known.has(found):
            found = known.find(self._name, self._module)
            self._found = ref(found)
        return found


def _class(name: str, to: Callable[[], Any]) -> Any:
    space = {"__slots__": (), "_to": staticmethod(to), "__module__": Ref.__module__}
    return type(name, (Ref,), space)


def _restored(target: Any) -> Any:
    return object.__new__(Ref[target])


def _keyless(target: Any) -> str:
    return f"refers to a {target.__name__} that has no key yet: save that document first"


def _check_class(given: Any, target: Any, what: str) -> None:
    if not belongs(given, target):
        raise ValueError(
            f"is {what}{given.__name__}, where {what}{target.__name__} is wanted: give a "
            f"{target.__name__} or its key"
        )


def _dumped(value: Any, info: Any) -> Any:
    key = value.key if isinstance(value, Ref) else value
    if info.mode != "json" or type(key) in {str, int}:
        return key
    return to_jsonable_python(key, fallback=str)


def key_field(target: Any) -> Any:
    """The declaration of the key field of a document class."""
    name = getattr(target, DECLARATION).key
    found = target.__pydantic_fields__.get(name)
    if found is None:
        raise InvalidModel(f"{target.__name__} has no field {name!r} to be its key", field=name)
    return found


def key_of(ref_class: type[Ref[Any]], value: Any) -> Any:
    """The key to store for what a field holds. Raises ValueError that says what is wrong."""
    made = value if type(value) is ref_class else ref_class._made(value)
    key = made.key
    if key is None:
        raise ValueError(_keyless(made.target))
    return key
