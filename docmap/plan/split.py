"""Splitting a condition: what the engine does itself, and what is left to the reference functions.

The four rules of docs/architecture.md. An engine says of each comparison whether its native form is
exact, a superset of the matches, or missing; value and all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from docmap.errors import ProcessorDoesNotExist
from docmap.plan.engine import Engine, FieldCodec, Native, NativeNode
from docmap.query.nodes import And, Compare, Element, Node, Not, Or, conjunction, negation
from docmap.schema.schema import Schema

Ask = Callable[[Compare | Element], Native | None]


class Split(NamedTuple):
    """The native part of a condition, and the residual; None where there is nothing to do."""

    native: NativeNode | None
    residual: Node | None


def split(node: Node, ask: Ask) -> Split:
    """Split a bound condition; `ask` gives the native form of one comparison."""
    match node:
        case Compare() | Element():
            native = ask(node)
            if native is None:
                return Split(None, node)
            return Split(native, None if native.exact else node)
        case And(children):
            return _all(tuple(split(child, ask) for child in children))
        case Or(children):
            return _any(node, tuple(split(child, ask) for child in children))
        case Not(child):
            return _complement(node, child, ask)
    raise TypeError(f"{type(node).__name__} was not bound")


def _all(parts: tuple[Split, ...]) -> Split:
    natives = tuple(part.native for part in parts if part.native is not None)
    residuals = [part.residual for part in parts if part.residual is not None]
    native = None if not natives else natives[0] if len(natives) == 1 else And(natives)  # type: ignore[arg-type]
    return Split(native, conjunction(*residuals) if residuals else None)


def _any(node: Node, parts: tuple[Split, ...]) -> Split:
    if any(part.native is None for part in parts):
        return Split(None, node)
    natives = tuple(part.native for part in parts)
    exact = all(part.residual is None for part in parts)
    return Split(Or(natives), None if exact else node)  # type: ignore[arg-type]


def _complement(node: Node, child: Node, ask: Ask) -> Split:
    match child:
        case Or(children) if children:
            return _all(tuple(split(negation(one), ask) for one in children))
        case And(children) if children:
            inside = tuple(split(negation(one), ask) for one in children)
            return _any(node, inside)
    part = split(child, ask)
    # The complement of a superset would lose documents: only what is exact may stand under NOT.
    if part.native is None or part.residual is not None:
        return Split(None, node)
    return Split(Not(part.native), None)  # type: ignore[arg-type]


def asking(engine: Engine, schema: Schema) -> Ask:
    """The question put to an engine's LookupManager, once for each comparison."""

    def ask(node: Compare | Element) -> Native | None:
        if isinstance(node, Compare):
            operation, value = node.lookup, node.value
        else:
            operation, value = node.quantifier, node.condition
        try:
            found = engine.lookups.resolve(
                node.path, operation, value, FieldCodec(node.type, schema, engine)
            )
        except (ProcessorDoesNotExist, ValueError, TypeError):
            return None
        return found if isinstance(found, Native) or found is None else Native(found)

    return ask
