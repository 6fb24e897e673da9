"""Every engine gives what the oracle gives, for random documents and random queries."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from docmap import BaseStorageAdapter
from docmap.errors import InvalidQuery
from tests.differential.engines import ENGINES, STORAGES
from tests.differential.generator import refused
from tests.differential.run import run
from tests.differential.zoo import FAMILIES, Family

QUERIES = 30
LONG_BATCHES = 23  # times the queries, times the families: 10,000


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_random_queries(
    storage: BaseStorageAdapter, family: Family, seed: int, *, long_run: bool
) -> None:
    # The same cases on every engine: a difference can be compared.
    rng = Random(f"{seed} {family.name}")
    for _ in range(LONG_BATCHES if long_run else 1):
        found = run(storage, family, rng, QUERIES)
        assert found is None, str(found)


@pytest.mark.parametrize("family", [FAMILIES[0], FAMILIES[-1]], ids=lambda family: family.name)
@pytest.mark.parametrize("engine", STORAGES)
def test_queries_without_meaning_are_refused_before_any_reading(
    engine: str, family: Family, tmp_path: Path
) -> None:
    storage = ENGINES[engine](tmp_path)
    storage.disconnect()  # whatever reads now raises NotConnected
    for name, ask in refused(family.model):
        with pytest.raises(InvalidQuery):
            pytest.fail(f"{name} gave {ask(storage.find(family.model))!r}")
