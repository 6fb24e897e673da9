"""Bulk inserts of documents of several classes of a family: one commit for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, groupby
from typing import TYPE_CHECKING, Any

from docmap.errors import DuplicateKey
from docmap.schema.schema import Schema
from docmap.storage.batches import Batch
from docmap.storage.loading import schema_of
from docmap.storage.writes import Write

if TYPE_CHECKING:
    from docmap.storage.base import BaseStorageAdapter


def runs(documents: Iterable[Any], *, mix: bool = False) -> Iterator[tuple[Schema, Iterable[Any]]]:
    """Documents in a row that go into one batch: of one class, or to `mix` of one family."""

    def together(document: Any) -> Any:
        schema = schema_of(type(document))
        family = schema.family
        return type(document) if family is None or family.alone or schema.expiry else family

    if not mix:
        yield from ((schema_of(kind), run) for kind, run in groupby(documents, type))
        return
    for _, run in groupby(documents, together):
        for first in run:
            yield schema_of(type(first)), chain((first,), run)  # noqa: B031 - what is left of it


def mixed(batch: Batch[tuple[Any, Write]]) -> bool:
    """True if a batch has documents of more than one class."""
    return len({type(document) for document, _ in batch.ready}) > 1


def save_together(storage: BaseStorageAdapter, batch: Batch[tuple[Any, Write]]) -> list[int] | None:
    """Insert the documents of several classes; their revisions, None if one by one is needed.

    One that fails may be in the middle: then nothing was written, for those before it shall stay
    and those after it shall not be.
    """
    if "transactions" not in storage.abilities:
        return None
    places: dict[type, list[int]] = {}
    for place, (document, _) in enumerate(batch.ready):
        places.setdefault(type(document), []).append(place)
    revisions = [0] * len(batch.ready)
    try:
        with storage._transaction():
            for kind, mine in places.items():
                writes = [batch.ready[place][1] for place in mine]
                for place, revision in zip(
                    mine, storage._save_many(schema_of(kind), writes), strict=True
                ):
                    revisions[place] = revision
    except DuplicateKey:
        return None
    return revisions


def by_class(
    batch: Batch[tuple[Any, Write]],
) -> Iterator[tuple[Schema, Batch[tuple[Any, Write]]]]:
    """The parts of a batch that are of one class each, in order."""
    pairs = zip(batch.ready, batch.positions, strict=True)
    for kind, run in groupby(pairs, lambda pair: type(pair[0][0])):
        part: Batch[tuple[Any, Write]] = Batch()
        ready, positions = zip(*run, strict=True)
        part.add(ready, positions)
        yield schema_of(kind), part
