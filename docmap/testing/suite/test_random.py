"""Random documents, queries and writes: the backend answers as the reference does, step by step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from docmap import BaseStorageAdapter
from docmap.testing.answers import exact, keys, outcome
from docmap.testing.models import Everything, Indexes
from docmap.testing.pools import Place
from docmap.testing.reference import ReferenceStorage
from docmap.testing.strategies import (
    Asked,
    Changed,
    documents,
    queries,
    rows,
    sorted_places,
    updates,
)


@dataclass(frozen=True, slots=True)
class _Step:
    """One write, and what is asked after it."""

    what: str
    key: str
    row: dict[str, Any]
    asked: Asked


_MODELS: Final = {"plain": Everything, "indexed": Indexes}


def _run(check: Callable[..., None], seed: int, examples: int, **drawn: Any) -> None:
    """Try a check on so many random cases, the same for the same seed; shown as small as can be."""
    quiet = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    chosen = settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=False,
        suppress_health_check=quiet,
        print_blob=False,
    )
    seeded(seed)(chosen(given(**drawn)(check)))()


def _fill(storages: Sequence[BaseStorageAdapter], made: list[Any]) -> None:
    for storage in storages:
        storage.clear()
        storage.insert_many([one.model_copy(update={"id": one.id}) for one in made])


def _state(storage: BaseStorageAdapter, model: Any) -> dict[str, Any]:
    return {row["id"]: exact(row) for row in storage.find(model).raw()}


@pytest.mark.parametrize("kind", _MODELS)
def test_random_queries(
    db: BaseStorageAdapter, oracle: ReferenceStorage, seed: int, kind: str, *, long_run: bool
) -> None:
    model = _MODELS[kind]

    def check(made: list[Any], asked: list[Asked], place: Place) -> None:
        _fill((db, oracle), made)
        for one in asked:
            mine, right = one.of(db, model), one.of(oracle, model)
            found, wanted = list(mine.raw()), list(right.raw())
            if one.ordered:
                assert [row["id"] for row in found] == [row["id"] for row in wanted], one
            else:
                assert keys(found) == keys(wanted), one
            assert mine.count() == len(wanted), one
            assert mine.exists() == bool(wanted), one
            assert exact(mine.values(place.field)) == exact(right.values(place.field)), one

    drawn = {"made": documents(model), "asked": st.lists(queries(), min_size=3, max_size=6)}
    _run(check, seed, 300 if long_run else 30, **drawn, place=sorted_places())


@pytest.mark.parametrize("kind", _MODELS)
def test_random_updates(
    db: BaseStorageAdapter, oracle: ReferenceStorage, seed: int, kind: str, *, long_run: bool
) -> None:
    model = _MODELS[kind]
    atomic = "transactions" in db.abilities

    def check(made: list[Any], steps: list[tuple[Asked, list[Changed]]]) -> None:
        _fill((db, oracle), made)
        for asked, changes in steps:
            before = _state(db, model)
            done, wanted = (
                outcome(partial(_update, storage, model, asked, changes))
                for storage in (db, oracle)
            )
            assert done == wanted, (asked, changes)
            if atomic and isinstance(wanted, str):
                assert _state(db, model) == before, (asked, changes)
                return  # the oracle has no transactions
            assert _state(db, model) == _state(oracle, model), (asked, changes)

    step = st.tuples(queries(), updates())
    drawn = {"made": documents(model), "steps": st.lists(step, min_size=1, max_size=4)}
    _run(check, seed, 300 if long_run else 25, **drawn)


def _update(
    storage: BaseStorageAdapter, model: Any, asked: Asked, changes: list[Changed]
) -> tuple[int, int]:
    query = Asked(asked.condition).of(storage, model)
    return tuple(query.update(*(one.change() for one in changes)))  # type: ignore[return-value]


@pytest.mark.parametrize("kind", _MODELS)
def test_random_writes(
    db: BaseStorageAdapter, oracle: ReferenceStorage, seed: int, kind: str, *, long_run: bool
) -> None:
    """Documents are saved anew and deleted, and each query sees what is there then."""
    model = _MODELS[kind]

    def check(made: list[Any], steps: list[_Step]) -> None:
        _fill((db, oracle), made)
        for step in steps:
            asked = step.asked
            done, wanted = (
                outcome(partial(_step, storage, model, step)) for storage in (db, oracle)
            )
            assert done == wanted, step
            assert _state(db, model) == _state(oracle, model), step
            mine, right = (list(asked.of(storage, model).raw()) for storage in (db, oracle))
            if asked.ordered:
                assert [one["id"] for one in mine] == [one["id"] for one in right], asked
            else:
                assert keys(mine) == keys(right), asked

    what = st.sampled_from(("insert", "upsert", "change", "delete", "delete matching"))
    step = st.builds(_Step, what, st.integers(0, 14).map("{:03}".format), rows(), queries())
    drawn = {"made": documents(model), "steps": st.lists(step, min_size=1, max_size=6)}
    _run(check, seed, 300 if long_run else 25, **drawn)


def _step(storage: BaseStorageAdapter, model: Any, step: _Step) -> Any:
    match step.what:
        case "insert":
            return storage.insert(model(id=step.key, **step.row))
        case "upsert":
            return storage.upsert(model(id=step.key, **step.row))
        case "change":
            document = storage.get(model, step.key)
            for name, value in step.row.items():
                setattr(document, name, value)
            return storage.save(document)
        case "delete":
            return storage.delete(model, step.key)
        case _:
            return Asked(step.asked.condition).of(storage, model).delete()
