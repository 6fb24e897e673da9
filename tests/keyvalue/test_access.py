"""Which indexes serve a query over a byte store, and that what they tell is not read again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID, uuid5

import pytest

from docmap import (
    BaseStorageAdapter,
    Document,
    DuplicateKey,
    Index,
    InvalidRecord,
    ObjectId,
    path,
)
from docmap_backends._keyvalue_store import ReadableStore
from tests.differential.test_memory_access import INDEXED, NOON, SCANS, Task
from tests.keyvalue.memory_store import KeyValueMemory, MemoryOrderedStore
from tests.storage.engines import undone

BY_KEY: Final = {"no index", "in an order, tried one by one"}


@pytest.fixture
def db() -> Iterator[KeyValueMemory]:
    """A hundred tasks."""
    with KeyValueMemory() as opened:
        opened.insert_many(
            [
                Task(
                    id=number,
                    status=("new", "open", "done")[number % 3],
                    rank=number // 10,
                    tags=["a", f"t{number % 7}"] if number % 2 else None,
                    at=datetime(2024, 1, 1 + number % 28, tzinfo=UTC),
                    note={"deep": [number]},
                )
                for number in range(100)
            ]
        )
        yield opened


@pytest.fixture
def gets(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The keys of records that are read one by one, and of those that a scan gives."""
    read: list[bytes] = []

    def noted(view: ReadableStore) -> None:
        get, items = type(view).get, type(view).items

        def noting_get(self: Any, key: bytes) -> bytes | None:
            if key[:1] == b"r":
                read.append(key)
            return get(self, key)

        def noting_items(self: Any, low: bytes, *rest: Any, **named: Any) -> Any:
            for key, value in items(self, low, *rest, **named):
                if key[:1] == b"r":
                    read.append(key)
                yield key, value

        monkeypatch.setattr(type(view), "get", noting_get)
        monkeypatch.setattr(type(view), "items", noting_items)

    with MemoryOrderedStore().snapshot() as view:
        noted(view)
    return read


@pytest.mark.parametrize("name", INDEXED)
def test_an_index_is_used(db: BaseStorageAdapter, name: str) -> None:
    explanation = INDEXED[name](db).explain()
    assert explanation.indexes, explanation
    assert not explanation.scan, explanation
    found = INDEXED[name](db).options(allow_scan=False)
    assert found.count() == len(found.list()) < 100


@pytest.mark.parametrize("name", sorted(SCANS.keys() - BY_KEY))
def test_no_index_narrows_it(db: BaseStorageAdapter, name: str) -> None:
    assert SCANS[name](db).explain().scan


def test_keys_are_an_index(db: BaseStorageAdapter, gets: list[bytes]) -> None:
    query = db.find(Task, id__between=(10, 19), rank=1)
    assert query.explain().indexes == ("(key)",)
    assert [task.id for task in query] == list(range(10, 20))
    assert len(gets) == 10
    assert db.find(Task).order_by("-id")[:3].explain().indexes == ("(key)",)
    assert [task.id for task in db.find(Task).order_by("-id")[:3]] == [99, 98, 97]
    assert [task.id for task in db.find(Task).order_by("id")[40:43]] == [40, 41, 42]


def test_counting_reads_no_documents(db: BaseStorageAdapter, gets: list[bytes]) -> None:
    assert db.find(Task, status="open").count() == 33
    assert db.find(Task, status="open", rank__between=(2, 3)).count() == 6
    assert db.find(Task).count() == 100
    assert db.find(Task, id__lt=7).count() == 7
    assert gets == []


def test_distinct_values_come_from_the_index(db: BaseStorageAdapter, gets: list[bytes]) -> None:
    assert db.find(Task).values("status") == ["done", "new", "open"]
    assert len(db.find(Task).values("at")) == 28
    assert db.find(Task).values("at", nulls=True) == db.find(Task).values("at")
    assert db.find(Task).values(path("tags").each()) == ["a", *(f"t{n}" for n in range(7))]
    assert db.find(Task).values("at", nulls=False)[0] == datetime(2024, 1, 1, tzinfo=UTC)
    assert gets == []
    assert db.find(Task).values("rank") == list(range(10))  # an index cannot tell 1 from 1.0
    assert len(gets) == 100


def test_a_page_reads_what_it_shows(db: BaseStorageAdapter, gets: list[bytes]) -> None:
    assert len(db.find(Task).order_by("-at")[:5].list()) == 5
    assert len(db.find(Task, status="new").order_by("-rank")[5:8].list()) == 3
    assert len(gets) == 5 + 8


def test_several_indexes_are_united(db: BaseStorageAdapter, gets: list[bytes]) -> None:
    query = db.find(Task, (path("status") == "open") & (path("rank") == 1) | (path("at") == NOON))
    assert set(query.explain().indexes) == {"(status, rank)", "(at)"}
    assert query.explain().data["detail"] == ["(status =, rank =) or (at =)"]
    expected = [n for n in range(100) if (n % 3 == 1 and n // 10 == 1) or n % 28 == 4]
    assert sorted(task.id for task in query) == expected
    assert len(gets) == len(expected)
    with_keys = db.find(Task, (path("id") == 5) | (path("at") == NOON))
    assert set(with_keys.explain().indexes) == {"(key)", "(at)"}
    assert {task.id for task in with_keys} == {5, *range(4, 100, 28)}


class Point(Document, collection="points", indexes=[Index("x"), Index("y")]):
    id: int
    x: int
    y: int
    z: int = 0


def test_two_indexes_are_crossed(gets: list[bytes]) -> None:
    with KeyValueMemory() as db:
        db.insert_many([Point(id=n, x=n % 8, y=n // 8 % 8) for n in range(1024)])
        query = db.find(Point, x=3, y=5)
        assert set(query.explain().indexes) == {"(x)", "(y)"}
        gets.clear()
        expected = [n for n in range(1024) if n % 8 == 3 and n // 8 % 8 == 5]
        assert [point.id for point in query.order_by("id")] == expected
        assert len(gets) == len(expected) == 16
        assert query.count() == 16
        assert db.find(Point, x=3, y=5, z=1).count() == 0
        assert len(db.find(Point, x=3, y__gte=0).explain().indexes) == 1  # all of y: no help


def test_the_first_of_few_is_not_looked_for_among_all() -> None:
    with KeyValueMemory() as db:
        db.insert_many([Point(id=n, x=n % 7, y=n % 2) for n in range(4_200)])
        few = db.find(Point, x__in=[3, 4]).order_by("id")[:1]  # 1,200 to sort, or endless tries
        assert few.explain().indexes == ("(x)",)
        assert few.list()[0].id == 3
        many = db.find(Point, y__in=[0, 1]).order_by("id")[:1]  # 4,200 to sort, or one try
        assert many.explain().indexes == ("(key)",)
        assert not many.explain().scan  # an index could narrow it
        assert many.options(allow_scan=False).list()[0].id == 0
        assert db.find(Point, y=1).order_by("id")[:1].explain().indexes == ("(y)",)  # in order


class Amount(Document, collection="amounts", indexes=[Index("total")]):
    id: int
    total: Decimal | None = None


def test_numbers_in_an_index_are_compared_exactly() -> None:
    texts = ["1.1", "1.10", "1.1000000000000000888", "1.09", "-0.5", "0", "9007199254740993"]
    with KeyValueMemory() as db:
        db.insert_many([Amount(id=n, total=Decimal(text)) for n, text in enumerate(texts)])
        db.insert_many([Amount(id=7, total=Decimal("1E+30")), Amount(id=99)])

        def found(**conditions: Any) -> list[int]:
            query = db.find(Amount, **conditions)
            assert query.explain().indexes == ("(total)",)
            return [one.id for one in query.order_by("total")]

        assert found(total=Decimal("1.100")) == [0, 1]
        assert found(total__gt=Decimal("1.1")) == [2, 6, 7]
        assert found(total__gt=Decimal(9007199254740992)) == [6, 7]
        assert found(total__lte=0) == [4, 5]
        assert found(total=None) == [99]
        assert [one.id for one in db.find(Amount).order_by("total")[:2]] == [99, 4]


# -- indexes whose class does not write


class Named(Document, collection="named", indexes=[Index("at"), Index("name", unique=True)]):
    id: UUID
    name: str | None = None
    at: datetime | None = None
    mark: ObjectId | None = None


def test_other_writers_keep_the_indexes() -> None:
    key = [uuid5(UUID(int=0), str(n)) for n in range(4)]
    with KeyValueMemory() as db:
        db.insert(Named(id=key[0], name="a", at=NOON))
        text = "2024-01-06T00:00:00.000000Z"
        db.insert_many("named", [{"id": str(key[1]), "name": "b", "at": text}])
        db.insert_many("named", [{"id": str(key[2]), "at": 5}, {"id": str(key[3]), "at": []}])
        assert {one.id for one in db.find(Named, at__gte=NOON)} == {key[0], key[1]}
        assert db.find(Named, at__gte=NOON).explain().indexes == ("(at)",)
        with pytest.raises(DuplicateKey):
            db.insert_many("named", [{"id": "x", "name": "a"}])
        db.find("named", name="b").update(name="c")
        assert db.find(Named, name="b").count() == 0
        assert db.find(Named, name="c").get().id == key[1]
        assert db.delete("named", str(key[0]))
        assert {one.id for one in db.find(Named, at__gte=NOON)} == {key[1]}
        db.insert_many("named", [{"id": "x", "name": "a"}])


def test_an_index_over_equal_values_is_not_made() -> None:
    class Plain(Document, collection="twice"):
        id: int
        name: str | None

    class Unique(Document, collection="twice", indexes=[Index("name", unique=True)]):
        id: int
        name: str | None

    with KeyValueMemory() as db:
        db.insert_many([Plain(id=n, name="ab"[n % 2]) for n in range(4)])
        with pytest.raises(DuplicateKey, match="2 values are"):
            db.ensure_indexes(Unique)
        assert db._present_indexes(Unique.__docmap_schema__) == {}
        db.delete(Plain, 2)
        db.delete(Plain, 3)
        db.ensure_indexes(Unique)
        assert db.find(Unique, name="a").explain().indexes


def test_dropping_leaves_nothing(db: KeyValueMemory) -> None:
    store = db._store
    names = list(db._present_indexes(Task.__docmap_schema__))
    for name in names:
        db._drop_index(Task.__docmap_schema__, name)
    assert list(store.keys(b"x", b"y")) == []
    assert db.find(Task, status="open").explain().scan
    assert db.find(Task, status="open").count() == 33
    with undone(db):
        db.clear()
        assert db.find(Task).count() == 0
    assert db.find(Task).count() == 100
    db.clear()
    assert [key for key in store.keys(b"", None) if key != b"c"] == []


def test_what_no_json_is_fails_by_name(db: KeyValueMemory) -> None:
    from docmap_backends._keyvalue_records import packed

    store = db._store
    key = next(iter(store.keys(b"r", b"s")))
    with store.writing():
        store.write({key: packed(key, b"{no json", 1)}, ())
    with pytest.raises(InvalidRecord, match="tasks"):
        db.find(Task, note__exists=True).list()
