"""What a document's bytes rule out does not match, however the JSON is written."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docmap.query.fast import compiled
from docmap.query.nodes import And, Compare, Or
from docmap.query.paths import Path
from docmap.schema.types import FieldType
from docmap_backends._keyvalue_probe import probe

TEXT, FLOAT, INT = FieldType("str"), FieldType("float"), FieldType("int")
_numbers = st.one_of(
    st.integers(-3, 3),
    st.sampled_from([2**53, 2**53 + 1, 2**63 - 1, 0.1, 1e300, -0.0, 1e-7]),
    st.floats(allow_nan=False, allow_infinity=False),
)
_texts = st.text(st.sampled_from('ab"\\é\n'), max_size=3)
_values = st.one_of(_numbers, _texts, st.none(), st.booleans())
_names = st.sampled_from(["a", "b", "a\\", "é"])
_trees = st.dictionaries(
    _names,
    st.one_of(_values, st.lists(_values, max_size=2), st.dictionaries(_names, _values)),
    max_size=4,
)
_operands = st.one_of(_numbers, st.decimals("-5", "5", places=2))


def _comparisons() -> st.SearchStrategy[Any]:
    paths = st.sampled_from([Path(("a",)), Path(("b", "a")), Path(("é",))])
    number = st.builds(
        Compare,
        paths,
        st.sampled_from(["gt", "gte", "lt", "lte", "equals"]),
        _operands,
        st.sampled_from([FLOAT, INT]),
    )
    between = st.builds(
        Compare, paths, st.just("between"), st.tuples(_operands, _operands), st.just(FLOAT)
    )
    text = st.builds(
        Compare, paths, st.sampled_from(["equals", "startswith"]), _texts, st.just(TEXT)
    )
    several = st.builds(
        Compare, paths, st.just("in"), st.lists(_texts, max_size=3).map(tuple), st.just(TEXT)
    )
    one = st.one_of(number, between, text, several)
    return st.one_of(
        one,
        st.lists(one, min_size=1, max_size=3).map(lambda all_of: And(tuple(all_of))),
        st.lists(one, min_size=1, max_size=3).map(lambda any_of: Or(tuple(any_of))),
    )


@given(
    _comparisons(), _trees, st.booleans(), st.sampled_from([(",", ":"), (", ", ": "), (" ,", " :")])
)
def test_what_is_ruled_out_does_not_match(
    node: Any, tree: dict[str, Any], escaped: bool, separators: tuple[str, str]
) -> None:
    may_match = probe(node)
    data = json.dumps(tree, ensure_ascii=escaped, separators=separators).encode()
    if may_match is not None and not may_match(data):
        assert not compiled(node)(tree)


RULED_OUT: Final = {
    "text": Compare(Path(("status",)), "equals", "open", TEXT),
    "texts": Compare(Path(("status",)), "in", ("open", "new"), TEXT),
    "beginning": Compare(Path(("status",)), "startswith", "op", TEXT),
    "number": Compare(Path(("amount",)), "gte", Decimal(10), FLOAT),
    "range": Compare(Path(("amount",)), "between", (10, 20), FLOAT),
}


@pytest.mark.parametrize("name", RULED_OUT)
def test_most_are_ruled_out(name: str) -> None:
    may_match = probe(RULED_OUT[name])
    assert may_match is not None
    assert not may_match(b'{"status":"done","amount":9.5,"note":null}')
    assert may_match(b'{"status":"open","amount":10.0,"note":null}')
