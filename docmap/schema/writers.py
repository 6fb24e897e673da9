"""Writers: from the value in memory to its JSON form, while a document is encoded.

A writer raises ValueError or TypeError for what no engine could keep, and notes in `noted` where
what it wrote is not exactly what the instance holds, so that save can bring the instance in line.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import SecretBytes, SecretStr
from pydantic_core import TzInfo

from docmap.schema.wire import BIGINT_DIGITS, datetime_text, duration_number, tagged, time_text
from docmap.values import INT_MAX, INT_MIN, ObjectId, decimal_fault, portable

Writer = Callable[[Any], Any]
Change = tuple[datetime, datetime] | None
"""A datetime with the one that was written for it; None for any other change."""


class _Noted(threading.local):
    """What the writers changed while a document is encoded, in this thread."""

    changes: list[Change] | None = None


noted = _Noted()


def note() -> None:
    """Say that the instance is not quite what was written."""
    if noted.changes is not None:
        noted.changes.append(None)


def write_int(value: Any) -> int:
    """An int of 64 bits."""
    if type(value) is not int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError("is not an int")
        value = int(value)
        note()
    if INT_MIN <= value <= INT_MAX:
        return value  # type: ignore[no-any-return]
    raise ValueError("is beyond 64 bits: declare the field as BigInt, or store text")


def write_bigint(value: Any) -> str:
    """An int of any size as text."""
    if type(value) is not int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError("is not an int")
        value = int(value)
        note()
    if abs(value) >= _BIGINT_LIMIT:
        raise ValueError(f"has more than {BIGINT_DIGITS} digits")
    return str(value)


_BIGINT_LIMIT = 10**BIGINT_DIGITS


def write_float(value: Any) -> float:
    """A finite float; an int that a float holds exactly becomes one, `-0.0` becomes `0.0`."""
    if type(value) is not float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise TypeError("is not a float")
        exact = value
        try:
            value = float(value)
        except OverflowError:
            raise ValueError("is an int that no float holds exactly") from None
        if value != exact and exact == exact:  # noqa: PLR0124 - a NaN is refused below
            raise ValueError("is an int that no float holds exactly")
        note()
    if value - value != 0.0:
        raise ValueError("is not finite: store None, or declare a text field")
    if value == 0.0 and str(value) == "-0.0":
        note()
        return 0.0
    return value  # type: ignore[no-any-return]


def write_ints(values: list[Any]) -> list[Any]:
    """Ints of 64 bits, checked together: a call for each would cost more than writing them."""
    if set(map(type, values)) == {int} and min(values) >= INT_MIN and max(values) <= INT_MAX:
        return values
    return [write_int(value) for value in values]


def write_floats(values: list[Any]) -> list[Any]:
    """Finite floats, checked together."""
    if set(map(type, values)) == {float} and 0.0 not in values:
        total = sum(values)
        if total - total == 0.0:
            return values
    return [write_float(value) for value in values]


def write_decimal(value: Any) -> str:
    """A Decimal as text, its scale kept."""
    if type(value) is Decimal:
        text = str(value)
        # Short and written out: nothing but digits, a point and a sign, and so portable.
        if (
            len(text) <= _SHORT
            and "E" not in text
            and "e" not in text
            and (text[0] != "-" or value)
            and value.is_finite()
        ):
            return text
    return _write_odd_decimal(value)


_SHORT = 34


def _write_odd_decimal(value: Any) -> str:
    if not isinstance(value, Decimal):
        raise TypeError("is not a Decimal")
    if type(value) is not Decimal:
        value = Decimal(value)
        note()
    fault = decimal_fault(value)
    if fault:
        raise ValueError(f"{fault}: round it, or store text")
    if not value and value.is_signed():
        value = value.copy_abs()
        note()
    return str(value).upper()


def write_text(value: Any) -> str:
    """Text, where pydantic's own serializer does not see it."""
    if type(value) is str:
        return value
    if not isinstance(value, str):
        raise TypeError("is not text")
    note()
    return str.__str__(value)


def write_bool(value: Any) -> bool:
    """True or false, where pydantic's own serializer does not see it."""
    if value is True or value is False:
        return value
    raise TypeError("is not true or false")


def write_datetime(value: Any) -> str:
    """An aware datetime as text in UTC, cut to milliseconds."""
    if type(value) is datetime and not value.microsecond % 1000 and _is_utc(value):
        return datetime_text(value)
    return _write_odd_datetime(value, microseconds=False)


def write_datetime_us(value: Any) -> str:
    """An aware datetime as text in UTC, microseconds kept."""
    if type(value) is datetime and _is_utc(value):
        return datetime_text(value)
    return _write_odd_datetime(value, microseconds=True)


def _is_utc(value: datetime) -> bool:
    zone = value.tzinfo
    return zone is UTC or (type(zone) is TzInfo and value.utcoffset() == _ZERO)


def _write_odd_datetime(value: Any, *, microseconds: bool) -> str:
    if not isinstance(value, datetime):
        raise TypeError("is not a datetime")
    moment = portable(value, microseconds=microseconds)
    if noted.changes is not None:
        noted.changes.append(None if microseconds else (value, moment))
    return datetime_text(moment)


_ZERO = timedelta(0)


def write_date(value: Any) -> str:
    """A date as text; a datetime is refused."""
    if not isinstance(value, date) or isinstance(value, datetime):
        raise TypeError("is not a date")
    return date.isoformat(value)


def write_time(value: Any) -> str:
    """A naive time as text with six digits."""
    if not isinstance(value, time):
        raise TypeError("is not a time")
    if value.tzinfo is not None:
        raise ValueError("is a time with a time zone: store a naive time, or a datetime")
    return time_text(value)


def write_timedelta(value: Any) -> int:
    """A timedelta in microseconds."""
    if not isinstance(value, timedelta):
        raise TypeError("is not a timedelta")
    return duration_number(portable(value))


def write_bytes(value: Any) -> str:
    """Bytes as hexadecimal text."""
    if not isinstance(value, bytes):
        raise TypeError("is not bytes")
    return value.hex()


def write_uuid(value: Any) -> str:
    """A UUID as lower-case text, where pydantic's own serializer does not see it."""
    if not isinstance(value, UUID):
        raise TypeError("is not a UUID")
    return str(value)


def write_objectid(value: Any) -> str:
    """An ObjectId as 24 hexadecimal digits."""
    if not isinstance(value, ObjectId):
        raise TypeError("is not an ObjectId")
    return str(value)


def write_any(value: Any) -> Any:
    """A value without a declared type, tagged where JSON lacks its type."""
    plain = portable(value)
    if type(plain) is not type(value) or plain != value:
        note()
    return tagged(plain)


def write_secret(value: Any) -> Any:
    """The secret itself: storage must be able to give it back."""
    if not isinstance(value, (SecretStr, SecretBytes)):
        raise TypeError("is not a secret")
    return value.get_secret_value()
