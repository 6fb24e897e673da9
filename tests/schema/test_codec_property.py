"""Saving then loading equals the document, over all of pydantic's field options and types.

The cases by hand stand in three tables beside this file; Hypothesis makes classes of its own.
"""

from __future__ import annotations

import itertools
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import create_model

from docmap import BaseStorageAdapter, Document
from tests.schema import cases_options, cases_types, cases_unions
from tests.schema.same import difference
from tests.schema.strategies import Shape, shapes

CASES = [*cases_options.DOCUMENTS, *cases_types.DOCUMENTS, *cases_unions.DOCUMENTS]


def check_round_trip(db: BaseStorageAdapter, document: Document) -> None:
    """Save, load, save what was loaded, load again: always the same, and memory too."""
    original = deepcopy(document)
    key = db.upsert(document)
    assert difference(document, original) is None, "saving changed the document"
    loaded = db.get(type(document), key)
    assert difference(loaded, original) is None
    assert loaded == original
    assert loaded.changed_fields == frozenset()
    loaded.save()
    assert difference(db.get(type(document), key), original) is None


@pytest.mark.parametrize(
    "document", CASES, ids=[f"{i} {type(case).__name__}" for i, case in enumerate(CASES)]
)
def test_a_document_comes_back(db: BaseStorageAdapter, document: Document) -> None:
    check_round_trip(db, deepcopy(document))


_numbers = itertools.count()


def model_of(fields: dict[str, Shape], config: dict[str, Any]) -> type[Document]:
    """A document class with these fields, in a collection of its own."""
    number = next(_numbers)
    definitions: Any = {name: shape.definition for name, shape in fields.items()}
    return create_model(
        f"Made{number}",
        __base__=Document,
        __cls_kwargs__={"collection": f"made{number}", **config},
        **definitions,
    )


configurations = st.fixed_dictionaries(
    {},
    optional={
        "strict": st.just(True),
        "frozen": st.just(True),
        "extra": st.sampled_from(["ignore", "forbid", "allow"]),
        "validate_assignment": st.booleans(),
        "populate_by_name": st.just(True),
        "alias_generator": st.just(str.upper),
        "ser_json_bytes": st.sampled_from(["utf8", "base64", "hex"]),
        "ser_json_timedelta": st.sampled_from(["iso8601", "float"]),
        "val_json_bytes": st.sampled_from(["utf8", "base64", "hex"]),
        "serialize_by_alias": st.just(True),
    },
)


@given(
    fields=st.dictionaries(st.sampled_from("abcdefgh"), shapes(), min_size=1, max_size=5),
    config=configurations,
    data=st.data(),
)
def test_a_made_document_comes_back(
    db: BaseStorageAdapter, fields: dict[str, Shape], config: dict[str, Any], data: st.DataObject
) -> None:
    model = model_of(fields, config)
    values = {
        name: data.draw(shape.values, label=name)
        for name, shape in fields.items()
        if shape.default.is_required() or data.draw(st.booleans(), label=f"give {name}")
    }
    check_round_trip(db, model.model_construct(**values))
