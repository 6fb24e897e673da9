"""Pieces of PostgreSQL's SQL: trees of conditions with their parameters.

Parameters stand as `%s`, and a percent sign of the text itself is doubled. They are texts, each
with a cast of its own where it is not compared with text, so that the text of a statement does not
depend on the types of its values.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any, NamedTuple

from docmap.plan.engine import Native
from docmap.query.nodes import And, Not, Or
from docmap_backends._sql import SQL, joined, text_literal

TRUE = SQL("TRUE")
FALSE = SQL("FALSE")


class Position(NamedTuple):
    """The condition of a page: what sorts after a value, or before it."""

    plain: SQL
    """Where every stored value is of the declared type; an index serves it."""
    whole: SQL
    """For values of whatever type."""


class Fitting(NamedTuple):
    """A comparison that has to ask whether what an index holds is of the declared form."""

    plain: SQL
    """Where every stored value is of the declared type."""
    whole: SQL
    """For values of whatever type."""
    odd: str
    """An expression for whether there are values of other types."""


def render(
    condition: Any, *, odd: bool = True, placed: bool = True, told: Container[str] = ()
) -> SQL:
    """The planner's tree of native conditions as one condition.

    WHERE takes unknown for false, so a clause may be unknown there; whatever stands under NOT is
    made two-valued first. Not `odd` takes forms that do not hold for values of other types than
    declared, but have an index; not `placed` takes the condition without the position of a page.
    What the statement tells of anyway, by the expressions in `told`, no condition asks again.
    """

    def below(one: Any) -> SQL:
        return render(one, odd=odd, placed=placed, told=told)

    match condition:
        case Native(Position()) if not placed:
            return TRUE
        case Native(Position(plain, whole)):
            return whole if odd else plain
        case Native(Fitting(plain, whole, asked)):
            return plain if asked in told else whole
        case Native(sql):
            return sql  # type: ignore[no-any-return]
        case And(children):
            return joined(" AND ", map(below, children)) if children else TRUE
        case Or(children):
            return joined(" OR ", map(below, children)) if children else FALSE
        case Not(child):
            inner = render(child, odd=odd, placed=placed)  # less would be found without asking
            return SQL(f"(({inner.text}) IS NOT TRUE)", inner.parameters)
    raise TypeError(f"{type(condition).__name__} is no native condition")


def where(
    condition: Any, *, odd: bool = True, placed: bool = True, told: Container[str] = ()
) -> SQL:
    """The WHERE clause of a native condition, with the space before it; nothing for None."""
    if condition is None:
        return SQL("")
    rendered = render(condition, odd=odd, placed=placed, told=told)
    return SQL(f" WHERE {rendered.text}", rendered.parameters)


def literal(text: str) -> str:
    """A text constant. Only for what must stand in the statement itself, such as keys of JSON."""
    return constant(text).replace("%", "%%")


def constant(text: str) -> str:
    r"""The same with percent signs as they are.

    In text with a backslash no setting of a server, a database or a user may change its meaning:
    with `standard_conforming_strings` off, that of the plain form would end elsewhere.

    >>> print(constant("it's"), constant("a\\'b"))
    'it''s' E'a\\''b'
    """
    plain = text_literal(text)
    return "E" + plain.replace("\\", "\\\\") if "\\" in text else plain


def likely(condition: str) -> str:
    """A condition that holds nearly always, said so that the planner knows it.

    It takes an equality of which it knows nothing for true in one of two hundred rows, and an
    inequality for false in one of them.
    """
    return f"(CASE WHEN {condition} THEN 1 ELSE 0 END)<>0"


def any_row(source: str) -> str:
    """True if a source has a row. For EXISTS the server would hope to meet one early in a scan."""
    return f"(SELECT count(*)>0 FROM {source})"
