"""Which servers a query has to ask, where a collection is spread over several by its shard key."""

from __future__ import annotations

from docmap.query.nodes import And, Compare, Node
from docmap.schema.schema import Schema


def targeted(schema: Schema, condition: Node) -> bool:
    """True if a condition says where its matches are: each field of the shard key has a value.

    Such a query asks the servers that have these values; any other one asks all of them.
    """
    key = schema.shard_key
    if key is None:
        return False
    parts = condition.children if isinstance(condition, And) else (condition,)
    known = {part.path for part in parts if isinstance(part, Compare) and _fixes(part)}
    return all(path in known for path in key.paths)


def _fixes(part: Compare) -> bool:
    if part.lookup == "in":
        return all(value is not None for value in part.value)
    return part.lookup == "equals" and part.value is not None
