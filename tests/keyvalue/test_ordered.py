"""Forms of values sort as the values do, whatever their types, and none begins another."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import combinations
from typing import Any, Final
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docmap.values import ObjectId, order_key
from docmap_backends._ordered import NOT_TOLD, above, end_of, form, ordered, plain, value_of

ADVERSARIAL: Final[list[Any]] = [
    None,
    *(0, 0.0, -0.0, Decimal(0), Decimal("-0.00"), 1, 1.0, Decimal("1.0"), -1, -1.0),
    *(1.1, Decimal("1.1"), Decimal("1.10"), Decimal("1.100000000000000088817841970012523"), 1.5),
    *(0.1, Decimal("0.1"), 0.1 + 0.2, Decimal("0.3"), 0.3),
    *(2**53, 2**53 + 1, float(2**53), 2**53 - 1, -(2**53) - 1, Decimal(2**53 + 1)),
    *(2**63 - 1, -(2**63), float(2**63), 2**64, 10**400, -(10**400), 10**4000),
    *(5e-324, -5e-324, Decimal("1E-400"), Decimal("-1E-400"), Decimal("1E+400")),
    *(1.7976931348623157e308, -1.7976931348623157e308, 2**1024, -(2**1024)),
    *(math.inf, -math.inf),
    *("", "\0", "\0\0", "\0\xff", "a", "a\0", "a\0b", "a\xff", "ab", "b", "é", "z", "\ud7ff"),
    *("\ue000", "\uffff", "\U0001f600", "\U0010ffff"),
    *(b"", b"\0", b"\0\xff", b"\0\0", b"a", b"\xff", b"\xff\xff", b"a\0"),
    *(True, False),
    *([], [None], [[]], [1], [1, 2], [1.0, 2], ["a"], ["a", ""], [True], [[1], 2]),
    *({}, {"a": 1}, {"a": None}, {"b": 0}, {"a": 1, "b": 2}, {"": 0}, {"a\0": 1}),
    *(date(1, 1, 1), date(2024, 2, 29), date(9999, 12, 31)),
    *(datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
    datetime(2024, 1, 1, tzinfo=UTC),
    *(time(0), time(23, 59, 59, 999999), time(12, 0, 0, 1)),
    *(timedelta.min, timedelta.max, timedelta(0), timedelta(microseconds=-1)),
    *(UUID(int=0), UUID(int=2**128 - 1), ObjectId(b"\0" * 12), ObjectId(b"\xff" * 12)),
]


def values() -> st.SearchStrategy[Any]:
    """Portable values of every type, and numbers near to each other."""
    number = st.one_of(
        st.integers(),
        st.floats(allow_nan=False),
        st.decimals(allow_nan=False, allow_infinity=False).filter(
            lambda value: -6000 < value.adjusted() < 6000 and len(value.as_tuple().digits) < 40
        ),
        st.sampled_from([one for one in ADVERSARIAL if type(one) in {int, float, Decimal}]),
    )
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
    scalar = st.one_of(
        st.none(),
        number,
        text,
        st.text(st.sampled_from("\0\1a\x7f\xff"), max_size=4),
        st.binary(max_size=4),
        st.booleans(),
        st.dates(),
        st.datetimes(timezones=st.just(UTC)),
        st.times(),
        st.timedeltas(),
        st.uuids(),
        st.binary(min_size=12, max_size=12).map(ObjectId),
    )
    return st.recursive(
        scalar,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(text, inner, max_size=3)
        ),
        max_leaves=6,
    )


def compared(left: Any, right: Any) -> int:
    return int(left > right) - int(left < right)


def check(left: Any, right: Any) -> None:
    """The forms compare as the values, and neither begins the other unless they are equal."""
    a, b = order_key(left), order_key(right)
    wanted = compared(a, b)
    assert compared(ordered(a), ordered(b)) == wanted, (left, right)
    if wanted:
        assert not ordered(a).startswith(ordered(b)), (left, right)
        assert not ordered(b).startswith(ordered(a)), (left, right)


def test_adversarial_values_sort_as_the_reference_sorts_them() -> None:
    for left, right in combinations(ADVERSARIAL, 2):
        check(left, right)
    assert len(ADVERSARIAL) > 100


@given(values(), values())
def test_any_two_values_sort_as_the_reference_sorts_them(left: Any, right: Any) -> None:
    check(left, right)


@given(st.tuples(values(), values()), st.tuples(values(), values()))
def test_forms_behind_one_another_sort_as_tuples(left: Any, right: Any) -> None:
    a, b = tuple(map(order_key, left)), tuple(map(order_key, right))
    assert compared(b"".join(map(ordered, a)), b"".join(map(ordered, b))) == compared(a, b)


def test_what_is_no_number_lies_behind_all_numbers_and_before_all_text() -> None:
    middle = ordered(order_key(math.nan))
    assert ordered(order_key(math.inf)) < middle < ordered(order_key(""))
    end = above(ordered((1,)))
    assert end is not None
    assert ordered(order_key(10**4000)) < end <= middle


@given(st.one_of(st.text(max_size=5), st.integers(-(2**63), 2**63 - 1), st.binary(max_size=5)))
def test_a_key_is_read_from_its_form(key: Any) -> None:
    form = ordered(order_key(key))
    assert plain(form) == key
    assert type(plain(form)) is type(key)


@given(st.binary(max_size=4), st.binary(max_size=4))
def test_what_is_above_a_prefix_is_behind_all_that_begins_with_it(head: bytes, tail: bytes) -> None:
    end = above(head)
    if end is None:
        assert head == b"\xff" * len(head)
    else:
        assert head + tail < end
        assert not end.startswith(head)


@given(st.lists(values(), min_size=1, max_size=4))
def test_where_a_form_ends_is_told_by_itself(held: list[Any]) -> None:
    forms = [ordered(order_key(value)) for value in held]
    key, place = b"x" + b"".join(forms), 1
    for value, expected in zip(held, forms, strict=True):
        end = end_of(key, place)
        assert key[place:end] == expected == form(value)
        told = value_of(key[place:end])
        assert told is NOT_TOLD or (told == value and type(told) is type(value))
        assert (told is NOT_TOLD) == (type(value) in NOT_TOLD_TYPES)
        place = end
    assert place == len(key)


NOT_TOLD_TYPES: Final = {int, float, Decimal, list, dict, bytes, time, timedelta}


GOLDEN: Final[dict[str, Any]] = {
    "10": None,
    "128000000000000000" + "00": 0,
    "12bff8000000000000" + "00": 1.5,
    "123ff7ffffffffffff" + "00": -3.0,
    "12bff1999999999999" + "01" + b"65000000011".hex() + "00": Decimal("1.10"),
    "12c340000000000000" + "01" + b"6500000159007199254740993".hex() + "00": 2**53 + 1,
    "1461c3a900": "aé",
    "14010100": "\0",
    "16" + "01" + "146100" + "10" + "00": {"a": None},
    "18" + "20" + "22" + "00": [False, True],
    "1aff0102" + "00": b"\xff\1",
    "1c" + "00" * 15 + "05": UUID(int=5),
    "1e" + "0a" * 12: ObjectId(b"\n" * 12),
    "2400000001": date(1, 1, 1),
    "2600000000000f4240": datetime(1, 1, 1, 0, 0, 1, tzinfo=UTC),
    "280000000000000001": time(0, 0, 0, 1),
    "2a80000000000000000001": timedelta(microseconds=1),
}


@pytest.mark.parametrize("form_text", GOLDEN)
def test_forms_are_those_that_the_manual_tells(form_text: str) -> None:
    assert form(GOLDEN[form_text]).hex() == form_text
