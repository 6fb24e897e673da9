"""Random updates, and what they must make of the stored documents, by the reference alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final

from pydantic import ValidationError

from docmap import BaseStorageAdapter, Change, DocmapError, InvalidQuery, InvalidValue, Q, path
from docmap.query.changes import Update
from docmap.query.paths import Path, getter
from docmap.query.updates import apply
from docmap.schema.bind_updates import bind_update
from docmap.schema.readers import to_wire
from docmap.schema.rewrite import check_value
from docmap.storage.loading import schema_of
from docmap.values import order_key
from tests.differential import oracle
from tests.differential.asks import Query
from tests.differential.kinds import ANY, LISTS, NUMBERS, ORDERED, UNTYPED, Kind, make
from tests.differential.pools import DICT_KEYS
from tests.differential.zoo import Family, Record

Names = tuple[Any, ...]


@dataclass(frozen=True)
class Outcome:
    """What an update leaves: the trees by key, and the error that it raised with its key."""

    trees: dict[Any, Any]
    count: int
    error: str = ""
    key: Any = None


def random_changes(rng: Random, of: Family) -> list[Change]:
    """Up to three changes of different places."""
    found: dict[Any, Change] = {}
    for _ in range(rng.choice((1, 1, 2, 3))):
        names, kind = _place(rng, of)
        found.setdefault(names[0], _change(rng, of, names, kind))
    return list(found.values())


def _place(rng: Random, of: Family) -> tuple[Names, Kind]:
    if of.foreign is None:
        names: Names = (rng.choice(("a", "b", "size", "0", 'q"uote', "a.b", "é", "")),)
        while rng.random() < 0.3:
            names = (*names, rng.choice((0, 1, "a", "b", "k", "0")))
        return names, ANY
    name = rng.choice([name for name in of.root.fields if name != "id"])
    names, kind = (name,), of.root.fields[name][1]
    while rng.random() < 0.6:
        if kind.name == "model":
            name = rng.choice(list(kind.fields))
            names, kind = (*names, name), kind.fields[name][1]
        elif kind.name == "list":
            names, kind = (*names, rng.choice((0, 0, 1, 2))), kind.inner
        elif kind.name == "dict":
            names, kind = (*names, rng.choice(DICT_KEYS)), kind.inner
        elif kind.name == "any":
            names = (*names, rng.choice((0, "a", "b", "k", "$decimal")))
        else:
            break
    return names, kind


def _change(rng: Random, of: Family, names: Names, kind: Kind) -> Change:
    place = path(*names)
    value = make(rng, kind)
    choices: list[Callable[[], Change]] = [lambda: place.set(value)] * 3
    choices += [place.unset, lambda: place.set(None)]
    if kind.name in NUMBERS | UNTYPED:
        choices += [lambda: place.inc(value), lambda: place.mul(value)] * 2
        choices += [lambda: place.inc(rng.choice((0, 1, 2))), lambda: place.mul(2)]
    if kind.name in ORDERED:
        choices += [lambda: place.min(value), lambda: place.max(value)] * 2
    if kind.name in LISTS | {"any"}:
        elements = [make(rng, kind.inner) for _ in range(rng.choice((0, 1, 2)))]
        position, keep = rng.choice((None, 0, 1, 5)), rng.choice((None, None, 0, 2, -2))
        choices += [
            lambda: place.push(*elements, position=position, keep=keep),
            lambda: place.add_to_set(*elements, *elements[:1]),
            lambda: place.pull(*elements),
            lambda: place.pull(Q(is_null=True) | Q(equals=rng.choice((*elements, None)))),
            lambda: place.pop(rng.choice(("first", "last"))),
        ]
    if kind.name == "model":
        choices += [lambda: place.set({"name": "made"})]
    if rng.random() < 0.1:
        return place.rename(path(*_place(rng, of)[0]))
    return rng.choice(choices)()


def bound(of: Family, changes: Sequence[Change]) -> Update | None:
    """The bound update; None if it is refused before anything is read."""
    schema = schema_of(of.model)
    try:
        return bind_update(changes, {}, schema.names, frozenset({"id"}))
    except (InvalidQuery, InvalidValue):
        return None


def expected(update: Update, records: Sequence[Record], chosen: Sequence[Record]) -> Outcome:
    """What the reference makes of the documents, up to the first in key order that fails."""
    trees = {order_key(record.key): record.values for record in records}
    done = 0
    for record in sorted(chosen, key=lambda record: order_key(record.key)):
        try:
            changed, touched = apply(update, record.values)
            for place in touched:
                value = getter(Path(place.segments))(changed)
                check_value(place.kind, to_wire(place.kind, value))
        except (DocmapError, ValidationError) as error:
            name = "InvalidValue" if isinstance(error, ValidationError) else type(error).__name__
            return Outcome(trees, done, name, record.key)
        trees[order_key(record.key)] = changed
        done += 1
    return Outcome(trees, done)


def difference(
    storage: BaseStorageAdapter,
    of: Family,
    records: Sequence[Record],
    query: Query,
    changes: Sequence[Change],
) -> str | None:
    """How an update on an engine differs from the reference; None if they agree."""
    query = replace(query, slices=(), values=None)
    update = bound(of, changes)
    asked = query.on(storage, of.model)
    if update is None:
        return _refused(asked, changes)
    wanted = expected(update, records, oracle.answer(query, records))
    revisions = _revisions(storage, of)
    found: Any = None
    error = ""
    try:
        found = asked.update(*changes)
    except DocmapError as failure:
        error, found = type(failure).__name__, failure
    if error != wanted.error:
        return f"{found!r} instead of {wanted.error or wanted.count}"
    undone = bool(error) and "transactions" in storage.abilities
    if error and (found.key, found.done) != (wanted.key, 0 if undone else wanted.count):
        return f"failed at {found.key!r} after {found.done}, not {wanted.key!r} {wanted.count}"
    if not error and (found.matched, found.modified) != (wanted.count, wanted.count):
        return f"{found!r} instead of {wanted.count}"
    trees = {order_key(r.key): r.values for r in records} if undone else wanted.trees
    risen = 0 if undone else wanted.count
    return _contents(storage, of, trees) or _risen(revisions, _revisions(storage, of), risen)


def _refused(asked: Any, changes: Sequence[Change]) -> str | None:
    try:
        done = asked.update(*changes)
    except (InvalidQuery, InvalidValue):
        return None
    return f"was not refused: {done}"


def _contents(storage: BaseStorageAdapter, of: Family, trees: dict[Any, Any]) -> str | None:
    found = {order_key(tree["id"]): tree for tree in storage.find(of.model).raw()}
    for key, tree in trees.items():
        if oracle.exact(found[key]) != oracle.exact(tree):
            names = [n for n in {*tree, *found[key]} if _differs(n, tree, found[key])]
            return "; ".join(f"{n}: {found[key].get(n)!r} not {tree.get(n)!r}" for n in names)
    return None if len(found) == len(trees) else "the number of documents"


def _differs(name: str, one: Any, other: Any) -> bool:
    return bool(oracle.exact(one.get(name, ...)) != oracle.exact(other.get(name, ...)))


def _revisions(storage: BaseStorageAdapter, of: Family) -> list[int]:
    return sorted(revision for _, revision in storage._scan(schema_of(of.model)))


def _risen(before: list[int], after: list[int], risen: int) -> str | None:
    return None if sum(after) - sum(before) == risen else "the revisions did not rise by one each"


def changed_records(of: Family, records: Sequence[Record], outcome: Outcome) -> list[Record]:
    """The records with the values that they have after an update."""
    found = []
    for record in records:
        copy = Record(record.writer, record.document, record.kind)
        copy.__dict__["values"] = outcome.trees[order_key(record.key)]
        found.append(copy)
    return found


UPDATES: Final = 25
