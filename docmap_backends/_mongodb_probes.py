"""Questions to a server about how it compares: each asked once for a client, with a few documents.

A server that makes documents out of a pipeline is asked without writing anything. On another they
stand for a moment in a collection of docmap's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from secrets import token_hex
from typing import Any, Final

from bson import Int64
from bson.decimal128 import Decimal128

from docmap.errors import OutcomeUnknown, StorageError, Unavailable, Unsupported
from docmap_backends._mongodb_names import ID, OWN

Run = Callable[..., Any]
_BIG: Final = 2**53 + 1


def decimal128(run: Run, database: Any) -> None:
    """Raise Unsupported if the server does not keep Decimal128; one closes the connection then."""
    values = [{ID: 0, "v": Decimal128("1.10")}]
    try:
        _expect(run, database, values, {ID: 0}, [0])
    except (Unavailable, OutcomeUnknown):
        run(lambda: database.command("ping"))  # it is there, so it was the value
        raise Unsupported("the server has no Decimal128") from None


def element_filters(run: Run, database: Any) -> None:
    """Raise Unsupported if filters on the elements of lists do not see what an element is."""
    lists = [{ID: 0, "v": [5]}, {ID: 1, "v": [{"k": 5}]}, {ID: 2, "v": ["a"]}]
    plain = {"$eq": 5, "$not": {"$type": "array"}}
    _expect(run, database, lists, {"v": {"$elemMatch": plain}}, [0])
    _expect(run, database, lists, {"v": {"$elemMatch": {"k": 5}}}, [1])
    nested = {"$elemMatch": {"$type": "array"}}
    _expect(run, database, lists, {"v": {"$eq": [5], "$not": nested}}, [0])


def date_expressions(run: Run, database: Any) -> None:
    """Raise Unsupported if filters cannot compute the parts of dates."""
    moments: list[dict[str, Any]] = [
        {ID: 0, "v": datetime(2024, 2, 29, 12)},  # noqa: DTZ001 - PyMongo's form of UTC
        {ID: 1, "v": None},
    ]
    parts = {"$month": 2, "$dayOfMonth": 29, "$hour": 12, "$isoDayOfWeek": 4}
    tests = [{"$eq": [{part: "$v"}, value]} for part, value in parts.items()]
    _expect(run, database, moments, {"$expr": {"$and": tests}}, [0])


def code_point_order(run: Run, database: Any) -> None:
    """Raise Unsupported if text is not compared by code points."""
    texts = [{ID: 0, "v": "\U00010000"}, {ID: 1, "v": "\uffff"}]
    _expect(run, database, texts, {"v": {"$gt": "\uffff"}}, [0])


def exact_numbers(run: Run, database: Any) -> None:
    """Raise Unsupported if numbers of different types are compared as doubles."""
    values = [Int64(_BIG), float(2**53), Int64(2**63 - 1), 2.0**63]
    numbers: list[dict[str, Any]] = [
        {ID: position, "v": value} for position, value in enumerate(values)
    ]
    _expect(run, database, numbers, {"v": {"$gte": 2.0**63}}, [3])
    _expect(run, database, numbers, {"v": {"$gt": Int64(_BIG)}}, [2, 3])
    numbers.append({ID: 4, "v": Decimal128(str(_BIG))})
    numbers.append({ID: 5, "v": 1.1})
    _expect(run, database, numbers, {"v": {"$eq": Decimal128(str(_BIG))}}, [0, 4])
    _expect(run, database, numbers, {"v": {"$eq": Decimal128("1.1")}}, [])


def partial_indexes(run: Run, database: Any) -> None:
    """Raise an error if a unique index does not leave out what its filter does."""
    from pymongo.errors import DuplicateKeyError

    collection = database[f"{OWN}probe_{token_hex(4)}"]
    try:
        only = {"v": {"$type": "string"}}
        run(lambda: collection.create_index([("v", 1)], unique=True, partialFilterExpression=only))
        for value in (None, None, "a"):
            run(lambda value=value: collection.insert_one({"v": value}))
        try:
            run(lambda: collection.insert_one({"v": "a"}))
        except DuplicateKeyError:
            return
    except DuplicateKeyError:
        pass
    finally:
        with suppress(StorageError):
            run(collection.drop)
    raise Unsupported("the server has no partial indexes")


def _expect(
    run: Run,
    database: Any,
    documents: Sequence[dict[str, Any]],
    condition: dict[str, Any],
    expected: list[int],
) -> None:
    if sorted(_found(run, database, documents, condition)) != expected:
        raise Unsupported("the server compares otherwise")


def _found(
    run: Run, database: Any, documents: Sequence[dict[str, Any]], condition: dict[str, Any]
) -> list[int]:
    pipeline = [{"$documents": list(documents)}, {"$match": condition}]
    try:
        made = run(lambda: database.command({"aggregate": 1, "pipeline": pipeline, "cursor": {}}))
    except (Unavailable, OutcomeUnknown):
        raise
    except (StorageError, Unsupported):
        pass  # it is asked in another way
    else:
        return [int(one[ID]) for one in made["cursor"]["firstBatch"]]
    collection = database[f"{OWN}probe_{token_hex(4)}"]
    try:
        run(lambda: collection.insert_many([dict(one) for one in documents]))
        found = run(lambda: collection.find(condition).to_list(len(documents)))
        return [int(one[ID]) for one in found]
    finally:
        with suppress(StorageError):
            run(collection.drop)
