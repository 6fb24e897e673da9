"""Conditions on one element of a list: `any` and `all` as MongoDB's `$elemMatch`."""

from __future__ import annotations

from typing import Any, Final

from docmap.errors import ProcessorDoesNotExist
from docmap.plan.engine import FieldCodec, Native
from docmap.plan.split import split
from docmap.query.evaluate import matches
from docmap.query.lookups import LookupManager
from docmap.query.nodes import And, Compare, Element, Node, Or
from docmap.query.paths import Path
from docmap_backends._mongodb_lookups import either, lookups
from docmap_backends._mongodb_places import ARRAY, SELF, ElementCodec, Filter, Place, place_of

elements: Final = LookupManager(lookups)
"""The lookups of `_mongodb_lookups`, and those on the elements of lists."""
_A_SCALAR: Final = 0


@elements.register("any")
def any_(path: Path, condition: Node, codec: FieldCodec) -> Native:
    place = place_of(path, codec)
    try:
        if not codec.engine.element_filters:
            raise ValueError("the server does not tell elements apart")  # noqa: TRY301
        return _any(place, condition, codec)
    except ValueError:
        return place.native(place.listed(**ARRAY), exact=False)


@elements.register("all")
def all_(path: Path, condition: Node, codec: FieldCodec) -> Native:
    place = place_of(path, codec)
    return place.native(place.listed(**ARRAY), exact=False)


def _any(place: Place, condition: Node, codec: FieldCodec) -> Native:
    if isinstance(condition, Or):
        return either([_any(place, child, codec) for child in condition.children])
    part = split(condition, lambda node: _ask(node, codec))
    if part.native is None:
        raise ValueError("no native form")
    leaves = _leaves(part.native)
    on_itself = [SELF in leaf for leaf in leaves]
    if all(on_itself):
        operators = _merged([leaf[SELF] for leaf in leaves])
        return place.native(place.listed(**{"$elemMatch": operators}), exact=part.residual is None)
    # A filter on fields looks at objects only, and into lists of them.
    if any(on_itself) or matches(condition, _A_SCALAR):
        raise ValueError("true of what is no object")
    return place.native(place.listed(**{"$elemMatch": _merged(leaves)}), exact=False)


def _ask(node: Compare | Element, codec: FieldCodec) -> Native | None:
    inner = ElementCodec(node.type, codec.schema, codec.engine)
    operation = node.lookup if isinstance(node, Compare) else node.quantifier
    value = node.value if isinstance(node, Compare) else node.condition
    try:
        return codec.engine.lookups.resolve(node.path, operation, value, inner)  # type: ignore[no-any-return]
    except (ValueError, TypeError, ProcessorDoesNotExist):
        return None


def _leaves(native: Any) -> list[Filter]:
    """The filters that must all hold. Raises ValueError where there are others."""
    if isinstance(native, And):
        return [leaf for child in native.children for leaf in _leaves(child)]
    if not isinstance(native, Native) or any(name[:1] == "$" for name in native.condition):
        raise ValueError("no plain filter of an element")
    return [native.condition]


def _merged(filters: list[Filter]) -> Filter:
    """Filters, or operators, as one. Raises ValueError if two ask the same thing differently."""
    found: Filter = {}
    for one in filters:
        for name, wanted in one.items():
            held = found.setdefault(name, wanted)
            if held is not wanted and held != wanted:
                if name[:1] == "$" or not isinstance(held, dict):
                    raise ValueError("two of one operator")
                found[name] = _merged([held, wanted])
    return found
