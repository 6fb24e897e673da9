"""The documents of the query tests: each field's awkward values, nulls, gaps and foreign types."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from docmap import BaseStorageAdapter, Document
from docmap.testing.models import Everything, Indexes, Item
from docmap.testing.pools import POOLS


class Older(Document, collection="everything"):
    """Wrote its documents before there were other fields."""

    whole: int | None = None
    word: str | None = None


class OlderIndexes(Document, collection="indexed"):
    """The same beside the documents with indexes."""

    whole: int | None = None
    word: str | None = None


class Foreign(Document, collection="everything", extra="allow"):
    """Another program, which stores other types at the same places."""


class ForeignIndexes(Document, collection="indexed", extra="allow"):
    """The same beside the documents with indexes."""


@dataclass(frozen=True, slots=True)
class Writers:
    """The classes that write into one collection."""

    model: type[Everything]
    older: type[Document]
    foreign: type[Document]


PLAIN: Final = Writers(Everything, Older, Foreign)
INDEXED: Final = Writers(Indexes, OlderIndexes, ForeignIndexes)
_FOREIGN: Final[tuple[dict[str, Any], ...]] = (
    {"whole": True, "flag": 1, "ratio": 1, "price": 1, "word": 1, "moment": 5, "thing": "1"},
    {"whole": "5", "flag": "true", "ratio": "1.0", "price": "x", "word": ["a"], "words": "abc"},
    {"whole": 1.5, "flag": 0, "ratio": True, "price": 1.5, "word": True, "numbers": 5, "box": [1]},
    {"whole": [5], "day": 5, "uid": 1, "words": ["a", 1, None, ["a"]], "tags": "a", "address": "a"},
    {
        "whole": 5.0,
        "colour": 1,
        "address": [{"city": "a"}],
        "items": {"0": {"sku": "a"}},
        "box": "k",
    },
)


def documents(of: Writers, *, foreign: bool = True) -> list[Document]:
    """The documents of a collection, the same in each run, in no order that means something."""
    rng = random.Random(5)
    found = list(_documents(of, rng))
    if foreign:
        found += [of.foreign(id=f"x{n}", **values) for n, values in enumerate(_FOREIGN)]
    rng.shuffle(found)
    return found


def _documents(of: Writers, rng: random.Random) -> Iterator[Document]:
    columns = {name: rng.sample(values, len(values)) for name, values in POOLS.items()}
    for number in range(max(map(len, columns.values()))):
        given = {
            name: values[number % len(values)]
            for name, values in columns.items()
            if number < len(values) or rng.random() < 0.6
        }
        yield of.model(id=f"k{number:02}", **given)
    yield of.model(id="K01", whole=1, word="a")
    yield of.model(id="null")
    yield of.model(id="many", items=[Item(sku="c", qty=n) for n in range(12)])
    yield of.older(id="old", whole=1, word="a")  # type: ignore[call-arg]
    yield of.older(id="old2")


def fill(storage: BaseStorageAdapter, of: Writers, *, foreign: bool = True) -> None:
    """Store the documents, class by class."""
    by_class: dict[type[Document], list[Document]] = {}
    for document in documents(of, foreign=foreign):
        by_class.setdefault(type(document), []).append(document)
    for found in by_class.values():
        storage.insert_many(found)
