"""Expiry: from which moment on a document is no longer there, as `expires_after` says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from docmap.errors import InvalidModel, InvalidQuery
from docmap.query.nodes import Compare, Node, negation
from docmap.query.paths import Path
from docmap.schema.moments import Moments, cut
from docmap.schema.resolve import Root, resolve_name
from docmap.schema.types import FieldType
from docmap.values.clock import now

WAYS = (
    "expires_after takes a timedelta, counted from a CreatedAt or UpdatedAt field; a field's name "
    'and a timedelta, ("created_at", timedelta(hours=1)); or the name of a field that holds the '
    "moment itself"
)


@dataclass(frozen=True, slots=True)
class Expiry:
    """A document has expired once the moment at `path`, and `after` it, have passed."""

    name: str
    """The field as a user writes it."""
    path: Path
    type: FieldType
    after: timedelta

    def gone(self) -> Node:
        """The bound condition of what has expired by now; null and missing never do."""
        try:
            edge = now() - self.after
        except OverflowError:  # before the year 1 there was nothing
            edge = datetime.min.replace(tzinfo=now().tzinfo)
        edge = cut(edge, microseconds=self.type.microseconds)
        return Compare(self.path, "lte", edge, self.type)

    def scope(self) -> Node:
        """The bound condition of what is still there."""
        return negation(self.gone())


def bind_expiry(declared: Any, names: Root, moments: Moments) -> Expiry | None:
    """The expiry that a class declares. Raises InvalidModel for one that cannot work."""
    if declared is None:
        return None
    name, after = _parts(declared, names.name, moments)
    try:
        found = resolve_name(names, name)
    except InvalidQuery as error:
        raise InvalidModel(
            f"{names.name}: expires_after: {error}", field=name, suggestions=error.suggestions
        ) from error
    if found.type.kind != "datetime" or found.path.each or not _fixed(found.path):
        raise InvalidModel(
            f"{names.name}: expires_after counts from {names.name}.{name}, which is "
            f"{found.type.label}: name a field that holds one datetime",
            field=name,
        )
    return Expiry(name, found.path, found.type, after)


def _fixed(path: Path) -> bool:
    return all(isinstance(segment, str) for segment in path.segments)


def _parts(declared: Any, where: str, moments: Moments) -> tuple[str, timedelta]:
    if isinstance(declared, str):
        return declared, timedelta(0)
    if isinstance(declared, timedelta):
        name, after = _from(where, moments), declared
    elif (
        isinstance(declared, tuple)
        and len(declared) == 2
        and isinstance(declared[0], str)
        and isinstance(declared[1], timedelta)
    ):
        name, after = declared
    else:
        raise InvalidModel(f"{where}: {WAYS}, not {type(declared).__name__}")
    if after <= timedelta(0):
        raise InvalidModel(
            f"{where}: expires_after takes a timedelta above zero; for the moment that a field "
            f"holds write expires_after={name!r}"
        )
    return name, after


def _from(where: str, moments: Moments) -> str:
    """The only field that a bare timedelta can be counted from."""
    fields = [field.name for field in (*moments.created, *moments.updated)]
    if len(fields) == 1:
        return fields[0]
    reason = f"the class has {' and '.join(fields) or 'no field of these types'}"
    raise InvalidModel(
        f"{where}: a timedelta alone does not say what it counts from, since {reason}: {WAYS}"
    )
