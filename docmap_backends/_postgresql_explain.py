"""PostgreSQL's own account of a statement, reduced to which indexes it uses and what it reads."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

from docmap.plan.engine import EnginePlan
from docmap_backends._postgresql_connections import Connections
from docmap_backends._postgresql_tables import Table
from docmap_backends._sql import SQL

_KEY: Final = re.compile(r"^docmap_key_|_pkey$")  # the index of the key, in tables of docmap's too

_SUFFIXES: Final = ("_odd", "_rest")
_WHOLE: Final = frozenset({"Seq Scan", "Sample Scan"})
_INDEXED: Final = frozenset({"Index Scan", "Index Only Scan", "Bitmap Index Scan"})


def explained(
    connections: Connections,
    table: Table,
    statement: SQL,
    labels: Mapping[str, str],
    *,
    sliced: bool,
) -> EnginePlan:
    """How the server would run a statement; `labels` name docmap's indexes for people.

    A small table is read whole although an index serves the query, since that is cheaper: then the
    plan is that for a table which has grown, and the last line of its detail says so.
    """
    nodes = _asked(connections, statement, grown=False)
    detail = [_line(node) for node in nodes]
    if _reads_all(nodes, table, sliced=sliced):
        grown = _asked(connections, statement, grown=True)
        if not _reads_all(grown, table, sliced=sliced):
            nodes = grown
            detail = [*map(_line, grown), "as yet reading all of the few documents is cheaper"]
    names = [name for node in nodes if (name := _index(node)) and _serves(node, sliced=sliced)]
    used = tuple(dict.fromkeys("(key)" if _KEY.search(n) else labels.get(n, n) for n in names))
    return EnginePlan(
        used,
        _reads_all(nodes, table, sliced=sliced),
        _size(connections, table),
        tuple(detail),
        statement.text,
    )


def _asked(connections: Connections, statement: SQL, *, grown: bool) -> list[dict[str, Any]]:
    """The nodes of the server's plan, each before those below it; without the flag's."""
    text = f"EXPLAIN (FORMAT JSON) {statement.text}"
    if not grown:
        rows = connections.rows(text, statement.parameters)
    else:
        rows = []
        with suppress(_Asked), connections.transaction():
            connections.rows("SELECT set_config('enable_seqscan', 'off', true)")
            rows = connections.rows(text, statement.parameters)
            raise _Asked
    (plan,) = json.loads(rows[0][0] or b"[]")
    nodes = list(_nodes(plan["Plan"]))
    _forget_inner_conditions(connections, nodes)
    return nodes


class _Asked(Exception):
    """Ends the transaction in which a setting was changed."""


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        if below.get("Parent Relationship") != "InitPlan":
            yield from _nodes(below)


def _forget_inner_conditions(connections: Connections, nodes: list[dict[str, Any]]) -> None:
    """A condition without the first column of an index reads all of it: then it counts for none."""
    searched = [node for node in nodes if "Index Cond" in node]
    if not searched:
        return
    rows = connections.rows(
        "SELECT relname, pg_get_indexdef(oid, 1, false) FROM pg_class WHERE relname = ANY(%s)",
        ([node["Index Name"] for node in searched],),
    )
    columns = {(name or b"").decode(): (column or b"").decode() for name, column in rows}
    for node in searched:
        if _bare(columns.get(node["Index Name"], "")) not in _bare(node["Index Cond"]):
            del node["Index Cond"]


def _bare(text: str) -> str:
    """An expression without what the server adds for the eye."""
    return re.sub(r'COLLATE "C"|::text|[\s()]', "", text)


def _index(node: Mapping[str, Any]) -> str:
    name = str(node.get("Index Name", ""))
    for suffix in _SUFFIXES:
        if name.startswith("ix_"):
            name = name.removesuffix(suffix)
    return name


def _serves(node: Mapping[str, Any], *, sliced: bool) -> bool:
    """True of a part of an index; of a whole one only where a slice ends it early."""
    return node["Node Type"] in _INDEXED and ("Index Cond" in node or sliced)


def _reads_all(nodes: list[dict[str, Any]], table: Table, *, sliced: bool) -> bool:
    return any(
        node["Node Type"] in _WHOLE
        or (node["Node Type"] in _INDEXED and not _serves(node, sliced=sliced))
        for node in nodes
        if _is_of(node, table)
    )


def _is_of(node: Mapping[str, Any], table: Table) -> bool:
    relation = node.get("Relation Name")
    return relation is None or '"' + str(relation) + '"' == table.name.replace("%%", "%")


def _line(node: Mapping[str, Any]) -> str:
    """A node in a line: what it does, on what. Its conditions hold operands, and are not told."""
    parts = [str(node["Node Type"])]
    if name := node.get("Index Name") or node.get("Relation Name"):
        parts.append(f"on {name}")
    parts += [said for key, said in _TOLD.items() if key in node]
    return " ".join(parts)


_TOLD: Final = {"Index Cond": "by a part of it", "Filter": "with a filter"}


def _size(connections: Connections, table: Table) -> int:
    """About how many documents there are; counted where the server does not know it yet."""
    rows = connections.rows(
        "SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass(%s)", (table.name,)
    )
    known = int(rows[0][0] or -1) if rows else -1
    if known < 1000:  # little to count, or not known
        known = int(connections.rows(f"SELECT count(*) FROM {table.name}")[0][0] or 0)
    return known
