"""The vocabulary: every lookup with its reference function, which is its specification.

A reference function takes the stored logical value (MISSING where there is none) and the wanted
one, and says whether the document matches. The in-memory engine, the residual filter and the tests
of every adapter use these functions and no others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType
from typing import Any, Literal, TypeVar

from docmap.errors import InvalidQuery
from docmap.query import regex
from docmap.query.managers import LookupManager
from docmap.values import MISSING, equal, order_key
from docmap.values import bracket as bracket_of

__all__ = ["VOCABULARY", "Lookup", "LookupManager", "reference"]

Reference = Callable[[Any, Any], bool]
F = TypeVar("F", bound=Reference)
Operand = Literal[
    "same",  # a value of the field's type, None included
    "ordered",  # the same, of a type that has an order, never None
    "pair",  # two of "ordered"
    "many",  # any number of "same"
    "text",  # text, on a text field
    "part",  # an element on a list or set, text on a text field
    "parts",  # any number of "part"
    "pattern",  # a portable regular expression, on a text field
    "like",  # a pattern with % and _, on a text field
    "flag",  # True or False
    "date part",  # an int, on a date or datetime field
    "size",  # an int, on a list or set
    "any",  # whatever the user gives: it reaches the reference function as it is
]


@dataclass(frozen=True, slots=True)
class Lookup:
    """One word of the vocabulary. `prepare` turns the operand into what `matches` compares."""

    name: str
    operand: Operand
    matches: Reference
    prepare: Callable[[Any], Any] | None = None


_vocabulary: dict[str, Lookup] = {}
VOCABULARY: Mapping[str, Lookup] = MappingProxyType(_vocabulary)


def reference(
    name: str, operand: Operand = "same", prepare: Callable[[Any], Any] | None = None
) -> Callable[[F], F]:
    """Register the reference function of the lookup `name`; `operand` says what it compares with.

    The lookup then works on every engine. An engine gets a native form of it through its
    LookupManager, which makes it faster and never different.

    >>> @reference("divisible_by", operand="ordered")
    ... def divisible_by(stored, wanted):
    ...     return isinstance(stored, int) and stored % wanted == 0
    >>> VOCABULARY["divisible_by"].matches(12, 4)
    True

    Raises InvalidQuery if the name is taken or could not be written as a keyword.
    """
    if not name.isidentifier() or "__" in name or name.startswith("_"):
        raise InvalidQuery(f"a lookup cannot be called {name!r}: use an identifier without '__'")
    if name in _vocabulary or name in SYNONYMS:
        raise InvalidQuery(f"the lookup {name!r} exists already; choose another name")

    def decorate(function: F) -> F:
        _vocabulary[name] = Lookup(name, operand, function, prepare)
        return function

    return decorate


def on_declared(name: str, kind: str | None) -> Reference:
    """The reference function of a lookup on a field of a declared kind; None if it is not known.

    `contains` is for lists where a list is declared and for text where text is: a value of another
    type is false there, as everywhere.

    >>> on_declared("contains", "list")("abc", "b"), on_declared("contains", None)("abc", "b")
    (False, True)
    """
    lookup = _PLACING.get(name) or VOCABULARY[name]
    expected = _STORED_AS.get(kind or "") if lookup.operand in {"part", "parts"} else None
    if expected is None:
        return lookup.matches
    return lambda stored, wanted: isinstance(stored, expected) and lookup.matches(stored, wanted)


_STORED_AS: Mapping[str, type] = MappingProxyType(
    {"list": list, "set": list, "tuple": list, "str": str}
)


# Lookups that are the complement of another: the planner never sees them.
SYNONYMS: Mapping[str, str] = MappingProxyType({"not_equals": "equals", "not_in": "in"})


@reference("equals")
def equals(stored: Any, wanted: Any) -> bool:
    """True if both are equal within their type bracket; None equals null and missing."""
    return equal(stored, wanted)


@reference("in", operand="many")
def in_(stored: Any, wanted: Any) -> bool:
    """True if the value equals one of those wanted; None among them matches null and missing."""
    return any(equal(stored, one) for one in wanted)


@reference("gt", operand="ordered")
def gt(stored: Any, wanted: Any) -> bool:
    """True if both are of one bracket and the stored value is greater."""
    return bracket_of(stored) == bracket_of(wanted) and bool(stored > wanted)


@reference("gte", operand="ordered")
def gte(stored: Any, wanted: Any) -> bool:
    """True if both are of one bracket and the stored value is greater or equal."""
    return bracket_of(stored) == bracket_of(wanted) and bool(stored >= wanted)


@reference("lt", operand="ordered")
def lt(stored: Any, wanted: Any) -> bool:
    """True if both are of one bracket and the stored value is less."""
    return bracket_of(stored) == bracket_of(wanted) and bool(stored < wanted)


@reference("lte", operand="ordered")
def lte(stored: Any, wanted: Any) -> bool:
    """True if both are of one bracket and the stored value is less or equal."""
    return bracket_of(stored) == bracket_of(wanted) and bool(stored <= wanted)


@reference("between", operand="pair")
def between(stored: Any, wanted: Any) -> bool:
    """True if the stored value lies between the two, both ends included."""
    low, high = wanted
    return gte(stored, low) and lte(stored, high)


@reference("contains", operand="part")
def contains(stored: Any, wanted: Any) -> bool:
    """True if the list has an element equal to `wanted`, or the text has it as a part."""
    if isinstance(stored, list):
        return any(equal(element, wanted) for element in stored)
    return isinstance(stored, str) and isinstance(wanted, str) and wanted in stored


@reference("contains_any", operand="parts")
def contains_any(stored: Any, wanted: Any) -> bool:
    """True if the list or text contains one of those wanted."""
    return any(contains(stored, one) for one in wanted)


@reference("contains_all", operand="parts")
def contains_all(stored: Any, wanted: Any) -> bool:
    """True if it is a list or text that contains all of those wanted."""
    return isinstance(stored, (list, str)) and all(contains(stored, one) for one in wanted)


@reference("icontains", operand="text", prepare=str.casefold)
def icontains(stored: Any, wanted: str) -> bool:
    """True if the text, casefolded, has the wanted text, casefolded, as a part."""
    return isinstance(stored, str) and wanted in stored.casefold()


@reference("startswith", operand="text")
def startswith(stored: Any, wanted: str) -> bool:
    """True if `stored` is text that begins with `wanted`, code point by code point."""
    return isinstance(stored, str) and stored.startswith(wanted)


@reference("istartswith", operand="text", prepare=str.casefold)
def istartswith(stored: Any, wanted: str) -> bool:
    """True if the text, casefolded, begins with the wanted text, casefolded."""
    return isinstance(stored, str) and stored.casefold().startswith(wanted)


@reference("endswith", operand="text")
def endswith(stored: Any, wanted: str) -> bool:
    """True if `stored` is text that ends with `wanted`, code point by code point."""
    return isinstance(stored, str) and stored.endswith(wanted)


@reference("iendswith", operand="text", prepare=str.casefold)
def iendswith(stored: Any, wanted: str) -> bool:
    """True if the text, casefolded, ends with the wanted text, casefolded."""
    return isinstance(stored, str) and stored.casefold().endswith(wanted)


@reference("iexact", operand="text", prepare=str.casefold)
def iexact(stored: Any, wanted: str) -> bool:
    """True if the two texts are equal once casefolded."""
    return isinstance(stored, str) and stored.casefold() == wanted


@reference("matches", operand="pattern")
def matches(stored: Any, wanted: str) -> bool:
    """True if the text holds a match of the portable regular expression."""
    return isinstance(stored, str) and regex.compile_matches(wanted)(stored)


@reference("matches_caseless", operand="pattern")
def matches_caseless(stored: Any, wanted: str) -> bool:
    """True if the text holds a match, upper and lower case of ASCII letters taken as equal."""
    return isinstance(stored, str) and regex.compile_matches(wanted, caseless=True)(stored)


@reference("like", operand="like")
def like(stored: Any, wanted: str) -> bool:
    """True if the whole text fits: `%` is any run, `_` one code point, a backslash escapes."""
    return isinstance(stored, str) and regex.compile_like(wanted)(stored)


@reference("exists", operand="flag")
def exists(stored: Any, wanted: bool) -> bool:
    """True if something is stored at the path, null included; the contrary for False."""
    return (stored is not MISSING) is wanted


@reference("is_null", operand="flag")
def is_null(stored: Any, wanted: bool) -> bool:
    """True if the value is null or missing; the contrary for False."""
    return (stored is None or stored is MISSING) is wanted


def _date_part(name: str, part: Callable[[date], int]) -> None:
    def matches_part(stored: Any, wanted: int) -> bool:
        return isinstance(stored, date) and part(stored) == wanted

    matches_part.__doc__ = f"True if `stored` is a date or datetime whose {name}, in UTC, is so."
    reference(name, operand="date part")(matches_part)


_date_part("year", lambda value: value.year)
_date_part("month", lambda value: value.month)
_date_part("day", lambda value: value.day)
_date_part("weekday", date.weekday)


@reference("hour", operand="date part")
def hour(stored: Any, wanted: int) -> bool:
    """True if `stored` is a datetime whose hour, in UTC, is `wanted`."""
    return isinstance(stored, datetime) and stored.hour == wanted


@reference("size", operand="size")
def size(stored: Any, wanted: int) -> bool:
    """True if `stored` is a list of `wanted` elements."""
    return isinstance(stored, list) and len(stored) == wanted


# -- what only paging asks, under names that no keyword can have


def _after(stored: Any, wanted: Any) -> bool:
    """True if the stored value stands after the wanted one in the canonical order of all values."""
    return order_key(stored) > order_key(wanted)


def _before(stored: Any, wanted: Any) -> bool:
    """True if the stored value stands before the wanted one and is not null."""
    return order_key(None) < order_key(stored) < order_key(wanted)


_PLACING: Mapping[str, Lookup] = MappingProxyType(
    {
        "_after": Lookup("_after", "any", _after),
        "_before": Lookup("_before", "any", _before),
    }
)
