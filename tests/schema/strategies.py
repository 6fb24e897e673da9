"""Random annotations, the options of a field, and the values that fit them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

from hypothesis import strategies as st
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    PlainSerializer,
    SecretBytes,
    SecretStr,
    WrapSerializer,
    WrapValidator,
)

from docmap import BigInt, ObjectId, Precision, Stored


@dataclass(frozen=True)
class Shape:
    """An annotation, the values that fit it, and what `create_model` takes as the field."""

    annotation: Any
    values: st.SearchStrategy[Any]
    default: Any = ...
    hashable: bool = False
    form: str = ""
    """The JSON form, or the tag in a union: two members of a union have different ones."""

    @property
    def definition(self) -> Any:
        return (self.annotation, self.default)


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Shade(StrEnum):
    DARK = "dark"
    LIGHT = "light"


class Point(NamedTuple):
    x: int
    y: Decimal


class Inner(BaseModel, extra="allow"):
    name: Annotated[str, Stored("n")]
    exact: Decimal = Decimal(0)
    following: Inner | None = None


# Text of every kind but lone surrogates and NUL, which no engine keeps.
TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=20)
INTS = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False).map(lambda value: value + 0.0)


def _decimal(sign: int, digits: int, exponent: int) -> Decimal:
    return Decimal((sign if digits else 0, tuple(map(int, str(digits))), exponent))


DECIMALS = st.builds(
    _decimal,
    st.integers(0, 1),
    st.one_of(st.integers(0, 999), st.integers(0, 10**34 - 1)),
    st.one_of(st.integers(-6, 6), st.integers(-6176, 6110)),
)
FINE = st.datetimes(timezones=st.just(UTC))
MOMENTS = FINE.map(lambda value: value.replace(microsecond=value.microsecond // 1000 * 1000))
SPANS = st.timedeltas(timedelta(microseconds=-(2**63)), timedelta(microseconds=2**63 - 1))
OIDS = st.binary(min_size=12, max_size=12).map(ObjectId)

SCALARS = [
    Shape(bool, st.booleans(), form="bool"),
    Shape(int, INTS, form="int"),
    Shape(float, FLOATS, form="float"),
    Shape(str, TEXT, form="text"),
    Shape(Decimal, DECIMALS, form="decimal"),
    Shape(bytes, st.binary(max_size=20), form="bytes"),
    Shape(datetime, MOMENTS, form="datetime"),
    Shape(date, st.dates(), form="date"),
    Shape(UUID, st.uuids(), form="uuid"),
    Shape(ObjectId, OIDS, form="oid"),
    Shape(timedelta, SPANS, form="duration"),
]
PLAIN = [
    *SCALARS,
    Shape(BigInt, st.integers(-(10**3999), 10**3999) | st.integers()),
    Shape(Annotated[datetime, Precision("us")], FINE),
    Shape(Colour, st.sampled_from(Colour), form="text"),
    Shape(Level, st.sampled_from(Level), form="int"),
    Shape(Shade, st.sampled_from(Shade), form="text"),
    Shape(Literal["a", "b", 1], st.sampled_from(["a", "b", 1])),
    Shape(Point, st.builds(Point, INTS, DECIMALS), form="list"),
]
SECRETS = [
    Shape(SecretStr, TEXT.map(SecretStr)),
    Shape(SecretBytes, st.binary(max_size=8).map(SecretBytes)),
]
MODELS = Shape(
    Inner,
    st.recursive(
        st.builds(Inner, name=TEXT, exact=DECIMALS),
        lambda inner: st.builds(
            Inner, name=TEXT, exact=DECIMALS, following=inner, more=st.none() | DECIMALS
        ),
        max_leaves=3,
    ),
    form="object",
)


def anything() -> st.SearchStrategy[Any]:
    """A value for a place without a declared type."""
    leaves = st.none() | st.one_of(*(shape.values for shape in SCALARS))
    names = TEXT | st.sampled_from(["$decimal", "$date", "$dict", "$uuid", "a"])
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
        max_leaves=5,
    )


def _listed(shape: Shape) -> Shape:
    return Shape(list[shape.annotation], st.lists(shape.values, max_size=3), form="list")  # type: ignore[name-defined]


def _tupled(shape: Shape) -> Shape:
    values = st.lists(shape.values, max_size=3).map(tuple)
    return Shape(tuple[shape.annotation, ...], values, form="list")  # type: ignore[name-defined]


def _paired(shape: Shape) -> Shape:
    return Shape(tuple[int, shape.annotation], st.tuples(INTS, shape.values), form="list")  # type: ignore[name-defined]


def _keyed(shape: Shape) -> Shape:
    names = TEXT | st.sampled_from(["$decimal", "$dict", ".", ""])
    values = st.dictionaries(names, shape.values, max_size=3)
    return Shape(dict[str, shape.annotation], values, form="object")  # type: ignore[name-defined]


def _optional(shape: Shape) -> Shape:
    return Shape(shape.annotation | None, st.none() | shape.values, form=shape.form)


def _set(shape: Shape) -> Shape:
    return Shape(set[shape.annotation], st.sets(shape.values, max_size=3), form="list")  # type: ignore[name-defined]


def _frozen(shape: Shape) -> Shape:
    values = st.frozensets(shape.values, max_size=3)
    return Shape(frozenset[shape.annotation], values, form="list")  # type: ignore[name-defined]


def _mapped(shape: Shape) -> Shape:
    values = st.dictionaries(shape.values, INTS, max_size=3)
    return Shape(dict[shape.annotation, int], values, form="object")  # type: ignore[name-defined]


def _either(members: list[Shape]) -> Shape:
    annotation = members[0].annotation
    for member in members[1:]:
        annotation = annotation | member.annotation
    return Shape(annotation, st.one_of(*(member.values for member in members)), form="union")


HASHABLE = [shape for shape in PLAIN if shape.annotation not in {BigInt, Literal["a", "b", 1]}]
MEMBERS = [*(shape for shape in PLAIN if shape.form), MODELS]


def unions() -> st.SearchStrategy[Shape]:
    """Unions whose members can be told apart, most of them only by their tags."""
    several = st.lists(
        st.sampled_from(MEMBERS), min_size=2, max_size=4, unique_by=lambda shape: shape.form
    )
    return several.map(_either)


def annotations() -> st.SearchStrategy[Shape]:
    """Annotations of all sorts, nested up to three deep."""
    leaves = st.one_of(
        st.sampled_from([*PLAIN, *SECRETS, MODELS]),
        st.just(Shape(Any, anything())),
        st.sampled_from(HASHABLE).map(_set),
        st.sampled_from(HASHABLE).map(_frozen),
        st.sampled_from([shape for shape in HASHABLE if shape.annotation is not Point]).map(
            _mapped
        ),
        unions(),
    )
    wrappers = st.sampled_from([_listed, _tupled, _paired, _keyed, _optional])
    return st.recursive(
        leaves,
        lambda inner: st.builds(lambda wrap, shape: wrap(shape), wrappers, inner),
        max_leaves=2,
    )


def _called(value: Any) -> Any:
    raise AssertionError("a rule of the class was applied on saving or loading")


def _wrapped(value: Any, handler: Any) -> Any:
    raise AssertionError("a rule of the class was applied on saving or loading")


OPTIONS: list[Any] = [
    AfterValidator(_called),
    BeforeValidator(_called),
    PlainSerializer(_called),
    WrapSerializer(_wrapped),
    WrapValidator(_wrapped),
]


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    """A field: an annotation, maybe with validators and serializers, and options of `Field`."""
    shape = draw(annotations())
    annotation = shape.annotation
    for option in draw(st.lists(st.sampled_from(OPTIONS), max_size=2)):
        annotation = Annotated[annotation, option]
    options = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "alias": st.just("other_alias"),
                "validation_alias": st.just("read_alias"),
                "serialization_alias": st.just("written_alias"),
                "exclude": st.just(True),
                "frozen": st.just(True),
                "repr": st.just(False),
                "deprecated": st.just(False),
                "title": TEXT,
            },
        )
    )
    if draw(st.booleans()):
        options["default"] = draw(shape.values)
    return Shape(annotation, shape.values, Field(**options))
