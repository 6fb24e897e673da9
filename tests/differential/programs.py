"""What programs over everything at once are made of, and what is compared of their results."""

from __future__ import annotations

from itertools import count
from typing import Any, Final

from hypothesis import strategies as st

from docmap import BulkError, Document
from docmap.storage.hooks import Hooks
from docmap.storage.loading import state_of
from docmap_backends.memory import MemoryStorage
from tests.differential.combined import CLASSES

KEYS: Final = st.integers(1, 5)
OWNERS: Final = st.one_of(st.none(), st.integers(1, 2))
NAMES: Final = st.sampled_from(["a", "b", "c", "a", "b", "veto"])
RANKS: Final = st.integers(-5, 5)
CODES: Final = st.sampled_from([None, None, "p", "q", "s"])
TAGS: Final = st.lists(st.sampled_from("xyzuvw"), max_size=2)
KINDS: Final = st.sampled_from(CLASSES)
CONDITIONS: Final = st.sampled_from(
    [
        {},
        {"rank__gte": 1},
        {"name": "a"},
        {"tags__contains": "x"},
        {"id__lte": 3},
        {"friend": 1},
        {"box__code": "p"},
        {"name__matches": "[ab]"},
    ]
)
SHARED: Final = st.sampled_from([{}, {"rank__gte": 1}, {"tags__contains": "x"}, {"id__lte": 3}])
"""Conditions on what every class of the collection has."""
ITEMS: Final = st.fixed_dictionaries(
    {"name": NAMES, "id": KEYS},
    optional={
        "rank": RANKS,
        "box": st.fixed_dictionaries({"code": CODES}),
        "tags": TAGS,
        "friend": OWNERS,
        "boss": OWNERS,
        "guard": OWNERS,
        "power": st.sampled_from([1, 13]),
    },
)
CHANGES: Final[dict[str, Any]] = {
    "inc": st.builds(lambda by: {"rank__inc": by}, st.integers(-3, 3)),
    "set": st.builds(lambda n: {"name": n}, st.sampled_from("abc")),
    "push": st.builds(lambda tag: {"tags__push": tag}, st.sampled_from("xyzuvw")),
    "pull": st.builds(lambda tag: {"tags__pull": tag}, st.sampled_from("xyzuvw")),
    "code": st.builds(lambda code: {"box__code": code}, CODES),
    "both": st.builds(
        lambda by, code: {"box__size__inc": by, "box__code": code}, st.integers(0, 30), CODES
    ),
    "unset": st.just({"box__code__unset": True}),
    "friend": st.builds(lambda owner: {"friend": owner}, OWNERS),
}
UPDATES: Final = st.one_of(*CHANGES.values())
HOW: Final = st.sampled_from(["save", "insert", "upsert"])


class PlainMemory(MemoryStorage):
    """Memory without transactions, so that it can be compared with what has none."""

    _transaction = Hooks._transaction  # type: ignore[assignment]


class Numbers:
    """First revisions one after the other: the number of writes since stands in the low bits."""

    def __init__(self) -> None:
        self._next = count(1)

    def getrandbits(self, _: int) -> int:
        return next(self._next) << 20


def shown(value: Any) -> Any:
    """What is compared of a result."""
    if isinstance(value, Document):
        state = state_of(value)
        revision = None if state is None else state.revision & 0xFFFFF
        return type(value).__name__, value.model_dump(), value.is_new, revision
    if isinstance(value, list):
        return [shown(one) for one in value]
    if isinstance(value, tuple):
        return tuple(shown(one) for one in value)
    return value


def failure(error: Exception) -> Any:
    """What is compared of an error."""
    if isinstance(error, BulkError):
        failed = [(one.position, one.key, type(one.error)) for one in error.failed]
        return type(error), error.done, error.written, failed
    where = getattr(error, "index", None), getattr(error, "fields", None)
    return type(error), getattr(error, "done", None), getattr(error, "key", None), where
