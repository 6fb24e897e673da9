"""The one printer of conditions, for repr, errors, logs and explain.

Operands are shown as `?` unless the environment variable `DOCMAP_DEBUG` is `1`: a filter value may
be as secret as what is stored.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from docmap.query.nodes import And, Compare, Element, Keyword, Node, Not, Or
from docmap.query.order import OrderTerm
from docmap.query.paths import Path

_SIGNS = {
    "equals": "==",
    "gt": ">",
    "gte": ">=",
    "lt": "<",
    "lte": "<=",
    "_after": ">",
    "_before": "<",
}


def text(node: Node, *, operands: bool = False) -> str:
    """A condition in words; `operands` are shown where they are part of a declaration.

    >>> text(And((Compare(Path(("status",)), "equals", "paid"), Not(Keyword("total__gt", 5)))))
    'status == ? and not total__gt=?'
    """
    match node:
        case Keyword(name, value):
            return f"{name}={_operand(value, operands)}"
        case Compare(path, lookup, value):
            return f"{_place(path)} {_SIGNS.get(lookup, lookup)} {_operand(value, operands)}"
        case Element(path, quantifier, condition):
            return f"{quantifier} of {_place(path)} has ({text(condition, operands=operands)})"
        case And(children):
            return " and ".join(_inner(child, operands) for child in children) or "everything"
        case Or(children):
            return " or ".join(_inner(child, operands) for child in children) or "nothing"
        case Not(child):
            return f"not {_inner(child, operands)}"


def _inner(node: Node, operands: bool) -> str:
    written = text(node, operands=operands)
    return f"({written})" if isinstance(node, (And, Or)) and len(node.children) > 1 else written


def _place(path: Path) -> str:
    return path.dotted or "it"


def _operand(value: Any, shown: bool) -> str:
    if shown or isinstance(value, (bool, type(None))):
        return repr(value)
    return repr(value) if os.environ.get("DOCMAP_DEBUG") == "1" else "?"


def order_text(terms: Sequence[OrderTerm]) -> str:
    """An order as it is written: `-created_at, id`."""
    return ", ".join(("-" if term.descending else "") + term.path.dotted for term in terms)
