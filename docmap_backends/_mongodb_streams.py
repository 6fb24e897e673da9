"""Streams from MongoDB: what a query found when it began, whatever is written meanwhile.

What fits into one answer of the server is read at once. Of more the keys are read first, and then
the documents of some keys at a time: one that no longer matches is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

import bson
from bson.raw_bson import DEFAULT_RAW_BSON_OPTIONS, RawBSONDocument

from docmap.plan.engine import Record
from docmap.schema.schema import Schema
from docmap_backends._mongodb_names import ID
from docmap_backends._mongodb_values import OPTIONS, records

_FIRST: Final = 16_384  # documents asked for at once; an answer has 16 MiB at most
_SLICE: Final = 256  # documents that are decoded at a time
_KEYS: Final = 1_000
_KEY_BATCH: Final = 100_000


class Search(NamedTuple):
    """What is read of a collection: a filter, an order, a slice."""

    filter: Mapping[str, Any]
    sort: Sequence[tuple[str, int]] = ()
    skip: int = 0
    limit: int | None = None


class Source(NamedTuple):
    """Where a stream reads: how calls are run, the driver's collection, the caller's session."""

    run: Callable[..., Any]
    close: Callable[[Any], None]
    collection: Any
    session: Any
    schema: Schema


def stream(source: Source, search: Search) -> Iterator[Record]:
    """The records that a search finds, in its order."""
    if search.limit == 0:  # which the server would take for none at all
        return
    first, complete = _first(source, search)
    if complete:
        for part in _slices(_once(first, set()) if search.filter or search.sort else first):
            yield from records(source.schema, part)
        return
    del first
    keys = iter(_keys(source, search))
    while some := list(islice(keys, _KEYS)):
        yield from _by_key(source, search, some)


def _first(source: Source, search: Search) -> tuple[bytes, bool]:
    """The documents of the first answer, and whether they are all."""
    wanted = _FIRST if search.limit is None else min(search.limit, _FIRST)
    cursor = _find(source, search, batch=wanted + 1)
    try:
        raw = _next(source, cursor)
        return raw, not cursor.alive
    finally:
        source.close(cursor)


def _find(source: Source, search: Search, *, batch: int, only: Any = None) -> Any:
    return source.collection.find_raw_batches(
        search.filter,
        only,
        search.skip,
        search.limit or 0,
        sort=list(search.sort) or None,
        batch_size=batch,
        session=source.session,
    )


def _next(source: Source, cursor: Any) -> bytes:
    """The next answer, its documents one behind the other; empty at the end."""
    try:
        found: bytes = source.run(cursor.next)
    except (StopIteration, StopAsyncIteration):
        return b""
    return found


def _keys(source: Source, search: Search) -> list[Any]:
    """The keys of all that is found, in its order."""
    cursor = _find(source, search, batch=_KEY_BATCH, only={ID: 1})
    keys: list[Any] = []
    seen: set[bytes] = set()
    try:
        while raw := _next(source, cursor):
            part = _once(raw, seen) if search.filter or search.sort else raw
            keys += [one[ID] for one in bson.decode_all(part, OPTIONS)]
    finally:
        source.close(cursor)
    return keys


def _by_key(source: Source, search: Search, keys: list[Any]) -> Iterator[Record]:
    """The records of keys that still match, in the order of the keys."""
    chosen: dict[str, Any] = {ID: {"$in": keys}}
    both = Search({"$and": [chosen, search.filter]} if search.filter else chosen)
    cursor = _find(source, both, batch=len(keys) + 1)
    found: dict[bytes, bytes] = {}
    try:
        while raw := _next(source, cursor):
            for start, end in _bounds(raw):
                one = raw[start:end]
                found[_key_of(one)] = one
    finally:
        source.close(cursor)
    ordered = (found.get(_encoded(key)) for key in keys)
    raw = b"".join(one for one in ordered if one is not None)
    yield from records(source.schema, raw)


def _encoded(key: Any) -> bytes:
    return bson.encode({ID: key}, codec_options=OPTIONS)


def _key_of(document: bytes) -> bytes:
    """The key of a document in the form of `_encoded`."""
    return _encoded(RawBSONDocument(document, _RAW)[ID])


_RAW: Final = DEFAULT_RAW_BSON_OPTIONS.with_options(
    uuid_representation=OPTIONS.uuid_representation,
    tz_aware=OPTIONS.tz_aware,
    datetime_conversion=OPTIONS.datetime_conversion,
)


def _bounds(raw: bytes) -> Iterator[tuple[int, int]]:
    """Where each of the documents begins and ends."""
    start, total = 0, len(raw)
    while start < total:
        end = start + int.from_bytes(raw[start : start + 4], "little")
        yield start, end
        start = end


def _once(raw: bytes, seen: set[bytes]) -> bytes:
    """The documents without those that an index gave again, as they were written meanwhile."""
    kept, place = [], 0
    for start, end in _bounds(raw):
        key = _key_part(raw, start) or _key_of(raw[start:end])
        if key in seen:
            kept.append(raw[place:start])
            place = end
        seen.add(key)
    return b"".join([*kept, raw[place:]]) if kept else raw


def _key_part(raw: bytes, start: int) -> bytes:
    """The bytes of a document's key, which stands in front; empty if it is of a rarer type."""
    kind = raw[start + 4]
    if raw[start + 5 : start + 9] != b"_id\0" or kind not in _SIZES:
        return b""
    size = _SIZES[kind]
    if kind in _COUNTED:
        size += int.from_bytes(raw[start + 9 : start + 13], "little")
    return raw[start + 4 : start + 9 + size]


# The bytes of a key by its BSON type; text and binary say how many more there are.
_SIZES: Final = {1: 8, 2: 4, 5: 5, 7: 12, 9: 8, 16: 4, 18: 8, 19: 16}
_COUNTED: Final = frozenset({2, 5})


def _slices(raw: bytes) -> Iterator[bytes]:
    """The documents, some at a time."""
    bounds = _bounds(raw)
    while some := list(islice(bounds, _SLICE)):
        yield raw[some[0][0] : some[-1][1]]
