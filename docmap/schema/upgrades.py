"""Upgrades: the functions that bring a record of an older version of its class up to date."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json, to_json

from docmap.errors import DocmapError, InvalidRecord
from docmap.schema.readers import to_wire
from docmap.schema.stamps import VERSION
from docmap.schema.types import ANY, FieldType
from docmap.values import Unportable, portable

if TYPE_CHECKING:
    from docmap.schema.schema import Schema

Upgrade = Callable[[dict[str, Any]], dict[str, Any]]
_MARK = to_json(VERSION)


@dataclass(frozen=True, slots=True)
class Upgrades:
    """The version of a class, and the steps that lead to it."""

    version: int
    steps: tuple[tuple[int, Upgrade], ...] = ()
    """For each version that needs one a function, in order; those of base classes first."""

    def current(self, schema: Schema, data: bytes | str) -> bytes | str:
        """The record in the form of this version; `data` itself if it is.

        Raises InvalidRecord for a newer version, and if a step fails.
        """
        if isinstance(data, str):
            data = data.encode()
        if data.startswith(schema.upgrade_mark):
            return data
        if _MARK not in data and self.version == 1:
            return data
        try:
            wire = from_json(data)
        except ValueError:
            return data  # decoding says what is wrong with it
        if type(wire) is not dict:
            return data
        held = self._version(schema, wire.get(VERSION))
        return data if held == self.version else self._upgraded(schema, data, wire, held)

    def _version(self, schema: Schema, held: Any) -> int:
        if held is None:
            return 1
        if type(held) is not int or held < 1:
            raise self._unfit(schema, f"has no whole number from 1 as {VERSION}", VERSION)
        if held > self.version:
            raise self._unfit(
                schema,
                f"is of version {held}, and {schema.name} is of version {self.version} here: "
                "update the program",
                VERSION,
            )
        return held

    def _upgraded(self, schema: Schema, data: bytes, wire: dict[str, Any], held: int) -> bytes:
        stamps, key = dict(schema.stamps), schema.key_field.stored
        tree = {n: value for n, value in schema.codec.tree(data).items() if n not in stamps}
        # A step may change what it is given, so that only the words for it can tell.
        before = {name: repr(value) for name, value in tree.items()}
        for to, step in self.steps:
            if to > held:
                tree = self._stepped(schema, tree, to, step)
        if repr(tree.get(key)) != before.get(key):
            raise self._unfit(schema, "got another key by an upgrade, and a key does not change")
        kinds = {entry.stored: entry.type for entry in schema.root.fields.values()}
        result: dict[str, Any] = dict(stamps)
        for name, value in tree.items():
            if name not in stamps:
                same = before.get(name) == repr(value)
                kind = kinds.get(name, ANY)
                result[name] = wire[name] if same else self._stored(schema, name, kind, value)
        return to_json(result)

    def _stored(self, schema: Schema, name: str, kind: FieldType, value: Any) -> Any:
        """The JSON form of a value that a step made."""
        if type(name) is not str:
            raise self._unfit(schema, "was upgraded to a dict whose keys are not all text")
        if kind.kind == "bigint" and type(value) is int:
            return to_wire(kind, value)
        try:
            return to_wire(kind, portable(value, microseconds=True))
        except Unportable as fault:
            path = ".".join([name, *map(str, reversed(fault.segments))])
            raise self._unfit(
                schema, f"was upgraded to what cannot be stored: {path} {fault.reason}", path
            ) from fault

    def _stepped(
        self, schema: Schema, tree: dict[str, Any], to: int, step: Upgrade
    ) -> dict[str, Any]:
        reason = f"could not be upgraded to version {to}"
        try:
            result: Any = step(tree)
        except DocmapError as error:
            raise self._unfit(schema, f"{reason}: {error}") from error
        except Exception as error:
            # Its words may hold values of the record; they are in the cause.
            raise self._unfit(
                schema, f"{reason}: {_name_of(step)} raised {type(error).__name__}"
            ) from error
        if not isinstance(result, Mapping):
            raise self._unfit(
                schema,
                f"{reason}: {_name_of(step)} returned {type(result).__name__}, not the record",
            )
        return dict(result)

    @staticmethod
    def _unfit(schema: Schema, what: str, field: str | None = None) -> InvalidRecord:
        return InvalidRecord(
            f"a record of {schema.collection} {what}", collection=schema.collection, field=field
        )


def _name_of(step: Upgrade) -> str:
    code = getattr(step, "__code__", None)
    name = getattr(step, "__name__", "its function")
    return f"{name} (line {code.co_firstlineno})" if code is not None else name
