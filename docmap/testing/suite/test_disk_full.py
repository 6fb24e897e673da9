"""A disk without space: what was acknowledged is intact, reads go on, and writes when there is."""

from __future__ import annotations

import random

import pytest

from docmap.testing.collecting import requires
from docmap.testing.notes import applied, check_sound
from docmap.testing.prepared import BEFORE, Prepared
from docmap.testing.processes import Forker

ROOM = (3_000, 40_000, 400_000)
FULL = {"StorageFull", "StorageError"}


@requires("file", "posix")
@pytest.mark.parametrize("room", ROOM)
def test_a_full_disk_harms_nothing(
    room: int, prepared: Prepared, forker: Forker, rng: random.Random
) -> None:
    size = max(prepared.sizes().values()) + room + rng.randrange(4096)
    told = dict(forker.told("fill", size))
    assert told["failed"] in FULL
    kept = {**BEFORE, **{f"{number:06d}": number for number in range(told["acknowledged"])}}
    assert told["read"] == kept
    late = applied(kept, [("late", 5)])
    assert told["late"] == late
    with prepared.opened() as db:
        assert check_sound(db) == late


@requires("file", "posix")
def test_a_bulk_call_on_a_full_disk_says_what_was_written(
    prepared: Prepared, forker: Forker, rng: random.Random
) -> None:
    size = max(prepared.sizes().values()) + 100_000 + rng.randrange(4096)
    told = dict(forker.told("fill_in_bulk", size))
    assert told["failed"] in FULL
    kept = {**BEFORE, **{f"{number:06d}": number for number in range(told["done"])}}
    assert told["read"] == kept
    with prepared.opened() as db:
        assert check_sound(db) == applied(kept, [("late", 5)])


@requires("file", "posix", "transactions")
def test_a_transaction_on_a_full_disk_is_undone_whole(
    prepared: Prepared, forker: Forker, rng: random.Random
) -> None:
    size = max(prepared.sizes().values()) + 60_000 + rng.randrange(4096)
    told = dict(forker.told("fill_in_a_transaction", size))
    assert told["failed"] in FULL
    assert told["read"] == BEFORE
    with prepared.opened() as db:
        assert check_sound(db) == applied(BEFORE, [("late", 5)])


@requires("file", "posix")
def test_documents_are_deleted_to_make_room(
    prepared: Prepared, forker: Forker, rng: random.Random
) -> None:
    size = max(prepared.sizes().values()) + 40_000 + rng.randrange(4096)
    told = dict(forker.told("delete_when_full", size))
    # Some engines need space to write down that something is gone: they say so.
    assert set(told["tried"]) <= {"deleted", *FULL}
    with prepared.opened() as db:
        assert check_sound(db) == told["read"]
