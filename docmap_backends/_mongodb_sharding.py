"""Sharded clusters: how a collection is spread, and what a write says so that one shard is asked.

MongoDB keeps `_id` unique within each shard. Keys that docmap makes are unique by themselves; of
others it looks whether they are taken where the shard key is not the key itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from docmap.schema.schema import Schema
from docmap.schema.sharding import is_made
from docmap_backends._mongodb_names import ID
from docmap_backends._mongodb_queries import field_name


def shard_fields(schema: Schema) -> tuple[str, ...]:
    """The fields of the shard key as MongoDB calls them; none if there is none."""
    if schema.shard_key is None:
        return ()
    return tuple(field_name(schema, path) for path in schema.shard_key.paths)


def shard_command(schema: Schema, database: str, collection: str) -> dict[str, Any]:
    """The command that spreads an empty collection by the shard key of the class.

    By hash where that is the key alone: keys rise with time, and would all go to the last shard.
    """
    fields = shard_fields(schema)
    spread: dict[str, Any] = dict.fromkeys(fields, 1)
    if fields == (ID,):
        spread = {ID: "hashed"}
    return {"shardCollection": f"{database}.{collection}", "key": spread}


def shard_place(schema: Schema, document: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a condition by which a router finds the shard of a stored document."""
    return {name: _at(document, name) for name in shard_fields(schema) if name != ID}


def _at(document: Mapping[str, Any], name: str) -> Any:
    value: Any = document
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def may_be_taken_elsewhere(schema: Schema, key: Any) -> bool:
    """True if another shard may have a document of this key, which no index would notice."""
    fields = shard_fields(schema)
    return bool(fields) and fields != (ID,) and not is_made(schema, key)
