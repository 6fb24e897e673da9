"""Classes with a shard key on a server that spreads tables, which `distributed` stands in for."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final

import pytest
from pydantic import Field

from docmap import (
    BaseStorageAdapter,
    Count,
    Document,
    DuplicateKey,
    Index,
    InvalidValue,
    StaleDocument,
    StorageError,
    Stored,
    Sum,
    connect,
)
from docmap.storage.copying import copy
from docmap_backends.postgresql import PostgreSQLStorage
from tests.postgresql.applying import applied_together
from tests.postgresql.distributed import MADE, REMOVED, run_all, spread_tables
from tests.servers import postgresql
from tests.servers.tap import Tap


class Visit(
    Document,
    collection="visits",
    shard_key=("tenant", "page"),
    indexes=[Index("tenant", "page", unique=True), Index("tenant", "-count"), "tags"],
):
    tenant: Annotated[str, Stored("t")]
    page: str
    count: int = 0
    total: Decimal = Decimal(0)
    tags: list[str] = Field(default=[])


class Numbered(Document, collection="numbered", shard_key="tenant"):
    id: int | None = None
    tenant: int
    note: str = ""


class Event(Document, collection="events", shard_key="id", indexes=[Index("id", "n", unique=True)]):
    n: int = 0


@pytest.fixture(scope="module")
def tap() -> Iterator[Tap]:
    """Counts the statements to a database whose server spreads tables."""
    url = postgresql.url("distributed")
    with PostgreSQLStorage(url) as storage:
        run_all(storage, MADE)
        tap = Tap(url)
        yield tap
        tap.close()
        run_all(storage, REMOVED)


@pytest.fixture
def spread(tap: Tap) -> Iterator[PostgreSQLStorage]:
    with PostgreSQLStorage(tap.url) as storage:
        storage.clear()
        storage._connections.written("DELETE FROM spread.tables")
        yield storage
        storage.clear()


def test_a_table_is_spread_once_before_it_has_indexes(spread: PostgreSQLStorage, tap: Tap) -> None:
    with tap.counting():
        spread.ensure_indexes(Visit)
    calls = [text for text in tap.asked if text.startswith(("CREATE", "SELECT create_dist"))]
    table = next(n for n, text in enumerate(calls) if "TABLE " in text and '"visits"' in text)
    assert calls[table + 1] == """SELECT create_distributed_table('"visits"', 'shard')"""
    assert all("INDEX" in text for text in calls[table + 2 :])
    assert spread_tables(spread) == [("visits", "shard", 1)]
    spread.ensure_indexes(Visit)
    Visit(tenant="a", page="/").save(spread)
    with PostgreSQLStorage(tap.url) as again:
        again.ensure_indexes(Visit)
        assert again.indexes(Visit)["missing"] == []
        Visit(tenant="b", page="/").save(again)
    assert spread_tables(spread) == [("visits", "shard", 1)]


def test_what_is_undone_is_not_spread(spread: PostgreSQLStorage) -> None:
    def failing() -> None:
        with spread.transaction():
            Visit(tenant="a", page="/").save(spread)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    assert spread_tables(spread) == []
    Visit(tenant="a", page="/").save(spread)
    assert spread.find(Visit).count() == 1


def test_a_key_that_is_the_shard_key_needs_no_column(spread: PostgreSQLStorage) -> None:
    Event(id="a", n=1).save(spread)
    assert spread_tables(spread) == [("events", "key", 1)]
    assert spread.get(Event, "a").n == 1
    assert spread.find(Event, id="a").explain().data["shards"] == "targeted"
    assert spread.find(Event, n=1).explain().data["shards"] == "scatter"


def test_a_class_without_a_shard_key_is_not_spread(spread: PostgreSQLStorage) -> None:
    class Plain(Document, collection="plain"):
        pass

    Plain().save(spread)
    assert spread_tables(spread) == []


MODULE: Final = """
from docmap import Document, Index

class Visit(Document, collection="visits", shard_key=("tenant", "page"),
            indexes=[Index("tenant", "page", unique=True)]):
    tenant: str
    page: str
"""


def test_programs_that_start_together_spread_it_once(
    spread: PostgreSQLStorage, tmp_path: Path
) -> None:
    applied_together(postgresql.url("distributed"), tmp_path, MODULE, "Visit")
    assert spread_tables(spread) == [("visits", "shard", 1)]


class TestUniqueIndexes:
    def test_one_of_another_class_is_refused(self, spread: PostgreSQLStorage) -> None:
        Visit(tenant="a", page="/").save(spread)

        class Other(Document, collection="visits", indexes=[Index("page", unique=True)]):
            page: str

        with pytest.raises(
            StorageError, match=r"lacks t, by which the collection is spread"
        ) as told:
            spread.ensure_indexes(Other)
        assert told.value.field == "page"
        assert Visit.__docmap_schema__.indexes
        assert spread.indexes(Other)["missing"] == ["unique (page)"]

    def test_one_on_elements_is_refused_before_there_is_a_table(
        self, spread: PostgreSQLStorage
    ) -> None:
        class Tagged(
            Document,
            collection="tagged",
            shard_key="tenant",
            indexes=[Index("tenant", "tags", unique=True)],
        ):
            tenant: str
            tags: list[str]

        with pytest.raises(StorageError, match="elements of a list"):
            Tagged(tenant="a", tags=["x"]).save(spread)
        assert spread_tables(spread) == []
        assert spread.collections() == []

    def test_what_it_keeps(self, spread: PostgreSQLStorage) -> None:
        Visit(tenant="a", page="/").save(spread)
        with pytest.raises(DuplicateKey) as told:
            Visit(tenant="a", page="/").save(spread)
        assert told.value.index == Visit.__docmap_schema__.indexes[0].name
        Visit(tenant="b", page="/").save(spread)

    def test_a_key_that_another_shard_has_is_refused(self, spread: PostgreSQLStorage) -> None:
        Visit(id="x", tenant="a", page="/").save(spread)
        with pytest.raises(DuplicateKey):
            Visit(id="x", tenant="b", page="/").save(spread)
        with pytest.raises(DuplicateKey):
            spread.insert_many([Visit(id=key, tenant="b", page=key) for key in "wxyz"])
        assert spread.find(Visit).count() == 2
        with pytest.raises(InvalidValue, match="shard key"):
            spread.upsert(Visit(id="x", tenant="b", page="/"))


class TestWhoIsAsked:
    def test_writes_carry_the_shard(self, spread: PostgreSQLStorage, tap: Tap) -> None:
        visit = Visit(tenant="a", page="/")
        visit.save(spread)
        visit.count = 5
        with tap.counting():
            visit.save(spread)
        (update,) = tap.asked
        assert "shard = $" in update
        with tap.counting():
            spread.find(Visit, tenant="a").update(count=6)
            spread.find(Visit, tenant="a").delete()
        assert [text.split()[0] for text in tap.asked] == ["UPDATE", "DELETE"]
        assert all("shard=$" in text for text in tap.asked)

    def test_queries_carry_it(self, spread: PostgreSQLStorage, tap: Tap) -> None:
        spread.insert_many([Visit(tenant=t, page=str(n)) for t in "abc" for n in range(5)])
        with tap.counting():
            assert spread.find(Visit, tenant="a").count() == 5
            assert spread.find(Visit, tenant__in=["a", "b"]).count() == 10
            assert len(spread.find(Visit, tenant="a").order_by("-count")[:3]) == 3
        assert all("shard=" in text for text in tap.asked)

    @pytest.mark.parametrize(
        ("asked", "shards"),
        [
            ({"tenant": "a"}, "targeted"),
            ({"tenant": "a", "count__gt": 5}, "targeted"),
            ({"tenant__in": ["a", "b"]}, "targeted"),
            ({"page": "/"}, "scatter"),
            ({"tenant__gte": "a"}, "scatter"),
            ({}, "scatter"),
        ],
    )
    def test_explain_says_it(
        self, spread: PostgreSQLStorage, asked: dict[str, Any], shards: str
    ) -> None:
        Visit(tenant="a", page="/").save(spread)
        assert spread.find(Visit, **asked).explain().data["shards"] == shards
        negated = spread.find(Visit).where_not(**asked) if asked else spread.find(Visit)
        assert negated.explain().data["shards"] == "scatter"

    @pytest.mark.parametrize("is_there", [True, False])
    def test_a_feed_is_refused(self, spread: PostgreSQLStorage, *, is_there: bool) -> None:
        if is_there:
            Visit(tenant="a", page="/").save(spread)
        with pytest.raises(StorageError, match="visits is spread over servers"):
            spread.watch(Visit)
        Visit(tenant="a", page="/2").save(spread)


def _program(db: BaseStorageAdapter) -> list[Any]:
    """Some of everything, and what came of it."""
    seen: list[Any] = []
    numbered = [Numbered(tenant=n % 3, note=str(n)) for n in range(10)]
    db.insert_many(numbered)
    Numbered(id=40, tenant=1).save(db)
    one = Numbered(tenant=2)
    seen.append(one.save(db))
    db.insert_many([Visit(id=f"{n}", tenant="ab"[n % 2], page=f"\\\t{n}") for n in range(30)])
    visit = db.get(Visit, "3")
    again = db.get(Visit, "3")
    visit.count = 7
    visit.save(db)
    with pytest.raises(StaleDocument):
        again.save(db)
    visit.tags = ["x"]
    db.upsert(visit)
    db.upsert(Visit(id="new", tenant="c", page="é"))
    db.save(Visit, {"tenant": "c", "page": "p", "count": 3}, primary_key="plain")
    db.save(Visit, {"tenant": "c", "page": "q", "count": 4}, primary_key="plain2")
    visits = db.find(Visit, tenant="a").list()
    for one_visit in visits:
        one_visit.total = Decimal("1.5")
    db.save_many(visits)
    seen.append(db.find(Visit, tenant="b").update(count__inc=1, tags__push="y").modified)
    seen.append(db.find(Visit, tenant="b").order_by("-page").find_one_and_update(count__inc=1))
    seen.append(db.find(Visit, tenant="a", page__lt="\\\t2").delete())
    seen.append(db.get_or_create(Visit, tenant="d", page="1")[1])
    seen.append(db.get_or_create(Visit, tenant="d", page="1")[1])
    seen.append(db.delete(Visit, "5"))
    seen.append(db.delete(Visit, "5"))
    with db.transaction():
        Visit(id="t", tenant="t", page="t").save(db)
        seen.append(db.find(Visit, tenant="t").count())
    seen += list(db.find(Visit).group_by("tenant").aggregate(n=Count(), sum=Sum("count")))
    seen.append(db.find(Visit).values("tenant"))
    seen.append(db.find(Numbered, tenant__in=[1, 2]).order_by("id").list())
    seen.append([(one.id, one.tags) for one in db.find(Visit).order_by("-tenant", "page")])
    seen.append(db.find("visits").where(t="a").count())
    return seen


def test_the_answers_are_those_of_every_engine(spread: PostgreSQLStorage) -> None:
    with connect("memory://") as memory:
        told, wanted = _program(spread), _program(memory)
    assert [_without_keys(one) for one in told] == [_without_keys(one) for one in wanted]


def _without_keys(seen: Any) -> str:
    """What was seen, without the keys that docmap made."""
    text = repr(seen)
    return "".join(part for part in text.split("'") if len(part) != 36)


def test_a_copy_is_spread_too(spread: PostgreSQLStorage) -> None:
    with connect("memory://") as memory:
        memory.insert_many([Visit(id=f"{n}", tenant="ab"[n % 2], page=f"{n}") for n in range(30)])
        report = copy(memory, spread, models=[Visit])
        assert report.written == 30
    assert spread_tables(spread) == [("visits", "shard", 1)]
    assert spread.find(Visit, tenant="a").count() == 15
    assert spread.get(Visit, "3").page == "3"
