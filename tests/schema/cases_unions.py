"""Unions of all sorts, each with values that must come back as the member that they were."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field, RootModel, create_model
from typing_extensions import TypedDict

from docmap import BigInt, Document, ObjectId, Precision, Stored

NOW = datetime(2026, 3, 1, 12, 30, 15, 123000, tzinfo=UTC)
FINE = NOW.replace(microsecond=123456)
ID = UUID("12345678-1234-5678-1234-567812345678")
OID = ObjectId("55f14312c7447c3da7051b26")


class Colour(Enum):
    RED = "red"


class Shade(StrEnum):
    DARK = "dark"


class Level(IntEnum):
    LOW = 1


class Rate(Enum):
    LOW = Decimal("0.1")


class Card(BaseModel):
    number: str
    fee: Decimal = Decimal(0)


class Cash(BaseModel):
    amount: Decimal


class Cheque(BaseModel):
    amount: Decimal
    bank: str


class Tagged(BaseModel):
    it: Annotated[str, Stored("$decimal")]


@dataclass
class Wire:
    iban: str


class Coupon(TypedDict):
    code: str


class Codes(RootModel[list[str]]):
    pass


class Add(BaseModel):
    left: Expression
    right: Expression


class Const(BaseModel):
    value: Decimal


Expression = Add | Const
Add.model_rebuild()

UNIONS: list[tuple[Any, list[Any]]] = [
    (str | UUID, [str(ID), ID, "", "{}"]),
    (UUID | str, [str(ID), ID]),
    (int | float, [1, 1.0, -0.5, 2**63 - 1, 1e22]),
    (float | int, [1, 1.0]),
    (bool | int | float, [True, 1, 1.0, False, 0, 0.0]),
    (date | datetime, [NOW, date(2026, 3, 1), datetime(2026, 3, 1, tzinfo=UTC)]),
    (datetime | date | time, [NOW, date(2026, 3, 1), time(1, 2, 3, 4)]),
    (Annotated[datetime, Precision("us")] | str, [FINE, "2026-03-01T12:30:15.123456Z"]),
    (Decimal | str, [Decimal("1.10"), "1.10", Decimal("1E+5"), "NaN"]),
    (Decimal | int, [Decimal("1.0"), 1, Decimal("1E+400")]),
    (Decimal | float, [Decimal("1.5"), 1.5]),
    (int | float | Decimal | bool, [1, 1.0, Decimal(1), True]),
    (timedelta | int, [timedelta(seconds=1), 1_000_000]),
    (timedelta | str, [timedelta(seconds=1), "1000000"]),
    (timedelta | float, [timedelta(days=-1), 1.0]),
    (bytes | str, [b"ab", "ab", b"", ""]),
    (bytes | int, [b"\xff", 255]),
    (ObjectId | str | UUID, [OID, str(OID), ID, str(ID)]),
    (BigInt | float, [10**30, 1.0]),
    (str | None, ["", None]),
    (Decimal | date | None, [None, Decimal(1), date(1, 1, 1)]),
    (Literal["auto"] | int, ["auto", 1]),
    (Literal["auto"] | str, ["auto", "other"]),
    (Literal[1, "a"] | float, [1, "a", 1.0]),
    (Colour | int, [Colour.RED, 1]),
    (Colour | UUID, [Colour.RED, ID]),
    (Rate | str, [Rate.LOW, "0.1"]),
    (Level | str, [Level.LOW, "1"]),
    (Level | float, [Level.LOW, 1.0]),
    (list[int] | int, [[1], 1, []]),
    (list[UUID] | list[str], [[ID], [str(ID)], ["x"]]),
    (list[Decimal] | dict[str, Decimal], [[Decimal("1.0")], {"a": Decimal("1.0")}]),
    (dict[str, UUID] | dict[str, str], [{"a": ID}, {"a": str(ID)}, {"$uuid": str(ID)}]),
    (dict[str, int] | str, [{"$decimal": 1}, {"$dict": 1}, {}, "x"]),
    (dict[str, int] | Decimal | str, [{"$decimal": 1}, {"$dict": 1}, {}, Decimal(1), "1"]),
    (Tagged | Decimal | str, [Tagged(it="1.0"), Decimal("1.0"), "1.0"]),
    (set[int] | str, [{2, 1}, "x", set()]),
    (set[UUID] | set[str], [{ID}, {str(ID)}]),
    (frozenset[Decimal] | int, [frozenset({Decimal("1.0")}), 1]),
    (tuple[int, str] | str, [(1, "a"), "x"]),
    (tuple[int, str] | list[bool], [(1, "a"), [True]]),
    (Card | Cash, [Card(number="1"), Cash(amount=Decimal("1.0"))]),
    (Cash | Cheque, [Cheque(amount=Decimal(1), bank="b"), Cash(amount=Decimal(1))]),
    (Cheque | Cash | str, [Cheque(amount=Decimal(1), bank="b"), Cash(amount=Decimal(1)), "x"]),
    (Card | Wire | Coupon, [Card(number="1"), Wire("i"), {"code": "c"}]),
    (Card | dict[str, int], [Card(number="1"), {"number": 1}, {"a": 1}]),
    (list[Card] | list[Cash], [[Card(number="1")], [Cash(amount=Decimal(1))]]),
    (Codes | str, [Codes(["a"]), "a"]),
    (Add | Const, [Add(left=Const(value=Decimal(1)), right=Const(value=Decimal(2)))]),
    (Any | int, [1, "a", NOW, [Decimal(1)]]),
    (list[int | str | Decimal], [[1, "1", Decimal(1)]]),
    (dict[str, str | datetime], [{"a": NOW, "b": "2026-03-01"}]),
    (list[Card | None], [[None, Card(number="1")]]),
    (tuple[str | UUID, ...], [(ID, "a")]),
    (dict[str, list[date | str] | None], [{"a": [date(1, 1, 1), "x"], "b": None}]),
    (Annotated[int, Field(gt=0)] | Annotated[str, Field(min_length=2)], [1, "ab"]),
]


def _document(position: int, annotation: Any, value: Any) -> Document:
    model: Any = create_model(
        f"Union{position}",
        __base__=Document,
        __cls_kwargs__={"collection": f"union{position}"},
        it=(annotation, ...),
    )
    return model.model_construct(id=f"{type(value).__name__} {value!r}", it=value)  # type: ignore[no-any-return]


DOCUMENTS: list[Document] = [
    _document(position, annotation, value)
    for position, (annotation, values) in enumerate(UNIONS)
    for value in values
]
