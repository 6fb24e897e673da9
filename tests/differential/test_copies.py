"""A copied collection answers every query as the oracle does, with the indexes that came along."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from random import Random

import pytest
from pydantic import Field

from docmap import BaseStorageAdapter, Document, Index, connect
from docmap.schema.indexes import IndexDefinition
from docmap.schema.rebuilt import rebuilt_index
from docmap.storage.copying import copy
from docmap.storage.loading import schema_of
from tests.differential.engines import ENGINES, TRANSACTIONAL
from tests.differential.run import batch, difference, fill
from tests.differential.zoo import FAMILIES, Family
from tests.servers import postgresql
from tests.servers.storages import emptied

QUERIES = 12
LONG_ROUNDS = 2
UNIONS = {"(either, flag)"}
TARGETS: dict[str, Callable[[Path], BaseStorageAdapter]] = {
    **ENGINES,
    "postgresql": lambda _: emptied(postgresql.url("copied")),
}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
@pytest.mark.parametrize("source", TRANSACTIONAL)
def test_a_copy_answers_as_its_source(
    source: str, family: Family, tmp_path: Path, seed: int, *, long_run: bool
) -> None:
    rng = Random(f"{seed} {source} {family.name}")
    targets = LONG_ROUNDS * TRANSACTIONAL if long_run else [rng.choice(TRANSACTIONAL)]
    for number, target in enumerate(targets):
        here, there = (tmp_path / f"{side}{number}" for side in ("from", "to"))
        here.mkdir()
        there.mkdir()
        with ENGINES[source](here) as one, TARGETS[target](there) as other:
            records, queries = batch(rng, family)
            fill(one, records)
            one.ensure_indexes(family.model)
            report = copy(one, other)
            assert report.documents == report.written == len(records)
            _check_indexes(one, other, family)
            for query in islice(queries, QUERIES):
                found = difference(other, family, records, query)
                assert found is None, f"{target}, {query!r}: {found}"


def _check_indexes(one: BaseStorageAdapter, other: BaseStorageAdapter, family: Family) -> None:
    """All indexes came along but those on unions, which only the class can make."""
    (held, made) = (set(storage.indexes(family.model)["present"]) for storage in (one, other))
    assert held - made <= UNIONS
    assert made <= held
    assert (len(held) > 10) == (family.name.endswith("_indexed"))


def test_an_index_is_rebuilt_under_its_own_name() -> None:
    for family in FAMILIES:
        if family.foreign is None:
            continue
        schema = schema_of(family.model)
        for index in schema.indexes:
            found = rebuilt_index(schema.collection, index.definition)
            if index.label in UNIONS:
                assert found is None
            else:
                assert found is not None
                assert (found.name, found.definition) == (index.name, index.definition)
                assert [t.path for t in found.terms] == [t.path for t in index.terms]


class Listed(
    Document, collection="listed", indexes=[Index("rows.0"), Index("-pair.1", unique=True)]
):
    rows: list[str] = Field(default=[])
    pair: tuple[str, int] = ("", 0)


def test_an_index_into_a_list_is_rebuilt() -> None:
    with connect("memory://") as one, connect("sqlite://") as other:
        Listed(rows=["b", "a"], pair=("x", 5)).save(one)
        (found,) = copy(one, other).collections
        assert found.left == ()
        assert other.indexes(Listed)["missing"] == []
        assert other.find(Listed, rows__0="b").count() == 1


def test_an_index_is_not_guessed() -> None:
    right = schema_of(Listed).indexes[0].definition
    assert rebuilt_index("listed", right) is not None
    assert rebuilt_index("other", right) is None  # its name is of another collection
    assert rebuilt_index("listed", IndexDefinition(right.name)) is None  # only the name is known
