"""Fields that hold when a document was stored first and last: `CreatedAt` and `UpdatedAt`."""

from __future__ import annotations

import types
import typing
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar, Final, Literal, NamedTuple

from pydantic import BaseModel
from pydantic import Field as PydanticField

from docmap.errors import InvalidModel
from docmap.query.changes import Step, Update, Value
from docmap.query.paths import Path
from docmap.schema.readers import to_wire
from docmap.schema.registry import is_document_class
from docmap.schema.types import Field, FieldType
from docmap.values.clock import now


@dataclass(frozen=True, slots=True)
class Moment:
    """Marks a datetime that docmap sets: with the first write of a document, or with each."""

    event: Literal["created", "updated"]
    server_set: ClassVar[bool] = True
    """A client does not send it: input models leave it out."""


def _now() -> datetime:
    return cut(now(), microseconds=False)


CreatedAt = Annotated[datetime, PydanticField(default_factory=_now), Moment("created")]
"""When the document was stored first. Set by docmap, unless a new document was given one."""
UpdatedAt = Annotated[datetime, PydanticField(default_factory=_now), Moment("updated")]
"""When the document was stored last: set by docmap with every write, updates of queries too."""


class Moments(NamedTuple):
    """The fields of a class that docmap sets."""

    created: tuple[Field, ...] = ()
    updated: tuple[Field, ...] = ()


NO_MOMENTS: Final = Moments()


def cut(moment: datetime, *, microseconds: bool) -> datetime:
    """A moment as a field of that precision stores it."""
    if microseconds:
        return moment
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def moments_of(model: type[BaseModel], root: FieldType) -> Moments:
    """The marked fields of a document class. Raises InvalidModel where one cannot work."""
    found: dict[str, list[Field]] = {"created": [], "updated": []}
    for name, info in model.model_fields.items():
        markers = [one for one in info.metadata if isinstance(one, Moment)]
        where = f"{model.__name__}.{name}"
        if any(_inside(info.annotation, set())):
            raise InvalidModel(
                f"{where}: CreatedAt and UpdatedAt are about the document: declare the field in "
                "the document class itself, and without None or a list around it",
                field=name,
            )
        if len(markers) > 1 or (markers and root.fields[name].type.kind != "datetime"):
            raise InvalidModel(f"{where}: declare it as CreatedAt or as UpdatedAt", field=name)
        for marker in markers:
            found[marker.event].append(root.fields[name])
    moments = Moments(tuple(found["created"]), tuple(found["updated"]))
    return moments if any(moments) else NO_MOMENTS


def _inside(annotation: Any, seen: set[Any]) -> Iterator[bool]:
    """True for each marker below the top of an annotation, in nested models too."""
    if typing.get_origin(annotation) is Annotated:
        yield any(isinstance(one, Moment) for one in typing.get_args(annotation)[1:])
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        fields = getattr(annotation, "__pydantic_fields__", {})
        if annotation not in seen and fields and not is_document_class(annotation):
            seen.add(annotation)
            for info in fields.values():
                yield any(isinstance(one, Moment) for one in info.metadata)
                yield from _inside(info.annotation, seen)
        return
    for one in typing.get_args(annotation):
        yield from _inside(one, seen)


def set_moments(
    values: dict[str, Any], moments: Moments, *, kept: Collection[str], insert: bool
) -> None:
    """Set the fields of a document that is about to be stored, but for those `kept`."""
    moment = now()
    for field in (*moments.created, *moments.updated) if insert else moments.updated:
        if field.name not in kept:
            values[field.name] = cut(moment, microseconds=field.type.microseconds)


def touched(moments: Moments, update: Update) -> Update:
    """An update of stored documents that sets when it was, unless it sets the field by itself."""
    if not moments.updated:
        return update
    named = {step.path.segments[0] for step in update}
    moment, steps = now(), list(update)
    for field in moments.updated:
        if field.stored not in named:
            value = cut(moment, microseconds=field.type.microseconds)
            operand = Value(value, to_wire(field.type, value))
            steps.append(Step(Path((field.stored,)), "set", operand, (field.type,)))
    return tuple(steps)
