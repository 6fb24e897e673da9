"""A batch reads what it will write, in order, and takes back what a savepoint began."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest

from docmap_backends._keyvalue_store import Batch, ReadableStore, counted, fetched, runs
from tests.keyvalue.memory_store import MemoryOrderedStore


def _random_key(rng: random.Random) -> bytes:
    return bytes(rng.choices(b"\x00ab\xff", k=rng.randint(1, 3)))


def _check(view: ReadableStore, held: dict[bytes, bytes], rng: random.Random) -> None:
    low, high = sorted((_random_key(rng), _random_key(rng)))
    for end in (high, None):
        for reverse in (False, True):
            keys = sorted(
                (key for key in held if key >= low and (end is None or key < end)), reverse=reverse
            )
            assert list(view.keys(low, end, reverse=reverse)) == keys
            assert list(view.items(low, end, reverse=reverse)) == [(key, held[key]) for key in keys]
    wanted = [_random_key(rng) for _ in range(3)]
    assert fetched(view, wanted) == [held.get(key) for key in wanted]
    assert [view.get(key) for key in wanted] == [held.get(key) for key in wanted]
    within = sorted(key for key in held if low <= key < high)
    assert counted(view, low, high) == len(within)
    heads = [key for i, key in enumerate(within) if i == 0 or key[:1] != within[i - 1][:1]]
    assert list(runs(view, low, high, lambda key: key[:1])) == heads


@pytest.mark.parametrize("run", range(30))
def test_random_changes_are_read_as_they_will_be(run: int, seed: int) -> None:
    rng = random.Random(f"{seed} {run}")
    store = MemoryOrderedStore()
    held: dict[bytes, bytes] = {}
    for _ in range(4):
        batch = Batch(store)
        for _ in range(rng.choice((3, 60))):
            key = _random_key(rng)
            if rng.random() < 0.3:
                batch.delete(key)
                held.pop(key, None)
            else:
                held[key] = bytes((rng.randrange(256),))
                batch.put(key, held[key])
            if rng.random() < 0.3:
                _check(batch, held, rng)
        _check(batch, held, rng)
        batch.write_to(store)
        _check(store, held, rng)


def test_a_stream_does_not_see_what_is_changed_behind_it() -> None:
    store = MemoryOrderedStore()
    store.write({b"a": b"1", b"c": b"3"}, ())
    batch = Batch(store)
    batch.put(b"b", b"2")
    stream = batch.items(b"", None)
    assert next(stream) == (b"a", b"1")
    batch.put(b"d", b"4")
    batch.delete(b"c")
    assert list(stream) == [(b"b", b"2"), (b"c", b"3")]


@pytest.mark.parametrize("run", range(30))
def test_savepoints_take_back_what_came_since(run: int, seed: int) -> None:
    rng = random.Random(f"{seed} {run}")
    batch = Batch(MemoryOrderedStore())

    def change(depth: int) -> None:
        for _ in range(rng.randint(0, 4)):
            key = _random_key(rng)
            if rng.random() < 0.3:
                batch.delete(key)
            else:
                batch.put(key, bytes((rng.randrange(256),)))
        if depth:
            before = dict(batch.changes)
            undone = rng.random() < 0.5
            with suppress(ZeroDivisionError), batch.savepoint():
                change(depth - 1)
                if undone:
                    raise ZeroDivisionError
            if undone:
                assert batch.changes == before
                expected = {key: value for key, value in before.items() if value is not None}
                assert dict(batch.items(b"", None)) == expected
            change(depth - 1)

    change(3)
