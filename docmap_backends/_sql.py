"""Pieces of SQL: fragments with their parameters, names, and trees of conditions."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from docmap.plan.engine import Native
from docmap.query.nodes import And, Not, Or


class SQL(NamedTuple):
    """A piece of SQL and the values for its question marks, in order."""

    text: str
    parameters: tuple[Any, ...] = ()

    def __str__(self) -> str:
        return self.text


_WIDEST = 100  # pieces in a row: SQLite takes an expression that is at most 1,000 deep


def joined(separator: str, pieces: Iterable[SQL]) -> SQL:
    """The pieces with `separator` between them, in parentheses."""
    parts = list(pieces)
    while len(parts) > _WIDEST:
        parts = [
            joined(separator, parts[start : start + _WIDEST])
            for start in range(0, len(parts), _WIDEST)
        ]
    text = separator.join(part.text for part in parts)
    return SQL(f"({text})", tuple(value for part in parts for value in part.parameters))


def render(condition: Any) -> SQL:
    """The planner's tree of native conditions as one condition.

    WHERE takes unknown for false, so a clause may be unknown there; whatever stands under NOT is
    made two-valued first.
    """
    match condition:
        case Native(sql):
            return sql  # type: ignore[no-any-return]
        case And(children):
            return joined(" AND ", map(render, children)) if children else SQL("1")
        case Or(children):
            return joined(" OR ", map(render, children)) if children else SQL("0")
        case Not(child):
            inner = render(child)
            return SQL(f"(({inner.text}) IS NOT TRUE)", inner.parameters)
    raise TypeError(f"{type(condition).__name__} is no native condition")


def quoted(name: str) -> str:
    """A name of a table, column or index, whatever characters it has."""
    return '"' + name.replace('"', '""') + '"'


def text_literal(text: str) -> str:
    """A text constant. Only for what must stand in the statement itself, such as JSON paths."""
    return "'" + text.replace("'", "''") + "'"


_RESERVED = re.compile(r"sqlite_|docmap_|ix_", re.IGNORECASE)


def table_name(collection: str) -> str:
    """The table of a collection. SQLite folds case, so a capital is marked: `Orders` is `^orders`.

    >>> table_name("Orders"), table_name("sqlite_x")
    ('^orders', '~sqlite_x')
    """
    name = re.sub(r"[A-Z]", lambda found: "^" + found[0].lower(), collection)
    return "~" + name if _RESERVED.match(collection) else name


def column_name(segments: Iterable[str]) -> str:
    """The column that holds the sortable key of the field at a path: `#customer.balance`.

    >>> column_name(["customer", "Balance"]), column_name(["customer.Balance"])
    ('#customer.^balance', '#customer^.^balance')
    """
    return "#" + ".".join(
        re.sub(r"[A-Z^.]", lambda found: "^" + found[0].lower(), segment) for segment in segments
    )
