"""The condition tree: frozen nodes, the same for every engine.

A tree is built unbound (`Keyword` nodes and Python field names), then bound to a schema by
`docmap.schema.bind`: paths are storage paths, lookups are resolved, operands have the declared
type. Planner, evaluator and printer see bound trees only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from docmap.query.paths import Path


@dataclass(frozen=True, slots=True)
class Keyword:
    """An unbound `customer__country__startswith="D"`: name and operand as they were written."""

    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class Compare:
    """One lookup on one path. `type` is the field's type once the node is bound."""

    path: Path
    lookup: str
    value: Any
    type: Any = None


@dataclass(frozen=True, slots=True)
class Element:
    """A condition on the elements of a list: true for `any` one of them, or for `all`.

    `condition` speaks of the element: its paths start there, and `Path()` is the element itself.
    """

    path: Path
    quantifier: Literal["any", "all"]
    condition: Node
    type: Any = None


@dataclass(frozen=True, slots=True)
class And:
    """True if every child is; `And(())` is true."""

    children: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """True if a child is; `Or(())` is false."""

    children: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Exactly the complement of its child."""

    child: Node


Node = Keyword | Compare | Element | And | Or | Not

TRUE = And(())
FALSE = Or(())


def conjunction(*nodes: Node) -> Node:
    """All of `nodes`, flattened and without what is always true."""
    children: list[Node] = []
    for node in nodes:
        for child in node.children if isinstance(node, And) else (node,):
            if isinstance(child, Or) and not child.children:
                return FALSE
            children.append(child)
    return children[0] if len(children) == 1 else And(tuple(children))


def disjunction(*nodes: Node) -> Node:
    """Any of `nodes`, flattened and without what is always false."""
    children: list[Node] = []
    for node in nodes:
        for child in node.children if isinstance(node, Or) else (node,):
            if isinstance(child, And) and not child.children:
                return TRUE
            children.append(child)
    return children[0] if len(children) == 1 else Or(tuple(children))


def negation(node: Node) -> Node:
    """The complement of `node`; two in a row cancel out."""
    if isinstance(node, Not):
        return node.child
    if node == TRUE:
        return FALSE
    if node == FALSE:
        return TRUE
    return Not(node)
