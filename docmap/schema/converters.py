"""ConverterManager: how a Python type becomes a portable value and comes back.

`converters` holds docmap's own portable types; a user registers a type of their own there, once
for all engines. An engine that stores a portable type natively has a manager of its own above it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from types import NoneType
from typing import Any, Protocol, TypeVar
from uuid import UUID

from docmap.errors import DataProcessorDoesNotExist
from docmap.schema import wire, writers
from docmap.values import ObjectId


class Converter(Protocol):
    """What `register` takes: both directions, `from_db(to_db(value)) == value`."""

    def to_db(self, value: Any) -> Any:
        """The portable value that stands for `value`; its return annotation is the stored type."""

    def from_db(self, value: Any) -> Any:
        """The value that `to_db` turned into the portable `value`."""


C = TypeVar("C", bound=type)


class ConverterManager:
    """The converters of one engine, by Python type; a subclass uses its nearest parent's.

    >>> from fractions import Fraction
    >>> manager = ConverterManager()
    >>> @manager.register(Fraction)
    ... class FractionConverter:
    ...     def to_db(self, value) -> str:
    ...         return str(value)
    ...     def from_db(self, value):
    ...         return Fraction(value)
    >>> manager.to_db(Fraction(1, 3))
    '1/3'
    >>> manager.from_db(Fraction, "1/3")
    Fraction(1, 3)
    """

    exception_class: type[Exception] = DataProcessorDoesNotExist

    def __init__(self, parent: ConverterManager | None = None) -> None:
        self._converters: dict[type, Converter] = {}
        self._parent = parent

    def register(self, datatype: type) -> Callable[[C], C]:
        """A class decorator: its `to_db` and `from_db` convert `datatype` and its subclasses."""

        def decorate(cls: C) -> C:
            missing = [
                name for name in ("to_db", "from_db") if not callable(getattr(cls, name, None))
            ]
            if missing:
                raise TypeError(f"the converter {cls.__name__} lacks {' and '.join(missing)}")
            self._converters[datatype] = cls()
            return cls

        return decorate

    def find(self, datatype: type) -> Converter | None:
        """The converter of `datatype` or of its nearest base; None if there is none."""
        for base in datatype.__mro__:
            manager: ConverterManager | None = self
            while manager is not None:
                if base in manager._converters:
                    return manager._converters[base]
                manager = manager._parent
        return None

    def to_db(self, value: Any, storage: Any = None) -> Any:
        """`value` in the form in which the engine keeps it; `storage` is for the name's sake.

        Raises `exception_class` if no converter fits, ValueError or TypeError if the value does
        not.
        """
        converter = self.find(type(value))
        if converter is not None:
            return converter.to_db(value)
        if isinstance(value, Enum):
            return self.to_db(value.value, storage)
        if isinstance(value, (list, tuple)):
            return [self.to_db(item, storage) for item in value]
        if isinstance(value, dict):
            return {name: self.to_db(item, storage) for name, item in value.items()}
        return self._get(type(value)).to_db(value)

    def from_db(self, datatype: type, value: Any) -> Any:
        """The value of type `datatype` that the engine keeps as `value`.

        Raises `exception_class` if no converter fits, ValueError if the value does not.
        """
        if self.find(datatype) is None and issubclass(datatype, Enum):
            return datatype(value)
        return self._get(datatype).from_db(value)

    def _get(self, datatype: type) -> Converter:
        found = self.find(datatype)
        if found is None:
            raise self.exception_class(
                f"no converter is registered for {datatype.__name__}: write a class with to_db "
                "and from_db and register it with docmap.converters.register"
            )
        return found


class _Scalar:
    """A portable scalar: the writer of its JSON form and the reader."""

    def __init__(
        self, datatype: type, write: Callable[[Any], Any], read: Callable[[Any], Any]
    ) -> None:
        self._datatype = datatype
        self._read = read
        self.to_db = write

    def from_db(self, value: Any) -> Any:
        """The value. Raises ValueError for what is not its JSON form."""
        result = self._read(value)
        if not isinstance(result, self._datatype):
            name = self._datatype.__name__
            raise ValueError(f"is not the stored form of a {name}")  # noqa: TRY004 - stored data
        return result


def _same(value: Any) -> Any:
    return value


def _float(value: Any) -> Any:
    return float(value) if type(value) is int else value


def _portable() -> ConverterManager:
    manager = ConverterManager()
    for datatype, write, read in (
        (NoneType, _same, _same),
        (bool, writers.write_bool, _same),
        (str, writers.write_text, _same),
        (int, writers.write_int, _same),
        (float, writers.write_float, _float),
        (Decimal, writers.write_decimal, wire.read_decimal),
        (bytes, writers.write_bytes, wire.read_bytes),
        (datetime, writers.write_datetime, wire.read_datetime),
        (date, writers.write_date, wire.read_date),
        (time, writers.write_time, wire.read_time),
        (timedelta, writers.write_timedelta, wire.read_timedelta),
        (UUID, writers.write_uuid, wire.read_uuid),
        (ObjectId, writers.write_objectid, wire.read_objectid),
    ):
        manager._converters[datatype] = _Scalar(datatype, write, read)
    return manager


portable = _portable()
converters = ConverterManager(portable)
"""The manager for users' own types: `@docmap.converters.register(Money)`."""


def custom(datatype: type) -> Converter | None:
    """The user's converter for `datatype`, if one was registered; never a portable one."""
    for base in datatype.__mro__:
        if base in converters._converters:
            return converters._converters[base]
        if base in portable._converters:
            return None
    return None
