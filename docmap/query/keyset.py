"""Keyset paging: the condition for what sorts after a position, as ordinary comparisons.

A position is the values of one document at the terms of a total order. What follows it falls into
runs: disjoint conditions, each of equalities and one range, whose matches come one run after the
other. So an index on the order serves every run from its first match on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from docmap.query.evaluate import compare
from docmap.query.nodes import And, Compare, Node, conjunction, disjunction
from docmap.query.order import OrderTerm
from docmap.query.paths import Path, getter
from docmap.values import MISSING


def position(terms: Sequence[OrderTerm], tree: Any) -> tuple[Any, ...]:
    """The values of a document's logical tree at the terms of an order; None for missing."""
    found = (getter(term.path)(tree) for term in terms)
    return tuple([None if value is MISSING else value for value in found])


class Run(NamedTuple):
    """A part of what follows a position: equalities, what lies beyond a value, the order within."""

    ties: tuple[Compare, ...]
    beyond: Compare
    order: tuple[OrderTerm, ...]
    """The terms of the order whose values differ within the run."""

    @property
    def condition(self) -> Node:
        """The condition of the run alone."""
        return conjunction(*self.ties, self.beyond)

    def of(self, condition: Node) -> Node | None:
        """The run within another condition, of which no two ranges on one field are left.

        None if nothing can match. Of two ranges on one side an engine may take the wrong one, and
        read all that lies between them.
        """
        kept: list[Node] = []
        beyond: Node = self.beyond
        for one in condition.children if isinstance(condition, And) else (condition,):
            if isinstance(one, Compare) and one.path == self.beyond.path:
                if self.beyond.lookup == "is_null":
                    if not any(compare(one, getter(Path()))(null) for null in (None, MISSING)):
                        return None
                elif one.lookup in _SAME_SIDE[self.beyond.lookup] and _holds(one, self.beyond):
                    # Values of one type are left, those of the operand: the plain lookup's.
                    beyond = replace(self.beyond, lookup=_PLAIN[self.beyond.lookup])
                    if one.lookup == "between":
                        kept.append(_other_end(one, self.beyond))
                    continue
            kept.append(one)
        return conjunction(*kept, *self.ties, beyond)


_SAME_SIDE: Final = {"_after": {"gt", "gte", "between"}, "_before": {"lt", "lte", "between"}}
_PLAIN: Final = {"_after": "gt", "_before": "lt"}


def _holds(condition: Compare, beyond: Compare) -> bool:
    return compare(condition, getter(Path()))(beyond.value)


def _other_end(between: Compare, beyond: Compare) -> Compare:
    low, high = between.value
    if beyond.lookup == "_after":
        return replace(between, lookup="lte", value=high)
    return replace(between, lookup="gte", value=low)


def runs(terms: Sequence[OrderTerm], values: Sequence[Any]) -> tuple[Run, ...]:
    """What sorts after a position, as runs that follow one another in the order.

    The last term is the key, which no two documents share and which is never null.
    """
    found: list[Run] = []
    for depth in range(len(terms) - 1, -1, -1):
        ties = tuple(
            Compare(term.path, "equals", value, term.type)
            for term, value in zip(terms[:depth], values[:depth], strict=True)
        )
        term, rest, value = terms[depth], tuple(terms[depth:]), values[depth]
        lookup = "_before" if term.descending else "_after"
        if not (term.descending and value is None):
            found.append(Run(ties, Compare(term.path, lookup, value, term.type), rest))
            if term.descending and len(rest) > 1:  # nulls are the first ascending, the last here
                nulls = Compare(term.path, "is_null", True, term.type)
                found.append(Run(ties, nulls, rest[1:]))
    return tuple(found)


def after(terms: Sequence[OrderTerm], values: Sequence[Any]) -> Node:
    """The condition for everything that sorts after a position in a total order.

    >>> from docmap.query.evaluate import matches
    >>> from docmap.query.paths import Path
    >>> rest = after([OrderTerm(Path(("n",)), True), OrderTerm(Path(("id",)), True)], (5, "b"))
    >>> [matches(rest, {"n": n, "id": k}) for n, k in [(5, "c"), (5, "a"), (4, "z"), (None, "z")]]
    [False, True, True, True]
    """
    return disjunction(*(run.condition for run in runs(terms, values)))
