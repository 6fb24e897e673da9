"""Updates: what each operator makes of a stored value, whoever applies it.

`apply` is the meaning of an update on one document. It works on logical trees, and on any other
form in which an engine holds values (`Form`): the operators are these and no others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any, Final
from uuid import UUID

from docmap.errors import InvalidValue, UpdateTypeError
from docmap.query.arithmetic import NUMBERS, Result, product, total
from docmap.query.changes import QUIET, Form, Step, Target, Touched, Update
from docmap.query.paths import Digits, Path
from docmap.values import MISSING, ObjectId, bracket, equal, order_key

LOGICAL: Final = Form()


def apply(update: Update, document: Any, form: Form = LOGICAL) -> tuple[Any, list[Touched]]:
    """The document after an update, and the places to check; the one given is left as it is.

    Raises UpdateTypeError where a value of another type is stored than an operator takes, and
    InvalidValue for a number beyond what every engine keeps.
    """
    return applying(update)(document, form)


def applying(update: Update) -> Callable[[Any, Form], tuple[Any, list[Touched]]]:
    """`apply` for one update of many documents: what does not depend on them is done once."""
    ways = [
        (step, _Way(step.path, step.kinds, step.operator in QUIET, partial(_operate, step)))
        for step in update
    ]

    def applied(document: Any, form: Form) -> tuple[Any, list[Touched]]:
        touched: list[Touched] = []
        for step, way in ways:
            if step.operator == "rename":
                document = _rename(document, step, form, touched)
                continue
            document, depth = way.walk(document, 0, form)
            _note(
                touched, step.path, step.kinds, depth, whole=step.operator not in {"set", "unset"}
            )
        return document, touched

    return applied


def _note(
    touched: list[Touched], path: Path, kinds: Sequence[Any], depth: int, *, whole: bool
) -> None:
    """Note the place to check: none for an operand that was checked before, in its own place."""
    if not depth:
        return
    loose = _first_loose(tuple(kinds))
    if whole or depth < len(kinds) or loose < len(kinds):
        depth = min(depth, loose)
        touched.append(Touched(path.segments[:depth], kinds[depth - 1]))


@lru_cache(maxsize=1024)
def _first_loose(kinds: tuple[Any, ...]) -> int:
    """How deep the first place is whose type does not say what is in it, or else the last."""
    return next((i for i, kind in enumerate(kinds, 1) if kind.kind in _LOOSE), len(kinds))


_LOOSE = frozenset({"any", "union"})
Operate = Callable[[Any, Form], Any]


@dataclass(frozen=True, slots=True)
class _Way:
    """The way to a place, and the operation that is done there."""

    path: Path
    kinds: tuple[Any, ...]
    quiet: bool
    """Nothing is done, and nothing made, where the way does not lead on."""
    operate: Operate

    def walk(self, held: Any, depth: int, form: Form) -> tuple[Any, int]:
        """What is held `depth` segments down after the operation, and the depth to be checked.

        The latter is 0 if nothing was changed.
        """
        if depth == len(self.path.segments):
            return self.operate(held, form), depth
        kind = self.kinds[depth - 1] if depth else None
        inner, below = form.inside(kind, held) if depth else (held, form)
        nothing = depth > 0 and (inner is None or inner is MISSING)
        if nothing and self.quiet:
            return held, 0
        segment = self.path.segments[depth]
        if nothing and not isinstance(segment, int):
            inner = {}
        if isinstance(inner, dict) and not isinstance(segment, int):
            changed, check = self._in_object(inner, depth, below)
            if check and (nothing or (len(changed) != len(inner) and _kind(kind) == "dict")):
                check = depth  # what was made must be whole, and a dict may be limited in length
        elif isinstance(inner, list) and isinstance(segment, (int, Digits)):
            changed, check = self._in_list(inner, depth, below)
        elif self.quiet:
            return held, 0
        else:
            holds = (
                f"no element {segment}" if nothing else f"{_word(inner)}, with no {segment} in it"
            )
            raise self._fails(depth, f"holds {holds}")
        if not check:
            return held, 0
        return (form.outside(kind, changed) if depth else changed), check

    def _in_object(self, held: dict[Any, Any], depth: int, form: Form) -> tuple[Any, int]:
        segment = self.path.segments[depth]
        old = held.get(segment, MISSING)
        new, check = self.walk(old, depth + 1, form)
        if new is old:
            return held, 0
        changed = dict(held)
        if new is MISSING:
            del changed[segment]
        else:
            changed[segment] = new
        return changed, check

    def _in_list(self, held: list[Any], depth: int, form: Form) -> tuple[Any, int]:
        index = int(str(self.path.segments[depth]))
        if index >= len(held):
            if self.quiet:
                return held, 0
            raise self._fails(depth, f"has no element {index}")
        new, check = self.walk(held[index], depth + 1, form)
        if new is held[index]:
            return held, 0
        if new is MISSING:
            raise self._fails(depth, "holds a list: its elements are pulled, not taken away")
        return [*held[:index], new, *held[index + 1 :]], check

    def _fails(self, depth: int, what: str) -> UpdateTypeError:
        place = Path(self.path.segments[:depth]).dotted or "the record"
        return UpdateTypeError(
            f"{place} {what}; the document was not changed", field=self.path.dotted
        )


def _kind(kind: Any) -> str:
    return getattr(kind, "kind", "")


def _word(value: Any) -> str:
    return _WORDS.get(type(value), type(value).__name__)


_WORDS = {str: "text", dict: "an object", list: "a list", int: "an int", float: "a float"}


# -- the operators


def _operate(step: Step, held: Any, form: Form) -> Any:
    """What a place holds after the operator."""
    nothing = held is None or held is MISSING
    if nothing and step.operator in QUIET:
        return held
    return _OPERATIONS[step.operator](step, MISSING if nothing else held, form)


def _set(step: Step, held: Any, form: Form) -> Any:
    return form.operand(step.operand)


def _unset(step: Step, held: Any, form: Form) -> Any:
    return MISSING if step.operand is None else form.operand(step.operand)


def _number(
    calculate: Callable[[Any, Any, Any], Result], start: Callable[[Any], Any]
) -> Callable[[Step, Any, Form], Any]:
    def operation(step: Step, held: Any, form: Form) -> Any:
        wanted = step.operand.logical
        if held is MISSING:
            return form.write(step.kind, start(wanted))
        old = form.read(step.kind, held)
        _check_number(step, old)
        result = calculate(old, wanted, step.kind.kind)
        if result.fault:
            raise InvalidValue(
                f"{step.path.dotted} {result.fault} after {step.operator}; the document was not "
                "changed",
                field=step.path.dotted,
            )
        return form.write(step.kind, result.value)

    return operation


def _check_number(step: Step, old: Any) -> None:
    wanted = step.operand.logical
    if type(old) not in NUMBERS.get(step.kind.kind, NUMBERS["any"]):
        raise _other_type(step, old)
    if {type(old), type(wanted)} == _NEVER_TOGETHER:
        raise _other_type(step, old)


_NEVER_TOGETHER = {*NUMBERS["any"]} - {int}  # a Decimal never goes through a float


def _other_type(step: Step, old: Any) -> UpdateTypeError:
    return UpdateTypeError(
        f"{step.path.dotted} holds {_word(old)}, which {step.operator} does not take; the document "
        "was not changed",
        field=step.path.dotted,
    )


def _extreme(*, least: bool) -> Callable[[Step, Any, Form], Any]:
    def operation(step: Step, held: Any, form: Form) -> Any:
        wanted = step.operand.logical
        if held is MISSING:
            return form.operand(step.operand)
        old = form.read(step.kind, held)
        types = NUMBERS.get(step.kind.kind) if step.kind.kind not in _LOOSE else None
        if bracket(old) != bracket(wanted) or (types and type(old) not in types):
            raise _other_type(step, old)
        better = wanted < old if least else wanted > old
        return form.operand(step.operand) if better else held

    return operation


Edit = Callable[[Step, list[Any], Form], list[Any]]


def _list(edit: Edit) -> Callable[[Step, Any, Form], Any]:
    """An operator on lists: `edit` gets the elements as they are held, and gives them back."""

    def operation(step: Step, held: Any, form: Form) -> Any:
        inner, below = (
            ([], form.inside(step.kind, [])[1]) if held is MISSING else form.inside(step.kind, held)
        )
        if type(inner) is not list:
            raise _other_type(step, form.read(step.kind, held))
        changed = edit(step, inner, below)
        if changed is inner and held is not MISSING:
            return held
        return form.outside(step.kind, changed)

    return operation


def _push(step: Step, elements: list[Any], form: Form) -> list[Any]:
    values, position, keep = step.operand
    start = len(elements) if position is None else position
    changed = [*elements[:start], *map(form.operand, values), *elements[start:]]
    if keep is None:
        return changed
    return changed[:keep] if keep >= 0 else changed[keep:]


def _add_to_set(step: Step, elements: list[Any], form: Form) -> list[Any]:
    known = [form.read(step.item, element) for element in elements]
    changed = list(elements)
    for value in step.operand.values:
        if not any(equal(value.logical, one) for one in known):
            known.append(value.logical)
            changed.append(form.operand(value))
    if step.kind.kind != "set":
        return changed if len(changed) > len(elements) else elements
    unique = dict(zip(map(order_key, known), changed, strict=True))
    return [unique[key] for key in sorted(unique)]


def _pull(step: Step, elements: list[Any], form: Form) -> list[Any]:
    goes = step.operand
    left = [element for element in elements if not goes(form.read(step.item, element))]
    return left if len(left) < len(elements) else elements


def _pop(step: Step, elements: list[Any], form: Form) -> list[Any]:
    if not elements:
        return elements
    return elements[1:] if step.operand == "first" else elements[:-1]


_OPERATIONS: Final[dict[str, Callable[[Step, Any, Form], Any]]] = {
    "set": _set,
    "unset": _unset,
    "inc": _number(total, lambda wanted: wanted),
    "mul": _number(product, lambda wanted: type(wanted)(0)),
    "min": _extreme(least=True),
    "max": _extreme(least=False),
    "push": _list(_push),
    "add_to_set": _list(_add_to_set),
    "pull": _list(_pull),
    "pop": _list(_pop),
}


def _rename(document: Any, step: Step, form: Form, touched: list[Touched]) -> Any:
    """The value moves to its target, whatever is there; nothing is done where there is none."""
    found: list[tuple[Any, Form]] = []

    def take(held: Any, of: Form) -> Any:
        if held is not None and held is not MISSING:
            found.append((held, of))
        return held

    _Way(step.path, step.kinds, quiet=True, operate=take).walk(document, 0, form)
    if not found:
        return document
    target: Target = step.operand
    held, source = found[0]

    def put(_: Any, of: Form) -> Any:
        if source is of and _alike(step.kind, target.kinds[-1]):
            return held
        value = source.read(step.kind, held)
        if type(value) not in _TYPES.get(_kind(target.kinds[-1]), {type(value)}):
            raise UpdateTypeError(
                f"{step.path.dotted} holds {_word(value)}, and {target.path.dotted} is "
                f"{_kind(target.kinds[-1])}; the document was not changed",
                field=step.path.dotted,
            )
        return of.write(target.kinds[-1], value)

    def leave(_: Any, of: Form) -> Any:
        return MISSING if target.left is None else of.operand(target.left)

    document, depth = _Way(target.path, target.kinds, quiet=False, operate=put).walk(
        document, 0, form
    )
    _note(touched, target.path, target.kinds, depth, whole=True)
    document, depth = _Way(step.path, step.kinds, quiet=True, operate=leave).walk(document, 0, form)
    _note(touched, step.path, step.kinds, depth, whole=False)
    return document


_TYPES: Final[dict[str, set[type]]] = {
    "bool": {bool},
    "int": {int},
    "bigint": {int},
    "float": {float, int},
    "decimal": {Decimal},
    "str": {str},
    "bytes": {bytes},
    "datetime": {datetime},
    "date": {date},
    "time": {time},
    "timedelta": {timedelta},
    "uuid": {UUID},
    "objectid": {ObjectId},
}
"""What may move to a place of a type: pydantic alone would take a number for a moment."""


def _alike(one: Any, other: Any) -> bool:
    return one is other or (one.kind, one.annotation) == (other.kind, other.annotation)
