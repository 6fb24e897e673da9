"""Conditions for every lookup of the vocabulary, made of the places and their values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from docmap import Condition, Q
from docmap.query.lookups import SYNONYMS, VOCABULARY
from docmap.testing.answers import Case
from docmap.testing.models import Address
from docmap.testing.pools import BY_NAME, PLACES, TEXTS, Place

Wanted = tuple[Place, Any]
QUANTIFIERS: Final = ("any", "all")
_PATTERNS: Final = (
    "a", "^a", "b$", "^a.b$", "a|b", "[A-C]", r"\d", r"^\w+$", "(?i)ss", "^$", r"a\s", "a{1,2}b?",
    "%", r"\.", "é",
)  # fmt: skip
_LIKES: Final = (
    "a%", "%b", "a_b", r"a\_b", r"a\%b", "%", "_", "", "A%", "%é%", r"a\\b", "a%b", "__", "%\n%",
)  # fmt: skip
_MODELS: Final = (Address(), Address(city="a", zip_code=1))


def built_in() -> list[str]:
    """The lookups that docmap itself has; a program or a test may have registered more."""
    own = [
        name for name, one in VOCABULARY.items() if one.matches.__module__ == "docmap.query.lookups"
    ]
    return sorted({*own, *SYNONYMS, *QUANTIFIERS})


def cases(lookup: str) -> list[Case]:
    """The conditions of a lookup; KeyError for one that nobody has written cases for."""
    if lookup in QUANTIFIERS:
        return list(_quantified(lookup))
    return [
        Case(
            f"{'.'.join(map(str, place.names))} {lookup} {wanted!r}", _asking(place, lookup, wanted)
        )
        for place, wanted in _WANTED[lookup]()
    ]


def _asking(place: Place, lookup: str, wanted: Any) -> Callable[[], Condition]:
    return lambda: place.field.lookup(lookup, wanted)


def _some(values: Sequence[Any], most: int) -> list[Any]:
    """Some of many values, spread over them all: each run takes the same."""
    step = max(1, len(values) // most)
    return list(values[::step])


def _equal() -> Iterator[Wanted]:
    for place in PLACES:
        yield place, None
        for value in place.values if len(place.names) == 1 else place.values[:2]:
            yield place, value
    for model in _MODELS:
        yield Place(("address",), ()), model
    yield BY_NAME["ratio"], -0.0
    yield BY_NAME["price"], 10
    yield BY_NAME["whole"], 2.0


def _many() -> Iterator[Wanted]:
    for place in PLACES:
        yield place, []
        yield place, [None]
        yield place, list(place.values[:3])
        yield place, [*place.values[1:2], None]
        yield place, list(place.values)


def _ordered() -> Iterator[Wanted]:
    for place in PLACES:
        if place.ordered:
            for value in _some(place.values, 7):
                yield place, value
    for operand in (1, 1.5, "a", ""):
        yield BY_NAME["thing"], operand
    yield BY_NAME["whole"], 1.5
    yield BY_NAME["price"], 9.99


def _pairs() -> Iterator[Wanted]:
    for place in PLACES:
        if place.ordered:
            chosen = _some(place.values, 4)
            for low, high in pairwise(chosen):
                yield place, (low, high)
                yield place, (high, low)
            yield place, (place.values[0], place.values[0])


def _texts() -> Iterator[Wanted]:
    for place in PLACES:
        if place.text:
            for value in place.parts:
                yield place, value
    for value in TEXTS:
        yield BY_NAME["word"], value


def _contained() -> Iterator[Wanted]:
    for place in PLACES:
        for part in place.parts:
            yield place, part
    for part in (1, True, "a", 1.0):
        yield BY_NAME["thing"], part


def _contained_many() -> Iterator[Wanted]:
    for place in PLACES:
        if place.parts:
            yield place, []
            yield place, list(place.parts[:1])
            yield place, list(place.parts[:2])
            yield place, [place.parts[0], place.parts[-1]]
            yield place, list(place.parts)


def _patterns() -> Iterator[Wanted]:
    for place in PLACES:
        if place.text:
            for pattern in _PATTERNS if place.names == ("word",) else _PATTERNS[:3]:
                yield place, pattern


def _likes() -> Iterator[Wanted]:
    for place in PLACES:
        if place.text:
            for pattern in _LIKES if place.names == ("word",) else _LIKES[:3]:
                yield place, pattern


def _flags() -> Iterator[Wanted]:
    for place in PLACES:
        yield place, True
        yield place, False


def _dates(*wanted: int) -> Callable[[], Iterator[Wanted]]:
    return lambda: ((place, one) for place in PLACES if place.dated for one in wanted)


def _hours() -> Iterator[Wanted]:
    for name in ("moment", "fine"):
        for wanted in (0, 12, 23):
            yield BY_NAME[name], wanted


def _sizes() -> Iterator[Wanted]:
    for place in PLACES:
        if place.listed:
            for wanted in (0, 1, 2, 3):
                yield place, wanted


_WANTED: Final[Mapping[str, Callable[[], Iterator[Wanted]]]] = {
    "equals": _equal,
    "not_equals": _equal,
    "in": _many,
    "not_in": _many,
    "gt": _ordered,
    "gte": _ordered,
    "lt": _ordered,
    "lte": _ordered,
    "between": _pairs,
    "contains": _contained,
    "contains_any": _contained_many,
    "contains_all": _contained_many,
    "icontains": _texts,
    "startswith": _texts,
    "istartswith": _texts,
    "endswith": _texts,
    "iendswith": _texts,
    "iexact": _texts,
    "matches": _patterns,
    "matches_caseless": _patterns,
    "like": _likes,
    "exists": _flags,
    "is_null": _flags,
    "year": _dates(1, 1969, 2023, 2024, 9999),
    "month": _dates(1, 2, 12),
    "day": _dates(1, 29, 31),
    "weekday": _dates(0, 3, 4, 6),
    "hour": _hours,
    "size": _sizes,
}


def _quantified(quantifier: str) -> Iterator[Case]:
    inner: Mapping[str, tuple[Callable[[], Condition], ...]] = {
        "words": (
            lambda: Q(equals="a"),
            lambda: Q(startswith="a"),
            lambda: Q(gt="a") & Q(lt="b"),
            lambda: ~Q(equals="a"),
            lambda: Q(is_null=True),
        ),
        "numbers": (
            lambda: Q(gte=1),
            lambda: Q(equals=None),
            lambda: Q(gt=0) & Q(lt=2),
            lambda: Q(equals=1) | Q(equals=None),
        ),
        "tags": (lambda: Q(equals="a"), lambda: ~Q(contains="a")),
        "items": (
            lambda: Q(sku="a", qty=1),
            lambda: Q(sku="a") & ~Q(qty=1),
            lambda: Q(qty__gt=1) | Q(sku="b"),
            lambda: Q(price__gte="1.1"),
        ),
    }
    for name, conditions in inner.items():
        for number, condition in enumerate(conditions):
            yield Case(
                f"{name} {quantifier} condition {number}", _elements(name, quantifier, condition)
            )


def _elements(
    name: str, quantifier: str, inner: Callable[[], Condition]
) -> Callable[[], Condition]:
    return lambda: Q(**{f"{name}__{quantifier}": inner()})
