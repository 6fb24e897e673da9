"""The two public surfaces, name by name: what is said in sync words can be said awaited."""

from __future__ import annotations

import inspect
from typing import Any, get_overloads

import pytest

from docmap import BaseStorageAdapter, GroupedQuery, Query, Watch
from docmap.aio import (
    AsyncCollection,
    AsyncGroupedQuery,
    AsyncQuery,
    AsyncStorage,
    AsyncWatch,
)
from docmap.storage.call_options import CallOptions
from docmap.storage.collection import Collection

PAIRS = [
    (BaseStorageAdapter, AsyncStorage),
    (Query, AsyncQuery),
    (GroupedQuery, AsyncGroupedQuery),
    (Collection, AsyncCollection),
    (Watch, AsyncWatch),
]
# For adapters, and for the modules beside the storage.
INNER = {name for name in dir(CallOptions) if name != "options"} | {
    *("all_or_nothing", "check_open", "describe", "make_async", "new_key", "prepare_collection"),
    *("abilities_of", "query_class", "within"),
}
ONLY_AWAITED = {
    "awaited",  # a mark
    *("contains", "count"),  # of a collection: `in` and `len`, which cannot be awaited
    *("scheme", "url"),  # instance attributes there
}
AT_ONCE = {
    # They neither read nor write: they make a query, or say what is known.
    *("where", "where_not", "order_by", "limit", "offset", "after", "options", "fetch"),
    *("on_invalid", "raw", "view", "group_by", "having", "cursor", "batches", "find", "get_query"),
    *("collection", "transaction", "watch", "same", "before", "remove_hook", "on_command"),
}


def public(cls: type) -> set[str]:
    return {name for name in dir(cls) if not name.startswith("_")}


@pytest.mark.parametrize(("sync", "awaited"), PAIRS)
def test_the_names_are_the_same(sync: type, awaited: type) -> None:
    assert public(sync) - INNER - public(awaited) == set()
    assert public(awaited) - public(sync) - ONLY_AWAITED == set()


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    given = inspect.signature(function).parameters.values()
    return [(one.name, one.kind, one.default) for one in given]


@pytest.mark.parametrize(("sync", "awaited"), PAIRS)
def test_the_arguments_are_the_same(sync: type, awaited: type) -> None:
    for name in sorted(public(sync) & public(awaited)):
        mine, theirs = getattr(sync, name), getattr(awaited, name)
        if inspect.isfunction(mine) and inspect.isfunction(theirs):
            assert parameters(mine) == parameters(theirs), name
            assert len(get_overloads(mine)) == len(get_overloads(theirs)), name


@pytest.mark.parametrize(("sync", "awaited"), PAIRS)
def test_what_does_io_is_awaited_and_nothing_else(sync: type, awaited: type) -> None:
    for name in sorted(public(awaited)):
        function = getattr(awaited, name)
        if not inspect.isfunction(function):
            continue
        quick = name in AT_ONCE or (awaited is AsyncGroupedQuery and name == "aggregate")
        if awaited is AsyncStorage and name == "fetch":
            quick = False
        assert inspect.iscoroutinefunction(function) is not quick, name


@pytest.mark.parametrize(("sync", "awaited"), PAIRS)
def test_each_says_what_it_does(sync: type, awaited: type) -> None:
    for name in sorted(public(awaited)):
        assert inspect.getdoc(getattr(awaited, name)), name
