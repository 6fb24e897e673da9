"""The comparison finds a planner or an engine that is broken on purpose."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar, Final

import pytest

import docmap.plan.split as split_module
import docmap.storage.query as query_module
import docmap_backends._sqlite_queries as sqlite_module
from docmap import BaseStorageAdapter, LookupManager
from docmap.plan.engine import Engine, FieldCodec, Native
from docmap.plan.plan import Plan, Request, make
from docmap.plan.split import Ask, Split, split
from docmap.query.nodes import And, Node, Not, Or
from docmap.query.paths import Path
from docmap_backends._sql import SQL, joined
from docmap_backends._sql_places import place_of
from docmap_backends.sqlite import SQLiteStorage
from tests.differential.adapters import SupersetStorage
from tests.differential.run import run
from tests.differential.zoo import FAMILIES

BATCHES: Final = 60
QUERIES: Final = 30


def not_over_a_superset(node: Node, child: Node, ask: Ask) -> Split:
    part = split(child, ask)
    if part.native is None:
        return Split(None, node)
    return Split(Not(part.native), None if part.residual is None else node)  # type: ignore[arg-type]


def or_residual_dropped(node: Node, parts: tuple[Split, ...]) -> Split:
    if any(part.native is None for part in parts):
        return Split(None, node)
    return Split(Or(tuple(part.native for part in parts)), None)  # type: ignore[misc]


def limit_under_a_residual(engine: Engine, request: Request) -> Plan:
    plan = make(engine, request)
    if request.limit is None or not plan.ordered:
        return plan
    limit = request.limit if plan.exact else request.offset + request.limit
    return plan._replace(native=plan.native._replace(limit=limit))


def three_valued(condition: Any) -> SQL:
    """What is rendered where null is compared by `=`, and NOT of unknown is unknown."""
    match condition:
        case Native(sql):
            return sql  # type: ignore[no-any-return]
        case And(children):
            return joined(" AND ", map(three_valued, children)) if children else SQL("1")
        case Or(children):
            return joined(" OR ", map(three_valued, children)) if children else SQL("0")
        case Not(child):
            inner = three_valued(child)
            return SQL(f"(NOT {inner.text})", inner.parameters)
    raise TypeError(condition)


class LikeCalledExact(SQLiteStorage):
    """SQLite's LIKE does not know case; here its form is said to be exact."""

    lookups: ClassVar[LookupManager] = LookupManager(SQLiteStorage.lookups)


@LikeCalledExact.lookups.register("like")
def like(path: Path, value: Any, codec: FieldCodec) -> Native:
    place = place_of(path, codec)
    return Native(SQL(f"{place.value} LIKE ? ESCAPE '\\'", (value,)))


@LikeCalledExact.lookups.register("startswith")
def startswith(path: Path, value: Any, codec: FieldCodec) -> Native:
    return like(path, value + "%", codec)


@dataclass(frozen=True)
class Mutant:
    """An adapter, and what is put in the place of what."""

    adapter: type[BaseStorageAdapter]
    apply: Callable[[pytest.MonkeyPatch], None] = lambda _: None
    sound: type[BaseStorageAdapter] | None = None
    """The adapter to which the mutant is compared, if another class is the mutant."""


def _replaces(module: Any, name: str, mutation: Any) -> Callable[[pytest.MonkeyPatch], None]:
    assert hasattr(module, name)
    return lambda patch: patch.setattr(module, name, mutation)


_NOT: Final = _replaces(split_module, "_complement", not_over_a_superset)
_OR: Final = _replaces(split_module, "_any", or_residual_dropped)
_LIMIT: Final = _replaces(query_module, "make", limit_under_a_residual)
MUTANTS: Final = {
    "NOT over a superset": Mutant(SupersetStorage, _NOT),
    "NOT over a superset, SQLite": Mutant(SQLiteStorage, _NOT),
    "limit under a residual": Mutant(SupersetStorage, _LIMIT),
    "limit under a residual, SQLite": Mutant(SQLiteStorage, _LIMIT),
    "LIKE called exact": Mutant(LikeCalledExact, sound=SQLiteStorage),
    "= for IS": Mutant(SQLiteStorage, _replaces(sqlite_module, "render", three_valued)),
    "OR residual dropped": Mutant(SupersetStorage, _OR),
    "OR residual dropped, SQLite": Mutant(SQLiteStorage, _OR),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_caught(name: str, seed: int) -> None:
    mutant = MUTANTS[name]
    with ExitStack() as stack:
        broken, sound = (
            stack.enter_context(adapter())
            for adapter in (mutant.adapter, mutant.sound or mutant.adapter)
        )
        for number in range(BATCHES):
            family = FAMILIES[number % len(FAMILIES)]
            case = f"{seed} {number}"
            with pytest.MonkeyPatch.context() as patch:
                mutant.apply(patch)
                found = run(broken, family, Random(case), QUERIES, small=False)
            if found is not None:
                assert run(sound, family, Random(case), QUERIES) is None
                return
    pytest.fail(f"{BATCHES * QUERIES} queries did not find out: {name}")
