"""Adapters whose conditions mean something else than the reference functions say."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from docmap.plan.engine import Native
from docmap.query.lookups import VOCABULARY
from docmap.query.nodes import And, Compare, Element, Not, Or
from docmap.query.paths import Path, getter
from docmap.values import MISSING
from tests.conformance.broken.catalogue import broken
from tests.conformance.broken.sound import Meaning, SoundStorage, Test


def sound(name: str) -> Meaning:
    """What a lookup means everywhere."""
    return VOCABULARY[name].matches


@broken("lookups:[equals-")
class NullIsNotMissing(SoundStorage):
    """`equals None` and `is_null` hold for a stored null only, not where nothing is stored."""

    changed: ClassVar = {
        "equals": lambda stored, wanted: (
            stored is None if wanted is None else sound("equals")(stored, wanted)
        ),
        "is_null": lambda stored, wanted: (stored is None) is wanted,
    }


@broken("lookups:[exists-")
class NullDoesNotExist(SoundStorage):
    """`exists` does not hold for a stored null."""

    changed: ClassVar = {
        "exists": lambda stored, wanted: (stored is not None and stored is not MISSING) is wanted
    }


@broken("lookups:[contains-")
class BoolIsInt(SoundStorage):
    """True is 1 and False is 0, as Python and SQL have it."""

    changed: ClassVar = {
        "equals": lambda stored, wanted: (
            stored == wanted
            if isinstance(stored, (bool, int, float)) and isinstance(wanted, (bool, int, float))
            else sound("equals")(stored, wanted)
        ),
        "contains": lambda stored, wanted: (
            wanted in stored if isinstance(stored, list) else sound("contains")(stored, wanted)
        ),
    }


def _as_text(name: str) -> Meaning:
    return lambda stored, wanted: (
        sound(name)(str(stored), str(wanted))
        if isinstance(stored, (float, Decimal)) and isinstance(wanted, (int, float, Decimal))
        else sound(name)(stored, wanted)
    )


@broken("lookups:[gt-")
class NumbersAreText(SoundStorage):
    """Floats and Decimals are compared as they are written."""

    changed: ClassVar = {name: _as_text(name) for name in ("gt", "gte", "lt", "lte")}


def _as_float(name: str) -> Meaning:
    def matches(stored: Any, wanted: Any) -> bool:
        if isinstance(stored, Decimal) and isinstance(wanted, (int, Decimal)):
            return bool(sound(name)(float(stored), float(wanted)))
        return sound(name)(stored, wanted)

    return matches


@broken("lookups:[equals-")
class DecimalIsFloat(SoundStorage):
    """Decimals are compared as floats."""

    changed: ClassVar = {name: _as_float(name) for name in ("equals", "gt", "gte", "lt", "lte")}


def _int_as_float(name: str) -> Meaning:
    def matches(stored: Any, wanted: Any) -> bool:
        if type(stored) is int and type(wanted) is int:
            return bool(sound(name)(float(stored), float(wanted)))
        return sound(name)(stored, wanted)

    return matches


@broken("lookups:[equals-")
class IntIsDouble(SoundStorage):
    """Ints are compared as doubles, as JavaScript does: 2**53 and 2**53 + 1 are one."""

    changed: ClassVar = {name: _int_as_float(name) for name in ("equals", "gt", "gte", "lt", "lte")}


@broken("lookups:[startswith-")
class SupersetCalledExact(SoundStorage):
    """`startswith` ignores case and is said to be exact."""

    changed: ClassVar = {
        "startswith": lambda stored, wanted: (
            isinstance(stored, str) and stored.casefold().startswith(wanted.casefold())
        )
    }


@broken("lookups:[startswith-")
class NotDropsMissing(SoundStorage):
    """NOT does not hold where a field is null or missing, as in SQL's three values."""

    def holds(self, condition: Any) -> Test:
        if isinstance(condition, Not) and isinstance(condition.child, Native):
            test = condition.child.condition
            return lambda tree: (
                not test(tree) and (test.node is None or getter(test.node.path)(tree) not in _NULLS)
            )
        return super().holds(condition)

    def test(self, node: Compare | Element) -> Test:
        return _Known(node, super().test(node))


_NULLS = (None, MISSING)


class _Known:
    """A test that tells what it compares."""

    def __init__(self, node: Compare | Element, test: Test) -> None:
        self.node = None if getattr(node, "lookup", "") in {"is_null", "exists"} else node
        self._test = test

    def __call__(self, tree: Any) -> bool:
        return self._test(tree)


@broken("logic")
class OrTakesTheFirst(SoundStorage):
    """Of three or more conditions between which OR stands, the last is not looked at."""

    def holds(self, condition: Any) -> Test:
        if isinstance(condition, Or) and len(condition.children) > 2:
            condition = Or(condition.children[:-1])
        return super().holds(condition)


@broken("logic")
class AndTakesTwo(SoundStorage):
    """Of three or more conditions between which AND stands, only two are looked at."""

    def holds(self, condition: Any) -> Test:
        if isinstance(condition, And) and len(condition.children) > 2:
            condition = And(condition.children[:2])
        return super().holds(condition)


@broken("lookups:[equals-")
class CaseIsFolded(SoundStorage):
    """`equals` and `in` on text ignore case, as a collation would."""

    changed: ClassVar = {
        "equals": lambda stored, wanted: (
            stored.casefold() == wanted.casefold()
            if isinstance(stored, str) and isinstance(wanted, str)
            else sound("equals")(stored, wanted)
        ),
    }


@broken("lookups:[contains-")
class ContainsTakesWildcards(SoundStorage):
    """`contains` on text takes % and _ as LIKE does."""

    changed: ClassVar = {
        "contains": lambda stored, wanted: (
            sound("like")(stored, f"%{wanted}%")
            if isinstance(stored, str) and isinstance(wanted, str) and not wanted.endswith("\\")
            else sound("contains")(stored, wanted)
        ),
    }


@broken("lookups:[like-")
class LikeIgnoresCase(SoundStorage):
    """`like` ignores the case of ASCII letters, as SQLite's LIKE does."""

    changed: ClassVar = {
        "like": lambda stored, wanted: (
            isinstance(stored, str) and sound("like")(stored.lower(), wanted.lower())
        )
    }


@broken("lookups:[like-")
class LikeDoesNotEscape(SoundStorage):
    r"""In `like` a backslash is a backslash: `\%` does not stand for a percent sign."""

    changed: ClassVar = {
        "like": lambda stored, wanted: sound("like")(stored, wanted.replace("\\", "\\\\"))
    }


@broken("lookups:[equals-")
class TextIsNormalised(SoundStorage):
    """Texts are equal if their normal forms are."""

    changed: ClassVar = {
        "equals": lambda stored, wanted: sound("equals")(_normal(stored), _normal(wanted)),
        "contains": lambda stored, wanted: sound("contains")(_normal(stored), _normal(wanted)),
    }


def _normal(value: Any) -> Any:
    return unicodedata.normalize("NFC", value) if isinstance(value, str) else value


@broken("lookups:[iexact-")
class LowerIsCasefold(SoundStorage):
    """The lookups that ignore case use lower(): ß is not ss."""

    changed: ClassVar = {
        "iexact": lambda stored, wanted: isinstance(stored, str) and stored.lower() == wanted,
        "icontains": lambda stored, wanted: isinstance(stored, str) and wanted in stored.lower(),
    }


_RANKS = {bool: 0, int: 1, float: 1, Decimal: 1, str: 2, list: 3, dict: 4}


def _across(name: str, above: int) -> Meaning:
    def matches(stored: Any, wanted: Any) -> bool:
        left, right = _RANKS.get(type(stored)), _RANKS.get(type(wanted))
        if left is None or right is None or left == right:
            return sound(name)(stored, wanted)
        return (left - right) * above > 0

    return matches


@broken("lookups:[gt-")
class RangesCrossTypes(SoundStorage):
    """A text is greater than any number, as SQLite has it."""

    changed: ClassVar = {
        **{name: _across(name, 1) for name in ("gt", "gte")},
        **{name: _across(name, -1) for name in ("lt", "lte")},
    }


@broken("lookups:[equals-")
class ListsAreWalked(SoundStorage):
    """`equals` holds for a list that has such an element, as MongoDB has it."""

    def leaf(self, node: Compare, get: Callable[[Any], Any]) -> Test:
        own = super().leaf(node, get)
        if node.lookup not in {"equals", "gt", "lt", "startswith"}:
            return own
        test = sound(node.lookup)

        def walked(tree: Any) -> bool:
            stored = get(tree)
            found = isinstance(stored, list) and any(test(one, node.value) for one in stored)
            return found or own(tree)

        return walked


@broken("lookups:[contains-")
class ContainsLooksInsideElements(SoundStorage):
    """`contains` on a list holds if the text stands in one of its elements."""

    changed: ClassVar = {
        "contains": lambda stored, wanted: (
            sound("contains")(stored, wanted)
            or (
                isinstance(stored, list)
                and isinstance(wanted, str)
                and any(isinstance(one, str) and wanted in one for one in stored)
            )
        )
    }


@broken("lookups:[contains_all-")
class NothingContainsNothing(SoundStorage):
    """`contains_all` of no elements is false."""

    changed: ClassVar = {
        "contains_all": lambda stored, wanted: (
            bool(wanted) and sound("contains_all")(stored, wanted)
        )
    }


@broken("lookups:[any-")
class AnyOfDifferentElements(SoundStorage):
    """The conditions inside `any` may hold for different elements."""

    def test(self, node: Compare | Element) -> Test:
        if isinstance(node, Element) and node.quantifier == "any" and type(node.condition) is And:
            parts = [
                self.test(Element(node.path, "any", child, node.type))
                for child in node.condition.children
            ]
            return lambda tree: all(part(tree) for part in parts)
        return super().test(node)


@broken("lookups:[all-")
class AllOfNothing(SoundStorage):
    """`all` does not hold for an empty list."""

    def test(self, node: Compare | Element) -> Test:
        own = super().test(node)
        if isinstance(node, Element) and node.quantifier == "all":
            return lambda tree: bool(getter(node.path)(tree)) and own(tree)
        return own


@broken("lookups:[between-")
class BetweenIsHalfOpen(SoundStorage):
    """`between` leaves out the upper end."""

    changed: ClassVar = {
        "between": lambda stored, wanted: (
            sound("gte")(stored, wanted[0]) and sound("lt")(stored, wanted[1])
        )
    }


@broken("lookups:[in-")
class NoneIsNotIn(SoundStorage):
    """`in` with None among the values does not hold for null."""

    changed: ClassVar = {
        "in": lambda stored, wanted: sound("in")(
            stored, tuple(one for one in wanted if one is not None)
        )
    }


@broken("lookups:[matches-")
class MatchesFromTheStart(SoundStorage):
    """`matches` finds its pattern at the beginning of the text only."""

    changed: ClassVar = {
        "matches": lambda stored, wanted: (
            isinstance(stored, str) and re.match(wanted, stored, re.ASCII) is not None
        )
    }


@broken("lookups:[matches-")
class DollarBeforeNewline(SoundStorage):
    r"""`$` in a pattern fits before a newline at the end, and `\d` every digit of Unicode."""

    changed: ClassVar = {
        "matches": lambda stored, wanted: (
            isinstance(stored, str) and re.search(wanted, stored) is not None
        )
    }


def _local(name: str) -> Meaning:
    def matches(stored: Any, wanted: Any) -> bool:
        if isinstance(stored, datetime) and stored.year < 9999:
            stored += timedelta(hours=1)
        return sound(name)(stored, wanted)

    return matches


@broken("lookups:[day-")
class LocalTime(SoundStorage):
    """The parts of a datetime are those of a clock that is an hour ahead of UTC."""

    changed: ClassVar = {name: _local(name) for name in ("hour", "day", "weekday", "year")}


@broken("lookups:[weekday-")
class WeeksBeginOnSunday(SoundStorage):
    """`weekday` counts from Sunday."""

    changed: ClassVar = {
        "weekday": lambda stored, wanted: (
            isinstance(stored, date) and stored.isoweekday() % 7 == wanted
        )
    }


@broken("lookups:[size-")
class NullHasNoElements(SoundStorage):
    """`size=0` holds for null and for what is missing."""

    changed: ClassVar = {"size": lambda stored, wanted: sound("size")(stored or [], wanted)}


@broken("lookups:[equals-")
class OperandsAreOperators(SoundStorage):
    """An object with `$gt`, `$ne` or `$exists` that is compared is run as an operator."""

    changed: ClassVar = {
        "equals": lambda stored, wanted: (
            stored is not MISSING
            if isinstance(wanted, dict) and any(name.startswith("$") for name in wanted)
            else sound("equals")(stored, wanted)
        )
    }


@broken("lookups:[between-")
class DotsAreSteps(SoundStorage):
    """A dot in the name of a key is a step into an object."""

    def leaf(self, node: Compare, get: Callable[[Any], Any]) -> Test:
        names = [
            name
            for one in node.path.segments
            for name in (str.split(one, ".") if type(one) is str else (one,))
        ]
        return super().leaf(node, getter(Path(tuple(names))))


@broken("lookups:[equals-")
class KeysHaveAnOrder(SoundStorage):
    """Objects are equal only if their keys stand in the same order."""

    changed: ClassVar = {
        "equals": lambda stored, wanted: (
            list(stored.items()) == list(wanted.items())
            if isinstance(stored, dict) and isinstance(wanted, dict)
            else sound("equals")(stored, wanted)
        )
    }


def _second(value: Any) -> Any:
    return value.replace(microsecond=0) if isinstance(value, datetime) else value


def _to_the_second(name: str) -> Meaning:
    return lambda stored, wanted: sound(name)(_second(stored), _second(wanted))


@broken("lookups:[equals-")
class SecondsOnly(SoundStorage):
    """Datetimes are compared to the second."""

    changed: ClassVar = {
        name: _to_the_second(name) for name in ("equals", "gt", "gte", "lt", "lte")
    }
