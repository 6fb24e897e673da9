"""Which updates SQLite does by itself, in one statement, and when it leaves them to docmap."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from docmap import (
    BaseStorageAdapter,
    CorruptStore,
    Document,
    Index,
    Indexed,
    InvalidValue,
    UpdateTypeError,
    connect,
)


class Inner(BaseModel):
    name: str = ""
    size: int = 0
    price: Decimal | None = None


class Thing(
    Document,
    collection="things",
    indexes=[Index("status", "inner.name"), Index("tags"), Index("count")],
):
    id: int
    code: Annotated[str | None, Indexed(unique=True)] = None
    status: str = "new"
    count: int = 0
    few: Annotated[int, Field(le=5)] = 0
    ratio: float = 0.5
    price: Decimal = Decimal("1.10")
    inner: Inner = Inner()
    maybe: Inner | None = None
    tags: list[str] = Field(default=[])
    box: dict[str, int] = Field(default={})
    text: str = ""


@pytest.fixture
def db(tmp_path: Path) -> Iterator[BaseStorageAdapter]:
    with connect(f"sqlite:///{tmp_path / 'things.db'}") as storage:
        storage.insert_many([Thing(id=n, code=f"c{n}", count=n) for n in range(20)])
        yield storage


NATIVE: dict[str, dict[str, Any]] = {
    "text": {"status": "sent"},
    "nested": {"inner__name": "x", "inner__size__inc": 2},
    "float": {"ratio": 0.1 + 0.2},
    "Decimal": {"price": Decimal("99.950")},
    "a model with a Decimal": {"inner": Inner(price=Decimal("5.5"))},
    "a dict": {"box": {"a.b": 1, 'q"': 2}},
    "odd text": {"text": "é\"\\'\n\x01😀"},
    "null": {"maybe": None},
    "inc": {"count__inc": 2**62},
    "several": {"status": "a", "count__inc": -1, "text": "b"},
}


@pytest.mark.parametrize("name", NATIVE)
def test_one_statement_changes_all(db: BaseStorageAdapter, name: str) -> None:
    query = db.find(Thing, count__lt=15)
    plan = query.explain_update(**NATIVE[name])
    assert (plan.data["update_native"], plan.data["update_why"]) == (True, "")
    seen: list[str] = []
    db.native.set_trace_callback(seen.append)
    assert query.update(**NATIVE[name]).matched == 15
    db.native.set_trace_callback(None)
    assert not [one for one in seen if one.startswith("SELECT doc")]
    with connect("memory://") as other:
        other.insert_many([Thing(id=n, code=f"c{n}", count=n) for n in range(20)])
        other.find(Thing, count__lt=15).update(**NATIVE[name])
        wanted = list(other.find(Thing).order_by("id").raw())
    assert list(db.find(Thing).order_by("id").raw()) == wanted
    for field in ("status", "ratio", "price", "count"):
        for value in {tree[field] for tree in wanted}:
            count = sum(tree[field] == value for tree in wanted)
            assert db.find(Thing, **{field: value}).count() == count


LEFT: dict[str, tuple[dict[str, Any], str]] = {
    "a unique index": ({"code": "x"}, "may refuse a document"),
    "elements of an index": ({"tags": ["x"]}, "holds elements"),
    "a limit": ({"few__inc": 1}, "no int without limits"),
    "a Decimal": ({"price__inc": 1}, "no int"),
    "a list": ({"tags__push": "x"}, "push has no exact form"),
    "an element": ({"tags__0": "x"}, "through a list"),
    "a key": ({"box__k": 1}, "no model"),
    "long text in an index": ({"status": "x" * 300}, "long for the index"),
}


@pytest.mark.parametrize("name", LEFT)
def test_what_is_left_to_docmap(db: BaseStorageAdapter, name: str) -> None:
    changes, why = LEFT[name]
    plan = db.find(Thing).explain_update(**changes)
    assert not plan.data["update_native"]
    assert why in plan.data["update_why"]
    assert f"document by document: {plan.data['update_why']}" in str(plan)


def test_rows_that_the_statement_is_not_exact_for(db: BaseStorageAdapter) -> None:
    """The statement does nothing then, and docmap goes document by document."""
    db.find(Thing, id=3).update(maybe={"name": "there"})
    with pytest.raises(InvalidValue) as caught:
        db.find(Thing).update(count__inc=2**63 - 5)
    assert (caught.value.key, caught.value.done) == (5, 0)
    assert db.find(Thing).update(maybe__size=7).matched == 20
    found = db.find(Thing).raw().order_by("id").list()
    assert found[3]["maybe"] == {"name": "there", "size": 7, "price": None}
    assert found[4]["maybe"] == {"size": 7}


def test_other_programs_leave_it_to_docmap(db: BaseStorageAdapter, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "things.db") as other:
        other.execute("UPDATE things SET doc=json_set(doc,'$.count','many') WHERE key=7")
    other.close()
    with pytest.raises(UpdateTypeError) as caught:
        db.find(Thing).update(count__inc=1)
    assert caught.value.key == 7
    assert db.find(Thing).update(count=1).matched == 20


def test_a_damaged_row_is_noticed(db: BaseStorageAdapter, tmp_path: Path) -> None:
    db.find(Thing, id=7).update(text="damaged")
    db.disconnect()
    path = tmp_path / "things.db"
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.close()
    data = path.read_bytes()
    assert data.count(b'"damaged"') == 1
    path.write_bytes(data.replace(b'"damaged"', b'"damagee"'))
    db.connect()
    with pytest.raises(CorruptStore):
        db.find(Thing).update(status="sent")
