"""Every lookup as native: what an engine that runs the reference functions itself registers."""

from __future__ import annotations

from typing import Any

from docmap.plan.engine import Native
from docmap.query.lookups import VOCABULARY, LookupManager
from docmap.query.nodes import And, Compare, Element, Node, Not, Or


class References(LookupManager):
    """Every lookup of the vocabulary, a user's own included, is native here: it is its meaning."""

    def resolve(self, name: Any, operation: str | None, value: Any, codec: Any = None) -> Any:
        return Native(node_asked(name, operation, value, codec))

    def names(self) -> frozenset[str]:
        return frozenset(VOCABULARY) | {"any", "all"}


def node_asked(name: Any, operation: str | None, value: Any, codec: Any) -> Node:
    """The bound condition that a lookup was asked for."""
    if operation in {"any", "all"}:
        return Element(name, operation, value, codec.type)  # type: ignore[arg-type]
    return Compare(name, operation or "equals", value, codec.type)


def node_of(condition: Any) -> Node | None:
    """The bound condition again, out of the planner's native tree."""
    match condition:
        case None:
            return None
        case Native(found):  # the condition itself, or an engine's form that knows it
            return getattr(found, "node", found)  # type: ignore[no-any-return]
        case And(children):
            return And(tuple(node_of(child) for child in children))  # type: ignore[misc]
        case Or(children):
            return Or(tuple(node_of(child) for child in children))  # type: ignore[misc]
        case Not(child):
            return Not(node_of(child))  # type: ignore[arg-type]
    raise TypeError(f"{type(condition).__name__} is no native condition")
