"""The operations of the workload: what is timed, what its answer is, and which ratio is wanted."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from benchmarks.contestant import Contestant, Orders
from benchmarks.views import Brief
from benchmarks.workload import Row, Workload, more_rows

Answer = tuple[Any, ...]


@dataclass(slots=True)
class Sample:
    """What one repeat of an operation works on: the same for every contestant."""

    work: Workload
    calls: int
    keys: list[str]
    """Keys to read, one for each call."""
    rows: list[Row]
    """Rows that are not stored, one for each call."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One line of the table."""

    name: str
    act: Callable[[Contestant, Sample], Any]
    """What is timed."""
    answer: Callable[[Any], Answer]
    """Counts and sums of what `act` returned, which must be alike for all contestants."""
    targets: Mapping[str, float]
    """For each engine the ratio to hand-written code that docmap may have at most."""
    calls: int = 1
    """How often one timing repeats the operation; the time of one call is reported."""
    per_document: bool = False
    """The time is divided by the number of all documents."""
    fresh: bool = False
    """Works on a new and empty store."""
    undo: Callable[[Contestant, Sample], None] | None = None
    """What brings the store back to what it was; not timed."""
    large: Mapping[str, float] = field(default_factory=dict)
    """The targets at 100,000 documents, where they differ."""
    alone: bool = False
    """Only docmap and hand-written code take part."""


def sample_of(operation: Operation, work: Workload, repeat: int, calls: int) -> Sample:
    """The random choices of one repeat."""
    chance = random.Random(f"{operation.name} {repeat}")
    keys = [chance.choice(work.rows)["id"] for _ in range(calls)]
    rows = more_rows(repeat, calls) if operation.undo is not None else []
    return Sample(work, calls, keys, rows)


def _of_orders(orders: Orders) -> Answer:
    total = sum((order.total for order in orders), Decimal(0))
    pieces = sum(item.qty for order in orders for item in order.items)
    return (len(orders), total, pieces, sum(len(order.tags) for order in orders))


def _of_briefs(briefs: list[Brief]) -> Answer:
    days = {brief.created_at.date() for brief in briefs}
    return (len(briefs), sum((brief.total for brief in briefs), Decimal(0)), len(days))


def _in_order(orders: Orders) -> Answer:
    return (*(order.id for order in orders), *_of_orders(orders))


def _plain(value: Any) -> Answer:
    return tuple(value) if isinstance(value, list) else (value,)


def _insert_all(contestant: Contestant, sample: Sample) -> Contestant:
    contestant.insert_all(sample.work.rows)
    return contestant


def _insert(contestant: Contestant, sample: Sample) -> Contestant:
    for row in sample.rows:
        contestant.insert(row)
    return contestant


def _delete_inserted(contestant: Contestant, sample: Sample) -> None:
    contestant.delete([row["id"] for row in sample.rows])


def _get(contestant: Contestant, sample: Sample) -> Orders:
    return [contestant.get(key) for key in sample.keys]


def _page(contestant: Contestant, sample: Sample) -> Orders:
    orders: Orders = []
    for _ in range(sample.calls):
        orders = contestant.page(sample.work.since, sample.work.until)
    return orders


def _note(contestant: Contestant, sample: Sample) -> tuple[int, Contestant]:
    return contestant.note(f"for {sample.keys[0]}"), contestant


def _noted(result: tuple[int, Contestant]) -> Answer:
    changed, contestant = result
    return (changed, *{order.note for order in contestant.of_status_and_country()})


def _raise_amounts(contestant: Contestant, sample: Sample) -> tuple[int, Contestant]:
    return contestant.raise_amounts(1.25), contestant


def _raised(result: tuple[int, Contestant]) -> Answer:
    changed, contestant = result
    return (changed, round(sum(order.amount for order in contestant.of_status_and_country()), 4))


def _times(act: Callable[[Contestant], Any]) -> Callable[[Contestant, Sample], Any]:
    """The operation as often as the sample says; the last result."""

    def repeated(contestant: Contestant, sample: Sample) -> Any:
        result = None
        for _ in range(sample.calls):
            result = act(contestant)
        return result

    return repeated


def _all(ratio: float, *, but: str = "") -> dict[str, float]:
    engines = ("sqlite", "memory", "leveldb", "leveldb-unsynced", *_SERVERS)
    return dict.fromkeys((engine for engine in engines if engine != but), ratio)


_SERVERS: Final = ("postgresql", "mongodb")
_ON_SERVERS: Final = dict.fromkeys(_SERVERS, 1.2)


OPERATIONS: Final = (
    Operation(
        "bulk insert, per document",
        _insert_all,
        lambda contestant: (contestant.size(),),
        _all(1.3),
        per_document=True,
        fresh=True,
    ),
    Operation(
        "insert one",
        _insert,
        lambda contestant: (contestant.size(),),
        _all(1.2),
        calls=100,
        undo=_delete_inserted,
    ),
    Operation("get by key", _get, _in_order, {**_all(1.5), **_ON_SERVERS}, calls=400),
    Operation(
        "status + country, indexed, all",
        _times(lambda c: c.of_status_and_country()),
        _of_orders,
        _all(1.1),
        calls=3,
    ),
    Operation(
        "range + sort desc + first 20",
        _page,
        _in_order,
        _all(1.25),
        calls=40,
    ),
    Operation(
        "no index, 1 % found (float)",
        _times(lambda c: c.of_amount()),
        _of_orders,
        _all(1.1),
        calls=2,
    ),
    Operation(
        "no index, 1 % found (text)",
        _times(lambda c: c.of_name()),
        _of_orders,
        _all(1.1),
        calls=2,
    ),
    Operation(
        "tag contained",
        _times(lambda c: c.tagged()),
        _of_orders,
        _all(1.1, but="memory"),
        calls=3,
    ),
    Operation(
        "count of the indexed query",
        _times(lambda c: c.count()),
        _plain,
        _all(1.5),
        calls=40,
    ),
    Operation(
        "distinct countries",
        _times(lambda c: c.countries()),
        _plain,
        _all(1.25, but="memory"),
        calls=5,
    ),
    Operation(
        "count, sum, avg of all (float)",
        _times(lambda c: c.summary()),
        lambda row: (row[0], round(row[1], 4), round(row[2], 8)),
        _all(1.25),
        calls=5,
        alone=True,
    ),
    Operation(
        "sum by status (Decimal)",
        _times(lambda c: c.revenues()),
        _plain,
        _all(1.25),
        calls=5,
        alone=True,
    ),
    Operation(
        "load all, per document",
        _times(lambda c: c.all()),
        _of_orders,
        _all(1.05),
        per_document=True,
        large=_all(0.6),
    ),
    Operation(
        "view 3 fields, pydantic",
        _times(lambda c: c.briefs()),
        _of_briefs,
        _all(1.1),
        per_document=True,
        alone=True,
    ),
    Operation(
        "view all as msgspec Structs",
        _times(lambda c: c.structs()),
        _of_orders,
        _all(1.1),
        per_document=True,
        alone=True,
    ),
    Operation(
        "update 5 %, set",
        _note,
        _noted,
        _all(1.2),
        alone=True,
    ),
    Operation(
        "update 5 %, inc",
        _raise_amounts,
        _raised,
        _all(1.2),
        alone=True,
    ),
)
