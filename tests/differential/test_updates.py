"""Every engine makes of an update what the reference makes of it, errors included."""

from __future__ import annotations

import copy
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from docmap import BaseStorageAdapter
from docmap.values import order_key
from tests.differential import oracle, updates
from tests.differential.run import batch, difference, fill
from tests.differential.standins import is_gap, rounds
from tests.differential.zoo import FAMILIES, Family

LONG_BATCHES = 40


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_random_updates(
    storage: BaseStorageAdapter, family: Family, seed: int, *, long_run: bool
) -> None:
    # The same cases on every engine: a difference can be compared.
    rng = Random(f"{seed} update {family.name}")
    for _ in range(rounds(storage, LONG_BATCHES if long_run else 1)):
        records, queries = batch(rng, family)
        for _ in range(updates.UPDATES):
            query, changes = next(queries), updates.random_changes(rng, family)
            update = updates.bound(family, changes)
            if update is not None:
                chosen = oracle.answer(replace(query, slices=(), values=None), records)
                if is_gap(storage, records, updates.expected(update, records, chosen)):
                    continue
            fill(storage, records)
            found = updates.difference(storage, family, records, query, changes)
            assert found is None, f"{query.condition!r}\n{changes!r}\n{found}"


@pytest.mark.parametrize("family", FAMILIES[:8:3], ids=lambda family: family.name)
def test_what_was_updated_is_found(
    storage: BaseStorageAdapter, family: Family, seed: int, *, long_run: bool
) -> None:
    """Indexes, key columns and what is known of the types follow."""
    rng = Random(f"{seed} found {family.name}")
    for _ in range(rounds(storage, LONG_BATCHES if long_run else 1)):
        records, queries = batch(rng, family)
        fill(storage, records)
        for _ in range(updates.UPDATES):
            query = replace(next(queries), slices=())
            changes = updates.random_changes(rng, family)
            update = updates.bound(family, changes)
            if update is None:
                continue
            wanted = updates.expected(update, records, oracle.answer(query, records))
            if is_gap(storage, records, wanted):
                continue
            found = updates.difference(storage, family, records, query, changes)
            assert found is None, f"{query.condition!r}\n{changes!r}\n{found}"
            if not (wanted.error and "transactions" in storage.abilities):
                records = updates.changed_records(family, records, wanted)
            for _ in range(3):
                ask = next(queries)
                what = difference(storage, family, records, ask)
                assert what is None, f"{changes!r}\n{ask!r}\n{what}"


@pytest.mark.parametrize("family", FAMILIES[::4], ids=lambda family: family.name)
def test_random_updates_of_the_first(
    storage: BaseStorageAdapter, family: Family, seed: int
) -> None:
    rng = Random(f"{seed} first {family.name}")
    records, queries = batch(rng, family)
    for _ in range(10):
        query, changes = next(queries), updates.random_changes(rng, family)
        update = updates.bound(family, changes)
        chosen = oracle.answer(replace(query, slices=((0, 1),)), records)
        fill(storage, records)
        if update is None:
            continue
        wanted = updates.expected(update, records, chosen)
        if wanted.error or is_gap(storage, records, wanted):
            continue
        asked = replace(query, slices=()).on(storage, family.model).raw()
        old = copy.deepcopy(records)
        new = rng.random() < 0.5
        found: Any = asked.find_one_and_update(*changes, return_new=new)
        trees = {order_key(r.key): r.values for r in old} if not new else wanted.trees
        expected = trees[order_key(chosen[0].key)] if chosen else None
        assert oracle.exact(found) == oracle.exact(expected), changes
