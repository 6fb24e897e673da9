"""Schema filters: the condition that a class declares, which all of its records satisfy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from docmap.errors import InvalidModel, InvalidQuery, InvalidValue
from docmap.query.conditions import Condition
from docmap.query.evaluate import matches, roots
from docmap.query.nodes import TRUE, conjunction
from docmap.query.text import text
from docmap.schema.bind import bind
from docmap.schema.schema import Schema


def narrowed(schema: Schema, conditions: Sequence[Condition]) -> Schema:
    """The schema of a class that has only the records for which the conditions hold.

    Raises InvalidModel for a condition that is not one on the class.
    """
    for condition in conditions:
        for owner in condition.owners:
            if not issubclass(schema.model, owner):
                raise InvalidModel(
                    f"{schema.name}: where names a field of {owner.__name__}: name the fields of "
                    f"{schema.name} by keyword, Q(field=value)"
                )
    try:
        where = conjunction(*(bind(condition.node, schema.names) for condition in conditions))
    except (InvalidQuery, InvalidValue) as error:
        raise InvalidModel(
            f"{schema.name}: where cannot be a condition of the class: {error.message}",
            collection=schema.collection,
            field=error.field,
            suggestions=error.suggestions,
        ) from error
    if where == TRUE:
        return schema
    return replace(schema, where=where, scopes=(*schema.scopes, lambda: where))


def check_where(schema: Schema, data: bytes | str) -> None:
    """Raise InvalidValue for a record that the class would not see once it is stored."""
    where = schema.where
    if where is None or matches(where, schema.codec.tree(data, roots(where))):
        return
    raise InvalidValue(
        f"{schema.name} has only records for which {text(where, operands=True)}, and this is none: "
        "change it, or store it through another class of the collection; nothing was written",
        collection=schema.collection,
        fields=tuple(sorted(map(str, roots(where) or ()))),
    )
