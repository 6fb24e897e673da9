"""The table of docs/lookups.md: how each engine runs each lookup, asked of the engines themselves.

`python -m tests.house.lookup_table --write` puts it into the page. A cell says what the engine does
with a condition on an indexed field: `index` (it reads what the index gives), `native` (it checks
each document itself) or `residual` (docmap filters with the reference function).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

from pydantic import Field

from docmap import BaseStorageAdapter, Document, connect
from docmap.query.lookups import SYNONYMS, VOCABULARY
from tests.house.tree import ROOT

PAGE: Final = ROOT / "docs" / "lookups.md"
BEGIN, END = "<!-- engines: python -m tests.house.lookup_table --write -->", "<!-- /engines -->"
ENGINES: Final = {"memory": "memory://", "SQLite": "sqlite://"}
QUANTIFIERS: Final = ("any", "all")


class Sample(Document, indexes=["text", "number", "at", "day", "tags"]):
    """A document with an indexed field for each kind of lookup."""

    text: str = "a text"
    number: int = 1
    at: datetime = datetime(2024, 3, 1, tzinfo=UTC)
    day: date = date(2024, 3, 1)
    tags: list[str] = Field(default_factory=lambda: ["a"])


# One or more conditions for each lookup; a second one is named by what is special about it.
CASES: Final[Mapping[str, Mapping[str, tuple[str, Any]]]] = {
    "equals": {"a text": ("text", "x"), "a number": ("number", 5), "`None`": ("text", None)},
    "not_equals": {"": ("text", "x")},
    "in": {"": ("text", ["x", "y"])},
    "not_in": {"": ("text", ["x", "y"])},
    "gt": {"a number": ("number", 5), "a text": ("text", "x")},
    "gte": {"": ("number", 5)},
    "lt": {"": ("number", 5)},
    "lte": {"": ("number", 5)},
    "between": {"": ("number", (1, 5))},
    "contains": {"of a list": ("tags", "x"), "of a text": ("text", "x")},
    "contains_any": {"of a list": ("tags", ["x", "y"]), "of a text": ("text", ["x", "y"])},
    "contains_all": {"of a list": ("tags", ["x", "y"]), "of a text": ("text", ["x", "y"])},
    "icontains": {"": ("text", "x")},
    "startswith": {"": ("text", "x")},
    "istartswith": {"": ("text", "x")},
    "endswith": {"": ("text", "x")},
    "iendswith": {"": ("text", "x")},
    "iexact": {"": ("text", "x")},
    "matches": {"": ("text", "x+"), "with a fixed beginning": ("text", "^ab+")},
    "matches_caseless": {"": ("text", "^ab+")},
    "like": {"": ("text", "%x"), "with a fixed beginning": ("text", "x%")},
    "exists": {"": ("text", True)},
    "is_null": {"`True`": ("text", True), "`False`": ("text", False)},
    "year": {"": ("at", 2024)},
    "month": {"": ("day", 3)},
    "day": {"": ("day", 1)},
    "weekday": {"": ("day", 4)},
    "hour": {"": ("at", 9)},
    "size": {"": ("tags", 1)},
    "any": {"": ("tags", {"startswith": "x"})},
    "all": {"": ("tags", {"startswith": "x"})},
}


def built_in() -> frozenset[str]:
    """The lookups that docmap itself has; a test or a page may have registered more."""
    own = {name for name, found in VOCABULARY.items() if _is_ours(found.matches)}
    return frozenset(own | SYNONYMS.keys() | set(QUANTIFIERS))


def _is_ours(function: Any) -> bool:
    return str(function.__module__).startswith("docmap.query.")


def table() -> str:
    """The table in Markdown."""
    storages = {name: connect(url) for name, url in ENGINES.items()}
    try:
        for storage in storages.values():
            storage.insert(Sample())
        lines = list(_lines(storages))
    finally:
        for storage in storages.values():
            storage.disconnect()
    return "\n".join(lines)


def _lines(storages: Mapping[str, BaseStorageAdapter]) -> Iterator[str]:
    headings = [
        "lookup",
        *(f"{name}{kind}" for name in storages for kind in ("", ", without a class")),
    ]
    yield f"| {' | '.join(headings)} |"
    yield f"|{' --- |' * len(headings)}"
    for lookup, cases in CASES.items():
        for special, (field, value) in cases.items():
            cells = (
                reach(storage, model, {f"{field}__{lookup}": value})
                for storage in storages.values()
                for model in (Sample, Sample.__docmap_schema__.collection)
            )
            yield f"| {' | '.join([f'`{lookup}` {special}'.strip(), *cells])} |"


def reach(storage: BaseStorageAdapter, model: Any, condition: Mapping[str, Any]) -> str:
    """How far the engine itself runs a condition."""
    plan = storage.find(model, **condition).explain()
    if not plan.data["native"]:
        return "residual"
    return "native" if plan.scan else "index"


def in_page(text: str) -> str:
    """The table that a page holds. Raises ValueError if it has no place for one."""
    found = re.search(f"{re.escape(BEGIN)}\n\n(.*)\n\n{re.escape(END)}", text, re.DOTALL)
    if found is None:
        raise ValueError(f"the page has no lines {BEGIN} and {END}")
    return found[1]


def write(page: Path = PAGE) -> None:
    """Put the table of today into the page."""
    text = page.read_text(encoding="utf-8")
    old = _placed(in_page(text))
    page.write_text(text.replace(old, _placed(table())), encoding="utf-8")


def _placed(content: str) -> str:
    return f"{BEGIN}\n\n{content}\n\n{END}"


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        write()
    else:
        sys.stdout.write(table() + "\n")
