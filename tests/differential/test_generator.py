"""The random queries ask everything there is to ask, and find something."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Final

from tests.differential import oracle
from tests.differential.asks import Ask, Both, Contrary, Either, Elements, Leaf
from tests.differential.run import batch
from tests.differential.zoo import FAMILIES

LOOKUPS: Final = frozenset(
    """equals not_equals gt gte lt lte between in not_in contains icontains contains_any
    contains_all startswith istartswith endswith iendswith iexact matches matches_caseless like
    exists is_null year month day hour weekday size any all""".split()
)


def _parts(ask: Ask) -> Iterator[Ask]:
    yield ask
    match ask:
        case Elements(condition=inner) | Contrary(inner):
            yield from _parts(inner)
        case Both(children) | Either(children):
            for child in children:
                yield from _parts(child)


def _depth(ask: Ask) -> int:
    return 1 + max((_depth(part) for part in _parts(ask) if part is not ask), default=0)


def test_everything_is_asked(seed: int) -> None:
    rng = Random(seed)
    asked: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for family in FAMILIES:
        records, queries = batch(rng, family)
        for query, _ in zip(queries, range(150), strict=False):
            found = len(oracle.answer(query, records))
            sizes["none" if not found else "all" if found == len(records) else "some"] += 1
            asked["order"] += bool(query.order)
            asked["mixed order"] += len({order.descending for order in query.order}) > 1
            asked["slice"] += bool(query.slices)
            asked["values"] += query.values is not None
            for part in _parts(query.condition) if query.condition else ():
                asked[type(part).__name__] += 1
                if isinstance(part, Leaf):
                    asked.update((part.lookup, part.style))
                elif isinstance(part, Elements):
                    asked[part.quantifier] += 1
            asked["deep"] += query.condition is not None and _depth(query.condition) > 3
    for name in (*LOOKUPS, "order", "mixed order", "slice", "values", "deep", "Contrary"):
        assert asked[name] >= 10, name
    for style in ("keyword", "path", "operator", "method"):
        assert asked[style] > 100, style
    assert sizes["some"] > 0.25 * sizes.total(), sizes
