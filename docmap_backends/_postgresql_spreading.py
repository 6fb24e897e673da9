"""Tables that a distributed server spreads: by the keys, or by a value in each of the documents.

Such a server spreads a table by one column, which is in all of its unique indexes and does not
change. So the table of a class with a shard key has a column `shard`, the text of the value of the
first field in it; statements that know the value carry it, and are sent to the servers that have
it. Where that field is the document's key, the column of the keys does.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple, Self

from pydantic_core import from_json

from docmap.errors import StorageError
from docmap.plan.engine import FieldCodec, Native
from docmap.query.nodes import And
from docmap.query.paths import Path
from docmap.schema.indexes import BoundIndex
from docmap.schema.readers import to_wire
from docmap.schema.schema import Schema
from docmap_backends._postgresql_errors import ENGINE
from docmap_backends._postgresql_sql import literal
from docmap_backends._sql import SQL

SHARD: Final = "shard"
CAN_SPREAD: Final = (
    "SELECT EXISTS(SELECT 1 FROM pg_proc WHERE proname = 'create_distributed_table' "
    "AND pg_function_is_visible(oid))"
)
"""Asks whether the server spreads tables."""


class Spread(NamedTuple):
    """How a table is spread."""

    path: tuple[str, ...] = ()
    """Where the value is in the documents; empty if the keys decide."""

    @property
    def column(self) -> str:
        """The column by which it is spread."""
        return SHARD if self.path else "key"

    @property
    def text(self) -> str:
        """How the catalogue keeps it."""
        return json.dumps({"spread": self.path})

    @classmethod
    def of(cls, text: str) -> Self | None:
        """How the table is spread of which the catalogue has the text; None if it is not."""
        return cls(tuple(json.loads(text)["spread"])) if text[:1] == "{" else None

    @classmethod
    def by(cls, schema: Schema) -> Self | None:
        """How the table of a class is to be spread; None without a shard key."""
        if schema.shard_key is None:
            return None
        first = schema.shard_key.paths[0]
        return cls() if first == schema.key_path else cls(tuple(map(str, first.segments)))

    def values(self, data: bytes | str) -> tuple[bytes, ...]:
        """What the column `shard` has for a document; nothing where there is no such column."""
        if not self.path:
            return ()
        value = from_json(data)
        for segment in self.path:
            value = value.get(segment) if isinstance(value, dict) else None
        return (shard_text(value),)


def shard_text(wire: Any) -> bytes:
    """The text of a JSON value in the column, one for all that are equal.

    >>> shard_text("a"), shard_text(5), shard_text(5.0), shard_text(None)
    (b'a', b'5', b'5', b'')
    """
    if isinstance(wire, str):
        return wire.encode()
    if isinstance(wire, float) and wire.is_integer():
        wire = int(wire)
    return b"" if wire is None else json.dumps(wire, sort_keys=True).encode()


def spreading(table: str, spread: Spread) -> str:
    """The statement that spreads an empty table."""
    return f"SELECT create_distributed_table({literal(table)}, '{spread.column}')"


# -- conditions


class Aimed(SQL):
    """A condition that says which servers have what it holds for."""

    __slots__ = ()


def aimed(path: Path, values: Sequence[Any], found: Native, codec: FieldCodec) -> Native:
    """An equality with one of the values, together with the shards that these are in."""
    source = getattr(codec, "source", None)
    if (source is not None and source.depth) or any(one is None for one in values):
        return found
    column = codec.engine.shard_column(codec.schema, path)
    if not column:
        return found
    texts = sorted({shard_text(to_wire(codec.type, one)) for one in values})
    sign, bound = ("=%s", texts[0]) if len(texts) == 1 else ("=ANY(%s::text[])", texts)
    text, parameters = found.condition
    return Native(Aimed(f"({column}{sign} AND {text})", (bound, *parameters)), found.exact)


def is_aimed(condition: Any) -> bool:
    """True if all that a condition holds for is on the servers that it says."""
    if isinstance(condition, And):
        return any(map(is_aimed, condition.children))
    return isinstance(condition, Native) and isinstance(condition.condition, Aimed)


# -- what cannot be


def check_indexes(schema: Schema, indexes: Iterable[BoundIndex], spread: Spread) -> None:
    """Raise StorageError for a unique index that a table cannot have which is spread."""
    for index in indexes:
        if not index.unique:
            continue
        first = schema.key_path if not spread.path else Path(spread.path)
        why = ""
        if index.elements:
            why = "is over the elements of a list, for which the servers would need triggers"
        elif first not in {term.path for term in index.terms}:
            why = f"lacks {'.'.join(spread.path) or schema.key}, by which the collection is spread"
        if why:
            raise StorageError(
                f"the index {index.label} of {schema.name} cannot be unique: it {why}. Each server "
                "would keep it for its own documents alone: put the field into it, or declare it "
                "without unique; nothing was written",
                engine=ENGINE,
                collection=schema.collection,
                field=index.fields[0].lstrip("-"),
            )
