"""Adding to stored numbers in one statement: what is stored then is what docmap makes in memory."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from decimal import Decimal
from random import Random
from typing import Annotated, Any, Final

import pytest
from pydantic import Field
from pydantic_core import from_json

from docmap import BaseStorageAdapter, Document, connect
from docmap.errors import DocmapError
from docmap_backends.postgresql import PostgreSQLStorage
from tests.servers import postgresql


class Account(Document, collection="accounts"):
    ratio: float | None = None
    bounded: Annotated[float, Field(ge=-10, lt=1.5e10)] | None = None
    count: int | None = None
    stock: Annotated[int, Field(ge=0, le=10**6)] | None = None
    price: Decimal | None = None
    paid: Annotated[Decimal, Field(ge=Decimal("-0.5"), lt=Decimal(10**6))] | None = None
    money: Annotated[Decimal, Field(max_digits=8, decimal_places=2)] | None = None


FLOATS: Final = [
    "0.1", "0.2", "-2.5", "1.0", "1", "-0.0", "1e300", "1.7976931348623157e308", "5e-324", "null",
    "0.30000000000000004", "10000000000000000.0", "9007199254740993", '"0.1"', "true", "[1.5]",
    "100000000000000000000000.0", "0.10000000000000001", "14999999999.5",
]  # fmt: skip
INTS: Final = ["5", "5.0", "5.5", "9223372036854775807", "-9223372036854775808", "null", '"5"',
               "true", "0", "999999", "1" + "0" * 40]  # fmt: skip
DECIMALS: Final = [
    '"9.99"', '"9.990"', '"-9.99"', '"0"', '"0.00"', '"-0"', '"1E+10"', '"1E-7"', '"0.000001"',
    '"0.0000001"', '"NaN"', '"x"', '".5"', '"5."', '"007"', '" 1"', '"+1"', "9.99", "10", "null",
    "true", '"99999999999999999999"', '"1e3"', '"' + "9" * 34 + '"', '"-0.4"', '"999999.99"', '""',
]  # fmt: skip
STORED: Final = {
    "ratio": FLOATS, "bounded": FLOATS, "count": INTS, "stock": INTS,
    "price": DECIMALS, "paid": DECIMALS, "money": DECIMALS,
}  # fmt: skip
AMOUNTS: Final[dict[str, list[Any]]] = {
    "ratio": [0.2, -0.1, 3, 1e16, 1e308, 5e-324],
    "count": [1, -7, 2**62],
    "price": [
        Decimal("0.01"),
        Decimal("-9.99"),
        3,
        Decimal("1E+3"),
        Decimal("1E-9"),
        Decimal("1."),
    ],
}
AMOUNTS.update(bounded=AMOUNTS["ratio"], stock=AMOUNTS["count"])
AMOUNTS.update(paid=AMOUNTS["price"], money=AMOUNTS["price"])

Both = tuple[PostgreSQLStorage, BaseStorageAdapter]


@pytest.fixture(scope="module")
def both() -> Iterator[Both]:
    """A storage on PostgreSQL and one in memory."""
    schema = Account.__docmap_schema__
    with PostgreSQLStorage(postgresql.url("adding")) as server, connect("memory://") as memory:
        server.clear()
        for storage in (server, memory):
            storage._ensure(schema)
        yield server, memory
        server.clear()


def _fill(both: Both, documents: dict[str, str]) -> None:
    """Store documents as other programs may write them, the same in both."""
    schema, (server, memory) = Account.__docmap_schema__, both
    server.clear()
    server._ensure(schema)
    rows = [(key, f'{{"id":"{key}",{text}}}') for key, text in documents.items()]
    insert = "INSERT INTO accounts(key, doc) VALUES (%s, %s::jsonb)"
    server.native.cursor().executemany(insert, rows)
    memory.clear()
    memory._ensure(schema)
    for record in server._scan(schema):
        memory._put(schema, json.loads(record[0])["id"], record)


def _outcome(storage: BaseStorageAdapter, key: str, field: str, amount: Any) -> Any:
    try:
        storage.find(Account, id=key).update(**{f"{field}__inc": amount})
    except DocmapError as error:
        told: Any = type(error), str(error).replace(storage.scheme, "")
    else:
        told = None
    found = storage._get(Account.__docmap_schema__, key)
    assert found is not None
    return told, repr(sorted(from_json(found[0]).items()))


@pytest.mark.parametrize("field", STORED)
def test_every_number_is_added_to_as_in_memory(both: Both, field: str) -> None:
    server, memory = both
    for amount in AMOUNTS[field]:
        _fill(both, {f"k{n}": f'"{field}":{held}' for n, held in enumerate(STORED[field])})
        for number, held in enumerate(STORED[field]):
            key = f"k{number}"
            found = _outcome(server, key, field, amount)
            assert found == _outcome(memory, key, field, amount), (held, amount)


def _any_float(rng: Random) -> float:
    if rng.random() < 0.5:
        return round(rng.uniform(-1e6, 1e6), rng.randrange(8))
    while True:
        found: float = struct.unpack("d", rng.randbytes(8))[0]
        if 1e-270 < abs(found) < 1e290:
            return found


def _any_decimal(rng: Random) -> Decimal:
    return Decimal(rng.randrange(-(10 ** rng.randrange(1, 16)), 10**9)).scaleb(-rng.randrange(7))


_RANDOM: Final[dict[str, Callable[[Random], Any]]] = {"ratio": _any_float, "price": _any_decimal}


@pytest.mark.parametrize("field", _RANDOM)
def test_random_numbers_are_added_at_once_as_in_memory(
    both: Both, field: str, rng: Random, monkeypatch: pytest.MonkeyPatch, *, long_run: bool
) -> None:
    make, server = _RANDOM[field], both[0]
    rows = [{"id": str(n), field: make(rng)} for n in range(20_000 if long_run else 500)]
    at_once: list[int | None] = []
    natively = server._update_matching

    def noted(*asked: Any) -> int | None:
        at_once.append(natively(*asked))
        return at_once[-1]

    monkeypatch.setattr(server, "_update_matching", noted)
    for storage in both:
        storage.clear()
        storage.insert_many(Account, rows)
    for amount in (make(rng) for _ in range(5)):
        for storage in both:
            storage.find(Account).update(**{f"{field}__inc": amount})
        found, wanted = (
            {one.id: repr(getattr(one, field)) for one in storage.find(Account)} for storage in both
        )
        assert found == wanted, amount
    assert at_once == [len(rows)] * 5


@pytest.mark.parametrize(
    ("field", "amount"), [("ratio", 0.1), ("bounded", 2), ("stock", 1), ("price", Decimal("0.10"))]
)
def test_it_is_one_statement(both: Both, field: str, amount: Any) -> None:
    server, _ = both
    server.clear()
    server.insert_many([Account.model_validate({"id": str(n), field: 3}) for n in range(5)])
    plan = server.find(Account).explain_update(**{f"{field}__inc": amount})
    assert plan.data["native"], plan
