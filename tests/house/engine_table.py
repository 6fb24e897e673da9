"""The table of docs/engines.md: what each engine does by itself, asked of the engines themselves.

`python -m tests.house.engine_table --write` puts it into the page. The engines are those with a
profile in tests/conformance.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from docmap import BaseStorageAdapter, Document, Index, Sum
from docmap.query.paths import Path as Place
from docmap.schema.schema import Schema
from docmap.storage.hooks import Hooks
from docmap.storage.load import ENGINES
from docmap.testing.profile import BackendProfile
from tests.house import lookup_table
from tests.house.tree import ROOT

PAGE: Final = ROOT / "docs" / "engines.md"
BEGIN, END = "<!-- table: python -m tests.house.engine_table --write -->", "<!-- /table -->"
UPDATES: Final[Mapping[str, Mapping[str, Any]]] = {
    "set": {"text": "x"},
    "inc": {"number__inc": 1},
    "mul": {"number__mul": 2},
    "min": {"number__min": 2},
    "max": {"number__max": 2},
    "push": {"tags__push": "x"},
    "pop": {"tags__pop": "last"},
    "pull": {"tags__pull": "x"},
    "add_to_set": {"tags__add_to_set": "x"},
    "unset": {"text__unset": True},
}


class Counted(Document, collection="counted", indexes=[Index("text", "number")]):
    """A document with an index that begins with one field and is ordered by the next."""

    text: str = "a"
    number: int = 1


@dataclass(frozen=True, slots=True)
class Asked:
    """An engine with a sample document in it."""

    profile: BackendProfile
    storage: BaseStorageAdapter

    def has(self, hook: str) -> bool:
        """True if the adapter has a form of its own of a hook."""
        return getattr(type(self.storage), hook) is not getattr(Hooks, hook)


def profiles() -> list[BackendProfile]:
    """The profiles of docmap's own engines, in the order in which docmap lists its engines."""
    files = ROOT / "tests" / "conformance"
    return [
        import_module(f"tests.conformance.test_{name}").profile
        for name in ENGINES
        if (files / f"test_{name}.py").is_file()
    ]


# -- the rows


def _place(asked: Asked) -> str:
    return {
        "memory": "in memory, gone when it is closed",
        "file": "on disk, each acknowledged write",
        "server": "on a server",
    }[asked.profile.kind]


def _second(asked: Asked) -> str:
    return {
        "shares": "shares it safely",
        "locked": "gets `StoreLocked`",
        "alone": "has a store of its own",
    }[asked.profile.second]


def _driver(asked: Asked) -> str:
    extra = ENGINES[asked.storage.scheme].extra
    return f"`docmap[{extra}]`" if extra else "–"


def _lookups(asked: Asked, model: Any) -> str:
    reach = Counter(
        lookup_table.reach(asked.storage, model, {f"{field}__{lookup}": value})
        for lookup, cases in lookup_table.CASES.items()
        for field, value in cases.values()
    )
    if not reach["index"] and not reach["native"]:
        return "none: docmap filters"
    left = f", {reach['residual']} by docmap" if reach["residual"] else ""
    return f"{reach['index'] + reach['native']} ({reach['index']} by an index){left}"


def _order(asked: Asked) -> str:
    plan = asked.storage.find(Counted).order_by("number").explain()
    return "by itself" if plan.data["order_native"] else "docmap sorts"


def _page(asked: Asked) -> str:
    plan = asked.storage.find(Counted, text="a").order_by("-number")[:20].explain()
    if plan.scan or not plan.indexes:
        return "reads all matches"
    return "from the index" if plan.data["slice_native"] else "the index finds, docmap sorts"


def _count(asked: Asked) -> str:
    if not asked.has("_count"):
        return "docmap counts records"
    return "by itself"


def _distinct(asked: Asked) -> str:
    schema: Schema = Counted.__docmap_schema__
    kind = schema.root.fields["text"].type
    found = asked.storage._distinct(schema, Place(("text",)), kind, None)
    return "docmap reads records" if found is None else "by itself"


def _groups(asked: Asked) -> str:
    groups = asked.storage.find(Counted).group_by("text").aggregate(total=Sum("number"))
    return "by itself" if groups.explain().data["aggregate_native"] else "docmap reads records"


def _updates(asked: Asked) -> str:
    query = asked.storage.find(lookup_table.Sample)
    plans = {name: query.explain_update(**changes) for name, changes in UPDATES.items()}
    native = [name for name, plan in plans.items() if plan.data["update_native"]]
    if not native:
        return "document by document"
    return "by itself" if len(native) == len(UPDATES) else f"by itself: {', '.join(native)}"


def _deletes(asked: Asked) -> str:
    return "by itself" if asked.has("_delete_matching") else "document by document"


def _has(ability: str) -> Callable[[Asked], str]:
    return lambda asked: "yes" if ability in asked.storage.abilities else "–"


def _transactions(asked: Asked) -> str:
    if "transactions" not in asked.storage.abilities:
        return "–"
    return asked.storage.isolation or "yes"


def _options(asked: Asked) -> str:
    return ", ".join(f"`{name}`" for name in sorted(asked.storage.settings)) or "–"


ROWS: Final[Mapping[str, Callable[[Asked], str]]] = {
    "needs": _driver,
    "documents live": _place,
    "a second opener of the store": _second,
    "lookups of a class that run natively": lambda asked: _lookups(asked, lookup_table.Sample),
    "lookups without a class": lambda asked: _lookups(
        asked, lookup_table.Sample.__docmap_schema__.collection
    ),
    "order": _order,
    "an ordered page of an indexed query": _page,
    "count of a native condition": _count,
    "distinct values": _distinct,
    "groups and sums": _groups,
    "updates by a condition": _updates,
    "deletes by a condition": _deletes,
    "declared indexes": _has("indexes"),
    "transactions": _transactions,
    "int keys counted": _has("counters"),
    "change feed": _has("watch"),
    "options": _options,
}


def table() -> str:
    """The table in Markdown."""
    columns: dict[str, list[str]] = {}
    for profile in profiles():
        with tempfile.TemporaryDirectory() as directory:
            storage = profile.open(Path(directory))
            try:
                storage.insert(Counted())
                storage.insert(lookup_table.Sample())
                asked = Asked(profile, storage)
                columns[storage.scheme] = [row(asked) for row in ROWS.values()]
            finally:
                storage.disconnect()
    lines = [
        f"| | {' | '.join(f'`{name}`' for name in columns)} |",
        f"| --- |{' --- |' * len(columns)}",
    ]
    for position, name in enumerate(ROWS):
        cells = " | ".join(column[position] for column in columns.values())
        lines.append(f"| {name} | {cells} |")
    return "\n".join(lines)


def in_page(text: str) -> str:
    """The table that a page holds. Raises ValueError if it has no place for one."""
    _, begin, rest = text.partition(f"{BEGIN}\n\n")
    found, end, _ = rest.partition(f"\n\n{END}")
    if not begin or not end:
        raise ValueError(f"the page has no lines {BEGIN} and {END}")
    return found


def write(page: Path = PAGE) -> None:
    """Put the table of today into the page."""
    text = page.read_text(encoding="utf-8")
    old = f"{BEGIN}\n\n{in_page(text)}\n\n{END}"
    page.write_text(text.replace(old, f"{BEGIN}\n\n{table()}\n\n{END}"), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        write()
    else:
        sys.stdout.write(table() + "\n")
