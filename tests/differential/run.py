"""Runs random queries on an engine, compares with the oracle, and makes what differs small."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from docmap import BaseStorageAdapter
from docmap.values import order_key
from tests.differential import oracle
from tests.differential.asks import Query, simpler
from tests.differential.generator import Generator
from tests.differential.zoo import Family, Record, documents

DOCUMENTS = 30


@dataclass(frozen=True)
class Difference:
    """A query that an engine answers otherwise than the oracle, and the documents it needs."""

    engine: str
    family: Family
    records: Sequence[Record]
    query: Query
    what: str

    def __str__(self) -> str:
        written = "\n".join(f"    {_brief(record.document)}," for record in self.records)
        return (
            f"{self.engine} differs on {self.family.model}: {self.what}\n"
            f"documents = [\n{written}\n]\nquery = {self.query!r}"
        )


def _brief(document: Any) -> str:
    """The document as code, without the fields that have their defaults."""
    if isinstance(document, dict):
        return repr(document)
    given = document.model_dump(exclude_defaults=True)
    fields = ", ".join(f"{name}={getattr(document, name)!r}" for name in given)
    return f"{type(document).__name__}({fields})"


def batch(rng: Random, family: Family) -> tuple[list[Record], Iterator[Query]]:
    """Random documents, and queries about them without end."""
    records = documents(rng, family, DOCUMENTS)
    generator = Generator(rng, family.root, [record.values for record in records])
    return records, iter(generator.query, None)


def fill(storage: BaseStorageAdapter, records: Sequence[Record]) -> None:
    """Store exactly these documents. They stay as they are: what is saved is a copy."""
    at_once = "transactions" in storage.abilities  # one commit is faster than many
    with storage.transaction() if at_once else nullcontext():
        storage.clear()
        for record in records:
            document = copy.deepcopy(record.document)
            if isinstance(record.writer, str):
                storage.insert_many(record.writer, [document])
            else:
                storage.insert(document)


def run(
    storage: BaseStorageAdapter, family: Family, rng: Random, count: int, *, small: bool = True
) -> Difference | None:
    """Try `count` queries on random documents; the first difference, made small if so wished."""
    records, queries = batch(rng, family)
    fill(storage, records)
    stored = _contents(storage, family, records)
    if stored is not None:
        return Difference(storage.scheme, family, records, Query(), stored)
    checks: list[Check] = [difference] * count + [refilled(deletion)] * (count // 10)
    for check in checks:
        query = next(queries)
        if check is not difference:
            query = replace(query, slices=())
        what = check(storage, family, records, query)
        if what is not None and small:
            return _small(storage, family, records, query, check)
        if what is not None:
            return Difference(storage.scheme, family, records, query, what)
    return None


Check = Callable[[BaseStorageAdapter, Family, Sequence[Record], Query], str | None]


def _contents(storage: BaseStorageAdapter, family: Family, records: Sequence[Record]) -> str | None:
    """What of the stored documents is not as it was saved, types included."""
    found = {order_key(tree["id"]): tree for tree in storage.find(family.model).raw()}
    for record in records:
        tree = found.get(order_key(record.key), {})
        for name, value in record.values.items():
            if name not in tree or oracle.exact(tree[name]) != oracle.exact(value):
                return f"{name} is {tree.get(name)!r} and not {value!r}"
    return None if len(found) == len(records) else "the number of documents"


def difference(
    storage: BaseStorageAdapter, family: Family, records: Sequence[Record], query: Query
) -> str | None:
    """How the engine's answers differ from the oracle's; None if they agree."""
    expected = [record.key for record in oracle.answer(query, records)]
    try:
        asked = query.on(storage, family.model)
        keys = [tree["id"] for tree in asked.raw()]
        count, exists = asked.count(), asked.exists()
        values = asked.values(query.values_place(), nulls=query.nulls) if query.values else None
    except Exception as error:  # noqa: BLE001 - whatever it is, the oracle has an answer
        return f"raised {type(error).__name__}: {error}"
    if not query.ordered:
        keys.sort(key=order_key)
        expected.sort(key=order_key)
    if keys != expected:
        return f"keys {keys!r} instead of {expected!r}"
    if (count, exists) != (len(expected), bool(expected)):
        return f"count {count}, exists {exists} instead of {len(expected)}"
    if query.values:
        wanted = oracle.values(query, records)
        if oracle.exact(values) != oracle.exact(wanted):
            return f"values {values!r} instead of {wanted!r}"
    return None


def deletion(
    storage: BaseStorageAdapter, family: Family, records: Sequence[Record], query: Query
) -> str | None:
    """How a deletion differs from the oracle's. Leaves the storage without the documents."""
    gone = {order_key(record.key) for record in oracle.answer(query, records)}
    try:
        count = query.on(storage, family.model).delete()
        left = {order_key(tree["id"]) for tree in storage.find(family.model).raw()}
    except Exception as error:  # noqa: BLE001 - as in difference
        return f"delete raised {type(error).__name__}: {error}"
    if count != len(gone) or left != {order_key(record.key) for record in records} - gone:
        return f"delete took {count} and left {len(left)}, not {len(gone)} of {len(records)}"
    return None


def refilled(check: Check) -> Check:
    """The check on a storage filled anew."""

    def filled(
        storage: BaseStorageAdapter, family: Family, records: Sequence[Record], query: Query
    ) -> str | None:
        fill(storage, records)
        return check(storage, family, records, query)

    return filled


def _small(
    storage: BaseStorageAdapter,
    family: Family,
    records: Sequence[Record],
    query: Query,
    check: Check,
) -> Difference:
    """The difference with as few documents and conditions as still show it."""
    differs = refilled(check)
    changed = True
    while changed:
        changed = False
        for fewer in _fewer(records):
            if differs(storage, family, fewer, query) is not None:
                records, changed = fewer, True
                break
        for plainer in _plainer(query):
            if differs(storage, family, records, plainer) is not None:
                query, changed = plainer, True
                break
    what = differs(storage, family, records, query) or "differed once, and not when it ran again"
    return Difference(storage.scheme, family, records, query, what)


def _fewer(records: Sequence[Record]) -> Iterator[list[Record]]:
    size = len(records) // 2
    while size:
        for start in range(0, len(records), size):
            yield [*records[:start], *records[start + size :]]
        size //= 2
    if len(records) <= 5:
        for number, record in enumerate(records):
            for plainer in record.simpler():
                yield [*records[:number], plainer, *records[number + 1 :]]


def _plainer(query: Query) -> Iterator[Query]:
    changes: list[dict[str, Any]] = [{"values": None}] if query.values else []
    changes += [{"where_not": False}] if query.where_not else []
    changes += [{"order": query.order[:i] + query.order[i + 1 :]} for i in range(len(query.order))]
    changes += [
        {"slices": query.slices[:i] + query.slices[i + 1 :]} for i in range(len(query.slices))
    ]
    if query.condition is not None:
        changes += [{"condition": one} for one in (None, *simpler(query.condition))]
    for change in changes:
        yield replace(query, **change)
