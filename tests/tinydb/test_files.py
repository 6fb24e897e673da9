"""The JSON file and the journal: what is in them, what is read after a crash, what damage does."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest
from tinydb import TinyDB

from docmap import BaseStorageAdapter, CorruptStore, ForeignStore, StorageError, connect
from docmap.storage.loading import state_of
from docmap_backends._files_journal import Journal
from tests.tinydb.conftest import Open
from tests.tinydb.things import Order, Seat, as_if_killed, numbers, order


def plain(file: Path, table: str = "orders") -> list[dict[str, Any]]:
    """What TinyDB with its default settings reads."""
    with TinyDB(file) as db:
        return [dict(one) for one in db.table(table).all()]


def revision_of(document: Any) -> int:
    state = state_of(document)
    assert state is not None
    return state.revision


def journal_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.journal")


def test_tinydb_reads_the_file_when_it_is_closed(file: Path) -> None:
    with connect(f"tinydb:///{file}") as db:
        db.insert_many([order(1), order(2, "é\n\u2028")])
        db.insert_many([Seat(id=7), Seat(id=-3)])
    assert plain(file) == [
        {"id": "k1", "number": 1, "status": "new", "total": "1.50"},
        {"id": "k2", "number": 2, "status": "é\n\u2028", "total": "1.50"},
    ]
    with TinyDB(file) as db_:
        assert {one.doc_id: one["id"] for one in db_.table("seats")} == {7: 7, 8: -3}
    assert not journal_of(file).exists()


def test_a_write_does_not_rewrite_the_file(file: Path, db: BaseStorageAdapter) -> None:
    db.insert(order(1))
    before = file.read_bytes(), file.stat().st_ino
    for number in range(2, 50):
        db.insert(order(number))
    assert (file.read_bytes(), file.stat().st_ino) == before
    assert numbers(db) == list(range(1, 50))


def test_a_grown_journal_is_folded_in(file: Path, opened: Open) -> None:
    db = opened(fold_size=2000)
    for number in range(100):
        db.insert(order(number))
    assert len(plain(file)) > 20
    assert journal_of(file).stat().st_size < 2 * file.stat().st_size
    assert numbers(db) == list(range(100))


def test_what_was_acknowledged_is_there_after_a_crash(
    file: Path, db: BaseStorageAdapter, tmp_path: Path
) -> None:
    db.insert_many([order(number) for number in range(5)])
    with db.transaction():
        db.delete(Order, "k0")
        db.insert(order(9))
    revision = revision_of(db.get(Order, "k9"))
    with connect(f"tinydb:///{as_if_killed(file, tmp_path / 'copy')}") as again:
        assert numbers(again) == [1, 2, 3, 4, 9]
        assert again.find(Order, number=9).explain().indexes == ("unique (number)",)
        assert revision_of(again.get(Order, "k9")) == revision


def test_a_frame_that_was_being_written_is_whole_or_gone(
    file: Path, db: BaseStorageAdapter, tmp_path: Path
) -> None:
    db.insert(order(1))
    whole = journal_of(file).read_bytes()
    db.insert(order(2))
    both = journal_of(file).read_bytes()
    mark = slice(len(b"docmap journal 1\n") + 28, len(b"docmap journal 1\n") + 40)
    for end in range(len(whole), len(both) + 1):
        copy = as_if_killed(file, tmp_path / f"copy {end}")
        # The mark moves last: it still says what the first write left.
        journal_of(copy).write_bytes(both[: mark.start] + whole[mark] + both[mark.stop : end])
        with connect(f"tinydb:///{copy}") as again:
            held = [1, 2] if end == len(both) else [1]
            assert numbers(again) == held
            again.insert(order(3))
            assert numbers(again) == [*held, 3]


@pytest.mark.parametrize("name", ["store.json", "store.json.journal"])
def test_damage_is_noticed_or_does_no_harm(
    name: str,
    file: Path,
    db: BaseStorageAdapter,
    tmp_path: Path,
    rng: random.Random,
    *,
    long_run: bool,
) -> None:
    db.insert_many([order(number) for number in range(3)])
    db.disconnect()
    db.connect()
    db.insert_many([order(number) for number in range(3, 6)])
    copy = as_if_killed(file, tmp_path / "copy")
    damaged = copy.with_name(name)
    sound = {one: one.read_bytes() for one in copy.parent.iterdir()}
    data = sound[damaged]
    cases = [data[:end] for end in rng.sample(range(len(data)), 10)]
    for _ in range(400 if long_run else 15):
        place, length = rng.randrange(len(data)), rng.choice([1, 1, 7, 64])
        flipped = bytes([data[place] ^ (1 << rng.randrange(8))])
        cases.append(data[:place] + flipped + data[place + 1 :])
        cases.append(
            data[:place] + bytes(len(data[place : place + length])) + data[place + length :]
        )
    noticed = 0
    for case in cases:
        for one, held in sound.items():
            one.write_bytes(held)
        damaged.write_bytes(case)
        try:
            with connect(f"tinydb:///{copy}") as again:
                assert numbers(again) == list(range(6))
        except CorruptStore as error:
            noticed += 1
            assert name in str(error)
            assert error.path is not None
    assert noticed > len(cases) / 2


@pytest.mark.parametrize("name", ["store.json", "store.json.journal"])
def test_a_file_that_is_gone_is_missed(
    name: str, file: Path, db: BaseStorageAdapter, tmp_path: Path
) -> None:
    db.insert(order(1))
    copy = as_if_killed(file, tmp_path / "copy")
    copy.with_name(name).unlink()
    with pytest.raises(CorruptStore, match=f"{name} is gone"):
        connect(f"tinydb:///{copy}")


def test_a_journal_is_missed_though_its_maker_died_before_it_was_noted(
    file: Path, db: BaseStorageAdapter, tmp_path: Path
) -> None:
    db.insert(order(1))
    copy = as_if_killed(file, tmp_path / "copy")
    os.truncate(f"{copy}.lock", 1)
    with connect(f"tinydb:///{copy}") as again:
        again.insert(order(2))
        last = as_if_killed(copy, tmp_path / "last")
    journal_of(last).unlink()
    with pytest.raises(CorruptStore, match="journal is gone"):
        connect(f"tinydb:///{last}")


def test_a_journal_of_another_file_is_refused(file: Path, tmp_path: Path) -> None:
    copies = []
    for name in ("a", "b"):
        with connect(f"tinydb:///{tmp_path / name}.json") as db:
            db.insert(order(1))
            copies.append(as_if_killed(tmp_path / f"{name}.json", tmp_path / name))
    journal_of(copies[0]).replace(journal_of(copies[1]))
    with pytest.raises(CorruptStore, match="does not belong"):
        connect(f"tinydb:///{copies[1]}")


@pytest.mark.parametrize(
    "text", ["[]", "3", '{"orders": 3}', '{"orders": {"x": {}}}', '{"orders": {"1": 3}}', "{", "PK"]
)
def test_files_that_are_not_tinydbs_are_refused(text: str, file: Path) -> None:
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ForeignStore, match=r"store\.json"):
        connect(f"tinydb:///{file}")
    assert file.read_text(encoding="utf-8") == text


def test_an_empty_file_is_an_empty_store(file: Path) -> None:
    file.touch()
    with connect(f"tinydb:///{file}") as db:
        assert db.collections() == []
        db.insert(order(1))
    file.write_bytes(b"")
    with pytest.raises(CorruptStore):
        connect(f"tinydb:///{file}")


def test_a_newer_format_is_refused(file: Path) -> None:
    file.write_text(json.dumps({"_docmap": {"1": {"format": 2}}}), encoding="utf-8")
    with pytest.raises(ForeignStore, match="newer docmap"):
        connect(f"tinydb:///{file}")


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="does not exist"):
        connect(f"tinydb:///{tmp_path / 'none' / 'store.json'}")
    with pytest.raises(StorageError, match="is a directory"):
        connect(f"tinydb:///{tmp_path}")


def test_a_journal_gives_frames_to_whoever_reads_it(tmp_path: Path) -> None:
    path = str(tmp_path / "j")
    writer = Journal.create(path, "tinydb", b"s" * 16, 7, sync=False)
    reader = Journal(path, "tinydb")
    assert (reader.store, reader.base, reader.last) == (b"s" * 16, 7, 7)
    assert writer.append(b"one", sync=False) == 8
    assert [tuple(frame) for frame in reader.frames()] == [(8, b"one")]
    writer.append(b"", sync=True)
    writer.append(b"three", sync=False)
    assert [frame.payload for frame in reader.frames()] == [b"", b"three"]
    assert list(reader.frames()) == []
    assert not reader.replaced
    Journal.create(path, "tinydb", b"s" * 16, 10, sync=False).close()
    assert reader.replaced
    writer.close()
    reader.close()
