"""What a class sees of a collection, asked of records that are read by another class's types.

The condition of a document class is about logical values. Of a field that the class of the query
does not declare there is only the stored form: there text stands for times and identifiers.
"""

from __future__ import annotations

from typing import Final

from docmap.errors import InvalidQuery
from docmap.query.nodes import And, Compare, Element, Keyword, Node, Not, Or
from docmap.schema.readers import to_wire
from docmap.schema.schema import Schema
from docmap.schema.stamps import TEXT

_ALIKE: Final = frozenset({"str", "int", "float", "bool", "any"})
"""Kinds whose stored form is the value."""
_AS_TEXT: Final = frozenset({"datetime", "date", "time", "uuid", "objectid"})
"""Kinds whose stored form is text in the same order."""
_COMPARED: Final = frozenset({"equals", "gt", "gte", "lt", "lte", "between", "in"})


def seen_through(schema: Schema, target: Schema, scope: Node) -> Node:
    """What narrows the reads of `target`, as a condition on records read by `schema`.

    Raises InvalidQuery where it cannot be asked so.
    """
    match scope:
        case And(children):
            return And(tuple(seen_through(schema, target, child) for child in children))
        case Or(children):
            return Or(tuple(seen_through(schema, target, child) for child in children))
        case Not(child):
            return Not(seen_through(schema, target, child))
        case Compare() | Element():
            return _asked(schema, target, scope)
        case Keyword():
            raise TypeError("the scope of a class is bound")


def _asked(schema: Schema, target: Schema, node: Compare | Element) -> Node:
    name = str(node.path.segments[0]) if node.path.segments else ""
    mine = {entry.stored: entry.type.kind for entry in schema.root.fields.values()}.get(name)
    theirs = {entry.stored: entry.type.kind for entry in target.root.fields.values()}.get(name)
    if theirs is None or mine == theirs:
        return node
    if isinstance(node, Compare):
        kind = getattr(node.type, "kind", "any")
        if node.value is None or kind in _ALIKE:
            return node
        if kind in _AS_TEXT and node.lookup in _COMPARED:
            many = isinstance(node.value, (tuple, list))
            value = (
                tuple(to_wire(node.type, one) for one in node.value)
                if many
                else to_wire(node.type, node.value)
            )
            return Compare(node.path, node.lookup, value, TEXT)
    raise InvalidQuery(
        f"{target.name} sees only some of the records, by {node.path.dotted}, which {schema.name} "
        f"does not declare alike: query {target.name} itself, or declare the field in "
        f"{schema.name}",
        collection=schema.collection,
        field=node.path.dotted,
    )
