"""The reference of updates: each operator on values, on null, on nothing and on other types."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

import pytest
from pydantic import BaseModel

from docmap import Change, InvalidValue, Push, Q, UpdateTypeError, path
from docmap.query.arithmetic import product, total
from docmap.query.updates import apply
from docmap.schema.bind_updates import bind_update
from docmap.schema.compile import compile_model
from docmap.schema.resolve import Root
from docmap.schema.types import ANY, FieldType


class Inner(BaseModel):
    name: str | None = None
    size: int | None = None


class Model(BaseModel):
    n: int | None = None
    f: float | None = None
    d: Decimal | None = None
    s: str | None = "default"
    at: datetime | None = None
    inner: Inner | None = None
    l: list[int] | None = None  # noqa: E741
    tags: set[str] | None = None
    inners: list[Inner] | None = None
    box: dict[str, int] | None = None


TYPED: Final = compile_model(Model).root


def changed(document: dict[str, Any], *changes: Change, of: FieldType = TYPED, **named: Any) -> Any:
    """The document after an update, which leaves the one given as it is."""
    before = deepcopy(document)
    update = bind_update(changes, named, Root("Model", "models", of), frozenset({"id"}))
    after, _ = apply(update, document)
    assert document == before
    return after


NOTHING: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"n": None, "d": None, "s": None, "l": None, "tags": None, "inner": None},
)
FROM_NOTHING: Final[dict[str, tuple[dict[str, Any], str, Any]]] = {
    "set": ({"n": 5}, "n", 5),
    "set below": ({"inner__size": 5}, "inner", {"size": 5}),
    "inc": ({"n__inc": 5}, "n", 5),
    "inc a Decimal": ({"d__inc": Decimal("1.10")}, "d", Decimal("1.10")),
    "mul": ({"n__mul": 5}, "n", 0),
    "mul a Decimal": ({"d__mul": Decimal("1.1")}, "d", Decimal(0)),
    "min": ({"n__min": 5}, "n", 5),
    "max": ({"s__max": "x"}, "s", "x"),
    "push": ({"l__push": 5}, "l", [5]),
    "push many": ({"l__push": Push([1, 2, 3], position=4, keep=-2)}, "l", [2, 3]),
    "push none": ({"l__push_all": []}, "l", []),
    "add_to_set": ({"tags__add_to_set_all": ["b", "a", "b"]}, "tags", ["a", "b"]),
}


@pytest.mark.parametrize("document", NOTHING, ids=["missing", "null"])
@pytest.mark.parametrize("name", FROM_NOTHING)
def test_what_makes_a_value_of_nothing(name: str, document: dict[str, Any]) -> None:
    change, field, value = FROM_NOTHING[name]
    found = changed(document, **change)
    assert found == {**document, field: value}
    assert type(found[field]) is type(value)


LEFT_ALONE: Final[dict[str, dict[str, Any]]] = {
    "pull": {"l__pull": 1},
    "pull by condition": {"l__pull": Q(gt=0)},
    "pop": {"l__pop": "last"},
    "unset": {"s__unset": True},
    "unset below": {"inner__size__unset": True},
    "rename": {"s__rename": "inner__name"},
    "pull of an element's": {"inners__3__name__unset": True},
}


@pytest.mark.parametrize("document", NOTHING, ids=["missing", "null"])
@pytest.mark.parametrize("name", LEFT_ALONE)
def test_what_leaves_nothing_alone(name: str, document: dict[str, Any]) -> None:
    assert changed(document, **LEFT_ALONE[name]) == document


NUMBERS: Final[list[tuple[dict[str, Any], dict[str, Any], Any]]] = [
    ({"n": 2**53}, {"n__inc": 1}, 2**53 + 1),
    ({"n": -3}, {"n__mul": 7}, -21),
    ({"f": 0.1}, {"f__inc": 0.2}, 0.1 + 0.2),
    ({"f": -0.5}, {"f__mul": 0}, 0.0),
    ({"f": 2}, {"f__inc": 1}, 3.0),
    ({"d": Decimal("1.10")}, {"d__inc": Decimal("2.2")}, Decimal("3.30")),
    ({"d": Decimal("0.1")}, {"d__mul": 3}, Decimal("0.3")),
    ({"n": 5}, {"n__min": 6}, 5),
    ({"n": 5}, {"n__min": 4}, 4),
    ({"d": Decimal("1.10")}, {"d__max": Decimal("1.1")}, Decimal("1.10")),
    ({"s": "b"}, {"s__max": "ba"}, "ba"),
]


@pytest.mark.parametrize(("document", "change", "value"), NUMBERS)
def test_numbers_and_order(document: dict[str, Any], change: dict[str, Any], value: Any) -> None:
    (found,) = changed(document, **change).values()
    assert (type(found), str(found)) == (type(value), str(value))


def test_a_later_moment_wins() -> None:
    early, late = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC)
    assert changed({"at": early}, at__max=late) == {"at": late}
    assert changed({"at": early}, at__min=late) == {"at": early}


OTHER_TYPES: Final[list[tuple[dict[str, Any], dict[str, Any]]]] = [
    ({"n": "5"}, {"n__inc": 1}),
    ({"n": True}, {"n__inc": 1}),
    ({"n": 1.5}, {"n__mul": 1}),
    ({"d": 5}, {"d__inc": 1}),
    ({"n": "5"}, {"n__min": 1}),
    ({"n": 1.5}, {"n__max": 1}),
    ({"at": "yesterday"}, {"at__max": datetime(2024, 1, 1, tzinfo=UTC)}),
    ({"l": "abc"}, {"l__push": 1}),
    ({"l": {"0": 1}}, {"l__pull": 1}),
    ({"l": 5}, {"l__pop": "first"}),
    ({"tags": "a"}, {"tags__add_to_set": "a"}),
    ({"inner": 5}, {"inner__size": 1}),
    ({"inner": []}, {"inner__size__inc": 1}),
    ({"inners": [{}]}, {"inners__1__size": 1}),
    ({"inners": {"0": {}}}, {"inners__0__size": 1}),
    ({}, {"inners__0__size": 1}),
    ({"box": "text"}, {"box__k__inc": 1}),
]


@pytest.mark.parametrize(("document", "change"), OTHER_TYPES)
def test_another_type_fails_and_changes_nothing(
    document: dict[str, Any], change: dict[str, Any]
) -> None:
    with pytest.raises(UpdateTypeError, match="the document was not changed"):
        changed(document, **change)


def test_what_takes_away_passes_by_what_is_no_object() -> None:
    document = {"inner": 5, "box": "text", "inners": [1]}
    assert changed(document, inner__size__unset=True, box__k__unset=True) == document
    assert changed(document, inners__0__name__unset=True) == document


def test_beyond_what_engines_keep() -> None:
    with pytest.raises(InvalidValue, match="n is beyond 64 bits after inc"):
        changed({"n": 2**63 - 1}, n__inc=1)
    with pytest.raises(InvalidValue, match="f is not finite after mul"):
        changed({"f": 1e308}, f__mul=10)
    with pytest.raises(InvalidValue, match="d has more than 34 digits after inc"):
        changed({"d": Decimal("1E+34")}, d__inc=1)
    assert changed({"d": Decimal("9" * 34)}, d__inc=1) == {"d": Decimal("1E+34")}


LISTS: Final[list[tuple[list[int], dict[str, Any], list[int]]]] = [
    ([1, 2], {"l__push": 3}, [1, 2, 3]),
    ([1, 2], {"l__push": Push([7, 8], position=1)}, [1, 7, 8, 2]),
    ([1, 2], {"l__push": Push([7], position=9)}, [1, 2, 7]),
    ([1, 2], {"l__push": Push([7], keep=2)}, [1, 2]),
    ([1, 2], {"l__push": Push([7], keep=-2)}, [2, 7]),
    ([1, 2], {"l__push": Push([7], keep=0)}, []),
    ([1, 2, 1], {"l__add_to_set_all": [2, 3, 3]}, [1, 2, 1, 3]),
    ([1, 2, 1], {"l__pull": 1}, [2]),
    ([1, 2, 1], {"l__pull_all": [2, 5]}, [1, 1]),
    ([1, 5, 9], {"l__pull": Q(gt=1) & Q(lt=9)}, [1, 9]),
    ([1, 2], {"l__pop": "first"}, [2]),
    ([1, 2], {"l__pop": "last"}, [1]),
    ([], {"l__pop": "last"}, []),
    ([1, 2], {"l__1": 5}, [1, 5]),
    ([1, 2], {"l__0__inc": 5}, [6, 2]),
]


@pytest.mark.parametrize(("before", "change", "after"), LISTS)
def test_lists(before: list[int], change: dict[str, Any], after: list[int]) -> None:
    assert changed({"l": before}, **change) == {"l": after}


def test_elements_that_are_objects() -> None:
    document = {"inners": [{"name": "a", "size": 1}, {"name": "b", "size": None}]}
    assert changed(document, inners__pull=Q(size=1)) == {"inners": document["inners"][1:]}
    assert changed(document, inners__pull=Inner(name="b")) == {"inners": document["inners"][:1]}
    same = changed(document, inners__add_to_set={"name": "b"})
    assert same == document


def test_unset_and_rename() -> None:
    assert changed({"s": "x", "n": 5}, s__unset=True) == {"s": "default", "n": 5}
    assert changed({"box": {"k": 1, "j": 2}}, box__k__unset=True) == {"box": {"j": 2}}
    document = {"s": "x", "inner": {"name": "old", "size": 1}}
    after = changed(document, s__rename="inner__name")
    assert after == {"s": "default", "inner": {"name": "x", "size": 1}}
    assert changed({"box": {"k": 1}}, box__k__rename="n") == {"box": {}, "n": 1}


UNTYPED: Final[list[tuple[Any, Change, Any]]] = [
    (1, path("x").inc(1), 2),
    (1, path("x").inc(0.5), 1.5),
    (1, path("x").inc(Decimal("0.5")), Decimal("1.5")),
    (1.5, path("x").inc(1), 2.5),
    (1, path("x").max(Decimal("1.5")), Decimal("1.5")),
    (date(2024, 1, 1), path("x").min(date(2023, 1, 1)), date(2023, 1, 1)),
    ([1, "a"], path("x").push(None, {"k": 1}), [1, "a", None, {"k": 1}]),
    ([1, "1", 1.0, True], path("x").pull(1), ["1", True]),
    ([1], path("x").add_to_set(1.0, True), [1, True]),
    ({"0": 1}, path("x", "0").set(5), {"0": 5}),
    ([1, 2], path("x", 1).set(5), [1, 5]),
    (None, path("x", "a", "b").set(5), {"a": {"b": 5}}),
]


@pytest.mark.parametrize(("before", "change", "after"), UNTYPED)
def test_places_without_a_type(before: Any, change: Change, after: Any) -> None:
    found = changed({"x": before}, change, of=ANY)["x"]
    assert (type(found), repr(found)) == (type(after), repr(after))


@pytest.mark.parametrize(
    ("before", "change"),
    [
        (1.5, path("x").inc(Decimal(1))),
        (Decimal(1), path("x").mul(1.5)),
        ("1", path("x").inc(1)),
        (1, path("x").max("a")),
        (date(2024, 1, 1), path("x").max(datetime(2024, 1, 1, tzinfo=UTC))),
        ({"a": 1}, path("x").push(1)),
        ("text", path("x", "a").set(1)),
    ],
)
def test_other_types_where_none_is_declared(before: Any, change: Change) -> None:
    with pytest.raises(UpdateTypeError):
        changed({"x": before}, change, of=ANY)


def test_sums_and_products_are_exact() -> None:
    assert total(Decimal("1E+6000"), Decimal("1E-6000"), "decimal").fault
    assert product(Decimal("1." + "0" * 30), Decimal("2." + "0" * 30), "decimal").value == 2
    assert str(total(Decimal("-0.1"), Decimal("0.1"), "decimal").value) == "0.0"
    assert total(10**3999, 9 * 10**3999, "bigint").fault
    assert total(2**64, 1, "bigint").value == 2**64 + 1
    assert total(10**400, 1.5, "any").fault == "is not finite"
