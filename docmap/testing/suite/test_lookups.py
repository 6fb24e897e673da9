"""Every lookup of the vocabulary, on documents with and without indexes, against the reference."""

from __future__ import annotations

import pytest

from docmap import BaseStorageAdapter, Document, Q, path, reference
from docmap.query.lookups import VOCABULARY
from docmap.testing.answers import differences
from docmap.testing.cases import built_in, cases
from docmap.testing.corpus import INDEXED, PLAIN, Writers, fill

_WRITERS = {"plain": PLAIN, "indexed": INDEXED}


@pytest.mark.parametrize("of", _WRITERS.values(), ids=list(_WRITERS))
@pytest.mark.parametrize("lookup", built_in())
def test_lookup(db: BaseStorageAdapter, lookup: str, of: Writers) -> None:
    fill(db, of)
    assert differences(db, of, cases(lookup)) == []


@pytest.mark.parametrize("lookup", built_in())
def test_lookup_where_one_class_writes(db: BaseStorageAdapter, lookup: str) -> None:
    """An engine may trust the types of what the class alone has written."""
    fill(db, INDEXED, foreign=False)
    assert differences(db, INDEXED, cases(lookup), foreign=False) == []


def test_a_lookup_of_the_users_own(db: BaseStorageAdapter) -> None:
    name = "has_length_of_the_suite"
    if name not in VOCABULARY:  # it is registered for good, and the suite runs for many backends

        @reference(name, operand="any")
        def _(stored: object, wanted: object) -> bool:
            return isinstance(stored, str) and len(stored) == wanted

    class Word(Document, collection="own_words"):
        text: str

    db.insert_many([Word(id=text, text=text) for text in ("", "a", "ab", "éé", "abc")])
    found = db.find(Word).where(path("text").lookup(name, 2) | Q(text=""))
    assert sorted(one.text for one in found) == ["", "ab", "éé"]
    assert found.count() == 3
