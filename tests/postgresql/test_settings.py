"""What a database or its users may have set otherwise changes no answer, and opens no door."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from pydantic import Field

from docmap import Document, DuplicateKey, Index, Stored, Sum, path
from docmap.storage.url import URL
from docmap_backends._postgresql_sql import literal
from docmap_backends.postgresql import PostgreSQLStorage
from tests.postgresql.conftest import Opened

pytestmark = pytest.mark.engine("postgresql")
SETTINGS = {
    "standard_conforming_strings": "off",
    "array_nulls": "off",
    "extra_float_digits": "-15",
    "quote_all_identifiers": "on",
    "transform_null_equals": "on",
    "backslash_quote": "on",
    "default_transaction_isolation": "'repeatable read'",
    "intervalstyle": "iso_8601",
    "bytea_output": "escape",
}
NAMES = ["a\\", "\\'", "\\'' = 1 OR true --", "$docmap$", "%s", "'", "\\' OR true) OR (doc->\\'x"]


class Odd(Document, collection="odd", unknown="keep"):
    data: dict[str, Any] = Field(default_factory=dict)
    more: dict[str, str] = Field(default_factory=dict)


class Listed(Document, collection="listed", indexes=[Index("tags", unique=True)]):
    tags: Annotated[list[str], Stored("\\'$docmap$")] = Field(default_factory=list)


class Note(Document, collection="notes"):
    id: int
    ratio: float = 0.0


@pytest.fixture(params=["set otherwise", "set after connecting"])
def hostile(
    request: pytest.FixtureRequest, db: PostgreSQLStorage, opened: Opened, server_url: str
) -> Iterator[PostgreSQLStorage]:
    """A storage on a database with unusual settings, or one behind docmap's own."""
    if request.param == "set after connecting":  # as by a pooler, which knows no sessions
        other = opened(pool_size=1)
        other._connections.script([f"SET {name} = {SETTINGS[name]}" for name in list(SETTINGS)[:3]])
        yield other
        return
    name, run = URL.parse(server_url).path, db._connections.written
    for setting, value in SETTINGS.items():
        run(f'ALTER DATABASE "{name}" SET {setting} = {value}')
    try:
        yield opened()
    finally:
        run(f'ALTER DATABASE "{name}" RESET ALL')


def test_names_stay_names(hostile: PostgreSQLStorage) -> None:
    Odd(id="none").save(hostile)
    for number, name in enumerate(NAMES):
        Odd(id=str(number), data={name: number}).save(hostile)
    for number, name in enumerate(NAMES):
        found = hostile.find(Odd).where(path("data", name) == number)
        assert [one.id for one in found] == [str(number)]
        assert hostile.find(Odd, data__exists=True).where(path("data", name) == -1).count() == 0
        hostile.find(Odd).where(path("data", name) == number).update(path("data", name).set(-2))
        assert hostile.get(Odd, str(number)).data == {name: -2}


def test_a_constant_means_itself(hostile: PostgreSQLStorage) -> None:
    for name in NAMES:
        assert hostile._rows(f"SELECT {literal(name)}") == [(name.encode(),)]


def test_floats_come_back_whole(hostile: PostgreSQLStorage) -> None:
    Odd(id="a", data={"ratio": 0.12345678901234567}).save(hostile)
    assert hostile.get(Odd, "a").data == {"ratio": 0.12345678901234567}
    Note(id=1, ratio=0.12345678901234567).save(hostile)
    assert hostile.find(Note).aggregate(total=Sum("ratio")).total == 0.12345678901234567


def test_elements_of_lists_under_odd_names_are_unique(hostile: PostgreSQLStorage) -> None:
    Listed(id="a", tags=["x"]).save(hostile)
    with pytest.raises(DuplicateKey):
        Listed(id="b", tags=["y", "x"]).save(hostile)
    Listed(id="b", tags=["y"]).save(hostile)


def test_a_table_of_another_program_is_read(
    hostile: PostgreSQLStorage, db: PostgreSQLStorage, opened: Opened
) -> None:
    db._connections.script(["CREATE TABLE theirs(num bigint PRIMARY KEY, data jsonb)"])
    try:
        other = opened(tables="notes=theirs(num,data)")
        Note(id=5, ratio=0.5).save(other)
        assert other.get(Note, 5).ratio == 0.5
    finally:
        db.clear()
        db._connections.script(["DROP TABLE theirs"])
