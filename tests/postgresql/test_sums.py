"""Sums of Decimals beside whatever else may be stored in their field: the same as in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

import pytest

from docmap import Avg, BaseStorageAdapter, Count, Document, Sum, connect
from docmap.errors import InvalidValue
from docmap_backends.postgresql import PostgreSQLStorage
from tests.servers import postgresql


class Priced(Document, collection="priced"):
    kind: str | None = None
    price: Decimal | None = None


STORED: Final = [
    '"9.99"', '"9.990"', "9.99", "9.5", '"9.5"', '"1E+10"', '"x"', '"NaN"', "null", "10", '".5"',
    '" 1.5"', '"1.5 "', '"+1"', '"5."', '"007"', '"-0"', '"-0.50"', '"1_0"', '"0x10"', '"Infinity"',
    '"-inf"', '"1e3"', '"1e99999"', "true", '["9.99"]', '{"9.99":1}', '""', '"0.0000001"', '"1E-7"',
    '"' + "9" * 34 + '"', '"0.' + "0" * 39 + '1"', "12345678901234567890",
]  # fmt: skip
"""JSON that programs may have written into the field."""

Both = tuple[PostgreSQLStorage, BaseStorageAdapter]


@pytest.fixture(scope="module")
def both() -> Iterator[Both]:
    """A storage on PostgreSQL and one in memory, with the same documents."""
    schema = Priced.__docmap_schema__
    with PostgreSQLStorage(postgresql.url("sums")) as server, connect("memory://") as memory:
        server.clear()
        server._ensure(schema)
        memory._ensure(schema)
        for number, value in enumerate(STORED):
            document = f'{{"id":"{number:02}","kind":"k{number % 3}","price":{value}}}'
            insert = "INSERT INTO priced(key, doc) VALUES (%s, %s::jsonb)"
            server.native.execute(insert, (f"{number:02}", document))
        for record in server._scan(schema):
            memory._put(schema, json.loads(record[0])["id"], record)
        yield server, memory
        server.clear()


def _sums(storage: BaseStorageAdapter, keys: list[str], *, grouped: bool) -> Any:
    asked = {"sum": Sum("price"), "avg": Avg("price"), "n": Count("price")}
    query = storage.find(Priced, id__in=keys)
    try:
        rows = [*query.group_by("kind").aggregate(**asked)] if grouped else query.aggregate(**asked)
    except InvalidValue as error:
        return str(error)
    return repr(rows)


@pytest.mark.parametrize("grouped", [True, False], ids=["grouped", "all"])
@pytest.mark.parametrize("number", range(len(STORED)))
def test_a_decimal_and_another_value(both: Both, number: int, *, grouped: bool) -> None:
    server, memory = both
    keys = ["00", f"{number:02}"]
    server._catalogue.inexact.clear()  # as if it were asked for the first time
    first, second = (_sums(server, keys, grouped=grouped) for _ in range(2))
    assert first == second == _sums(memory, keys, grouped=grouped)
    with server.transaction():
        assert _sums(server, keys, grouped=grouped) == first
