"""Copying a database: what comes along, what is refused, how an interrupted copy goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID, uuid4

import pytest
from pydantic import Field

from docmap import BaseStorageAdapter, Document, Index, Indexed, ObjectId, connect
from docmap.errors import (
    DocmapError,
    DuplicateKey,
    InvalidRecord,
    InvalidValue,
    StorageError,
    Unsupported,
)
from docmap.plan.engine import Record
from docmap.schema.schema import Schema
from docmap.storage.copy_content import canonical, same
from docmap.storage.copy_parts import MARKER
from docmap.storage.copying import CollectionCopy, copy
from docmap.storage.loading import schema_of
from docmap_backends.memory import MemoryStorage
from tests.storage.bare import Bare
from tests.storage.engines import FULL, MAKERS, undone


class Order(
    Document, collection="Orders", key="number", indexes=[Index("status", "-at"), Index("-total")]
):
    number: str
    sku: Annotated[str | None, Indexed(unique=True)] = None
    status: str = "new"
    total: Decimal = Decimal(0)
    at: datetime = datetime(2024, 2, 29, tzinfo=UTC)
    tags: Annotated[list[str], Indexed()] = Field(default=[])


class Ticket(Document, collection="tickets"):
    id: int | None = None
    text: str = ""


class Token(Document, collection="tokens"):
    id: UUID
    at: float = 0.5


def filled(storage: BaseStorageAdapter, count: int = 25) -> BaseStorageAdapter:
    """A storage with orders, counted tickets, tokens by UUID and a collection without a class."""
    orders = [
        Order(number=f"A-{n:03}", sku=f"s{n}", total=Decimal(n) / 4, tags=["a", "b"][: n % 3])
        for n in range(count)
    ]
    storage.insert_many(orders)
    for order in orders[::3]:
        order.status = "paid"
        order.save(storage)
    Token(id=uuid4()).save(storage)
    for row in ({"id": uuid4(), "n": Decimal("1.10")}, {"id": ObjectId()}, {"id": 5}, {"id": "é"}):
        storage.save("loose", row)
    return storage


def contents(storage: BaseStorageAdapter) -> dict[str, list[tuple[bytes, int]]]:
    """What all records of a storage hold, with their revisions."""
    found = {}
    for name in storage.collections():
        schema = schema_of(name)
        storage._refresh(schema)
        records = storage._scan(schema)
        raw = (canonical(data) for data, _ in records)
        revisions = (revision for _, revision in storage._scan(schema))
        found[name] = sorted(zip(raw, revisions, strict=True))
    if found.get(MARKER) == []:
        del found[MARKER]  # of an engine that cannot drop collections
    return found


@pytest.fixture
def source() -> Iterator[BaseStorageAdapter]:
    with connect("memory://") as storage:
        yield filled(storage)


@pytest.fixture(params=FULL)
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BaseStorageAdapter]:
    with MAKERS[request.param](tmp_path) as storage:
        yield storage


# -- what comes along


@pytest.mark.parametrize("engine", MAKERS)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_documents_and_revisions_come_along(
    source: BaseStorageAdapter, engine: str, size: int, tmp_path: Path
) -> None:
    with MAKERS[engine](tmp_path) as there, connect("memory://") as back:
        report = copy(source, there, batch_size=size)
        assert contents(there) == contents(source)
        assert (report.documents, report.written, report.resumed) == (30, 30, False)
        assert [one.collection for one in report.collections] == ["Orders", "loose", "tokens"]
        again = copy(there, back, batch_size=size, models=[Order])
        assert contents(back) == contents(source)
        digests = [[one.sha256 for one in one.collections] for one in (report, again)]
        assert digests[0] == digests[1]
        assert len(set(digests[0])) == 3
        assert back.get(Order, "A-003").status == "paid"


def test_indexes_come_along(source: BaseStorageAdapter, target: BaseStorageAdapter) -> None:
    orders = copy(source, target).collections[0]
    labels = {"unique (sku)", "(tags)", "(status, -at)", "(-total)"}
    assert set(orders.indexes) == labels
    assert orders.left == ()
    found = target.indexes(Order)
    assert set(found["present"]) == labels
    assert found["missing"] == found["extra"] == found["conflicts"] == []
    with pytest.raises(DuplicateKey, match="sku"):
        Order(number="B", sku="s1").save(target)
    assert target.find(Order, tags__contains="b").count() == 8


def test_counters_of_keys_come_along(target: BaseStorageAdapter) -> None:
    with connect("memory://") as source:
        tickets = [Ticket(), Ticket(), Ticket()]
        source.insert_many(tickets)
        tickets[2].delete()
        copy(source, target)
        new = Ticket()
        new.save(target)
        assert new.id == 4  # and not 3, which was given


def test_the_key_is_where_its_class_has_it(target: BaseStorageAdapter) -> None:
    with connect("memory://") as source, connect("memory://") as back:
        source.save(Order(number="A"))
        copy(source, target)
        copy(target, back)
        for storage in (target, back):
            order = storage.get(Order, "A")
            order.status = "paid"
            order.save(storage)
            assert storage.find(Order).count() == 1


def test_an_empty_collection_comes_along(target: BaseStorageAdapter) -> None:
    with connect("memory://") as source:
        source.ensure_indexes(Order, Ticket)
        copy(source, target)
        assert target.collections() == ["Orders", "tickets"]
        assert target.indexes(Order)["missing"] == []


def test_an_empty_storage_can_be_copied(target: BaseStorageAdapter) -> None:
    with connect("memory://") as source:
        assert copy(source, target).collections == ()
    assert target.collections() == []


def test_only_the_collections_that_are_named(
    source: BaseStorageAdapter, target: BaseStorageAdapter
) -> None:
    copy(source, target, collections=["tokens", "loose", "tokens"])
    assert target.collections() == ["loose", "tokens"]


def test_the_indexes_of_a_class_that_is_named(
    source: BaseStorageAdapter, target: BaseStorageAdapter
) -> None:
    class Other(Document, collection="Orders", key="number", indexes=[Index("sku", "status")]):
        number: str
        sku: str | None = None
        status: str = ""

    done = copy(source, target, models=[Other]).collections[0]
    assert done.indexes == ("(sku, status)",)
    assert target.indexes(Other)["present"] == ["(sku, status)"]
    assert contents(target) == contents(source)


def test_an_index_on_a_union_is_left_to_its_class(target: BaseStorageAdapter) -> None:
    class Part(Document, collection="parts", indexes=[Index("code"), Index("name")]):
        code: int | str = 0
        name: str = ""

    with connect("memory://") as source:
        Part(code="x").save(source)
        (done,) = copy(source, target).collections
    assert (done.indexes, done.left) == (("(name)",), ("(code)",))
    target.ensure_indexes(Part)
    assert target.indexes(Part)["missing"] == []


def test_documents_that_have_expired_come_along(target: BaseStorageAdapter) -> None:
    class Session(Document, collection="sessions", expires_after="until"):
        until: datetime

    with connect("memory://") as source:
        Session(until=datetime(2001, 1, 1, tzinfo=UTC)).save(source)
        assert source.find(Session).count() == 0
        assert copy(source, target).documents == 1


# -- refused


def test_a_target_that_is_not_empty(source: BaseStorageAdapter, target: BaseStorageAdapter) -> None:
    target.save("mine", {"id": 1})
    before = contents(target)
    with pytest.raises(DocmapError, match=r"is not empty \(mine\).*--into-existing"):
        copy(source, target)
    assert contents(target) == before


def test_itself(source: BaseStorageAdapter, tmp_path: Path, monkeypatch: Any) -> None:
    with pytest.raises(DocmapError, match="cannot be copied to itself"):
        copy(source, source.options(allow_scan=False))
    monkeypatch.chdir(tmp_path)
    with connect("sqlite:///a.db") as one, connect(f"sqlite:///{tmp_path}/a.db") as same:
        filled(one)
        with pytest.raises(DocmapError, match="cannot be copied to itself"):
            copy(one, same, into_existing=True)


def test_an_unknown_collection(source: BaseStorageAdapter, target: BaseStorageAdapter) -> None:
    with pytest.raises(DocmapError, match="no collection 'token' to copy; did you mean 'tokens'"):
        copy(source, target, collections=["token"])
    with pytest.raises(DocmapError, match="no collection 'tickets' to copy"):
        copy(source, target, models=[Ticket])
    with pytest.raises(DocmapError, match="no collection 'tokens' to copy"):
        copy(source, target, models=[Token], collections=["Orders"])
    assert target.collections() == []


def test_a_batch_of_nothing(source: BaseStorageAdapter, target: BaseStorageAdapter) -> None:
    with pytest.raises(InvalidValue, match="at least one"):
        copy(source, target, batch_size=0)


def test_a_key_that_nobody_tells(target: BaseStorageAdapter) -> None:
    source = Bare()
    source.connect()
    Order(number="A").save(source)
    with pytest.raises(Unsupported, match="which field of Orders is the key.*--model"):
        copy(source, target)
    copy(source, target, models=[Order])
    assert target.get(Order, "A").number == "A"


def test_a_record_without_its_key(target: BaseStorageAdapter) -> None:
    source = Bare()
    source.connect()
    source.tables["things"] = {"a": (b'{"id":"a"}', 1), "b": (b'{"name":"b"}', 1)}
    with pytest.raises(InvalidRecord, match="a record of things holds no key under 'id'"):
        copy(source, target)


# -- into what is there


def test_into_what_is_there(source: BaseStorageAdapter, target: BaseStorageAdapter) -> None:
    target.save("mine", {"id": 1})
    target.save("loose", {"id": "own"})
    known = next(iter(source.find("loose").raw()))
    schema = schema_of("loose")
    target._write_records(schema, [(known["id"], source._get(schema, known["id"]) or (b"", 0))])
    report = copy(source, target, into_existing=True)
    assert (report.documents, report.written) == (30, 29)
    assert target.find("loose").count() == 5
    assert target.collections() == ["Orders", "loose", "mine", "tokens"]


def test_another_content_is_not_replaced(
    source: BaseStorageAdapter, target: BaseStorageAdapter
) -> None:
    target.save("tokens", {"id": "own"})
    target.save("loose", {"id": "é", "mine": True})
    before = contents(target)
    with pytest.raises(DuplicateKey, match="has 1 of the documents of loose with another content"):
        copy(source, target, into_existing=True)
    assert contents(target) == before


def test_the_revision_is_content(source: BaseStorageAdapter, target: BaseStorageAdapter) -> None:
    target.save("loose", {"id": "é"})
    with pytest.raises(DuplicateKey, match="loose"):
        copy(source, target, into_existing=True)


@pytest.mark.parametrize("engine", MAKERS)
def test_unique_values_that_are_taken(
    source: BaseStorageAdapter, engine: str, tmp_path: Path
) -> None:
    with MAKERS[engine](tmp_path) as target:
        Order(number="mine", sku="s20").save(target)
        with pytest.raises(DuplicateKey, match="sku"):
            copy(source, target, into_existing=True, models=[Order], batch_size=5)
        assert target.find(Order, sku="s20").one().number == "mine"


# -- interrupted


class Interrupted(Exception):
    """What stops a copy in these tests."""


def interrupting(after: int) -> Callable[[int], None]:
    """A progress that raises once so many documents were told."""
    told = 0

    def progress(count: int) -> None:
        nonlocal told
        told += count
        if told >= after:
            raise Interrupted

    return progress


@pytest.mark.parametrize("after", [1, 10, 25, 26, 31, 55, 60])
def test_an_interrupted_copy_goes_on(
    source: BaseStorageAdapter, target: BaseStorageAdapter, after: int
) -> None:
    with pytest.raises(Interrupted):
        copy(source, target, batch_size=5, progress=interrupting(after))
    there = sum(map(len, contents(target).values())) - 1  # the mark of the copy is one
    assert there > 0
    report = copy(source, target, batch_size=5)
    assert report.resumed
    assert (report.documents, report.written) == (30, 30 - there)
    assert contents(target) == contents(source)
    assert target.indexes(Order)["missing"] == []


def test_what_changed_meanwhile_is_brought_up_to_date(
    source: BaseStorageAdapter, target: BaseStorageAdapter
) -> None:
    with pytest.raises(Interrupted):
        copy(source, target, batch_size=5, progress=interrupting(20))
    source.find(Order, number__lt="A-002").delete()
    source.find(Order, number="A-002").update(status="late")
    source.save(Order(number="A-1", sku="new"))
    report = copy(source, target, batch_size=5)
    assert report.collections[0].removed == 2
    assert contents(target) == contents(source)


def test_unique_values_that_changed_hands_meanwhile(
    source: BaseStorageAdapter, target: BaseStorageAdapter
) -> None:
    with pytest.raises(Interrupted):
        copy(source, target, batch_size=5, progress=interrupting(50))
    assert target.indexes(Order)["missing"] == []
    for number, sku in (("A-001", None), ("A-020", "s1"), ("A-001", "s20")):
        source.find(Order, number=number).update(sku=sku)
    assert copy(source, target, batch_size=5).written == 7
    assert contents(target) == contents(source)
    assert target.indexes(Order)["missing"] == []


def test_an_interrupted_copy_into_what_is_there_goes_on(
    source: BaseStorageAdapter, target: BaseStorageAdapter
) -> None:
    target.save("loose", {"id": "own"})
    with pytest.raises(Interrupted):
        copy(source, target, batch_size=2, into_existing=True, progress=interrupting(51))
    report = copy(source, target, batch_size=2, into_existing=True)
    assert report.resumed
    assert report.written == 3
    assert target.find("loose").count() == 5


def test_an_interrupted_copy_is_not_mistaken(
    source: BaseStorageAdapter, target: BaseStorageAdapter, tmp_path: Path
) -> None:
    with pytest.raises(Interrupted):
        copy(source, target, progress=interrupting(1))
    before = contents(target)
    with connect(f"sqlite:///{tmp_path / 'other.db'}") as other:
        with pytest.raises(DocmapError, match="holds a copy of memory that was not finished"):
            copy(other, target, into_existing=True)
        with pytest.raises(DocmapError, match="the same collections"):
            copy(source, target, collections=["loose"])
        with pytest.raises(DocmapError, match="is itself a copy that was not finished"):
            copy(target, other)
        assert other.collections() == []
    assert contents(target) == before


def test_a_mark_that_says_nothing(source: BaseStorageAdapter, target: BaseStorageAdapter) -> None:
    target.save(MARKER, {"id": MARKER, "source": 5})
    with pytest.raises(DocmapError, match="does not tell how far a copy came"):
        copy(source, target)


# -- verified


class Lying(MemoryStorage):
    """Keeps other records than it was given."""

    def __init__(self, change: Callable[[Record], Record | None]) -> None:
        super().__init__()
        self.change = change

    def _write_records(self, schema: Schema, records: Sequence[tuple[Any, Record]]) -> None:
        kept = [(key, self.change(record)) for key, record in records]
        super()._write_records(schema, [(key, one) for key, one in kept if one is not None])


def _unless(last: bool, record: Record | None, other: Record) -> Record | None:
    return record if last else other


@pytest.mark.parametrize(
    "change",
    [
        lambda record: None if b"A-007" in record[0] else record,
        lambda record: (record[0].replace(b"A-007", b"A-0O7"), record[1]),
        lambda record: (record[0], record[1] + (b"A-007" in record[0])),
        lambda record: (record[0].replace(b'"s7"', b'"s 7"'), record[1]),
    ],
    ids=["lost", "key", "revision", "bytes"],
)
@pytest.mark.parametrize("merged", [False, True])
def test_a_copy_that_is_not_the_same_is_told(
    source: BaseStorageAdapter, change: Callable[[Record], Record | None], *, merged: bool
) -> None:
    with Lying(change) as target:
        if merged:
            target.save(Order(number="mine"))
        with pytest.raises(StorageError, match="is not what was read.*run the copy again"):
            copy(source, target, into_existing=merged)


# -- a dry run


def test_a_dry_run_writes_nothing(source: BaseStorageAdapter, target: BaseStorageAdapter) -> None:
    planned = copy(source, target, dry_run=True)
    assert target.collections() == []
    assert copy(source, None, dry_run=True) == planned
    done = copy(source, target)
    assert (planned.dry_run, done.dry_run) == (True, False)
    assert _sets(planned.collections) == _sets(done.collections)
    assert copy(source, target, dry_run=True, into_existing=True).written == 0
    with pytest.raises(DocmapError, match="is not empty"):
        copy(source, target, dry_run=True)


def _sets(copies: tuple[CollectionCopy, ...]) -> list[tuple[str, int, int, str]]:
    return [(one.collection, one.documents, one.written, one.sha256) for one in copies]


# -- the hooks of engines


def test_records_are_written_with_their_revisions(target: BaseStorageAdapter) -> None:
    schema = schema_of(Order)
    data = schema.codec.encode(Order(number="A", sku="1"))
    other = schema.codec.encode(Order(number="B", sku="2"))
    target._ensure(schema)
    target._write_records(schema, [("A", (data, 7)), ("B", (other, 0))])
    target._write_records(schema, [("A", (data, 6)), ("C", (data.replace(b'"1"', b'"3"'), 2**60))])
    held, revision = target._get(schema, "A") or (b"{}", 0)
    assert (canonical(held), revision) == (canonical(data), 6)
    assert target.find(Order).order_by("sku").values("sku") == ["1", "2", "3"]
    with undone(target):
        target._write_records(schema, [("A", (data, 9))])
    assert (target._get(schema, "A") or (b"", 0))[1] == 6


def test_a_collection_is_dropped(source: BaseStorageAdapter, target: BaseStorageAdapter) -> None:
    copy(source, target)
    with undone(target):
        target._drop_collection(schema_of(Order))
        assert target.collections() == ["loose", "tokens"]
    assert contents(target) == contents(source)
    target._drop_collection(schema_of(Order))
    target._drop_collection(schema_of(Ticket))
    assert target.collections() == ["loose", "tokens"]
    assert target.indexes(Order)["present"] == []
    Order(number="A", sku="s1").save(target)
    assert target.find(Order).count() == 1
    assert target.indexes(Order)["missing"] == []


def test_keys_are_counted_on_from_where_it_is_told(target: BaseStorageAdapter) -> None:
    schema = schema_of(Ticket)
    assert target._counted_key(schema) == 0
    target._count_to(schema, 7)
    target._count_to(schema, 3)
    assert target._counted_key(schema) == 7
    assert Ticket().save(target) == 8
    Ticket(id=20).save(target)
    assert target._counted_key(schema) == 20


def test_the_name_of_the_key_is_known(target: BaseStorageAdapter) -> None:
    assert target._key_name("Orders") == ""
    Order(number="A").save(target)
    assert target._key_name("Orders") == "number"
    target.save("Orders", {"id": "B"})
    assert target._key_name("Orders") == ""


# -- what is compared


def test_other_bytes_of_one_content_are_the_same() -> None:
    one = (b'{"b":1e0,"a":[2,{"d":"\xc3\xa9","c":0.0000001}]}', 5)
    other = (b'{"a": [2, {"c": 1e-7, "d": "\\u00e9"}], "b": 1.0}', 5)
    assert same(one, other)
    assert canonical(one[0]) == canonical(other[0])
    assert same(one, one)
    assert same(None, None)


@pytest.mark.parametrize(
    "other",
    [
        None,
        (b'{"a":1,"b":[1,2]}', 6),
        (b'{"a":1.0,"b":[1,2]}', 5),
        (b'{"a":"1","b":[1,2]}', 5),
        (b'{"a":1,"b":[2,1]}', 5),
        (b'{"a":true,"b":[1,2]}', 5),
        (b'{"a":1,"b":[1,2],"c":null}', 5),
    ],
)
def test_another_content_is_another(other: tuple[bytes, int] | None) -> None:
    assert not same((b'{"a":1,"b":[1,2]}', 5), other)
