"""`explain()`: the plan as text for people and as data for programs."""

from __future__ import annotations

from typing import Any

from docmap.plan.aggregate import explained
from docmap.plan.engine import Engine, EnginePlan
from docmap.plan.plan import Plan
from docmap.plan.targeting import targeted
from docmap.query.aggregates import Grouping
from docmap.query.nodes import TRUE
from docmap.query.text import order_text, text


class Explanation:
    """How a query runs: `str()` for people, `.data` for programs.

    `.data` has `engine`, `collection`, `condition`, `native` (whether all of it), `residual`,
    `order`, `order_native`, `slice_native`, `indexes`, `scan`, `documents`, `statement`, `detail`,
    `shards` (of a class with a shard key: `targeted` or `scatter`),
    `loads` (those of `update` and `delete` that load each document, for its hooks); of groups
    `aggregate` (keys and functions) and `aggregate_native`; of updates `update` (the changes),
    `update_native` and `update_why`.
    """

    __slots__ = ("data",)

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data

    @property
    def scan(self) -> bool:
        """True if the engine reads the whole collection."""
        return bool(self.data["scan"])

    @property
    def indexes(self) -> tuple[str, ...]:
        """The names of the indexes that the engine uses."""
        return tuple(self.data["indexes"])

    def __str__(self) -> str:
        data = self.data
        lines = [
            f"{data['collection']} on {data['engine']}: {_reach(data)}",
            f"  where     {data['condition']}",
        ]
        if data["residual"]:
            lines.append(f"  residual  {data['residual']}  (filtered by docmap: {data['why']})")
        if data["order"]:
            place = "the engine's order" if data["order_native"] else "sorted by docmap"
            lines.append(f"  order     {data['order']}  ({place})")
        if data["offset"] or data["limit"] is not None:
            place = "cut by the engine" if data["slice_native"] else "cut by docmap"
            end = "" if data["limit"] is None else data["offset"] + data["limit"]
            lines.append(f"  slice     [{data['offset']}:{end}]  ({place})")
        if data["aggregate"]:
            place = "by the engine" if data["aggregate_native"] else "by docmap, from its records"
            lines.append(f"  groups    {data['aggregate']}  ({place})")
        if data.get("update"):
            how = "natively" if data["update_native"] else "document by document"
            why = f": {data['update_why']}" if data["update_why"] else ""
            lines.append(f"  update    {data['update']}  ({how}{why})")
        if data["shards"]:
            asked = "some of the servers" if data["shards"] == "targeted" else "every server"
            by = f"by the shard key {data['shard_key']}"
            lines.append(f"  shards    {data['shards']}: asks {asked}, {by}")
        if data["statement"]:
            lines.append(f"  statement {data['statement']}")
        if data["loads"]:
            calls = " and ".join(data["loads"])
            lines.append(f"  hooks     {calls}: each document is loaded for its hooks")
        lines.extend(f"  engine    {line}" for line in data["detail"])
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Explanation {self.data['collection']} on {self.data['engine']}>"


def explain(engine: Engine, plan: Plan, grouping: Grouping | None = None) -> Explanation:
    """The explanation of a plan, with the engine's own account of it."""
    request = plan.request
    native = None if grouping is None else explained(engine, plan, grouping)
    if request.empty:
        own = EnginePlan(scan=False)
    else:
        own = native or engine._explain(request.schema, plan.native)
    residual = plan.residual
    key, aimed = request.schema.shard_key, own.targeted
    if aimed is None:
        aimed = targeted(request.schema, request.whole)
    return Explanation(
        {
            "engine": engine.scheme,
            "collection": request.schema.collection,
            "condition": text(request.whole),
            "native": residual is None,
            "residual": text(residual) if residual is not None else "",
            "why": f"{engine.scheme} has no exact form of it" if residual is not None else "",
            "order": order_text(request.order),
            "order_native": plan.ordered,
            "offset": request.offset,
            "limit": request.limit,
            "slice_native": plan.exact,
            "indexes": list(own.indexes),
            "scan": own.scan,
            "documents": own.documents,
            "statement": own.statement,
            "detail": list(own.detail),
            "empty": request.empty,
            "aggregate": "" if grouping is None else _grouping_text(grouping),
            "aggregate_native": native is not None,
            "shards": "" if key is None else "targeted" if aimed else "scatter",
            "shard_key": "" if key is None else key.label,
            "loads": [],
        }
    )


def _grouping_text(grouping: Grouping) -> str:
    keys = ", ".join(key.reading.text for key in grouping.keys)
    terms = ", ".join(term.text for term in grouping.terms)
    return ": ".join(part for part in (f"by {keys}" if keys else "", terms) if part)


def _reach(data: dict[str, Any]) -> str:
    if data["empty"]:
        return "nothing can match, nothing is read"
    if data["scan"]:
        return "reads every document" + (
            "" if data["condition"] != text(TRUE) else " (no condition)"
        )
    if data["indexes"]:
        return "uses " + ", ".join(data["indexes"])
    return "native"
