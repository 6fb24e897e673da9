"""What MongoDB's numbers lack, and what the stand-in for it does otherwise: not compared there."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from docmap import BaseStorageAdapter
from docmap.values import order_key
from tests.differential import oracle
from tests.differential.updates import Outcome
from tests.differential.zoo import Record
from tests.servers import mongo

_HIGHEST: Final = 6111
_ROUNDS: Final = 4


def rounds(storage: BaseStorageAdapter, wanted: int) -> int:
    """How many batches to try of so many: less where each write takes milliseconds."""
    is_slow = storage.scheme == "mongodb" and mongo.is_standin()
    return min(wanted, _ROUNDS) if is_slow else wanted


def is_gap(storage: BaseStorageAdapter, records: Sequence[Record], wanted: Outcome) -> bool:
    """True if an update sets a number that the server does not keep as it is.

    Decimal128 has no zero of an exponent beyond 6111. The `$set` of mongo-java-server keeps what is
    stored where the new value is equal to it as a double is: 11.0 for 11.00, and a Decimal of 34
    digits for its neighbour.
    """
    if storage.scheme != "mongodb":
        return False
    trees = [(one.values, wanted.trees[order_key(one.key)]) for one in records]
    if any(_has_far_zero(new) for _, new in trees):
        return True
    return mongo.is_standin() and any(_kept(old, new) for old, new in trees)


def _has_far_zero(value: Any) -> bool:
    if isinstance(value, dict | list | tuple | set):
        return any(map(_has_far_zero, value.values() if isinstance(value, dict) else value))
    return isinstance(value, Decimal) and not value and int(value.as_tuple().exponent) > _HIGHEST


def _kept(old: Any, new: Any) -> bool:
    if isinstance(old, dict) and isinstance(new, dict):
        return any(_kept(value, new[name]) for name, value in old.items() if name in new)
    if isinstance(old, list | tuple) and isinstance(new, list | tuple):
        return any(map(_kept, old, new))
    if not (_is_number(old) and _is_number(new)):
        return False
    return float(old) == float(new) and bool(oracle.exact(old) != oracle.exact(new))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)
