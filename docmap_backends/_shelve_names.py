"""The names that a pickle of plain data may hold, and what docmap makes for each of them.

Each is a function of docmap's own that checks what it is given. What pickle itself would call is
never looked up.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any, Final

from docmap_backends._shelve_plain import Name, NotPlain, Unbuilt, hashed


def _packed(packed: Any, size: int) -> bytes:
    """The bytes in which Python packs a moment; Python 2 had no bytes."""
    raw = packed.encode() if isinstance(packed, str) else packed
    if type(raw) is bytes and len(raw) == size:
        return raw
    raise NotPlain("holds a date or time that is none")


def _zone(zone: Any) -> Any:
    if zone is None or isinstance(zone, tzinfo):
        return zone
    raise NotPlain("holds a time zone that is none")


def _datetime(packed: Any, zone: Any = None) -> datetime:
    raw = _packed(packed, 10)
    fields = (raw[0] * 256 + raw[1], raw[2] & 0x7F, *raw[3:7], int.from_bytes(raw[7:]))
    year, month, day, hour, minute, second, micro = fields
    fold = raw[2] >> 7
    return datetime(year, month, day, hour, minute, second, micro, _zone(zone), fold=fold)


def _date(packed: Any) -> date:
    raw = _packed(packed, 4)
    return date(raw[0] * 256 + raw[1], raw[2], raw[3])


def _time(packed: Any, zone: Any = None) -> time:
    raw = _packed(packed, 6)
    fold = raw[0] >> 7
    micro = int.from_bytes(raw[3:])
    return time(raw[0] & 0x7F, raw[1], raw[2], micro, _zone(zone), fold=fold)


def _timedelta(days: Any = 0, seconds: Any = 0, microseconds: Any = 0) -> timedelta:
    if any(type(part) is not int for part in (days, seconds, microseconds)):
        raise NotPlain("holds a duration that is none")
    return timedelta(days, seconds, microseconds)


def _timezone(offset: Any, name: Any = None) -> timezone:
    if type(offset) is not timedelta or not isinstance(name, str | None):
        raise NotPlain("holds a time zone that is none")
    return timezone(offset)


def _utc_offset(seconds: Any) -> timezone:
    """The time zone that pydantic gives what it reads."""
    return UTC if seconds == 0 else timezone(_timedelta(0, seconds))


def _attribute(owner: Any, name: Any) -> Name:
    """What ZoneInfo is pickled with: the attribute of that class that makes one by its key."""
    if isinstance(owner, Name) and owner.make is _zone_of_place and name == "_unpickle":
        return owner
    raise NotPlain("asks for an attribute")


def _zone_of_place(key: Any, cached: Any = None) -> tzinfo:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    if type(key) is not str:
        raise NotPlain("holds a time zone that is none")
    try:
        return ZoneInfo(key)
    except (ZoneInfoNotFoundError, OSError) as error:
        raise NotPlain("holds a time zone that is not known here") from error


def _decimal(text: Any) -> Decimal:
    if type(text) is not str:
        raise NotPlain("holds a Decimal that is none")
    return Decimal(text)


def _unbuilt(*arguments: Any) -> Unbuilt:
    if arguments:
        raise NotPlain("makes an object with arguments")
    return Unbuilt()


def _reconstructed(kind: Any, base: Any, state: Any) -> Unbuilt:
    """What old protocols call to make an object that gets its state next."""
    if state is not None or getattr(kind, "make", None) is not _unbuilt:
        raise NotPlain("makes an object")
    return Unbuilt()


def _never(*arguments: Any) -> Any:
    raise NotPlain("makes an object")


def _items(items: Any = ()) -> Any:
    if isinstance(items, (list, tuple, set, frozenset)):
        return items
    raise NotPlain("makes a set of what is none")


def _set(items: Any = ()) -> set[Any]:
    return set(map(hashed, _items(items)))


def _frozenset(items: Any = ()) -> frozenset[Any]:
    return frozenset(map(hashed, _items(items)))


def _ordered(pairs: Any = ()) -> dict[Any, Any]:
    if not isinstance(pairs, (list, tuple)):
        raise NotPlain("makes a dict of what is none")
    return {hashed(key): value for key, value in pairs}


def _defaults(factory: Any = None) -> dict[Any, Any]:
    return {}


def _encoded(text: Any, encoding: Any) -> bytes:
    """Bytes, as protocols before 3 wrote them."""
    if type(text) is str and encoding in {"latin1", "latin-1"}:
        return text.encode("latin-1")
    raise NotPlain("encodes what is no text")


def _bytes(value: Any = b"", encoding: Any = None) -> bytes:
    if type(value) is bytes and encoding is None:
        return value
    return _encoded(value, encoding)


_BUILTINS: Final[dict[str, Callable[..., Any]]] = {
    "set": _set,
    "frozenset": _frozenset,
    "bytearray": _bytes,
    "bytes": _bytes,
    "getattr": _attribute,
    "object": _never,
    # As the factory of a defaultdict, which docmap has no use for.
    "list": _never,
    "dict": _never,
    "int": _never,
    "str": _never,
    "float": _never,
}
NAMES: Final[dict[tuple[str, str], Callable[..., Any]]] = {
    ("datetime", "datetime"): _datetime,
    ("datetime", "date"): _date,
    ("datetime", "time"): _time,
    ("datetime", "timedelta"): _timedelta,
    ("datetime", "timezone"): _timezone,
    ("zoneinfo", "ZoneInfo"): _zone_of_place,
    ("zoneinfo", "ZoneInfo._unpickle"): _zone_of_place,
    ("pydantic_core._pydantic_core", "TzInfo"): _utc_offset,
    ("decimal", "Decimal"): _decimal,
    ("uuid", "UUID"): _unbuilt,
    ("collections", "OrderedDict"): _ordered,
    ("collections", "defaultdict"): _defaults,
    ("_codecs", "encode"): _encoded,
    ("copyreg", "_reconstructor"): _reconstructed,
    ("copy_reg", "_reconstructor"): _reconstructed,
    **{("builtins", name): make for name, make in _BUILTINS.items()},
    **{("__builtin__", name): make for name, make in _BUILTINS.items()},
}
"""What a pickle may name: module and name, and the function of docmap's that stands for it."""
