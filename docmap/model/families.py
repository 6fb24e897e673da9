"""How document classes form families: who joins whose collection, and under which name."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import replace
from enum import Enum
from inspect import get_annotations
from typing import Any

from docmap.errors import InvalidModel
from docmap.model.declaration import Declaration
from docmap.schema.declared import stored_name
from docmap.schema.family import Branch, Family
from docmap.schema.registry import DECLARATION
from docmap.schema.stamps import VERSION, Stamps


def inherited_by(cls: type, keywords: Mapping[str, Any]) -> Declaration:
    """What a class has from its bases; a family only if it joins one.

    Raises InvalidModel if its bases are of two families.
    """
    bases = [base for base in cls.__mro__[1:] if DECLARATION in base.__dict__]
    nearest: Declaration = getattr(bases[0], DECLARATION) if bases else Declaration()
    families = [d for base in bases if (d := getattr(base, DECLARATION)).family is not None]
    if "collection" in keywords or not families:
        return replace(nearest, collection=None, family=None, family_name="")
    direct = {
        d.collection
        for base in cls.__bases__
        if (d := getattr(base, DECLARATION, None)) is not None and d.family is not None
    }
    if len(direct) > 1:
        raise InvalidModel(
            f"{cls.__name__} derives from classes of the collections "
            f"{' and '.join(sorted(map(repr, direct)))}: give it one of its own with collection=..."
        )
    root = families[0]
    for name in ("version", "family_field", "key"):
        if name in keywords and keywords[name] != getattr(root, name):
            raise InvalidModel(
                f"{cls.__name__}: {name} holds for all classes of a family: declare it on the "
                f"class that begins the collection {root.collection!r}, or give {cls.__name__} a "
                "collection of its own with collection=..."
            )
    indexes = dict.fromkeys((*root.indexes, *nearest.indexes))
    return replace(
        nearest,
        collection=root.collection,
        family=root.family,
        family_name="",
        family_field=root.family_field,
        version=root.version,
        key=root.key,
        indexes=tuple(indexes),
    )


def complete_family(cls: Any) -> None:
    """Settle the family of a class whose fields are known, and its name there."""
    declared: Declaration = getattr(cls, DECLARATION)
    if declared.collection is None:
        return
    family = declared.family
    if family is None:
        family = _begun(cls, declared)
    name = declared.family_name or _name(cls, family, declared)
    if family.declared:
        _check_literal(cls, declared.family_field, name)
    if not family.root_name:
        family.root_name, family.abstract = name, declared.abstract
    setattr(cls, DECLARATION, replace(declared, family=family, family_name=name))
    if not declared.abstract:
        family.check(cls, name)


def join_family(cls: Any) -> None:
    """Take the class in among those that records are loaded as, once nothing can refuse it."""
    declared: Declaration = getattr(cls, DECLARATION)
    family = declared.family
    if family is not None and not declared.abstract:
        _check_key(cls, family)
        family.join(cls, declared.family_name)
        family.validates = family.validates or declared.load == "validate"


def _check_key(cls: Any, family: Family) -> None:
    """Refuse another type of key than the family has: a key could not be asked of the base."""
    key = getattr(cls, DECLARATION).key
    mine = cls.model_fields.get(key)
    for base in cls.__mro__[1:]:
        declared: Declaration | None = base.__dict__.get(DECLARATION)
        if mine is None or declared is None or declared.family is not family:
            continue
        if base.model_fields[key].annotation != mine.annotation:
            raise InvalidModel(
                f"{cls.__name__}.{key} is the key, and {base.__name__} has one of another type: "
                "all classes of a family have the same",
                field=key,
            )


def stamps_of(cls: Any, declared: Declaration) -> Stamps:
    """What records of the class carry. Raises InvalidModel for a field stored under such a name."""
    family = declared.family
    stamps: list[tuple[str, str | int]] = []
    if family is not None and not family.declared:
        asked = {"family_name", "family_field"} & cls.__docmap_keywords__
        if asked or declared.family_name != family.root_name:
            stamps.append((family.field, declared.family_name))
    if declared.version is not None:
        stamps.append((VERSION, declared.version))
    names = dict(stamps)
    for name, info in cls.model_fields.items():
        stored = stored_name(name, info.annotation, tuple(info.metadata), f"{cls.__name__}.{name}")
        if stored in names:
            raise InvalidModel(
                f"{cls.__name__}.{name} is stored as {stored!r}, which docmap writes itself: give "
                "it another name with Stored, or name the field of the family with family_field",
                field=name,
            )
    return tuple(stamps)


def name_field(declared: Declaration) -> tuple[str, str] | None:
    """The model's field that holds the name of the class, and the name; None if none does."""
    if declared.family is None or not declared.family.declared or declared.abstract:
        return None
    return declared.family_field, declared.family_name


def branch_of(cls: Any, declared: Declaration) -> tuple[Branch, ...]:
    """What narrows the reads of a class that shares a collection with others."""
    origin = cls.__pydantic_generic_metadata__["origin"] or cls
    family = declared.family
    if family is None or declared.family_name == family.root_name:
        return ()
    return (Branch(family, origin),)


def _begun(cls: Any, declared: Declaration) -> Family:
    field = declared.family_field
    info = cls.model_fields.get(field)
    if info is None:
        return Family(field)
    where = f"{cls.__name__}.{field}"
    if not (info.annotation is str or _values(info.annotation)):
        raise InvalidModel(
            f"{where} is the field of the family and holds the name of the class: declare it as "
            "str, or as a Literal of texts",
            field=field,
        )
    return Family(stored_name(field, info.annotation, tuple(info.metadata), where), declared=True)


def _values(annotation: Any) -> list[str]:
    """The texts of a Literal; empty for anything else."""
    if typing.get_origin(annotation) is not typing.Literal:
        return []
    found = [one.value if isinstance(one, Enum) else one for one in typing.get_args(annotation)]
    return found if all(isinstance(one, str) for one in found) else []


def _name(cls: Any, family: Family, declared: Declaration) -> str:
    """The name of a class that declares none: what its field says, else its own."""
    if family.declared:
        info = cls.model_fields[declared.family_field]
        values = _values(info.annotation)
        if len(values) == 1:
            return values[0]
        own = declared.family_field in get_annotations(cls)
        if own and isinstance(info.default, str) and info.default:
            return info.default
    return str(cls.__name__)


def _check_literal(cls: Any, field: str, name: str) -> None:
    values = _values(cls.model_fields[field].annotation)
    if values and name not in values:
        raise InvalidModel(
            f"{cls.__name__}.{field} holds the name of the class and cannot be {name!r}: override "
            f'the field, {field}: Literal["{name}"] = "{name}", or choose one of '
            f"{', '.join(map(repr, values))} with family_name",
            field=field,
        )
