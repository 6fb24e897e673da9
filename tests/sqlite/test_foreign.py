"""Other programs: they write docmap's tables with plain SQLite, and docmap refuses their files."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final

import pytest
from pydantic import Field

from docmap import (
    BaseStorageAdapter,
    CorruptStore,
    Document,
    DuplicateKey,
    ForeignStore,
    Index,
    InvalidRecord,
    NotConnected,
    StaleDocument,
    StorageError,
    Stored,
    connect,
)
from docmap.schema.schema import untyped
from docmap.storage.loading import state_of
from docmap_backends._sqlfile_files import APPLICATION_ID, FORMAT

Open = Callable[..., BaseStorageAdapter]


class Order(
    Document,
    collection="Orders",
    indexes=[
        Index("status"),
        Index("total"),
        Index("weight"),
        Index("tags"),
        Index("number", unique=True),
        Index("marks", unique=True),
    ],
):
    number: str | None = None
    status: str = "new"
    total: Decimal = Decimal(0)
    weight: float = 0.0
    count: int | None = None
    tags: list[str] = Field(default_factory=list)
    marks: list[str] = Field(default_factory=list)
    name: Annotated[str | None, Stored("naïve")] = None


TABLE: Final = '"^orders"'


@contextmanager
def shell(file: Path) -> Iterator[sqlite3.Connection]:
    """Another program: Python's sqlite3 as it comes, without any function of docmap's."""
    with closing(sqlite3.connect(file, timeout=1)) as connection:
        yield connection
        connection.commit()


def put(file: Path, key: Any, doc: str, verb: str = "INSERT", **columns: Any) -> None:
    """Write a row as another program would, without what only docmap knows."""
    names = ", ".join(["key", "doc", *columns])
    marks = ", ".join("?" * (len(columns) + 2))
    with shell(file) as connection:
        connection.execute(
            f"{verb} INTO {TABLE}({names}) VALUES({marks})",
            (key, doc, *columns.values()),
        )


def change(file: Path, key: Any, assignments: str, *values: Any) -> None:
    with shell(file) as connection:
        connection.execute(
            f"UPDATE {TABLE} SET {assignments} WHERE key=?",  # noqa: S608 - ours
            (*values, key),
        )


def text(**fields: Any) -> str:
    """A document as `json.dumps` writes it: names and text escaped."""
    return json.dumps({"id": "x", "status": "new", "total": "0", "weight": 0.0, **fields})


QUERIES: Final[list[dict[str, Any]]] = [
    {},
    {"status": "paid"},
    {"status": "é"},
    {"status__startswith": "p"},
    {"status__contains": "\\"},
    {"total": Decimal("9.5")},
    {"total__gt": 5},
    {"total__in": [Decimal(0), Decimal(10)]},
    {"weight": 0.1},
    {"weight__lt": 0.5},
    {"weight__gte": 2},
    {"count": 5},
    {"count__gt": 2},
    {"count": None},
    {"count__exists": False},
    {"tags__contains": "a"},
    {"tags__size": 2},
    {"marks__contains": "m"},
    {"name": "ö"},
    {"name__is_null": True},
    {"number": "N-1"},
    {"id": "x"},
    {"id__gt": "k"},
    {"id__startswith": "k"},
]


def answers(storage: BaseStorageAdapter) -> list[Any]:
    """The keys that each query and its complement find, in order, and counts and values."""
    found: list[Any] = []
    for query in QUERIES:
        ordered = storage.find(Order, **query).order_by("-total", "status")
        found.append([one["id"] for one in ordered.raw()])
        found.append(storage.find(Order, **query).count())
        if query:
            contrary = storage.find(Order).where_not(**query)
            found.append([one["id"] for one in contrary.order_by("weight").raw()])
    found.append([storage.find(Order).values(name) for name in ("status", "total", "weight")])
    found.append([one["id"] for one in storage.find(Order)[1:3].raw()])
    return found


def as_in_memory(storage: BaseStorageAdapter) -> list[Any]:
    """The same of the reference, over the documents that the storage gives."""
    with connect("memory://") as memory:
        schema = Order.__docmap_schema__
        memory._ensure(untyped(schema.collection))  # without the unique index, as for foreign rows
        for key in [one["id"] for one in storage.find("Orders").raw()]:
            record = storage._get(schema, key)
            assert record is not None
            memory._put(schema, key, record)
        return answers(memory)


@pytest.fixture
def held(db: BaseStorageAdapter) -> BaseStorageAdapter:
    """A storage with orders of docmap's own."""
    db.insert_many(
        [
            Order(
                id=f"k{n}",
                number=f"N-{n}",
                status=("paid", "new", "é")[n % 3],
                total=Decimal(n) / 2,
                weight=n / 10,
                count=n,
                tags=["a", "b"][: n % 3],
                marks=[f"m{n}"],
                name="ö" if n % 2 else None,
            )
            for n in range(12)
        ]
    )
    return db


ROWS: Final[dict[str, str]] = {
    "escaped text": text(status="é", tags=["\u00fc", "a"]),
    "escaped names": '{"id":"x","na\\u00efve":"\\u00f6","st\\u0061tus":"paid"}',
    "another layout": '\n{ "id" : "x" ,\t"weight" : 1e-1, "total" : "9.50", "tags":[ "a" ] }\n',
    "repeated names": '{"id":"x","status":"new","status":"paid","total":"1","total":"9.5"}',
    "no key": '{"status":"paid","total":"7","weight":2.5}',
    "another key": '{"id":"y","status":"paid"}',
    "other types": '{"id":"x","status":5,"total":9.5,"weight":"0.1","count":"5","tags":"a"}',
    "nested types": '{"id":"x","status":{"a":1},"total":[1],"weight":true,"count":{},"tags":{}}',
    "true for one": '{"id":"x","count":true,"weight":false}',
    "null": '{"id":"x","status":null,"total":null,"weight":null,"tags":null}',
    "nothing": "{}",
    "whole floats": '{"id":"x","weight":2,"count":5.0,"total":"1e1"}',
    "large numbers": '{"id":"x","weight":1e300,"count":123456789012345678901234567890}',
    "a float as Python would not write it": '{"id":"x","weight":0.1000000000000000055511151}',
    "unknown fields": text(extra={"deep": [1, {"é": None}]}, **{"a b": 1}),
    "tagged values": '{"id":"x","total":{"$decimal":"9.5"},"count":{"$dict":[["a",1]]}}',
}


@pytest.mark.parametrize("doc", ROWS.values(), ids=ROWS)
@pytest.mark.parametrize("verb", ["INSERT", "INSERT OR REPLACE", "UPDATE", "UPDATE with rev"])
def test_rows_of_other_programs(
    held: BaseStorageAdapter, file: Path, opened: Open, doc: str, verb: str
) -> None:
    held.find(Order, status="paid").list()  # docmap knows the collection, and has it open
    if verb.startswith("INSERT"):
        put(file, "x", doc)
        if "REPLACE" in verb:
            put(file, "k3", doc, verb)
    else:
        assignment = "doc=?, rev=rev+1" if "rev" in verb else "doc=?"
        change(file, "k3", assignment, doc)
        change(file, "k4", assignment, doc)
    found = answers(held)
    assert found == as_in_memory(held)
    assert found == answers(opened())


def test_deletions_of_other_programs(held: BaseStorageAdapter, file: Path) -> None:
    held.find(Order, tags__contains="a").list()
    with shell(file) as connection:
        connection.execute(f"DELETE FROM {TABLE} WHERE key IN ('k1','k2')")  # noqa: S608 - ours
    assert answers(held) == as_in_memory(held)
    assert held.find(Order).count() == 10
    assert held.find(Order, tags__contains="a").count() == 6
    Order(marks=["m1"], number="N-1").save(held)


@pytest.mark.parametrize(
    "verb",
    ["INSERT OR REPLACE", "REPLACE", "INSERT OR IGNORE", "INSERT OR FAIL", "INSERT OR ABORT"],
)
def test_policies_of_other_programs_do_not_reach_the_element_indexes(
    held: BaseStorageAdapter, file: Path, verb: str
) -> None:
    key = "k1" if "REPLACE" in verb or "IGNORE" in verb else "x"
    put(file, key, text(id=key, tags=["new"], marks=["new"]), verb)
    put(file, "z", text(id="z", tags=["new"], marks=["other"]), verb)
    change(file, key, "doc=?", text(id=key, tags=["b"], marks=["m1" if key == "k1" else "n"]))
    change(file, key, "doc=?", text(id=key, tags=["c"], marks=["o"]))
    assert held.find(Order, tags__contains="b").count() == 4
    assert held.find(Order, tags__contains="new").count() == 1
    assert answers(held) == as_in_memory(held)


def test_a_replaced_row_frees_its_unique_elements(held: BaseStorageAdapter, file: Path) -> None:
    put(file, "k1", text(marks=["z"]), "REPLACE")
    put(file, "x", text(id="x", marks=["m1"]))  # no document has m1 any more
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        put(file, "y", text(id="y", marks=["m1"]))
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        put(file, "y", text(id="y", marks=["m2"]), "REPLACE")
    assert held.find(Order, marks__contains="m1").one().id == "x"
    assert held.find(Order, marks__contains="m2").one().id == "k2"
    with pytest.raises(DuplicateKey):
        Order(marks=["m1"]).save(held)


def test_equal_values_that_an_index_did_not_see_are_kept_and_found(
    held: BaseStorageAdapter, file: Path
) -> None:
    for key in "xyz":
        put(file, key, f'{{"id":"{key}","n\\u0075mber":"N-3"}}')
    assert held.find(Order, number="N-3").count() == 4
    assert answers(held) == as_in_memory(held)
    with pytest.raises(DuplicateKey):
        Order(number="N-3").save(held)


UNREADABLE: Final[dict[str, str]] = {
    "a lone surrogate": r'{"id":"x","status":"\ud800"}',
    "an infinite number": '{"id":"x","status":"paid","weight":1e999}',
    "a NUL": r'{"id":"x","status":"paid\u0000","name":"a"}',
    "a NUL in a name": r'{"id":"x","a\u0000b":1}',
    "no object": "[1, 2]",
    "a number": "5",
    "too deep": '{"id":"x","deep":' + "[" * 500 + "]" * 500 + "}",
}


@pytest.mark.parametrize("doc", UNREADABLE.values(), ids=UNREADABLE)
def test_what_docmap_cannot_write_stays_and_does_not_hide_others(
    held: BaseStorageAdapter, file: Path, opened: Open, doc: str
) -> None:
    put(file, "x", doc)
    for storage in (held, opened()):
        invalid: list[InvalidRecord] = []
        found = storage.find(Order).on_invalid(invalid.append).list()
        good = {one.id for one in found}
        assert good >= {f"k{n}" for n in range(12)}
        assert len(good) + len(invalid) == 13
        assert storage.find(Order).count() == 13
        assert not storage.find(Order, status="paid").explain().data["native"]
        if not invalid:
            assert answers(storage) == as_in_memory(storage)
        with shell(file) as connection:
            kept = connection.execute(
                f"SELECT doc FROM {TABLE} WHERE key='x'"  # noqa: S608 - ours
            ).fetchone()
        assert kept == (doc,)
    held.delete(Order, "x")
    assert held.find(Order, status="paid").explain().data["native"]
    assert held.find(Order, status="paid").count() == 4


def test_what_docmap_cannot_keep_is_not_lost_by_a_save(
    held: BaseStorageAdapter, file: Path
) -> None:
    put(file, "x", '{"id":"x","status":"paid","elsewhere":1e999}')
    order = held.get(Order, "x")
    order.status = "new"
    with pytest.raises(InvalidRecord, match="Orders"):
        order.save()
    change(file, "x", "doc=?", '{"id":"x","status":"paid","elsewhere":1}')
    order = held.get(Order, "x")
    order.status = "new"
    order.save()
    assert held.get("Orders", "x")["elsewhere"] == 1
    assert held.find(Order, status="new").explain().data["native"]


def test_what_is_no_json_is_refused_there(held: BaseStorageAdapter, file: Path) -> None:
    for doc in ("", "{", "{'a': 1}", '{"a": NaN}', b'{"id":"x"}', None):
        with pytest.raises(sqlite3.Error, match="CHECK|JSON|NOT NULL"):
            put(file, "x", doc)  # type: ignore[arg-type]
        with pytest.raises(sqlite3.Error, match="CHECK|JSON|NOT NULL"):
            change(file, "k1", "doc=?", doc)
    assert answers(held) == as_in_memory(held)


# -- revisions


def revision(document: Document) -> int:
    state = state_of(document)
    assert state is not None
    return state.revision


def test_a_row_without_a_revision_counts_as_zero(held: BaseStorageAdapter, file: Path) -> None:
    put(file, "x", text(number="first"))
    order = held.get(Order, "x")
    assert revision(order) == 0
    held.find(Order, number="first").one()  # which brings the row into docmap's form
    order.status = "paid"
    order.save()
    assert revision(held.get(Order, "x")) == 1


@pytest.mark.parametrize("assignment", ["doc=?", "doc=?, rev=rev+1", "doc=?, rev=NULL"])
def test_a_change_of_another_program_is_noticed(
    held: BaseStorageAdapter, file: Path, assignment: str
) -> None:
    order = held.get(Order, "k3")
    change(file, "k3", assignment, text(id="k3", status="theirs"))
    order.status = "ours"
    with pytest.raises(StaleDocument):
        order.save()
    order.reload()
    held.find(Order, status="theirs").list()
    order.status = "ours"
    order.save()
    assert held.find(Order, status="ours").count() == 1


@pytest.mark.parametrize("rev", ["abc", -5, 2**63 - 1, 1.5])
def test_revisions_that_are_none(held: BaseStorageAdapter, file: Path, rev: Any) -> None:
    put(file, "x", text(), rev=rev)
    order = held.get(Order, "x")
    order.status = "paid"
    order.save()
    order.status = "new"
    order.save()
    assert held.find(Order, id="x", status="new").count() == 1


@pytest.mark.parametrize("key", [5, 1.5, b"blob", "é", "", "k\n", "a\0b"])
def test_keys_that_are_no_keys(held: BaseStorageAdapter, file: Path, key: Any) -> None:
    put(file, key, text(status="theirs"))
    invalid: list[InvalidRecord] = []
    found = held.find(Order, status="theirs").on_invalid(invalid.append).list()
    assert len(found) + len(invalid) == 1
    if isinstance(key, str) and "\0" not in key:
        assert found[0].id == key
        assert held.find(Order, id=key).one() == found[0] == held.get(Order, key)
    assert held.find(Order).count() == 13
    assert held.find(Order, id__lt="k").count() == (key == "")


def test_a_key_that_another_program_changed(held: BaseStorageAdapter, file: Path) -> None:
    change(file, "k3", "key=?", "moved")
    assert held.find(Order, id="moved").one().id == "moved"
    assert held.find(Order, id="k3").count() == 0
    assert held.get(Order, "moved").number == "N-3"
    assert held.find(Order, marks__contains="m3").one().id == "moved"


# -- while docmap is busy


def test_others_write_while_a_stream_runs(held: BaseStorageAdapter, file: Path) -> None:
    held.insert_many([Order(id=f"s{n:04d}") for n in range(1500)])
    stream = iter(held.find(Order))
    seen = [next(stream).id]
    put(file, "x", text(status="theirs"))
    with shell(file) as connection:
        connection.execute(f"DELETE FROM {TABLE} WHERE key LIKE 's1%'")  # noqa: S608 - ours
    seen += [one.id for one in stream]
    assert len(seen) == len(set(seen)) == 1512
    assert held.find(Order).count() == 1013


def test_reads_go_on_while_rows_cannot_be_taken_over(file: Path, opened: Open) -> None:
    storage = opened(timeout=0.05)
    storage.insert_many([Order(id=f"k{n}", status="paid", total=Decimal(n)) for n in range(5)])
    with shell(file) as connection:
        connection.execute(
            f"INSERT INTO {TABLE}(key, doc) VALUES('x', ?)",
            ('{"st\\u0061tus":"paid","total":"9.5"}',),
        )
        connection.commit()
        connection.execute("BEGIN IMMEDIATE")
        assert storage.find(Order, status="paid").count() == 6
        assert storage.find(Order, total__gt=3).count() == 2
        assert storage.get(Order, "x").id == "x"
        assert not storage.find(Order, status="paid").explain().data["native"]
    assert storage.find(Order, status="paid").explain().data["native"]
    assert storage.find(Order, status="paid").count() == 6


def test_what_the_user_writes_through_native_is_noticed(db: BaseStorageAdapter) -> None:
    Order(id="a", status="paid").save(db)
    assert db.find(Order, status="paid").count() == 1
    db.native.execute(f"INSERT INTO {TABLE}(key, doc) VALUES('b', ?)", ('{"status":"paid"}',))
    assert db.find(Order, status="paid").count() == 2
    assert db.find(Order, total__gte=0).count() == 1
    assert db.get(Order, "b").id == "b"


def test_large_collections_of_other_programs_are_taken_over(
    db: BaseStorageAdapter, file: Path
) -> None:
    db.ensure_indexes(Order)
    with shell(file) as connection:
        connection.executemany(
            f"INSERT INTO {TABLE}(key, doc) VALUES(?,?)",
            ((f"{n:05d}", text(id="?", total=f"{n}.0", tags=["é"])) for n in range(1700)),
        )
    assert db.find(Order, total__gte=1690).count() == 10
    assert db.find(Order, tags__contains="é").count() == 1700
    assert db.find(Order, total__gte=1690).explain().indexes == ("(total)",)


def test_a_class_comes_to_what_others_wrote(db: BaseStorageAdapter, file: Path) -> None:
    db.insert_many("Orders", [{"id": "own", "total": "3.5"}])
    put(file, "x", '{"to\\u0074al":"4.50","number":"N-1"}')
    Order(id="typed", total=Decimal("5.5")).save(db)
    assert [one["id"] for one in db.find(Order).order_by("-total").raw()] == ["typed", "x", "own"]
    assert db.find(Order, total__gt=4).explain().indexes == ("(total)",)
    with pytest.raises(DuplicateKey):
        Order(number="N-1").save(db)


# -- files of other programs


def copy_of(file: Path) -> dict[str, bytes]:
    """The bytes of a file and of its log; to look at them SQLite makes an empty log."""
    found = {name: Path(f"{file}{name}") for name in ("", "-wal", "-journal")}
    held = {name: path.read_bytes() for name, path in found.items() if path.exists()}
    return {name: data for name, data in held.items() if data}


def make_rollback(file: Path) -> None:
    with shell(file) as connection:
        connection.execute("CREATE TABLE theirs(a)")
        connection.execute("INSERT INTO theirs VALUES(1)")


def make_log(file: Path) -> None:
    """A file with a write-ahead log that was not written back."""
    first = file.with_name("first.db")
    with closing(sqlite3.connect(first, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE theirs(a)")
        for end in ("", "-wal"):
            Path(f"{file}{end}").write_bytes(Path(f"{first}{end}").read_bytes())


def make_header(file: Path) -> None:
    with shell(file) as connection:
        connection.execute("PRAGMA application_id=12345")


def make_version(file: Path) -> None:
    with shell(file) as connection:
        connection.execute("PRAGMA user_version=7")


def make_wide(file: Path) -> None:
    with shell(file) as connection:
        connection.execute("PRAGMA encoding='UTF-16le'")
        connection.execute("CREATE TABLE theirs(a)")
        connection.execute("DROP TABLE theirs")


MAKERS: Final[dict[str, Callable[[Path], object]]] = {
    "its tables": make_rollback,
    "a log": make_log,
    "its header": make_header,
    "its version": make_version,
    "its encoding": make_wide,
    "no database": lambda file: file.write_bytes(b"PK\x03\x04" + bytes(range(256)) * 40),
    "text": lambda file: file.write_text("id,name\n1,Ann\n" * 500),
    "one byte": lambda file: file.write_bytes(b"x"),
    "a torn header": lambda file: file.write_bytes(b"SQLite format 3\0" + b"\0" * 20),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("read_only", [False, True])
def test_files_of_other_programs_are_refused_and_untouched(
    file: Path, *, make: Callable[[Path], object], read_only: bool
) -> None:
    make(file)
    before = copy_of(file)
    storage = connect_later(file, read_only=read_only)
    with pytest.raises(ForeignStore) as caught:
        storage.connect()
    assert str(file) in str(caught.value)
    assert caught.value.engine == "sqlite"
    assert copy_of(file) == before
    with pytest.raises(NotConnected):
        storage.find("x").count()


def connect_later(file: Path, **options: Any) -> BaseStorageAdapter:
    """A storage that is not open yet."""
    with connect("sqlite://") as storage:
        return type(storage)(f"sqlite:///{file}", **options)


def test_a_newer_format_is_refused(db: BaseStorageAdapter, file: Path) -> None:
    Order().save(db)
    db.disconnect()
    with shell(file) as connection:
        assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
        connection.execute(f"PRAGMA user_version={FORMAT + 1}")
    before = copy_of(file)
    with pytest.raises(ForeignStore, match="upgrade docmap"):
        db.connect()
    assert copy_of(file) == before


def test_an_empty_file_becomes_a_store(file: Path, opened: Open) -> None:
    file.touch()
    Order(id="a").save(opened())
    assert opened().find(Order).count() == 1


def test_a_log_without_its_file_is_no_new_store(file: Path) -> None:
    make_log(file)
    file.write_bytes(b"")
    log = Path(f"{file}-wal").read_bytes()
    with pytest.raises(CorruptStore, match="store.db"):
        connect(f"sqlite:///{file}")
    assert Path(f"{file}-wal").read_bytes() == log


def test_tables_of_other_programs_in_our_file_stay(held: BaseStorageAdapter, file: Path) -> None:
    with shell(file) as connection:
        connection.execute("CREATE TABLE theirs(a)")
        connection.execute("CREATE TABLE ix_0123456789abcdef(a)")
    held.clear()
    with shell(file) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type='table'").fetchall()
    assert sorted(names) == [
        ("docmap_collections",),
        ("docmap_indexes",),
        ("ix_0123456789abcdef",),
        ("theirs",),
    ]
    assert held.collections() == []
    Order(id="a").save(held)
    assert held.find(Order).count() == 1


# -- files that cannot be used


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="the directory .*nowhere does not exist"):
        connect(f"sqlite:///{tmp_path}/nowhere/store.db")
    assert list(tmp_path.iterdir()) == []


def test_a_directory_in_the_place_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="is a directory"):
        connect(f"sqlite:///{tmp_path}")


@pytest.mark.parametrize("name", ["a b.db", "a%20b.db", "a?b.db", "a#b.db", "é.db", "it's.db"])
def test_names_of_files(tmp_path: Path, name: str) -> None:
    storage = connect_later(
        tmp_path / name.replace("%", "%25").replace("?", "%3F").replace("#", "%23")
    )
    with storage:
        Order(id="a").save(storage)
    assert (tmp_path / name).exists()


def test_reading_only(held: BaseStorageAdapter, opened: Open) -> None:
    reader = opened(read_only=True)
    assert answers(reader) == answers(held)
    assert [one.id for one in reader.find(Order)] == [one.id for one in held.find(Order)]
    Order(id="late", status="paid").save(held)
    assert reader.find(Order, status="paid").count() == 5


def test_writing_to_what_is_read_only_is_refused(
    held: BaseStorageAdapter, file: Path, opened: Open
) -> None:
    reader = opened(read_only=True)
    held.disconnect()
    before = file.read_bytes()
    writes: list[Callable[[], object]] = [
        lambda: Order().save(reader),
        lambda: reader.delete(Order, "k1"),
        lambda: reader.find(Order).delete(),
        lambda: reader.find(Order, status__icontains="P").delete(),
        reader.clear,
        lambda: reader.insert_many("others", [{"a": 1}]),
    ]
    for write in writes:
        with pytest.raises(StorageError, match="read_only"):
            write()
    assert reader.find(Order).count() == 12
    assert file.read_bytes() == before


def test_reading_only_what_others_wrote(held: BaseStorageAdapter, file: Path, opened: Open) -> None:
    held.disconnect()
    put(file, "x", ROWS["escaped names"])
    put(file, "y", ROWS["repeated names"].replace('"x"', '"y"'))
    put(file, "z", ROWS["no key"])
    reader = opened(read_only=True)
    found = answers(reader)
    assert found == as_in_memory(reader)
    assert {one.id for one in reader.get_many(Order, ["x", "y", "z"])} == {"x", "y", "z"}
    held.connect()
    assert answers(held) == found


def test_reading_only_what_is_not_there(file: Path) -> None:
    with pytest.raises(StorageError, match="does not exist"):
        connect(f"sqlite:///{file}?read_only=true")
    assert not file.exists()
    file.touch()
    with connect(f"sqlite:///{file}?read_only=true") as reader:
        assert reader.collections() == []
        assert reader.find(Order, status="paid").list() == []
        assert reader.indexes(Order)["present"] == []
    assert file.read_bytes() == b""


@contextmanager
def unprivileged() -> Iterator[Path]:
    """A directory, and no right to write what is not allowed: root may do everything."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        user = os.geteuid()
        if user == 0:
            os.chown(directory, 65534, -1)
            os.seteuid(65534)
        try:
            yield directory
        finally:
            os.seteuid(user)


def test_a_file_that_may_not_be_written() -> None:
    with unprivileged() as directory:
        file = directory / "store.db"
        with connect(f"sqlite:///{file}") as db:
            Order(id="a").save(db)
        file.chmod(0o444)
        with connect(f"sqlite:///{file}") as db:
            assert db.get(Order, "a").id == "a"
            with pytest.raises(StorageError, match="cannot be written.*read_only=true"):
                Order(id="b").save(db)
        with connect(f"sqlite:///{file}?read_only=true") as db:
            assert db.get(Order, "a").id == "a"
        file.chmod(0o000)
        with pytest.raises(StorageError, match="cannot be opened"):
            connect(f"sqlite:///{file}")
        file.chmod(0o644)
        directory.chmod(0o555)
        with pytest.raises(StorageError, match=r"store\.db"):
            connect(f"sqlite:///{directory}/new-store.db")
        directory.chmod(0o755)


# -- damage


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, dict[str, Any]]:
    """The bytes of a closed file, and what is in it."""
    file = tmp_path_factory.mktemp("sound") / "store.db"
    rng = random.Random(1)
    with connect(f"sqlite:///{file}") as db:
        db.insert_many(
            [
                Order(
                    id=f"k{n:04d}", status="paid", total=Decimal(n), name="x" * rng.randrange(900)
                )
                for n in range(300)
            ]
        )
        content = {one["id"]: one for one in db.find(Order).raw()}
    return file.read_bytes(), content


def check_damaged(file: Path, content: dict[str, Any]) -> str:
    """Exact data, or an error that names the file: what it was.

    A row that seems to be another program's because of a flipped bit may be no document.
    """
    try:
        with connect(f"sqlite:///{file}?timeout=0.1") as db:
            assert {one["id"]: one for one in db.find(Order).raw()} == content
            return "exact"
    except (CorruptStore, ForeignStore) as error:
        assert str(file) in str(error)
        assert error.path == str(file)
        return type(error).__name__
    except InvalidRecord as error:
        return type(error).__name__


def test_a_file_that_was_cut_off(file: Path, sound: tuple[bytes, dict[str, Any]]) -> None:
    data, content = sound
    lengths = [1, 20, 99, 100, 512, 4095, 4096, 4097, 8192, len(data) // 2, len(data) - 4096]
    for length in lengths:
        file.write_bytes(data[:length])
        assert check_damaged(file, content) != "exact", length
    file.write_bytes(data[:-1])
    check_damaged(file, content)


def test_a_file_with_pages_of_zeros(
    file: Path, sound: tuple[bytes, dict[str, Any]], *, long_run: bool
) -> None:
    data, content = sound
    pages = range(0, len(data), 4096)
    found = []
    for start in pages if long_run else list(pages)[::5]:
        file.write_bytes(data[:start] + b"\0" * 4096 + data[start + 4096 :])
        found.append(check_damaged(file, content))
    assert "CorruptStore" in found


def test_a_file_with_flipped_bytes(
    file: Path, sound: tuple[bytes, dict[str, Any]], rng: random.Random, *, long_run: bool
) -> None:
    data, content = sound
    found = []
    for _ in range(2000 if long_run else 100):
        damaged = bytearray(data)
        for _ in range(rng.choice((1, 1, 8))):
            damaged[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        file.write_bytes(bytes(damaged))
        found.append(check_damaged(file, content))
    assert "CorruptStore" in found
