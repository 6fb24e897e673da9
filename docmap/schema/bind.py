"""Binding: from the condition a user wrote to the bound tree that planner and evaluator read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from docmap.errors import InvalidQuery
from docmap.query import regex
from docmap.query.lookups import VOCABULARY
from docmap.query.nodes import (
    FALSE,
    And,
    Compare,
    Element,
    Keyword,
    Node,
    Not,
    Or,
    conjunction,
    disjunction,
    negation,
)
from docmap.query.order import OrderTerm
from docmap.schema.operands import NEVER, Misfit, bound, coerce, unique_in_order
from docmap.schema.resolve import (
    Resolved,
    Root,
    resolve_keyword,
    resolve_path,
    resolve_place,
    unknown,
)
from docmap.schema.types import ANY, LISTS, ORDERED, UNTYPED, FieldType
from docmap.values import bracket


def bind(node: Node, root: Root) -> Node:
    """The bound form of `node`: storage paths, known lookups, operands of the declared types.

    Raises InvalidQuery naming the field, and what to write instead.
    """
    match node:
        case Keyword(name, value):
            found = resolve_keyword(root, name)
            return _lookup(root, found, found.lookup or "equals", value, name)
        case Compare(path, lookup, value):
            found = resolve_path(root, path.segments)
            return _lookup(root, found, lookup, value, path.dotted)
        case Element(path, quantifier, condition):
            found = resolve_path(root, path.segments)
            return _element(root, found, quantifier, condition, path.dotted)
        case And(children):
            return conjunction(*(bind(child, root) for child in children))
        case Or(children):
            return disjunction(*(bind(child, root) for child in children))
        case Not(child):
            return negation(bind(child, root))


def bind_order(name: Any, root: Root) -> OrderTerm:
    """The bound form of an order: `-created_at`, a path, or an order term of an expression.

    Raises InvalidQuery for a type that has no order.
    """
    descending = False
    if isinstance(name, OrderTerm):
        found, descending = resolve_path(root, name.path.segments), name.descending
        written = name.path.dotted
    else:
        written = name
        if isinstance(name, str) and name.startswith("-"):
            name, descending = name[1:], True
        found = resolve_place(root, name)
        written = found.path.dotted if not isinstance(written, str) else written
    if found.path.each or not (found.type.kind in ORDERED or found.type.kind == "bool"):
        raise InvalidQuery(
            f"{root.name} cannot be ordered by {written}, which is {found.type.label}: order by "
            "a field that holds a number, text or a time",
            collection=root.collection,
            field=str(written),
        )
    return OrderTerm(found.path, descending, found.type)


def _lookup(root: Root, found: Resolved, lookup: str, value: Any, written: str) -> Node:
    if lookup == "not_equals":
        return negation(_lookup(root, found, "equals", value, written))
    if lookup == "not_in":
        return negation(_lookup(root, found, "in", value, written))
    if lookup in {"any", "all"}:
        return _element(root, found, lookup, value, written)
    known = VOCABULARY.get(lookup)
    if known is None:
        raise unknown(root, "lookup", lookup, VOCABULARY)
    if found.path.each:
        raise _error(root, written, "goes through a list with each(): use any(...) in conditions")
    if found.type.target is not None and known.operand not in _OF_REFERENCES:
        label = found.type.label
        raise _error(root, written, f"is {label}: it takes equals, in, exists and is_null")
    try:
        return _OPERANDS[known.operand](found, lookup, value)
    except Misfit as error:
        raise _error(root, written, str(error)) from error


_OF_REFERENCES = frozenset({"same", "many", "flag", "any"})


def _error(root: Root, written: str, text: str) -> InvalidQuery:
    return InvalidQuery(f"{root.name}.{written} {text}", collection=root.collection, field=written)


def _compare(found: Resolved, lookup: str, value: Any) -> Compare:
    prepare = VOCABULARY[lookup].prepare
    return Compare(found.path, lookup, prepare(value) if prepare else value, found.type)


def _same(found: Resolved, lookup: str, value: Any) -> Node:
    wanted = coerce(found.type, value)
    return FALSE if wanted is NEVER else _compare(found, lookup, wanted)


def _ordered(found: Resolved, lookup: str, value: Any) -> Node:
    if found.type.kind not in ORDERED:
        raise Misfit(f"is {found.type.label}, which has no order: compare it with equals or in")
    if lookup not in {"gt", "gte", "lt", "lte"}:
        return _same(found, lookup, value)
    edge = bound(found.type, lookup, value)
    return FALSE if edge is False else _compare(found, edge.lookup, edge.value)  # type: ignore[union-attr]


def _pair(found: Resolved, lookup: str, value: Any) -> Node:
    if isinstance(value, (str, bytes)) or not isinstance(value, (tuple, list)) or len(value) != 2:
        raise Misfit("takes a pair with between: (low, high), both ends included")
    low, high = _ordered(found, "gte", value[0]), _ordered(found, "lte", value[1])
    if not isinstance(low, Compare) or not isinstance(high, Compare):
        return FALSE
    if low.lookup != "gte" or high.lookup != "lte" or bracket(low.value) != bracket(high.value):
        return conjunction(low, high)
    return _compare(found, lookup, (low.value, high.value))


def _values(value: Any) -> Iterable[Any]:
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise Misfit(f"takes a list of values here, not {type(value).__name__}")
    return value


def _many(found: Resolved, lookup: str, value: Any) -> Node:
    wanted = [coerce(found.type, one) for one in _values(value)]
    kept = unique_in_order(one for one in wanted if one is not NEVER)
    return _compare(found, lookup, kept) if kept else FALSE


def _text(found: Resolved, lookup: str, value: Any) -> Node:
    if found.type.kind != "str" and found.type.kind not in UNTYPED:
        raise Misfit(f"is {found.type.label}: {lookup} works on text")
    if not isinstance(value, str):
        raise Misfit(f"takes text with {lookup}, not {type(value).__name__}")
    return _compare(found, lookup, coerce(ANY, value))


def _part(found: Resolved, lookup: str, value: Any) -> Node:
    part = _one_part(found.type, lookup, value)
    return FALSE if part is NEVER else _compare(found, lookup, part)


def _one_part(kind: FieldType, lookup: str, value: Any) -> Any:
    if kind.kind in LISTS:
        return coerce(kind.item or ANY, value)
    if kind.kind == "str" or kind.kind in UNTYPED:
        if kind.kind == "str" and not isinstance(value, str):
            raise Misfit(f"is text: {lookup} takes text, not {type(value).__name__}")
        return coerce(ANY, value)
    raise Misfit(f"is {kind.label}: {lookup} works on lists, sets and text")


def _parts(found: Resolved, lookup: str, value: Any) -> Node:
    wanted = [_one_part(found.type, lookup, one) for one in _values(value)]
    if lookup == "contains_all" and NEVER in wanted:
        return FALSE
    kept = unique_in_order(one for one in wanted if one is not NEVER)
    if not kept and lookup == "contains_any":
        return FALSE
    return _compare(found, lookup, kept)


def _pattern(found: Resolved, lookup: str, value: Any) -> Node:
    node = _text(found, lookup, value)
    (regex.compile_like if lookup == "like" else regex.compile_matches)(value)
    return node


def _flag(found: Resolved, lookup: str, value: Any) -> Node:
    if not isinstance(value, bool):
        raise Misfit(f"takes True or False with {lookup}, not {type(value).__name__}")
    return _compare(found, lookup, value)


def _date_part(found: Resolved, lookup: str, value: Any) -> Node:
    allowed = {"datetime"} if lookup == "hour" else {"datetime", "date"}
    if found.type.kind not in allowed and found.type.kind not in UNTYPED:
        raise Misfit(
            f"is {found.type.label}: {lookup} reads {' and '.join(sorted(allowed))} fields"
        )
    return _compare(found, lookup, _whole(lookup, value))


def _size(found: Resolved, lookup: str, value: Any) -> Node:
    if found.type.kind not in LISTS and found.type.kind not in UNTYPED:
        raise Misfit(f"is {found.type.label}: size counts the elements of lists and sets")
    return _compare(found, lookup, _whole(lookup, value))


def _whole(lookup: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise Misfit(f"takes an int with {lookup}, not {type(value).__name__}")
    return int(value)


_OPERANDS: dict[str, Callable[[Resolved, str, Any], Node]] = {
    "same": _same,
    "ordered": _ordered,
    "pair": _pair,
    "many": _many,
    "text": _text,
    "part": _part,
    "parts": _parts,
    "pattern": _pattern,
    "like": _pattern,
    "flag": _flag,
    "date part": _date_part,
    "size": _size,
    "any": _compare,
}


def _element(root: Root, found: Resolved, quantifier: Any, condition: Any, written: str) -> Node:
    kind = found.type
    if kind.kind not in LISTS and kind.kind not in UNTYPED:
        raise _error(root, written, f"is {kind.label}: {quantifier} works on lists and sets")
    if isinstance(condition, Mapping):
        condition = And(tuple(Keyword(str(name), value) for name, value in condition.items()))
    node = getattr(condition, "node", condition)
    if not isinstance(node, Node):
        raise _error(
            root, written, f"takes a condition with {quantifier}: Q(...), or a dict of lookups"
        )
    item = kind.item or ANY if kind.kind in LISTS else ANY
    inner = bind(node, Root(f"{root.name}.{written}[]", root.collection, item))
    if inner == FALSE and quantifier == "any":
        return FALSE
    return Element(found.path, quantifier, inner, kind)
