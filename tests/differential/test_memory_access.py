"""Which index memory uses for what, and that an index never shows one class what another stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import pytest

from docmap import BaseStorageAdapter, Document, Index, Query, connect, path

INDEXES: Final = [Index("status", "rank"), Index("tags"), Index("at")]


class Task(Document, collection="tasks", indexes=INDEXES):
    id: int
    status: str = "new"
    rank: int = 0
    tags: list[str] | None = None
    at: datetime | None = None
    note: Any = None


@pytest.fixture
def db() -> Iterator[BaseStorageAdapter]:
    """Memory with a hundred tasks."""
    with connect("memory://") as opened:
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


Ask = Callable[[BaseStorageAdapter], Query[Task]]
NOON: Final = datetime(2024, 1, 5, tzinfo=UTC)
INDEXED: Final[dict[str, Ask]] = {
    "the key": lambda db: db.find(Task, id=3),
    "keys, and more": lambda db: db.find(Task, id__in=[3, 4, 400], rank__gte=0).order_by("-rank"),
    "equals": lambda db: db.find(Task, status="open"),
    "equals both": lambda db: db.find(Task, rank=3, status="open"),
    "in": lambda db: db.find(Task, status__in=["open", "done"]),
    "is_null": lambda db: db.find(Task, at__is_null=True),
    "equals None": lambda db: db.find(Task, at=None),
    "startswith": lambda db: db.find(Task, status__startswith="o"),
    "gt": lambda db: db.find(Task, at__gt=NOON),
    "between": lambda db: db.find(Task, at__between=(NOON, NOON)),
    "equals and a range": lambda db: db.find(Task, status="open", rank__lte=3),
    "with what has no index": lambda db: db.find(Task, status="open", id__gt=3),
    "contains": lambda db: db.find(Task, tags__contains="t3"),
    "contains_any": lambda db: db.find(Task, tags__contains_any=["t3", "t1"]),
    "contains_all": lambda db: db.find(Task, tags__contains_all=["t3", "a"]),
    "or": lambda db: db.find(Task, (path("status") == "open") | (path("at") == NOON)),
    "or, and more": lambda db: db.find(
        Task, (path("status") == "open") | (path("at") <= NOON), rank__gt=2
    ).order_by("-rank"),
    "an order and a slice": lambda db: db.find(Task).order_by("at")[:3],
    "an order backwards and a slice": lambda db: db.find(Task).order_by("-at")[90:95],
    "an order below an equal field": lambda db: db.find(Task, status="new").order_by("-rank")[:3],
}
SCANS: Final[dict[str, Ask]] = {
    "everything": lambda db: db.find(Task),
    "no index": lambda db: db.find(Task, id__gt=3),
    "the second field alone": lambda db: db.find(Task, rank=3),
    "not": lambda db: db.find(Task).where_not(status="open"),
    "or with what has no index": lambda db: db.find(
        Task, (path("status") == "open") | (path("rank") == 1)
    ),
    "in an order, tried one by one": lambda db: db.find(Task, id__gt=3).order_by("at"),
    "is_null False": lambda db: db.find(Task, at__is_null=False),
}


@pytest.mark.parametrize("name", INDEXED)
def test_an_index_is_used(db: BaseStorageAdapter, name: str) -> None:
    explanation = INDEXED[name](db).explain()
    assert explanation.indexes, explanation
    assert not explanation.scan, explanation
    assert INDEXED[name](db).options(allow_scan=False).count() < 100


@pytest.mark.parametrize("name", SCANS)
def test_no_index_narrows_it(db: BaseStorageAdapter, name: str) -> None:
    assert SCANS[name](db).explain().scan


def test_the_index_that_leaves_less_is_chosen(db: BaseStorageAdapter) -> None:
    query = db.find(Task, status="open", at=NOON)
    assert query.explain().indexes == ("(at)",)
    assert query.order_by("rank").explain().indexes == ("(at)",)
    assert db.find(Task, status="open").order_by("rank")[:2].explain().data["detail"] == [
        "status =, in order"
    ]


def test_several_indexes_are_united() -> None:
    with connect("memory://") as db:
        db.insert_many(
            [Task(id=n, status=str(n % 10), at=NOON if n % 7 else None) for n in range(90)]
        )
        query = db.find(Task, (path("status") == "3") | (path("at") == None))  # noqa: E711
        assert set(query.explain().indexes) == {"(status, rank)", "(at)"}
        expected = [n for n in range(90) if n % 10 == 3 or n % 7 == 0]
        assert [task.id for task in query.order_by("id")] == expected
        assert query.count() == len(expected)


# -- classes that read one collection differently


class Early(Document, collection="shared", indexes=[Index("at"), Index("marks")]):
    id: UUID
    at: datetime | None = None
    marks: list[datetime] = []  # noqa: RUF012 - pydantic copies it


class Late(Document, collection="shared", indexes=[Index("at"), Index("marks")]):
    id: str
    at: str | None = None
    marks: list[str] = []  # noqa: RUF012 - pydantic copies it


def test_an_index_of_one_class_is_not_read_as_another() -> None:
    text = "2024-01-05T00:00:00.000000Z"
    key = UUID("018f2c6e-7b1a-7c3d-9e4f-0123456789ab")
    with connect("memory://") as db:
        db.insert(Early(id=key, at=NOON, marks=[NOON]))
        assert db.find(Early, at=NOON).explain().indexes
        assert db.find(Late, at=text).list() == [Late(id=str(key), at=text, marks=[text])]
        assert db.find(Late, at__startswith="2024").count() == 1
        assert db.find(Late, marks__contains=text).count() == 1
        assert db.find(Late).order_by("at")[:1].list()[0].at == text
        assert db.find(Early, at__lte=NOON, marks__contains=NOON).count() == 1


def test_one_record_has_one_key_whatever_class_reads_it() -> None:
    key = UUID("018f2c6e-7b1a-7c3d-9e4f-0123456789ab")
    with connect("memory://") as db:
        db.insert(Early(id=key))
        assert db.get(Late, str(key)).id == str(key)
        db.upsert(Late(id=str(key), at="x"))
        assert db.find("shared").count() == 1
        assert db.delete(Late, str(key))
        assert db.find(Early).count() == 0


@pytest.mark.parametrize("value", [NOON, NOON.date(), True, 5.0, None, b"5", [5], "5"])
def test_a_key_is_compared_as_any_value(value: Any) -> None:
    with connect("memory://") as db:
        db.insert_many("loose", [{"id": 5}, {"id": "a"}])
        found = [row["id"] for row in db.find("loose", id__in=[value, "a"])]
        assert sorted(map(str, found)) == (["5", "a"] if value == 5.0 else ["a"])
        assert db.find("loose").where_not(id=value).count() == (1 if value == 5.0 else 2)


def test_what_is_handed_out_is_a_copy(db: BaseStorageAdapter) -> None:
    db.find(Task, note__deep__size=1).count()  # the values are kept from here on
    for _ in range(2):
        (value,) = db.find(Task, id=1).values("note")
        assert value == {"deep": [1]}
        value["deep"].append("changed")
        every = db.find(Task).values("note")
        every[0].clear()
        (tree,) = db.find(Task, id=1).raw()
        tree["note"]["deep"].clear()
        task = db.get(Task, 1)
        task.note["deep"].clear()
    assert db.find(Task).values("note")[1] == {"deep": [1]}
