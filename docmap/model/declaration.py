"""What a document class declares by its class keywords, checked when the class is made."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from pydantic import ConfigDict

from docmap.errors import InvalidModel, nearest
from docmap.query.conditions import Condition
from docmap.schema.annotations import Index
from docmap.schema.family import Family
from docmap.schema.schema import check_collection
from docmap.schema.stamps import FAMILY, VERSION

KEYWORDS: Final = frozenset(
    "collection indexes key abstract unknown load where version family_field family_name "
    "expires_after shard_key".split()
)

RESERVED: Final = frozenset(
    {
        "changed_fields",
        "convert_to",
        "delete",
        "from_storage",
        "input_model",
        "insert",
        "is_new",
        "pk",
        "reload",
        "save",
        "save_as",
    }
)
"""The names that Document takes beside pydantic's own: no field may have one."""
_CLASS_NAMES: Final = frozenset({"mro", "register"})  # Python's own, found before any field


@dataclass(frozen=True, slots=True)
class Declaration:
    """The class keywords of one document class, with what it inherits."""

    collection: str | None = None
    indexes: tuple[Index, ...] = ()
    key: str = "id"
    abstract: bool = False
    unknown: str = "keep"
    load: str = "trust"
    where: tuple[Condition, ...] = ()
    version: int | None = None
    family_field: str = FAMILY
    family_name: str = ""
    family: Family | None = None
    """The classes of the collection; None before the fields of the class are known."""
    expires_after: Any = None
    shard_key: Any = None


def declare(cls: type, inherited: Declaration, keywords: Mapping[str, Any]) -> Declaration:
    """The declaration of a new class. Raises InvalidModel for a keyword that cannot be."""
    for name in keywords:
        if name not in KEYWORDS:
            near = nearest(name, KEYWORDS | ConfigDict.__annotations__.keys())[:1]
            hint = f": did you mean {near[0]!r}?" if near else ""
            raise InvalidModel(
                f"{cls.__name__}: neither docmap nor pydantic knows the class keyword "
                f"{name!r}{hint}",
                suggestions=near,
            )
    abstract = bool(keywords.get("abstract", False))
    collection = keywords.get("collection")
    if collection is not None:
        check_collection(collection)
    elif inherited.family is not None:
        collection = inherited.collection
        if keywords.get("shard_key", inherited.shard_key) != inherited.shard_key:
            raise InvalidModel(
                f"{cls.__name__}: shard_key is about the collection, which {cls.__name__} shares "
                "with its base: declare it there, or begin another collection"
            )
    elif not abstract and "[" not in cls.__name__:  # Page[int] shares the collection of Page
        collection = check_collection(_snake_case(cls.__name__))
    if "version" in keywords:
        _check_version(cls, keywords["version"])
    for name in ("family_field", "family_name"):
        if name in keywords:
            _check_name(cls, name, keywords[name])
    _one_of(cls, "unknown", keywords.get("unknown", "keep"), ("keep", "forbid", "drop"))
    _one_of(cls, "load", keywords.get("load", "trust"), ("trust", "validate"))
    own = _indexes(cls, keywords.get("indexes", ()))
    return replace(
        inherited,
        collection=collection,
        indexes=(*inherited.indexes, *own),
        abstract=abstract,
        where=(*inherited.where, *_conditions(cls, keywords.get("where"))),
        **{name: keywords[name] for name in _TAKEN_OVER if name in keywords},
    )


_TAKEN_OVER: Final = tuple(
    "key unknown load version family_field family_name expires_after shard_key".split()
)


def _check_version(cls: type, version: Any) -> None:
    if type(version) is not int or version < 1:
        raise InvalidModel(
            f"{cls.__name__}: version is a whole number from 1, not {version!r}: a record without "
            "one is of version 1"
        )


def _check_name(cls: type, keyword: str, name: Any) -> None:
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
        raise InvalidModel(
            f"{cls.__name__}: {keyword} is a text of 1 to {_LONGEST_NAME} printable characters, "
            f"not {name!r}"
        )
    if keyword == "family_field" and name == VERSION:
        raise InvalidModel(f"{cls.__name__}: {VERSION} holds the version: choose another name")


_LONGEST_NAME: Final = 100


def check_fields(cls: type, names: Iterable[str]) -> None:
    """Raise InvalidModel for a field that would hide a name of Document."""
    for name in names:
        if name in RESERVED | _CLASS_NAMES or name.startswith("__docmap"):
            raise InvalidModel(
                f"{cls.__name__}.{name}: Document has an attribute of this name. Call the field "
                f"{name}_ and give it its name in storage: {name}_: Annotated[..., "
                f'Stored("{name}")]',
                field=name,
            )


def _indexes(cls: type, given: Any) -> tuple[Index, ...]:
    if isinstance(given, (str, Index)) or not isinstance(given, Iterable):
        raise InvalidModel(f'{cls.__name__}: indexes takes a list: indexes=[Index("status")]')
    found = tuple(Index(item) if isinstance(item, str) else item for item in given)
    if not all(isinstance(item, Index) for item in found):
        raise InvalidModel(f'{cls.__name__}: indexes takes Index("field", ...) and field names')
    return found


def _conditions(cls: type, given: Any) -> tuple[Condition, ...]:
    if given is None:
        return ()
    if not isinstance(given, Condition):
        raise InvalidModel(
            f'{cls.__name__}: where takes a condition on its fields, such as Q(status="paid"), not '
            f"{type(given).__name__}"
        )
    return (given,)


def _one_of(cls: type, keyword: str, value: Any, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InvalidModel(
            f"{cls.__name__}: {keyword} is one of {', '.join(map(repr, allowed))}, not {value!r}"
        )


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
