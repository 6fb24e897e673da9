"""Shelves of Python's other dbm modules: read as they are, and made docmap's on request."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from docmap import (
    BaseStorageAdapter,
    CorruptStore,
    DocmapError,
    Document,
    ForeignStore,
    InvalidConfig,
    InvalidRecord,
    StorageError,
    connect,
)
from tests.shelve.foreign import (
    held,
    make_dumb,
    make_gnu,
    make_ndbm,
    make_sqlite,
    plain_sqlite,
)
from tests.shelve.test_pickles import touching


class Item(Document, collection="items", indexes=["n"]):
    n: int
    name: str


VALUES: dict[str, Any] = {
    "a": {"n": 1, "name": "item 1", "tags": ("x", "y"), "price": Decimal("1.10")},
    "b": {"n": 2, "name": "item 2", "at": datetime(2024, 2, 29, 1, 2, 3, 456_789, tzinfo=UTC)},
    "7": {"id": 7, "n": 3, "name": "item 3", "day": date(2024, 2, 29)},
    "é": [1, 2, 3],
    "none": None,
}
Make = Callable[[Path, dict[str, Any]], None]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the shelf is, without an ending."""
    return tmp_path / "items"


def opened(path: Path, **options: Any) -> BaseStorageAdapter:
    return connect(f"shelve:///{path}", **options)


def check_values(db: BaseStorageAdapter) -> None:
    """The storage holds what VALUES say."""
    assert db.collections() == ["items"]
    first = db.get("items", "a")
    assert first == {"id": "a", **VALUES["a"], "tags": ["x", "y"]}
    assert str(first["price"]) == "1.10"
    assert db.get("items", "b") == {"id": "b", **VALUES["b"]}
    assert db.get("items", 7) == VALUES["7"]
    assert db.get("items", "é") == {"id": "é", "value": [1, 2, 3]}
    assert db.get("items", "none") == {"id": "none", "value": None}
    assert [one["n"] for one in db.find("items", n__gte=2).order_by("n")] == [2, 3]
    assert db.find("items").count() == 5


@pytest.mark.parametrize("make", [make_dumb, make_sqlite])
def test_a_shelf_is_read_as_it_is(make: Make, path: Path) -> None:
    make(path, VALUES)
    before = {file: file.read_bytes() for file in path.parent.iterdir()}
    with opened(path) as db:
        check_values(db)
        for write in (
            lambda: Item(n=1, name="new").save(db),
            lambda: db.delete("items", "a"),
            lambda: db.find("items").delete(),
            lambda: db.ensure_indexes(Item),
            lambda: db.native.__setitem__("items:x", {}),
            db.clear,
        ):
            with pytest.raises(StorageError, match=r"convert=true|for reading"):
                write()
        check_values(db)
        assert db.info()["made_by"] in {"dbm.dumb", "dbm.sqlite3"}
        assert "items:a" in db.native
    # SQLite may leave an empty log beside the file.
    assert {file: file.read_bytes() for file in before} == before


@pytest.mark.parametrize("make", [make_dumb, make_sqlite])
def test_a_shelf_is_converted_on_request(make: Make, path: Path) -> None:
    make(path, VALUES)
    with opened(path, convert=True) as db:
        check_values(db)
        Item(id="new", n=9, name="new").save(db)
        assert "made_by" not in db.info()
    with opened(path) as db:
        assert db.get(Item, "new").n == 9
        db.delete("items", "new")
        check_values(db)
    with opened(path, convert=True) as db:
        check_values(db)
    with plain_sqlite(path) as plain:
        found = held(plain)
    assert found[b"items:#7"] == b'{"id":7,"n":3,"name":"item 3","day":{"$day":"2024-02-29"}}'
    assert len(found) == 5
    left = {file.suffix for file in path.parent.iterdir()} - {".lock"}
    assert left == ({""} if make is make_sqlite else {"", ".dat", ".dir", ".bak"} & left)


def test_a_class_brings_tagged_values_into_its_own_form(path: Path) -> None:
    class Priced(Document, collection="items"):
        price: Decimal

    make_dumb(path, {"a": {"price": Decimal("1.10")}})
    with opened(path, convert=True) as db:
        assert db.find(Priced, price__gt=1).count() == 0
        db.save_many(db.find(Priced).list())
        assert db.find(Priced, price__gt=1).one().price == Decimal("1.10")
        assert db.native["items:a"] == {"id": "a", "price": "1.10"}


def test_gnu_dbm_is_read_without_its_library(path: Path) -> None:
    make_gnu(path)
    with opened(path) as db:
        assert db.find(Item).count() == 59
        assert [one.name for one in db.find(Item, n__between=(6, 8)).order_by("n")] == [
            "item 6",
            "item 8",
        ]
    whole = path.read_bytes()
    with opened(path, convert=True) as db:
        Item(id="k7", n=7, name="item 7").save(db)
        assert db.find(Item).count() == 60
    assert Path(f"{path}.old").read_bytes() == whole
    with opened(path) as db:
        assert db.find(Item).count() == 60


def test_what_stands_in_the_way_of_a_conversion(path: Path) -> None:
    make_gnu(path)
    whole = path.read_bytes()
    Path(f"{path}.old").write_bytes(b"of another")
    with pytest.raises(StorageError, match=r"\.old is there already"):
        opened(path, convert=True)
    assert path.read_bytes() == whole
    assert Path(f"{path}.old").read_bytes() == b"of another"
    assert not Path(f"{path}.converting").exists()


def test_gnu_dbm_that_is_damaged_is_refused_or_read(path: Path, rng: random.Random) -> None:
    make_gnu(path)
    whole, refused = path.read_bytes(), 0
    for _ in range(200):
        torn = bytearray(whole)
        for _ in range(3):
            # The header and the directory, mostly.
            torn[rng.choice([rng.randrange(0x60), 0x1000 + rng.randrange(2000)])] ^= 0xFF
        path.write_bytes(torn[: rng.choice([len(torn), rng.randrange(4, len(torn))])])
        try:
            with opened(path) as db:
                db.find("items").count()
        except DocmapError:
            refused += 1
    assert refused > 50


def test_ndbm_is_read_where_python_has_it(path: Path) -> None:
    make_ndbm(path)
    if find_spec("_dbm") is None:
        with pytest.raises(InvalidConfig, match=r"dbm\.ndbm, which this Python does not have"):
            opened(path)
        return
    try:
        db = opened(path)
    except CorruptStore:
        return  # over another library than the file's
    with db:
        assert db.find(Item).count() == 3


@pytest.mark.parametrize("make", [make_dumb, make_sqlite])
def test_nothing_planted_is_run(make: Make, path: Path, tmp_path: Path) -> None:
    place = tmp_path / "planted"
    payloads = touching(place)
    make(path, {"a": {"n": 1, "name": "x"}, **{f"p{n}": one for n, one in enumerate(payloads)}})
    for convert in (False, True):
        with pytest.raises(InvalidRecord, match=r"the entry 2 of the shelf") as caught:
            opened(path, convert=convert)
        assert caught.value.key == "p0"
        assert caught.value.path == str(path)
        assert str(place) not in str(caught.value)
    assert not place.exists()
    with opened(path, skip_unreadable=True) as db:
        assert [one["id"] for one in db.find("items").raw()] == ["a"]
    with opened(path, convert=True, skip_unreadable=True) as db:
        assert db.find(Item).one().id == "a"
    assert not place.exists()


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"a": {"at": datetime(2024, 2, 29)}}, "holds at at what needs a time zone"),  # noqa: DTZ001
        ({"a": {1: "x"}}, "keys are text"),
        ({"a": {"x": 2**70}}, "beyond 64 bits"),
        ({"a": {"x": float("nan")}}, "not finite"),
        ({"a": {"x": "\0"}}, "NUL"),
        ({"a": {"id": "b"}}, "another value than its key"),
        ({"1": {"id": 1}, "a": object()}, "makes an object"),
        ({"a": b"neither pickle nor JSON"}, "no whole pickle"),
        ({"a": b'{"x": 1'}, "no JSON"),
        ({"a": b'{"x": NaN}'}, "no document may hold"),
        ({"x" * 600: {}}, "no document may have"),
        ({"n\0": {}}, "no document may have"),
    ],
)
def test_what_is_no_document_is_refused(values: dict[str, Any], text: str, path: Path) -> None:
    make_dumb(path, values)
    before = sorted(path.parent.iterdir())
    for convert in (False, True):
        with pytest.raises(InvalidRecord, match=text):
            opened(path, convert=convert)
    assert [file for file in sorted(path.parent.iterdir()) if file.suffix != ".lock"] == before


def test_datetimes_without_a_time_zone(path: Path) -> None:
    make_dumb(path, {"a": {"at": [datetime(2024, 2, 29)]}})  # noqa: DTZ001
    with opened(path, assume_utc=True) as db:
        assert db.get("items", "a")["at"] == [datetime(2024, 2, 29, tzinfo=UTC)]


def test_the_name_of_the_collection(tmp_path: Path) -> None:
    path = tmp_path / "2024 my shop.v1"
    make_dumb(path, {"a": {}})
    with opened(path) as db:
        assert db.collections() == ["myshop"]
    with opened(path, collection="orders") as db:
        assert db.collections() == ["orders"]
    with pytest.raises(InvalidConfig):
        opened(path, collection="no name")


def test_what_docmap_laid_out_is_read_as_such(path: Path) -> None:
    make_dumb(
        path,
        {
            "orders:a": b'{"id":"a","n":1}',
            "orders:#5": b'{"id":5}',
            "http://x": b'{"n":1}',
            "people:ann": {"n": 2},
        },
    )
    with opened(path) as db:
        assert sorted(db.collections()) == ["items", "orders"]
        assert db.get("orders", 5) == {"id": 5}
        assert db.get("items", "http://x")["n"] == 1
        assert db.get("items", "people:ann")["n"] == 2


def test_torn_files_of_dumb_dbm(path: Path) -> None:
    make_dumb(path, VALUES)
    for suffix, cut in ((".dat", 20), (".dir", 3)):
        file = Path(f"{path}{suffix}")
        whole = file.read_bytes()
        file.write_bytes(whole[:-cut])
        with pytest.raises(CorruptStore) as caught:
            opened(path)
        assert caught.value.path == str(file)
        assert str(file) in str(caught.value)
        file.write_bytes(whole)
    Path(f"{path}.dir").write_text("'a', (0, __import__('os').getpid())\n", "latin-1")
    with pytest.raises(CorruptStore):
        opened(path)


def test_other_files_are_not_touched(path: Path) -> None:
    path.write_bytes(b"some text that is long enough for a header of some kind" * 20)
    with pytest.raises(ForeignStore):
        opened(path, convert=True)
    path.unlink()
    with plain_sqlite(path) as other:
        other.execute("CREATE TABLE Dict (key BLOB UNIQUE NOT NULL, value BLOB NOT NULL)")
        other.execute("CREATE TABLE more (x)")
    before = path.read_bytes()
    with pytest.raises(ForeignStore):
        opened(path, convert=True)
    assert path.read_bytes() == before
    path.unlink()
    with plain_sqlite(path) as other:
        other.execute("CREATE TABLE Dict (key BLOB UNIQUE NOT NULL, value BLOB NOT NULL)")
    with opened(path) as db:  # an empty one is as good as none
        Item(n=1, name="x").save(db)
    with connect(f"sqlite:///{path}.db") as db:
        Item(n=1, name="x").save(db)
    with pytest.raises(ForeignStore):
        opened(Path(f"{path}.db"))


def test_what_is_skipped_stays_in_a_shelf_that_is_converted_in_its_place(path: Path) -> None:
    unreadable = b"cposix\nsystem\n."
    entries = {"a": {"x": 1}, "b": unreadable, f"{path.name}:c": unreadable}
    make_sqlite(path, entries)
    with opened(path, convert=True, skip_unreadable=True) as db:
        assert [one["x"] for one in db.find(path.name)] == [1]
        assert db.native.dict[b"b"] == unreadable
    with opened(path) as db:
        assert db.find(path.name).count() == 1
        db.insert_many(path.name, [{"id": "c"}])  # a document takes the place
        assert db.find(path.name).count() == 2
    with plain_sqlite(path) as connection:
        assert held(connection)[b"b"] == unreadable


def test_what_is_skipped_does_not_take_the_place_of_a_document(path: Path) -> None:
    entries = {"a": {"x": 1}, f"{path.name}:a": b"cposix\nsystem\n."}
    make_sqlite(path, entries)
    with pytest.raises(StorageError, match=f"{path.name}:a"):
        opened(path, convert=True, skip_unreadable=True).disconnect()
    with opened(path, skip_unreadable=True) as db:
        assert db.get(path.name, "a")["x"] == 1


def test_a_conversion_that_was_killed_before_its_last_step_goes_on(path: Path) -> None:
    make_gnu(path)
    old = path.with_name(f"{path.name}.old")
    old.hardlink_to(path)
    with opened(path, convert=True) as db:
        assert db.find("items").count() == 59
    assert old.is_file()
