"""Several processes and one store: they share it as if in turn, or all but one are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from docmap import BaseStorageAdapter, StoreLocked
from docmap.testing.collecting import requires
from docmap.testing.notes import Counter, Note, Task, Ticket, check_sound, held, note
from docmap.testing.processes import Forker, Target, outputs, running, start
from docmap.testing.profile import BackendProfile
from docmap.testing.suite.fixtures import Opened

WORKERS = "abcd"


def race(target: Target, tmp_path: Path, program: str, count: int) -> list[list[Any]]:
    """What processes tell that run a program at the same time on the same things."""
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    processes = [
        start(target, program, worker, count, str(meeting), len(WORKERS)) for worker in WORKERS
    ]
    return [[one for (one,) in told] for told in outputs(processes)]


@requires("processes")
def test_processes_make_one_new_store_together(
    target: Target, opened: Opened, *, long_run: bool
) -> None:
    told = outputs([start(target, "insert", w, 200 if long_run else 15) for w in WORKERS])
    with opened() as db:
        assert sorted(check_sound(db)) == sorted(key for keys in told for (key,) in keys)


@requires("processes")
def test_a_newer_revision_of_another_process_refuses_the_save(
    db: BaseStorageAdapter, target: Target, tmp_path: Path, *, long_run: bool
) -> None:
    times = 200 if long_run else 30
    Counter(id="it").save(db)
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    programs = [start(target, "raise_counter", times, str(meeting), 4) for _ in range(4)]
    again = [one for ((one,),) in outputs(programs)]
    assert db.get(Counter, "it").value == 4 * times
    assert sum(again) >= 3  # all had loaded the counter before the first of them saved


@requires("processes")
def test_of_processes_that_get_or_create_one_creates(
    db: BaseStorageAdapter, target: Target, tmp_path: Path
) -> None:
    db.ensure_indexes(Task)
    created = race(target, tmp_path, "create", 30)
    names = [name for own in created for name in own]
    assert sorted(names) == sorted(f"task {number}" for number in range(30))
    assert {one.name: one.worker for one in db.find(Task)} == {
        name: worker for worker, own in zip(WORKERS, created, strict=True) for name in own
    }


@requires("processes")
def test_of_processes_that_insert_one_unique_value_one_does(
    db: BaseStorageAdapter, target: Target, tmp_path: Path
) -> None:
    db.ensure_indexes(Task)
    taken = race(target, tmp_path, "take", 30)
    names = [name for own in taken for name in own]
    assert sorted(names) == sorted(f"task {number}" for number in range(30))
    assert {one.name: one.worker for one in db.find(Task)} == {
        name: worker for worker, own in zip(WORKERS, taken, strict=True) for name in own
    }


@requires("processes", "counters")
def test_processes_are_given_different_keys(
    db: BaseStorageAdapter, target: Target, tmp_path: Path
) -> None:
    keys = [key for own in race(target, tmp_path, "number_tickets", 15) for key in own]
    assert len(set(keys)) == len(keys) == 60
    assert min(keys) >= 1
    assert {one.id for one in db.find(Ticket)} == set(keys)


@requires("processes")
def test_a_reader_sees_every_note_whole_while_others_write(target: Target, opened: Opened) -> None:
    follow = start(target, "follow", 60)
    outputs([start(target, "insert", worker, 30) for worker in WORKERS[:2]])
    ((reads,),) = outputs([follow])[0]
    assert reads >= 1
    with opened() as db:
        assert len(check_sound(db)) == 60


@requires("processes")
def test_what_another_process_wrote_is_seen_by_every_read(
    db: BaseStorageAdapter, forker: Forker, opened: Opened
) -> None:
    other = opened()
    db.insert_many([note("mine", 1), note("a-0", 99)])
    assert other.get(Note, "mine").number == 1
    db.delete(Note, "a-0")
    loaded = other.get(Note, "mine")
    forker.told("insert", "a", 5)
    for storage in (db, other):
        assert storage.get(Note, "a-4").number == 4
        assert storage.find(Note, number=4).one().id == "a-4"
        assert storage.find(Note, words__contains="word 3").count() == 1
        assert storage.find(Note).count() == 6
        assert [one.number for one in storage.find(Note).order_by("-number")[:2]] == [4, 3]
        assert len(check_sound(storage)) == 6
    loaded.number, loaded.words = 8, note("mine", 8).words
    loaded.ratio, loaded.text = note("mine", 8).ratio, note("mine", 8).text
    loaded.save()
    ((found,),) = forker.told("read")
    assert found == held(db)
    assert found["mine"] == 8


@requires("outside")
def test_a_second_process_shares_the_store_or_is_refused(
    backend: BackendProfile, target: Target, forker: Forker, opened: Opened
) -> None:
    with running(target, "hold") as told:
        assert told == [["ready"]]
        for _ in range(2):
            (word, text), *_ = forker.told("attempt")
            if backend.second == "shares":
                assert word == "done"
            else:
                assert word == "StoreLocked"
                assert backend.url_in(Path()).partition("://")[0] in text.lower()
        if backend.second == "shares":
            with opened() as db:
                assert held(db) == {"held": 1, "attempt": 3}
        else:
            with pytest.raises(StoreLocked) as caught:
                opened()
            assert caught.value.path
    kept = {"held": 2, "attempt": 3} if backend.second == "shares" else {"held": 2}
    assert told[1:] == [[kept]]
    assert forker.told("attempt") == [["done", ""]]
    with opened() as db:
        assert check_sound(db) == {"held": 2, "attempt": 3}


@requires("outside")
def test_openers_in_all_orders_do_no_harm(
    backend: BackendProfile, db: BaseStorageAdapter, forker: Forker, opened: Opened
) -> None:
    """Some engines drop their lock when a second open in the same process is refused."""
    expected: dict[str, int] = {}
    shared = backend.second == "shares"
    for number in range(6):
        if number % 2:
            (word, _), *_ = forker.told("attempt")
            assert word == ("done" if shared else "StoreLocked")
            expected |= {"attempt": 3} if shared else {}
        if backend.second in {"shares", "process"}:
            with opened() as other:
                assert held(other) == expected
        else:
            with pytest.raises(StoreLocked):
                opened()
        db.insert(note(f"{number}", number))
        expected[f"{number}"] = number
        assert held(db) == expected
    db.reconnect()
    assert check_sound(db) == expected
    db.disconnect()
    assert forker.told("attempt") == [["done", ""]]
    db.connect()
    assert check_sound(db) == {**expected, "attempt": 3}


@requires("outside", "posix")
def test_a_store_whose_holder_was_killed_is_not_locked(
    target: Target, forker: Forker, opened: Opened
) -> None:
    for _ in forker.run("hold"):
        forker.kill()
    with opened() as db:
        assert held(db) == {"held": 1}
        db.upsert(note("held", 5))
    ((found,),) = forker.told("read")
    assert found == {"held": 5}


@requires("file", "posix")
def test_a_forked_child_does_not_use_what_its_parent_opened(forker: Forker, opened: Opened) -> None:
    """Both would write into one file through one handle: the child is told to open its own."""
    child, parent = forker.told("fork")
    *uses, stream = child[1]
    assert set(uses) == {"NotConnected"}
    assert stream in {"NotConnected", "worked"}  # what was read ahead may still come
    assert parent == ["parent", 0, 301, 3, 299]
    with opened() as db:
        assert len(check_sound(db)) == 301
