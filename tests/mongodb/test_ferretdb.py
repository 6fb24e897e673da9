"""FerretDB over SQLite: a server with less than MongoDB, where docmap does what it lacks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Annotated

import pytest
from pydantic import Field

from docmap import (
    BaseStorageAdapter,
    Document,
    DuplicateKey,
    Index,
    Indexed,
    StorageError,
    Unsupported,
    connect,
)
from docmap.testing.notes import Note, check_sound, held, note
from docmap.testing.proxy import Proxy
from tests.servers import ferretdb

pytestmark = pytest.mark.engine("ferretdb")


class Item(Document, collection="items", indexes=[Index("kind", "-price")]):
    name: Annotated[str, Indexed(unique=True)]
    kind: str = "a"
    price: float | None = None
    tags: list[str] = Field(default_factory=list)


@pytest.fixture
def url() -> str:
    return ferretdb.url("own")


@pytest.fixture
def db(url: str) -> Iterator[BaseStorageAdapter]:
    with connect(url) as storage:
        yield storage
        storage.clear()


def test_the_same_program_runs(db: BaseStorageAdapter) -> None:
    db.insert_many(
        [Item(id=f"{n}", name=f"n{n}", kind="ab"[n % 2], price=n / 3, tags=["x"]) for n in range(9)]
    )
    with pytest.raises(DuplicateKey):
        db.insert(Item(id="z", name="n1"))
    assert [one.id for one in db.find(Item, kind="a").order_by("-price")[:2]] == ["8", "6"]
    assert db.find(Item, tags__contains="x", price__gte=2).count() == 3
    assert db.find(Item, kind="b").update(price=0.5, tags__push="y").matched == 4
    assert db.find(Item).values("price") == [0.0, 0.5, 2 / 3, 4 / 3, 2.0, 8 / 3]
    assert db.get_or_create(Item, name="n3")[1] is False
    assert db.find(Item, kind="b").delete() == 4
    assert db.find(Item).count() == 5


def test_stretches_of_time_are_whole_numbers(db: BaseStorageAdapter) -> None:
    class Span(Document, collection="spans"):
        span: timedelta

    class Number(Document, collection="spans"):
        span: float

    Span(id="a", span=timedelta(microseconds=5)).save(db)
    Number(id="b", span=5.0).save(db)
    assert db.find(Span, span__gt=timedelta(0)).count() == 1


def test_notes_are_found_by_every_way(db: BaseStorageAdapter) -> None:
    db.insert_many([note(f"{n}", n) for n in range(40)])
    for n in range(0, 40, 7):
        db.delete(Note, f"{n}")
    assert check_sound(db) == {f"{n}": n for n in range(40) if n % 7}


def test_what_it_lacks_is_refused_by_name(db: BaseStorageAdapter) -> None:
    assert "transactions" not in db.abilities
    with pytest.raises(Unsupported, match="replica set"), db.transaction():
        pass


def test_it_keeps_what_was_acknowledged_over_a_lost_connection(url: str) -> None:
    with Proxy(url) as proxy, connect(proxy.url) as db:
        db.insert(note("a", 1))
        proxy.cut()
        assert held(db) == {"a": 1}
        db.clear()


def test_decimals_are_kept_or_refused(db: BaseStorageAdapter) -> None:
    """It has no Decimal128, and closes the connection of who sends one."""

    class Priced(Document, collection="priced"):
        total: Decimal

    try:
        db.insert(Priced(id="a", total=Decimal("1.10")))
    except Unsupported as error:
        assert "Decimal" in str(error)
    else:
        assert db.get(Priced, "a").total == Decimal("1.10")
    assert db.ping()


def test_a_name_with_a_quotation_mark_is_refused_and_nothing_else_suffers(
    db: BaseStorageAdapter,
) -> None:
    """SQLite is told of the names in JSON that FerretDB 1 puts together by itself."""
    with pytest.raises(StorageError):
        db.insert_many("odd", [{"id": "a", 'the "name"': 1}])
    db.insert_many("odd", [{"id": "b", "the 'name'": 1, "a.b": 2, "$c": 3}])
    assert [row["id"] for row in db.find("odd")] == ["b"]


def test_a_list_in_a_list_is_refused_and_nothing_else_suffers(db: BaseStorageAdapter) -> None:
    """The conformance suite is run on it without such lists."""
    with pytest.raises(StorageError):
        db.insert_many("odd", [{"id": "a", "grid": [[1]]}])
    db.insert_many("odd", [{"id": "b", "grid": [{"row": [1]}]}])
    assert [row["id"] for row in db.find("odd")] == ["b"]
