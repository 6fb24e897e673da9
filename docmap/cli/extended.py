"""MongoDB's Extended JSON: its objects of `$` names read as values, and values written as them.

Both versions and both modes are read. Written is version 2, relaxed. What Extended JSON lacks is
written as docmap itself stores it where no type is declared: `{"$day": "2024-02-29"}`, `$time`,
`$duration`, and `{"$dict": [[name, value]]}` for an object that would be read as a value.
Source: MongoDB's specification of Extended JSON, version 2.1.0.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from uuid import UUID

from docmap.errors import InvalidValue
from docmap.schema.wire import duration_number, read_date, read_time, time_text
from docmap.values import MAX_DEPTH, TIMEDELTA_UNIT, ObjectId


def from_extended(tree: Any, path: str = "") -> Any:
    """The logical value of parsed Extended JSON; what is plain JSON stays as it is.

    Raises InvalidValue naming `path` and below for an object that is malformed, or that has no
    value in docmap (a regular expression, code, a timestamp …).

    >>> from_extended({"_id": {"$oid": "55f14312c7447c3da7051b26"}, "n": {"$numberInt": "7"}})
    {'_id': ObjectId('55f14312c7447c3da7051b26'), 'n': 7}
    """
    return _read(tree, path, 1)


def _read(tree: Any, path: str, depth: int) -> Any:
    if isinstance(tree, (dict, list)) and depth > MAX_DEPTH:
        raise InvalidValue(f"{path[:80]}… lies deeper than {MAX_DEPTH} levels", field=path)
    if isinstance(tree, dict):
        for name in tree:
            if name in _READERS:
                return _special(name, tree, path, depth)
        return {
            name: _read(item, f"{path}.{name}" if path else name, depth + 1)
            for name, item in tree.items()
        }
    if isinstance(tree, list):
        return [_read(item, f"{path}.{i}", depth + 1) for i, item in enumerate(tree)]
    return tree


def _special(name: str, tree: dict[str, Any], path: str, depth: int) -> Any:
    """The value of an object that has `name`, which begins a value of Extended JSON."""
    where = path or "the value"
    if name in _WITHOUT_VALUE:
        raise InvalidValue(
            f"{where} is {_WITHOUT_VALUE[name]} ({name}), which docmap has no value for: "
            "leave it out of the file, or write it as text",
            field=path,
        )
    if name == "$dict" and _is_pairs(tree):
        return {key: _read(item, f"{path}.{key}", depth + 1) for key, item in tree[name]}
    if not set(tree) <= _TOGETHER.get(name, {name}):
        reason = "it has other names, too"
    else:
        try:
            return _READERS[name](tree)
        except _Malformed as error:
            reason = str(error)
        except (ValueError, TypeError, KeyError, OverflowError, InvalidOperation):
            reason = "its content is of another form"  # Python's own sentences quote the value
    raise InvalidValue(f"{where} is not a well-formed {name}: {reason}", field=path)


class _Malformed(ValueError):
    """An object that is not what its name says; the message holds no value."""


def _is_pairs(tree: dict[str, Any]) -> bool:
    pairs = tree["$dict"]
    return (
        len(tree) == 1
        and isinstance(pairs, list)
        and all(isinstance(p, list) and len(p) == 2 and isinstance(p[0], str) for p in pairs)
    )


# What MongoDB has and docmap has not.
_WITHOUT_VALUE: Final = {
    "$timestamp": "a timestamp of MongoDB's replication",
    "$regularExpression": "a regular expression",
    "$regex": "a regular expression",
    "$symbol": "a symbol",
    "$code": "code",
    "$dbPointer": "a pointer to another database",
    "$minKey": "the smallest key",
    "$maxKey": "the largest key",
}
# Version 1 spreads a value over two names; the second alone is a plain name.
_TOGETHER: Final = {"$binary": {"$binary", "$type"}}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _Malformed("text is needed")
    return value


_INTEGER = re.compile(r"-?[0-9]{1,20}")
_NUMBER = re.compile(r"[-+]?[0-9]*\.?[0-9]*([eE][-+]?[0-9]+)?")


def _integer(value: Any) -> int:
    if type(value) is int:
        return value
    if not _INTEGER.fullmatch(_text(value)):
        raise _Malformed("a whole number is needed")
    return int(value)


def _double(tree: dict[str, Any]) -> float:
    value = tree["$numberDouble"]
    number = float(value if type(value) in {int, float} else _number(value))
    if number - number != 0.0:
        raise _Malformed("no double is that large")
    return number


def _decimal(tree: dict[str, Any]) -> Decimal:
    return Decimal(_number(tree["$numberDecimal"]))


def _number(value: Any) -> str:
    if not _NUMBER.fullmatch(_text(value)):
        raise _Malformed("a finite number is needed")
    return str(value)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ISO = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9}))?(Z|[+-]\d\d(?::?\d\d)?)?", re.ASCII
)


def _date(tree: dict[str, Any]) -> datetime:
    value = tree["$date"]
    if isinstance(value, dict):
        if set(value) != {"$numberLong"}:
            raise _Malformed("$numberLong alone is needed")
        value = _integer(value["$numberLong"])
    if type(value) is int:
        return _EPOCH + timedelta(milliseconds=value)
    parts = _ISO.fullmatch(_text(value))
    if parts is None:
        raise _Malformed("a date and time in ISO form is needed")
    moment, fraction, zone = parts.groups()
    fraction = (fraction or "0")[:6].ljust(6, "0")
    if len(moment) == 16:
        moment += ":00"
    # Without a zone it is UTC, as MongoDB's own tools read it.
    return datetime.fromisoformat(f"{moment}.{fraction}{zone or 'Z'}").astimezone(UTC)


def _binary(tree: dict[str, Any]) -> bytes | UUID:
    value, kind = tree["$binary"], tree.get("$type")
    if isinstance(value, dict):
        if kind is not None or set(value) != {"base64", "subType"}:
            raise _Malformed("base64 and subType are needed")
        value, kind = value["base64"], value["subType"]
    number = kind if type(kind) is int else int(_text(kind), 16)
    content = b64decode(_text(value), validate=True)
    if number == 4:
        return UUID(bytes=content)
    if number not in {0, 2}:
        raise _Malformed("docmap keeps the subtypes 00, 02 and 04 only")
    return content


def _uuid(tree: dict[str, Any]) -> UUID:
    text = _text(tree["$uuid"])
    found = UUID(text)
    if text.lower() not in {str(found), found.hex}:
        raise _Malformed("32 hexadecimal digits are needed")
    return found


def _undefined(tree: dict[str, Any]) -> None:
    if tree["$undefined"] is not True:
        raise _Malformed("true is needed")


def _iso(name: str, kind: type, read: Callable[[Any], Any]) -> Callable[[dict[str, Any]], Any]:
    def reader(tree: dict[str, Any]) -> Any:
        value = read(tree[name])
        if type(value) is not kind:
            raise _Malformed("ISO text of fixed width is needed")
        return value

    return reader


def _never(_tree: dict[str, Any]) -> Any:
    raise _Malformed("a list of pairs is needed")


_READERS: Final[dict[str, Callable[[dict[str, Any]], Any]]] = {
    "$oid": lambda tree: ObjectId(_text(tree["$oid"])),
    "$numberInt": lambda tree: _integer(tree["$numberInt"]),
    "$numberLong": lambda tree: _integer(tree["$numberLong"]),
    "$numberDouble": _double,
    "$numberDecimal": _decimal,
    "$date": _date,
    "$binary": _binary,
    "$uuid": _uuid,
    "$undefined": _undefined,
    "$day": _iso("$day", date, read_date),
    "$time": _iso("$time", time, read_time),
    "$duration": lambda tree: _integer(tree["$duration"]) * TIMEDELTA_UNIT,
    "$dict": _never,
    **dict.fromkeys(_WITHOUT_VALUE, _never),
}


def to_extended(value: Any) -> Any:
    """The JSON form of a logical value that `from_extended` reads as the same value again.

    >>> to_extended({"total": Decimal("9.90"), "n": 3, "day": date(2024, 2, 29)})
    {'total': {'$numberDecimal': '9.90'}, 'n': 3, 'day': {'$day': '2024-02-29'}}
    """
    kind = type(value)
    if kind is dict:
        if any(name in _READERS for name in value):
            return {"$dict": [[name, to_extended(item)] for name, item in value.items()]}
        return {name: to_extended(item) for name, item in value.items()}
    if kind is list:
        return [to_extended(item) for item in value]
    writer = _WRITERS.get(kind)
    return value if writer is None else writer(value)


def _write_date(value: datetime) -> dict[str, Any]:
    text = value.isoformat(timespec="microseconds")[:26]
    if value.microsecond % 1000:
        return {"$date": f"{text}Z"}  # finer than MongoDB's dates, and only text can say so
    if 1970 <= value.year <= 9999:
        return {"$date": f"{text[:19]}Z" if not value.microsecond else f"{text[:23]}Z"}
    milliseconds = (value - _EPOCH) // timedelta(milliseconds=1)
    return {"$date": {"$numberLong": str(milliseconds)}}


def _write_binary(content: bytes, kind: str) -> dict[str, Any]:
    return {"$binary": {"base64": b64encode(content).decode("ascii"), "subType": kind}}


_WRITERS: Final[dict[type, Callable[[Any], Any]]] = {
    ObjectId: lambda value: {"$oid": str(value)},
    Decimal: lambda value: {"$numberDecimal": str(value)},
    datetime: _write_date,
    bytes: lambda value: _write_binary(value, "00"),
    UUID: lambda value: _write_binary(value.bytes, "04"),
    date: lambda value: {"$day": value.isoformat()},
    time: lambda value: {"$time": time_text(value)},
    timedelta: lambda value: {"$duration": duration_number(value)},
}
