"""Binding updates: what a user wrote as steps on storage paths, checked before anything is read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from docmap.errors import InvalidQuery, InvalidValue
from docmap.query.changes import Change, Elements, Push, Step, Target, Update, Value
from docmap.query.conditions import Condition
from docmap.query.evaluate import predicate
from docmap.query.nodes import Compare
from docmap.query.paths import EACH, Path, Segment
from docmap.schema.bind import bind
from docmap.schema.operands import Misfit
from docmap.schema.resolve import Resolved, Root, resolve_change, resolve_path, resolve_place
from docmap.schema.stored_values import (
    Misuse,
    default_value,
    number_value,
    ordered_value,
    stored_value,
)
from docmap.schema.types import ANY, LISTS, Field, FieldType


def bind_update(
    changes: Sequence[object], keywords: Mapping[str, Any], root: Root, fixed: frozenset[str]
) -> Update:
    """The bound form of an update; `fixed` are the stored names that no update may touch.

    Raises InvalidQuery for an unknown field or an operator that has no meaning there, InvalidValue
    for an operand that the field does not take.
    """
    steps: list[Step] = []
    for change in changes:
        if not isinstance(change, Change):
            raise InvalidQuery(
                f"update takes changes such as Order.total.inc(5), and keywords such as "
                f"total__inc=5, not {type(change).__name__}",
                collection=root.collection,
            )
        found = resolve_path(root, change.path.segments)
        steps.append(_step(root, found, change.operator, change.value, change.path.dotted))
    for name, value in keywords.items():
        found = resolve_change(root, name)
        steps.append(_step(root, found, found.lookup or "set", value, name))
    if not steps:
        raise InvalidQuery(
            'update takes at least one change, such as status="shipped" or total__inc=5',
            collection=root.collection,
        )
    _check_apart(root, steps, fixed)
    return tuple(steps)


def _step(root: Root, found: Resolved, operator: str, value: Any, written: str) -> Step:
    try:
        place = _Place(root, found)
        _check_plain(operator, value)
        return _BINDERS[operator](place, operator, value)
    except Misuse as error:
        raise InvalidQuery(
            f"{root.name}.{written} {error}", collection=root.collection, field=written
        ) from error
    except Misfit as error:
        raise InvalidValue(
            f"{root.name}.{written} {error}; nothing was written",
            collection=root.collection,
            field=written,
        ) from error


def _check_plain(operator: str, value: Any) -> None:
    """Refuse an operand that speaks of another field, where a value is wanted."""
    if hasattr(type(value), "_as_condition") and operator != "rename":
        raise Misuse(f"takes a value with {operator}, not another field: compute it in Python")
    if isinstance(value, Condition) and operator != "pull":
        raise Misuse(f"takes a value with {operator}, not a condition")


class _Place:
    """A place to be changed: its path, the types along it, the model and field that it is of."""

    def __init__(self, root: Root, found: Resolved) -> None:
        self.root = root
        self.path = found.path
        self.kinds, self.holder, self.field = _along(root.type, found.path.segments)

    @property
    def kind(self) -> FieldType:
        return self.kinds[-1]

    @property
    def depth(self) -> int:
        return len(self.path.segments)

    def step(self, operator: str, operand: Any, item: FieldType | None = None) -> Step:
        return Step(self.path, operator, operand, self.kinds, item)


def _along(
    kind: FieldType, segments: Sequence[Segment]
) -> tuple[tuple[FieldType, ...], FieldType, Field | None]:
    """The types along a path of storage names, the type that holds the last, and its field."""
    kinds: list[FieldType] = []
    holder, field = kind, None
    for segment in segments:
        if segment is EACH:
            raise Misuse("goes through a list with each(): an update names one element by index")
        holder, field = kind, None
        for option in _members(kind, segment):
            if option.kind == "model":
                field = next((f for f in option.fields.values() if f.stored == segment), None)
                kind = field.type if field is not None else option.item or ANY
            elif option.kind in LISTS:
                if option.kind == "set":
                    raise Misuse("is an element of a set, which has no order: pull it, and add")
                kind = option.element(int(str(segment))) or ANY
            else:
                kind = option.item or ANY
            holder = option
        kinds.append(kind)
    return tuple(kinds), holder, field


def _members(kind: FieldType, segment: Segment) -> list[FieldType]:
    """The member of a union that a path goes on in; any other type itself."""
    if kind.kind != "union":
        return [kind]
    lists = isinstance(segment, int)
    found = [o for o in kind.options if (o.kind in LISTS if lists else o.kind not in _SINGLE)]
    if len(found) == 1 and found[0].kind != "union":
        return found
    fields = [option.child(str(segment)) for option in found]
    alike = {(f.type.kind, f.type.annotation) for f in fields if f is not None}
    if None not in fields and len(alike) == 1 and all(o.kind == "model" for o in found):
        return found[:1]
    raise Misuse(f"lies in a {kind.label}, whose members differ there: set all of it")


_SINGLE = LISTS | frozenset(
    "bool int bigint float decimal str bytes datetime date time timedelta uuid objectid".split()
)


def _check_apart(root: Root, steps: Sequence[Step], fixed: frozenset[str]) -> None:
    """Refuse what would touch the key, and two changes of which one lies in the other's place."""
    paths: list[Path] = []
    for step in steps:
        paths.append(step.path)
        if step.operator == "rename":
            paths.append(step.operand.path)
    for path in paths:
        if path.segments[0] in fixed:
            raise InvalidQuery(
                f"{root.name}.{path.dotted} is kept by docmap and does not change: it is what a "
                "document is known by; insert a copy with another one",
                collection=root.collection,
                field=path.dotted,
            )
    # A longer path comes after its beginning, though not always directly.
    ways = sorted(tuple(map(str, path.segments)) for path in paths)
    for i, first in enumerate(ways):
        for second in ways[i + 1 :]:
            if second[: len(first)] == first:
                raise InvalidQuery(
                    f"{root.name}.{'.'.join(second)} is changed twice, or together with what "
                    "holds it: write one change of it, or update twice",
                    collection=root.collection,
                    field=".".join(second),
                )


# -- the operands of each operator


def _set(place: _Place, operator: str, value: Any) -> Step:
    return place.step(operator, stored_value(place.kind, value, place.depth))


def _unset(place: _Place, operator: str, value: Any) -> Step:
    if value is not True:
        raise Misuse(f"takes True with unset, not {type(value).__name__}")
    return place.step(operator, _left(place, "unset"))


def _left(place: _Place, operator: str) -> Value | None:
    """What a place holds once its value was taken away; None if nothing."""
    if place.holder.kind in LISTS:
        raise Misuse(f"is an element of a list, and {operator} would move the others: pull it")
    if place.field is None:
        return None
    if place.field.required:
        raise Misuse(f"is required: {operator} would leave the document without it")
    return default_value(place.holder, place.field, place.depth)


def _number(place: _Place, operator: str, value: Any) -> Step:
    return place.step(operator, number_value(place.kind, value, operator))


def _ordered(place: _Place, operator: str, value: Any) -> Step:
    return place.step(operator, ordered_value(place.kind, value, operator))


def _item(place: _Place, operator: str, *, on_sets: bool = True) -> FieldType:
    """The type of the elements of a list that an operator works on."""
    kind = place.kind
    if kind.kind == "union":
        lists = [option for option in kind.options if option.kind in LISTS]
        kind = lists[0] if len(lists) == 1 else kind
    if kind.kind == "any":
        return ANY
    if kind.kind not in LISTS:
        raise Misuse(f"is {kind.label}: {operator} works on lists")
    if kind.items:
        raise Misuse(f"is a tuple of {len(kind.items)} elements: set one of them, or all")
    if kind.kind == "set" and not on_sets:
        raise Misuse(f"is a set, which has no order: use add_to_set or pull instead of {operator}")
    return kind.item or ANY


def _several(operator: str, values: Any) -> list[Any]:
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable):
        raise Misfit(f"takes a list of elements with {operator}, not {type(values).__name__}")
    return list(values)


def _elements(place: _Place, item: FieldType, values: Iterable[Any]) -> tuple[Value, ...]:
    return tuple(stored_value(item, value, place.depth + 1) for value in values)


def _whole(name: str, number: Any) -> int | None:
    if number is not None and type(number) is not int:
        raise Misfit(f"takes a whole number as {name}, not {type(number).__name__}")
    return number


def _push(place: _Place, operator: str, value: Any) -> Step:
    item = _item(place, "push", on_sets=False)
    if isinstance(value, Push):
        pushed = value
    else:
        pushed = Push(_several(operator, value) if operator == "push_all" else [value])
    position, keep = _whole("position", pushed.position), _whole("keep", pushed.keep)
    if position is not None and position < 0:
        raise Misfit("takes a position from 0: negative ones have no meaning on engines")
    values = _elements(place, item, _several("push", pushed.elements))
    return place.step("push", Elements(values, position, keep), item)


def _add_to_set(place: _Place, operator: str, value: Any) -> Step:
    item = _item(place, "add_to_set")
    values = _several(operator, value) if operator.endswith("_all") else [value]
    return place.step("add_to_set", Elements(_elements(place, item, values)), item)


def _pull(place: _Place, operator: str, value: Any) -> Step:
    item = _item(place, "pull")
    if isinstance(value, Condition):
        if value.owners:
            raise Misuse("takes a condition on the elements: write pull=Q(...) with their fields")
        name = f"{place.root.name}.{place.path.dotted}[]"
        bound = bind(value.node, Root(name, place.root.collection, item))
    else:
        values = _several(operator, value) if operator == "pull_all" else [value]
        wanted = tuple(stored_value(item, one, place.depth + 1, limits=False) for one in values)
        bound = Compare(Path(), "in", tuple(one.logical for one in wanted), item)
    return place.step("pull", predicate(bound), item)


def _pop(place: _Place, operator: str, value: Any) -> Step:
    item = _item(place, "pop", on_sets=False)
    if value not in ("first", "last"):
        raise Misfit('takes "first" or "last" with pop')
    return place.step("pop", value, item)


def _rename(place: _Place, operator: str, value: Any) -> Step:
    left = _left(place, "rename")
    target = _Place(place.root, resolve_place(place.root, value))
    one, other = place.kind, target.kind
    same = (one.kind, one.annotation) == (other.kind, other.annotation)
    if not same and "any" not in {one.kind, other.kind}:
        raise Misuse(f"is {one.label}, and {value} is {other.label}: set it instead")
    if target.holder.kind in LISTS:
        raise Misuse("cannot be renamed to an element of a list: push it")
    return place.step("rename", Target(target.path, target.kinds, left))


_BINDERS: Mapping[str, Callable[[_Place, str, Any], Step]] = {
    "set": _set,
    "unset": _unset,
    "inc": _number,
    "mul": _number,
    "min": _ordered,
    "max": _ordered,
    "push": _push,
    "push_all": _push,
    "add_to_set": _add_to_set,
    "add_to_set_all": _add_to_set,
    "pull": _pull,
    "pull_all": _pull,
    "pop": _pop,
    "rename": _rename,
}
