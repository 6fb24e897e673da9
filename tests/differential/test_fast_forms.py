"""The compiled forms of common lookups answer as the reference functions do."""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docmap.query import fast
from docmap.query.evaluate import Predicate, predicate
from docmap.query.nodes import And, Compare, Element, Node, Not, Or
from docmap.query.paths import Path, getter
from docmap.values import MISSING, bracket
from tests.differential.kinds import SCALARS, logical
from tests.differential.pools import POOLS, TEXTS

SCALAR: Final = st.sampled_from(
    [logical(SCALARS[name], value) for name, pool in POOLS.items() for value in pool]
)
VALUE: Final = st.one_of(
    SCALAR,
    SCALAR,
    st.none(),
    st.lists(SCALAR, max_size=2),
    st.dictionaries(st.sampled_from(["a", "b"]), SCALAR, max_size=2),
)
ORDERED: Final = SCALAR.filter(lambda value: not isinstance(value, (bool, bytes)))
OPERANDS: Final[dict[str, st.SearchStrategy[Any]]] = {
    "equals": VALUE,
    "in": st.lists(VALUE, max_size=4).map(tuple),
    "gt": ORDERED,
    "gte": ORDERED,
    "lt": ORDERED,
    "lte": ORDERED,
    "between": st.tuples(ORDERED, ORDERED),
    "startswith": st.sampled_from(TEXTS),
}
PATHS: Final = st.sampled_from([Path(("a",)), Path(("a", "b")), Path(("b", "a", "a")), Path()])
NAMES: Final = st.sampled_from(["a", "b"])
TREES: Final = st.recursive(
    VALUE | st.just(MISSING), lambda inner: st.dictionaries(NAMES, inner, max_size=2), max_leaves=4
)


@st.composite
def comparisons(draw: st.DrawFn) -> Compare:
    lookup = draw(st.sampled_from(sorted(OPERANDS)))
    return Compare(draw(PATHS), lookup, draw(OPERANDS[lookup]))


CONDITIONS: Final[st.SearchStrategy[Node]] = st.recursive(
    comparisons(),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda children: And(tuple(children))),
        st.lists(inner, max_size=3).map(lambda children: Or(tuple(children))),
        inner.map(Not),
        inner.map(lambda condition: Element(Path(("a",)), "any", condition)),
        inner.map(lambda condition: Element(Path(("a",)), "all", condition)),
    ),
    max_leaves=4,
)


def test_every_form_is_tried() -> None:
    assert OPERANDS.keys() == fast._FORMS.keys()


@given(comparisons(), TREES)
def test_a_comparison_is_as_its_reference_function(node: Compare, tree: Any) -> None:
    assert fast.compiled(node)(tree) is predicate(node)(tree)


@given(CONDITIONS, TREES)
def test_a_condition_is_as_the_evaluator(node: Node, tree: Any) -> None:
    assert fast.compiled(node)(tree) is predicate(node)(tree)


@given(CONDITIONS, st.lists(TREES, min_size=1, max_size=3))
def test_columns_give_the_same(node: Node, trees: list[Any]) -> None:
    def column(path: Path) -> Any:
        return [getter(path)(tree) for tree in trees].__getitem__

    by_column: Predicate = fast.compiled(node, column)
    assert [by_column(row) for row in range(len(trees))] == [predicate(node)(t) for t in trees]


@pytest.mark.parametrize("lookup", sorted(OPERANDS))
def test_a_form_that_ignores_types_is_caught(lookup: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast, "_bracket", lambda _: frozenset({int, bool, str, type(None)}))
    monkeypatch.setitem(fast._FORMS, "startswith", lambda get, _: lambda tree: bool(get(tree)))
    stored = ["a", 1, True, None, "1"]
    wanted: dict[str, Any] = {"in": (1, "b"), "between": (0, 1), "startswith": "b"}
    node = Compare(Path(), lookup, wanted.get(lookup, 1))
    assert bracket(True) != bracket(1)
    with pytest.raises((AssertionError, TypeError)):
        assert [fast.compiled(node)(one) for one in stored] == [
            predicate(node)(one) for one in stored
        ]
