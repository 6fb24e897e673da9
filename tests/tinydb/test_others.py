"""Other processes, other programs, TinyDB's own object, and its queries."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tinydb import TinyDB, where

from docmap import (
    BaseStorageAdapter,
    CorruptStore,
    DuplicateKey,
    InvalidValue,
    NotConnected,
    StaleDocument,
    StoreLocked,
    connect,
)
from docmap.plan.engine import FieldCodec
from docmap.storage.loading import schema_of
from docmap_backends._files import FileLock
from docmap_backends._tinydb_store import Store
from docmap_backends.tinydb import TinyDBStorage
from tests.storage.engines import undone
from tests.tinydb.conftest import Open
from tests.tinydb.test_files import revision_of
from tests.tinydb.things import Order, Seat, numbers, order

ROOT = Path(__file__).parents[2]


class TestOtherStorages:
    """Two storages on one file stand for two processes: they share nothing but the files."""

    def test_each_sees_what_the_other_wrote(self, opened: Open) -> None:
        one, other = opened(), opened()
        one.insert_many([order(1), order(2)])
        assert numbers(other) == [1, 2]
        other.find(Order, number=1).update(status="paid")
        other.delete(Order, "k2")
        other.insert(order(3))
        assert numbers(one) == [1, 3]
        assert one.find(Order, status="paid").count() == 1
        assert one.find(Order, status="paid").explain().indexes == ("(status)",)
        one.clear()
        assert numbers(other) == []
        other.insert(order(1))
        assert numbers(one) == [1]

    def test_one_folds_the_journal_that_the_other_reads(self, opened: Open) -> None:
        one, other, third = opened(), opened(), opened()
        one.insert(order(1))
        assert numbers(third) == [1]
        other.insert(order(2))
        other.disconnect()
        assert numbers(one) == [1, 2]
        one.insert(order(3))
        assert numbers(third) == [1, 2, 3]

    def test_a_unique_index_holds_between_them(self, opened: Open) -> None:
        one, other = opened(), opened()
        one.ensure_indexes(Order)
        other.ensure_indexes(Order)
        one.insert(order(1))
        with pytest.raises(DuplicateKey, match="number"):
            other.insert(Order(id="x", number=1))

    def test_counted_keys_are_never_given_twice(self, opened: Open) -> None:
        one, other = opened(), opened()
        keys = [
            storage.insert(Seat.model_validate({"holder": "x"}))
            for _ in range(20)
            for storage in (one, other)
        ]
        assert len(set(keys)) == 40
        one.delete(Seat, max(keys))
        one.disconnect()
        other.disconnect()
        one.connect()
        assert one.insert(Seat.model_validate({"holder": "x"})) > max(keys)

    def test_keys_that_were_counted_ahead_are_given_after_closing(
        self, db: BaseStorageAdapter
    ) -> None:
        for number in range(1, 12):
            assert db.insert(Seat.model_validate({"holder": "x"})) == number
            if number % 3 == 0:
                db.reconnect()

    def test_a_held_lock_keeps_writers_out_and_readers_not(self, file: Path, opened: Open) -> None:
        one = opened(timeout=0.05)
        one.insert(order(1))
        lock = FileLock(f"{file}.lock", "tinydb")
        lock.acquire(1)
        try:
            for write in (
                lambda: one.insert(order(2)),
                lambda: one.delete(Order, "k1"),
                one.clear,
                lambda: one.find(Order, number=1).update(status="x"),
            ):
                with pytest.raises(StoreLocked, match="timeout") as caught:
                    write()
                assert caught.value.path == f"{file}.lock"
            assert numbers(one) == [1]
            assert numbers(opened()) == [1]
        finally:
            lock.close()
        one.insert(order(2))

    def test_a_reader_among_writers_that_never_stop(
        self, opened: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one, other = opened(), opened()
        one.insert(order(1))
        look, number = Store._look, count(2)

        def among_writers(store: Store, *stamps: Any, locked: bool) -> Any:
            found = look(store, *stamps, locked=locked)
            if store is other._store and not locked:  # type: ignore[attr-defined]
                one.insert(order(next(number)))
                one.reconnect()  # the file is written anew
            return found

        monkeypatch.setattr(Store, "_look", among_writers)
        assert other.find(Order).count() >= 1
        monkeypatch.undo()
        assert numbers(other) == numbers(one)

    def test_a_feed_has_what_others_wrote(self, opened: Open) -> None:
        one, other = opened(), opened()
        one.insert(order(1))
        with one.watch(Order) as feed:
            other.insert(order(2))
            other.find(Order, number=1).update(status="paid")
            other.disconnect()  # which folds the journal
            one.delete(Order, "k2")
            found = [(next(feed).kind, number) for number in range(3)]
        assert [kind for kind, _ in found] == ["insert", "update", "delete"]

    def test_indexes_are_known_without_a_class(self, opened: Open) -> None:
        one = opened()
        one.ensure_indexes(Order)
        one.disconnect()
        known = opened().indexes(Order)
        assert known["present"] == known["declared"]
        assert known["missing"] == known["extra"] == []

    def test_a_storage_closed_and_opened_in_a_transaction(self, db: BaseStorageAdapter) -> None:
        db.insert(order(1))

        def closing() -> None:
            with db.transaction():
                db.insert(order(2))
                db.reconnect()

        with pytest.raises(NotConnected, match="lost"):
            closing()
        assert numbers(db) == [1]
        db.insert(order(3))
        assert numbers(db) == [1, 3]

    def test_a_child_process_opens_its_own(self, db: BaseStorageAdapter) -> None:
        if not hasattr(os, "fork"):
            return
        db.insert(order(1))
        child = os.fork()
        if child == 0:
            status = 1
            try:
                db.insert(order(2))
            except NotConnected:
                db.reconnect()
                db.insert(order(2))
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        db.insert(order(3))
        assert numbers(db) == [1, 2, 3]


class TestPlainTinyDB:
    def test_what_it_wrote_is_taken_over(self, file: Path, opened: Open) -> None:
        db = opened()
        db.insert_many([order(1), order(2), order(3)])
        db.reconnect()
        before = {one.id: revision_of(one) for one in db.find(Order)}
        with TinyDB(file) as plain:
            table = plain.table("orders")
            table.insert({"id": "k9", "number": 9, "status": "new", "total": "2"})
            table.update({"status": "paid"}, where("number") == 1)
            table.remove(where("number") == 2)
        assert numbers(db) == [1, 3, 9]
        assert db.find(Order, status="paid").count() == 1
        after = {one.id: revision_of(one) for one in db.find(Order)}
        assert after["k1"] > before["k1"]
        assert after["k3"] == before["k3"]
        other = opened()
        assert {one.id: revision_of(one) for one in other.find(Order)} == after

    def test_a_document_loaded_before_is_stale(self, file: Path, db: BaseStorageAdapter) -> None:
        db.insert(order(1))
        db.reconnect()
        held = db.get(Order, "k1")
        with TinyDB(file) as plain:
            plain.table("orders").update({"status": "paid"})
        held.status = "sent"
        with pytest.raises(StaleDocument):
            db.save(held)

    def test_frames_are_made_again_on_top(self, file: Path, db: BaseStorageAdapter) -> None:
        db.insert(order(1))
        db.reconnect()
        db.insert(order(2))
        with TinyDB(file) as plain:
            assert plain.table("orders").insert({"id": "k9", "number": 9}) == 2
        assert numbers(db) == [1, 2, 9]
        db.insert(order(3))
        db.disconnect()
        with TinyDB(file) as plain:
            assert {one["id"] for one in plain.table("orders")} == {"k1", "k2", "k3", "k9"}
            assert len({one.doc_id for one in plain.table("orders")}) == 4

    def test_its_own_tables_stay_as_they_are(self, file: Path) -> None:
        with TinyDB(file) as plain:
            plain.insert({"a": [1, None, {"é": 1.0}]})
            plain.table("seats").insert_multiple([{"holder": "x"}, {"holder": "y"}])
        with connect(f"tinydb:///{file}") as db:
            assert db.collections() == ["seats"]
            assert [(one.id, one.holder) for one in db.find(Seat).order_by("id")] == [
                (1, "x"),
                (2, "y"),
            ]
            db.insert(Seat.model_validate({"holder": "z"}))
            db.clear()
        with TinyDB(file) as plain:
            assert [(one.doc_id, dict(one)) for one in plain] == [(1, {"a": [1, None, {"é": 1.0}]})]
            assert plain.tables() == {"_default", "_docmap"}

    def test_a_table_that_is_no_collection_is_told(
        self, file: Path, opened: Open, caplog: pytest.LogCaptureFixture
    ) -> None:
        with TinyDB(file) as plain:
            plain.insert_multiple([{"a": 1}, {"a": 2}])
            plain.table("orders").insert({"id": "k1", "number": 1})
        db = opened()
        assert db.collections() == ["orders"]
        (told,) = [one.getMessage() for one in caplog.records if one.name == "docmap"]
        assert "2 documents of the table _default" in told
        db.insert(order(2))
        opened()
        assert len(caplog.records) == 1  # once it is docmap's file that is known

    def test_reading_leaves_its_file_alone(self, file: Path) -> None:
        with TinyDB(file) as plain:
            plain.table("orders").insert({"id": "a", "number": 1, "status": "new", "total": "1"})
        before = file.read_bytes()
        with connect(f"tinydb:///{file}") as db:
            assert db.get(Order, "a").number == 1
        assert file.read_bytes() == before
        assert [*file.parent.iterdir()] == [file]

    @pytest.mark.parametrize("odd", [2.5, True, [], {"a": 1}, {"$uuid": "x"}, {"$oid": "x"}])
    def test_an_id_that_can_be_no_key_is_not_replaced(
        self, odd: object, file: Path, opened: Open
    ) -> None:
        with TinyDB(file) as plain:
            plain.table("seats").insert_multiple([{"id": None}, {"id": odd}])
        with pytest.raises(CorruptStore, match="document 2 of seats"):
            opened()
        with TinyDB(file) as plain:
            plain.table("seats").update({"id": 2}, doc_ids=[2])
        db = opened()
        assert [one.id for one in db.find(Seat).order_by("id")] == [1, 2]
        with pytest.raises(InvalidValue, match="document 3"):
            db.native.table("seats").insert({"id": odd})

    @pytest.mark.parametrize("indent", [None, 0, 1, 4])
    def test_files_of_every_layout(self, indent: int | None, file: Path, opened: Open) -> None:
        with TinyDB(file, indent=indent) as plain:
            plain.insert({"a": {}})
            plain.table("orders").insert({"id": "k1", "number": 1})
        assert numbers(opened()) == [1]

    def test_a_program_that_edits_the_text(self, file: Path, db: BaseStorageAdapter) -> None:
        db.insert(order(1))
        db.reconnect()
        found = json.loads(file.read_text(encoding="utf-8"))
        found["orders"]["1"]["status"] = "paid"
        file.write_text(json.dumps(found, indent=2), encoding="utf-8")
        assert db.get(Order, "k1").status == "paid"


class TestNative:
    def test_what_it_writes_is_durable_and_seen(self, file: Path, opened: Open) -> None:
        db = opened()
        db.insert(order(1))
        table = db.native.table("orders")
        assert table.insert({"id": "k2", "number": 2, "status": "new", "total": "1"}) == 2
        assert table.insert_multiple([{"id": "k3", "number": 3, "total": "1"}]) == [3]
        db.insert(order(4))
        assert table.insert({"id": "k5", "number": 5, "total": "1"}) == 5
        table.update({"status": "paid"}, where("number") == 2)
        table.remove(doc_ids=[3])
        assert numbers(db) == numbers(opened()) == [1, 2, 4, 5]
        assert db.find(Order, status="paid").one().id == "k2"
        assert {one["id"]: one.doc_id for one in table} == {"k1": 1, "k2": 2, "k4": 4, "k5": 5}

    def test_a_document_without_a_key_gets_one_like_the_others(
        self, file: Path, opened: Open
    ) -> None:
        db = opened()
        db.insert_many([order(1), order(2)])
        row = {"status": "new", "total": "1"}
        assert db.native.table("orders").insert({**row, "number": 3}) == 3
        db.disconnect()
        with TinyDB(file) as plain:
            assert plain.table("orders").insert({**row, "number": 4}) == 4
        found = [one.id for one in opened().find(Order).order_by("number")]
        assert found == ["k1", "k2", "3", "4"]

    def test_a_failed_write_changes_nothing(self, db: BaseStorageAdapter) -> None:
        db.insert_many([order(1), order(2)])
        table = db.native.table("orders")
        with pytest.raises(DuplicateKey):
            table.insert_multiple([{"id": "a", "number": 7}, {"id": "b", "number": 1}])
        with pytest.raises(InvalidValue):
            table.insert({"id": "k1", "number": 8})
        with pytest.raises(TypeError):
            table.insert({"id": "x", "number": object()})
        with pytest.raises(ZeroDivisionError):
            table.update(lambda one: 1 / (one["number"] - 2))
        assert numbers(db) == [1, 2]

    def test_transactions_hold_it_too(self, db: BaseStorageAdapter) -> None:
        db.insert(order(1))
        with undone(db):
            db.native.table("orders").insert({"id": "k2", "number": 2})
            db.native.drop_table("orders")
            assert numbers(db) == []
        assert numbers(db) == [1]

    def test_its_tables(self, db: BaseStorageAdapter) -> None:
        db.insert(order(1))
        db.native.insert({"mine": True})
        assert db.native.tables() == {"orders", "_default"}
        with pytest.raises(InvalidValue, match="_docmap"):
            db.native.table("_docmap").insert({"a": 1})
        db.native.drop_tables()
        assert (db.collections(), db.native.all()) == ([], [])
        db.insert(order(1))
        assert numbers(db) == [1]


class TestQueries:
    def test_lookups_are_queries_of_tinydb(self) -> None:
        resolve = TinyDBStorage.lookups.resolve
        young, old = resolve("age", "lt", 18), resolve("age", "gte", 65)
        assert [one({"age": 70}) for one in (young, old, ~young, young | old, young & old)] == [
            False,
            True,
            True,
            True,
            False,
        ]
        assert not resolve("age", "equals", True)({"age": 1})
        assert (young | (where("name") == "x"))({"name": "x"})
        with pytest.raises(TinyDBStorage.lookups.exception_class):
            resolve("age", "like_this", 1)

    def test_a_class_gives_queries_that_use_its_indexes(self, db: BaseStorageAdapter) -> None:
        db.insert_many([order(number, "new" if number % 2 else "paid") for number in range(6)])
        schema = schema_of(Order)
        term = schema.indexes[1].terms[0]
        codec = FieldCodec(term.type, schema, db)
        found = TinyDBStorage.lookups.resolve(term.path, "gte", 4, codec).condition
        table = db.native.table("orders")
        assert [one["id"] for one in table.search(found)] == ["k4", "k5"]
        assert [one.doc_id for one in table.search(found & (where("status") == "new"))] == [6]
        assert not table.contains(found & ~found)
        assert [one["id"] for one in table.search(~found)] == ["k0", "k1", "k2", "k3"]


def test_writers_in_processes_lose_nothing(file: Path) -> None:
    program = (
        "import sys\n"
        "from docmap import connect\n"
        "from tests.tinydb.things import order\n"
        "with connect(f'tinydb:///{sys.argv[1]}?timeout=60&fold_size=3000') as db:\n"
        "    for number in range(30):\n"
        "        db.insert(order(int(sys.argv[2]) * 100 + number))\n"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", program, str(file), f"{n}"], cwd=ROOT
        )
        for n in range(3)
    ]
    assert [one.wait() for one in running] == [0, 0, 0]
    with connect(f"tinydb:///{file}") as db:
        assert numbers(db) == sorted(n * 100 + number for n in range(3) for number in range(30))
