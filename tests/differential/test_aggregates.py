"""Every engine aggregates as the oracle does, for random documents, groups and functions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from docmap import BaseStorageAdapter
from docmap.errors import InvalidValue
from tests.differential.grouped import Grouped, Refused, alike, random_grouping
from tests.differential.run import DOCUMENTS, fill
from tests.differential.zoo import FAMILIES, Family, Record, documents

GROUPINGS = 25
LONG_BATCHES = 23


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_random_groupings(
    storage: BaseStorageAdapter, family: Family, seed: int, *, long_run: bool
) -> None:
    rng = Random(f"groups {seed} {family.name}")
    for _ in range(LONG_BATCHES if long_run else 1):
        records = documents(rng, family, DOCUMENTS)
        fill(storage, records)
        for _ in range(GROUPINGS):
            asked = random_grouping(rng, family.root, records)
            what = difference(storage, family, records, asked)
            assert what is None, _told(storage, family, records, asked, what)


def difference(
    storage: BaseStorageAdapter, family: Family, records: Sequence[Record], asked: Grouped
) -> str | None:
    """How the engine's groups differ from the oracle's; None if they agree."""
    for term in asked.terms:
        alone = replace(asked, terms=(term,), least=None, stop=None)
        try:
            alone.answer(records)
        except Refused:
            found = _found(storage, family, alone)
            if found != "InvalidValue":
                return f"{term} gives {found!r}, which is no value"
            asked = replace(asked, terms=tuple(one for one in asked.terms if one != term))
    wanted, found = asked.answer(records), _found(storage, family, asked)
    if isinstance(found, str) or len(found) != len(wanted):
        return f"{found!r} instead of {wanted!r}"
    for row, right in zip(found, wanted, strict=True):
        if not all(map(alike, row, right)):
            return f"{row!r} instead of {right!r}"
    return None


def _found(storage: BaseStorageAdapter, family: Family, asked: Grouped) -> Any:
    try:
        return asked.on(storage, family.model)
    except InvalidValue:
        return "InvalidValue"
    except Exception as error:  # noqa: BLE001 - whatever it is, the oracle has an answer
        return f"{type(error).__name__}: {error}"


def _told(
    storage: BaseStorageAdapter,
    family: Family,
    records: Sequence[Record],
    asked: Grouped,
    what: str,
) -> str:
    """The difference with as little of documents and grouping as still shows it."""
    changed = True
    while changed:
        changed = False
        for fewer, plainer in _less(records, asked):
            fill(storage, fewer)
            told = difference(storage, family, fewer, plainer)
            if told is not None:
                records, asked, what, changed = fewer, plainer, told, True
                break
    written = "\n".join(f"    {record.document!r}," for record in records)
    return f"{storage.scheme} on {family.model}: {what}\ndocuments = [\n{written}\n]\n{asked!r}"


def _less(records: Sequence[Record], asked: Grouped) -> Iterator[tuple[Sequence[Record], Grouped]]:
    for number in range(len(records)):
        yield [*records[:number], *records[number + 1 :]], asked
    for number in range(len(asked.terms)):
        yield records, replace(asked, terms=asked.terms[:number] + asked.terms[number + 1 :])
    for number in range(len(asked.keys)):
        yield records, replace(asked, keys=asked.keys[:number] + asked.keys[number + 1 :])
    for changes in (
        {"least": None},
        {"stop": None},
        {"by_count": False},
        {"query": replace(asked.query, condition=None)},
        {"query": replace(asked.query, slices=())},
        {"query": replace(asked.query, order=())},
    ):
        plainer = replace(asked, **changes)
        if plainer != asked:
            yield records, plainer
