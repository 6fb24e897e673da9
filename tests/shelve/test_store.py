"""The ordered store in a shelf's file: against a sorted dict, and what Python's dbm sees of it."""

from __future__ import annotations

import random
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from docmap.errors import CorruptStore, StorageError
from docmap_backends._keyvalue_records import key_form, packed, records_of
from docmap_backends._shelve_file import ShelfFile, make_tables
from docmap_backends._shelve_keys import read_shelf_key, shelf_key, wire_key
from docmap_backends._shelve_store import ShelfStore
from docmap_backends._sqlfile_connections import Connections


class Opened(ShelfStore):
    """A store on a file, with what it was asked to adopt."""

    def __init__(self, path: Path) -> None:
        self.connections = Connections(
            ShelfFile(str(path)),
            threading.RLock(),
            timeout=5,
            synchronous="NORMAL",
            on_undo=lambda: None,
        )
        self.connections.open(make_tables)
        self.adopted: list[Any] = []
        super().__init__(self.connections, self._note)

    def _note(self, connection: sqlite3.Connection) -> None:
        self.adopted += connection.execute("SELECT * FROM docmap_changed").fetchall()
        connection.execute("DELETE FROM docmap_changed")

    def put(self, puts: dict[bytes, bytes], deletes: set[bytes] | None = None) -> None:
        """Write one batch."""
        with self.writing():
            self.write(puts, deletes or set())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that is not there yet."""
    return tmp_path / "shelf"


@pytest.fixture
def store(path: Path) -> Iterator[Opened]:
    """A new store."""
    opened = Opened(path)
    yield opened
    opened.connections.close()


def record(key: str | int | bytes, text: str = "{}") -> tuple[bytes, bytes]:
    """The entry of a document."""
    name = records_of("orders") + key_form(key)
    return name, packed(name, text.encode(), 7)


def some_key(rng: random.Random) -> bytes:
    if rng.random() < 0.3:
        return record(rng.randrange(40))[0]
    return bytes(rng.choice(b"\x00ax\xff") for _ in range(rng.randrange(1, 5)))


def test_it_is_a_sorted_dict(store: Opened, rng: random.Random) -> None:
    held: dict[bytes, bytes] = {}
    streams: list[tuple[Iterator[Any], list[Any]]] = []
    for _ in range(120):
        puts = {some_key(rng): rng.randbytes(rng.randrange(13, 40)) for _ in range(4)}
        deletes = {some_key(rng) for _ in range(3)} - set(puts)
        store.put(puts, deletes)
        held = {key: value for key, value in (held | puts).items() if key not in deletes}
        low, high = some_key(rng), rng.choice([None, some_key(rng)])
        reverse = rng.random() < 0.5
        inside = [key for key in held if low <= key and (high is None or key < high)]
        expected = [(key, held[key]) for key in sorted(inside, reverse=reverse)]
        assert list(store.items(low, high, reverse=reverse)) == expected
        assert list(store.keys(low, high, reverse=reverse)) == [key for key, _ in expected]
        with store.snapshot() as seen, store.writing():
            assert list(seen.items(low, high, reverse=reverse)) == expected
            assert list(store.items(low, high, reverse=reverse)) == expected
        asked = [some_key(rng) for _ in range(5)]
        assert store.get_many(asked) == [store.get(key) for key in asked]
        assert [store.get(key) for key in asked] == [held.get(key) for key in asked]
        if len(streams) < 20:
            stream = store.items(b"", None)
            streams.append((stream, sorted(held.items())))
    for stream, expected in streams:
        assert list(stream) == expected


def test_ranges_are_read_in_pieces(store: Opened) -> None:
    held = {b"%05d" % number: b"value" for number in range(3_000)}
    store.put(held)
    for reverse in (False, True):
        expected = sorted(held, reverse=reverse)
        assert list(store.keys(b"", None, reverse=reverse)) == expected
        with store.writing():
            assert list(store.keys(b"", None, reverse=reverse)) == expected
    stream = store.keys(b"", None)
    assert next(stream) == b"00000"
    store.put({}, set(held))
    assert len(list(stream)) == 2_999
    assert list(store.keys(b"", None)) == []


def test_batches_that_were_written_stay(store: Opened) -> None:
    with pytest.raises(ZeroDivisionError), store.writing():  # noqa: PT012
        store.write({b"a": b"1"}, ())
        raise ZeroDivisionError
    assert store.get(b"a") == b"1"
    with store.writing(), store.writing():
        store.write({b"b": b"2"}, {b"a"})
        assert store.get(b"b") == b"2"
    assert list(store.items(b"", None)) == [(b"b", b"2")]


def test_documents_are_values_under_readable_keys(store: Opened, path: Path) -> None:
    keys: list[str | int | bytes] = ["A-1", "é:#", "#5", "##", 5, -(2**63), b"u" + b"\1" * 16]
    keys += [b"v" + b"\2" * 12]
    store.put(dict(record(key, f'{{"n":{number}}}') for number, key in enumerate(keys)))
    store.put({b"x": b"an entry of an index"})
    with closing(sqlite3.connect(path)) as plain:
        held = dict(plain.execute("SELECT key, value FROM Dict"))
    assert held == {
        shelf_key("orders", key): f'{{"n":{number}}}'.encode() for number, key in enumerate(keys)
    }
    assert b"orders:A-1" in held
    assert b"orders:#5" in held
    for key in keys:
        assert read_shelf_key(shelf_key("orders", key)) == ("orders", key)
    assert wire_key(keys[-1]) == {"$oid": "02" * 12}
    store.put({}, {record("A-1")[0]})
    with closing(sqlite3.connect(path)) as plain:
        assert plain.execute("SELECT count(*) FROM Dict").fetchone() == (len(keys) - 1,)


@pytest.mark.parametrize(
    "key",
    [
        b"",
        b"orders",
        b":x",
        b"orders:",
        b"orders:#",
        b"orders:#x",
        b"orders:#05",
        b"orders:#-0",
        b"orders:#99999999999999999999",
        b"orders:#u12",
        b"orders:#v" + b"A" * 24,
        b"\xff:a",
        b"1orders:a",
        b"or ders:a",
        b"o:" + b"x" * 513,
        b"o:a\x00b",
        b"o" * 49 + b":a",
        b"o:#u" + b"  ",
    ],
)
def test_other_keys_are_no_documents(key: bytes) -> None:
    assert read_shelf_key(key) is None


def test_what_others_write_is_noted_with_what_was_there(store: Opened, path: Path) -> None:
    for key in ("a", "b", "c", "d"):
        store.put(dict([record(key, '{"old":1}')]))
    with closing(sqlite3.connect(path, isolation_level=None)) as plain:
        replace = "REPLACE INTO Dict (key, value) VALUES (CAST(? AS BLOB), CAST(? AS BLOB))"
        plain.execute(replace, ("orders:a", "{}"))
        plain.execute(replace, ("orders:a", '{"newer":1}'))
        plain.execute(replace, ("orders:new", "{}"))
        plain.execute("DELETE FROM Dict WHERE key = CAST(? AS BLOB)", ("orders:b",))
        plain.execute("UPDATE Dict SET value='x' WHERE key=?", (b"orders:c",))
        plain.execute("UPDATE Dict SET key=? WHERE key=?", (b"orders:e", b"orders:d"))
    assert store.get(b"nothing") is None
    assert sorted(store.adopted) == [
        (b"orders:a", b'{"old":1}'),
        (b"orders:b", b'{"old":1}'),
        (b"orders:c", b'{"old":1}'),
        (b"orders:d", b'{"old":1}'),
        (b"orders:e", None),
        (b"orders:new", None),
    ]
    store.adopted.clear()
    store.put(dict([record("a", '{"own":1}')]), {record("new")[0]})
    list(store.items(b"", b"q"))
    assert store.adopted == []


def test_every_read_looks_for_what_others_wrote(store: Opened, path: Path) -> None:
    store.put({b"a": b"1"})
    reads: list[Any] = [
        lambda: store.get(b"a"),
        lambda: store.get(b"b"),
        lambda: list(store.items(b"", None)),
        lambda: list(store.keys(b"", None, reverse=True)),
        lambda: store.get_many([b"a"]),
        lambda: store.put({b"c": b"1"}),
    ]
    for number, read in enumerate(reads, 1):
        with closing(sqlite3.connect(path, isolation_level=None)) as plain:
            plain.execute("REPLACE INTO Dict VALUES (?,?)", (b"other", b"value"))
        read()
        assert len(store.adopted) == number


def test_a_document_that_is_gone_is_damage(store: Opened, path: Path) -> None:
    key, value = record("a")
    store.put({key: value})
    with closing(sqlite3.connect(path)) as plain:
        for (name,) in plain.execute("SELECT name FROM sqlite_master WHERE type='trigger'"):
            plain.execute(f"DROP TRIGGER {name}")
        plain.execute("DELETE FROM Dict")
        plain.commit()
    with pytest.raises(CorruptStore):
        store.get(key)
    with pytest.raises(CorruptStore):
        list(store.items(b"", None))


def test_a_store_that_may_not_be_written(store: Opened, path: Path) -> None:
    store.put({b"a": b"1"})
    store.refusal = lambda: StorageError("it is for reading")
    with pytest.raises(StorageError, match="is for reading"):
        store.put({b"b": b"1"})
    assert store.get(b"a") == b"1"


def _interrupted(connection: sqlite3.Connection) -> None:
    connection.execute("RELEASE s1")  # done, and the interrupt comes before its result is seen
    raise KeyboardInterrupt


def test_an_interrupt_that_costs_the_connection_comes_as_it_is(store: Opened) -> None:
    store.put({b"a": b"1"})
    with pytest.raises(KeyboardInterrupt), store.writing(), store.connections.writing() as inner:
        _interrupted(inner)
    store.put({b"c": b"3"})
    assert list(store.keys(b"", None)) == [b"a", b"c"]
