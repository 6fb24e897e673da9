"""References on every engine: the same answers, and the same documents after deletes by rules."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Annotated, Any
from uuid import UUID

import pytest
from pydantic import BaseModel, Field

from docmap import BaseStorageAdapter, Document, OnDelete, Ref, ReferencedDocument, connect
from docmap.query.conditions import Q
from docmap.query.evaluate import matches
from docmap.schema.bind import bind
from tests.storage.bare import Bare


class Numbered(Document):
    id: int


class Unique(Document):
    id: UUID


class Part(BaseModel):
    numbered: Ref[Numbered] | None = None
    many: list[Ref[Unique]] = Field(default_factory=list)


class Holder(Document, indexes=["numbered", "many", "part.numbered"]):
    numbered: Ref[Numbered] | None = None
    other: Ref[Unique] | None = None
    many: list[Ref[Numbered]] = Field(default_factory=list)
    part: Part = Field(default_factory=Part)
    parts: list[Part] = Field(default_factory=list)


@pytest.fixture
def engines() -> Iterator[list[BaseStorageAdapter]]:
    """One storage of each kind."""
    with ExitStack() as stack:
        bare = Bare()
        yield [
            stack.enter_context(storage)
            for storage in (connect("memory://"), connect("sqlite://"), bare)
        ]


def number(rng: random.Random) -> Any:
    """A key of a Numbered in one of its forms."""
    key = rng.randrange(4)
    return rng.choice([key, Ref[Numbered](key), Numbered(id=key)])


def unique(rng: random.Random) -> Any:
    """A key of a Unique in one of its forms."""
    key = UUID(int=rng.randrange(4))
    return rng.choice([key, str(key), Ref[Unique](key), Unique(id=key)])


def part(rng: random.Random) -> dict[str, Any]:
    """A random Part."""
    return {
        "numbered": rng.choice([None, number(rng)]),
        "many": [unique(rng) for _ in range(rng.randrange(3))],
    }


def holder(rng: random.Random, key: int) -> Holder:
    """A random Holder."""
    return Holder.model_validate(
        {
            "id": f"{key:03}",
            "numbered": rng.choice([None, number(rng)]),
            "other": rng.choice([None, unique(rng)]),
            "many": [number(rng) for _ in range(rng.randrange(4))],
            "part": part(rng),
            "parts": [part(rng) for _ in range(rng.randrange(3))],
        }
    )


def condition(rng: random.Random) -> Any:
    """A random condition on references, combined of at most three."""
    name = rng.choice(["numbered", "other", "many", "part__numbered", "part__many", "parts"])
    make = unique if name in {"other", "part__many"} else number
    if name == "parts":
        inner = rng.choice(
            [{"numbered": rng.choice([None, number(rng)])}, {"many__contains": unique(rng)}]
        )
        found = Q(**{f"parts__{rng.choice(['any', 'all'])}": inner})
    elif name in {"many", "part__many"}:
        some = [make(rng) for _ in range(rng.randrange(1, 3))]
        lookup = rng.choice(["contains", "contains_any", "contains_all", "size", "equals"])
        value: Any = {"contains": some[0], "size": len(some)}.get(lookup, some)
        found = Q(**{f"{name}__{lookup}": value})
    else:
        lookup = rng.choice(["equals", "not_equals", "in", "not_in", "is_null", "exists"])
        several = [rng.choice([None, make(rng)]) for _ in range(rng.randrange(3))]
        value = {
            "in": several,
            "not_in": several,
            "is_null": rng.random() < 0.5,
            "exists": rng.random() < 0.5,
        }.get(lookup, rng.choice([None, make(rng)]))
        found = Q(**{f"{name}__{lookup}": value})
    if rng.random() < 0.3:
        found = ~found  # type: ignore[assignment]
    if rng.random() < 0.3:
        more = condition(rng)
        return found & more if rng.random() < 0.5 else found | more
    return found


def test_queries_on_references_agree(engines: list[BaseStorageAdapter], rng: random.Random) -> None:
    holders = [holder(rng, key) for key in range(40)]
    for db in engines:
        db.insert_many([one.model_copy(deep=True, update={"id": one.id}) for one in holders])
    schema = Holder.__docmap_schema__
    trees = {one.id: schema.codec.tree(schema.codec.dump(one)) for one in holders}
    some = 0
    for _ in range(150):
        asked = condition(rng)
        bound = bind(asked.node, schema.names)
        expected = [key for key, tree in trees.items() if matches(bound, tree)]
        some += 0 < len(expected) < len(holders)
        for db in engines:
            found = [one.id for one in db.find(Holder, asked).order_by("id")]
            assert found == expected, (db.scheme, asked)
    assert some > 50, "most conditions should match some documents, and not all"
    for name in ("numbered", "-other", "part.numbered"):
        ordered = [[one.id for one in db.find(Holder).order_by(name)] for db in engines]
        assert ordered[0] == ordered[1] == ordered[2], name


class Root(Document):
    id: int


class Middle(Document):
    id: int
    root: Annotated[Ref[Root] | None, OnDelete("cascade")] = None
    next: Annotated[Ref[Middle] | None, OnDelete("cascade")] = None


class Leaf(Document):
    id: int
    middle: Annotated[Ref[Middle] | None, OnDelete("nullify")] = None
    roots: list[Annotated[Ref[Root], OnDelete("nullify")]] = Field(default_factory=list)
    keeper: Annotated[Ref[Middle] | None, OnDelete("deny")] = None


Graph = dict[type[Document], dict[int, dict[str, Any]]]
COUNT = 8


def graph(rng: random.Random) -> Graph:
    """A random graph of documents, as plain data."""

    def one(chance: float) -> int | None:
        return rng.randrange(COUNT) if rng.random() < chance else None

    keys = range(COUNT)
    return {
        Root: {key: {} for key in keys},
        Middle: {key: {"root": one(0.4), "next": one(0.3)} for key in keys},
        Leaf: {
            key: {
                "middle": one(0.7),
                "roots": [rng.randrange(COUNT) for _ in range(rng.randrange(4))],
                "keeper": one(0.15),
            }
            for key in keys
        },
    }


def expected_after(before: Graph, gone: type[Document], keys: set[int]) -> Graph | None:
    """The meaning of the rules, written anew on plain data; None if it is denied."""
    going: dict[type[Document], set[int]] = {Root: set(), Middle: set()}
    going[gone] = keys & before[gone].keys()
    while True:
        more = {
            key
            for key, one in before[Middle].items()
            if one["root"] in going[Root] or one["next"] in going[Middle]
        }
        if more <= going[Middle]:
            break
        going[Middle] |= more
    if any(one["keeper"] in going[Middle] for one in before[Leaf].values()):
        return None
    after = {
        cls: {k: v for k, v in some.items() if k not in going.get(cls, ())}
        for cls, some in before.items()
    }
    after[Leaf] = {
        key: {
            **one,
            "middle": None if one["middle"] in going[Middle] else one["middle"],
            "roots": [root for root in one["roots"] if root not in going[Root]],
        }
        for key, one in after[Leaf].items()
    }
    return after


def stored(db: BaseStorageAdapter) -> Graph:
    """What a storage holds, as plain data."""
    return {
        cls: {one.pk: one.model_dump(exclude={"id"}) for one in db.find(cls)}
        for cls in (Root, Middle, Leaf)
    }


@pytest.mark.parametrize("_round", range(12))
def test_deletes_by_rules_agree(
    engines: list[BaseStorageAdapter], rng: random.Random, _round: int
) -> None:
    now = graph(rng)
    for db in engines:
        for cls, some in now.items():
            db.insert_many(cls, [{"id": key, **one} for key, one in some.items()])
    for _ in range(4):
        gone: list[type[Document]] = [Root, Middle]
        cls = rng.choice(gone)
        keys = set(rng.sample(range(COUNT), rng.randrange(1, 4)))
        after = expected_after(now, cls, keys)
        for db in engines:
            try:
                count: int | None = db.find(cls, id__in=keys).delete()
            except ReferencedDocument:
                count = None
            assert count == (None if after is None else len(keys & now[cls].keys())), db.scheme
            assert stored(db) == (now if after is None else after), db.scheme
        now = now if after is None else after
