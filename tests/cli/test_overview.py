"""`docmap collections` and `docmap info`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any

from docmap import Document, Indexed
from docmap.config import connect
from tests.cli.conftest import Docmap

Fill = Callable[[str, str, list[dict[str, Any]]], None]


class City(Document, collection="cities"):
    name: Annotated[str, Indexed(unique=True)]


def test_collections(docmap: Docmap, fill: Fill, url: str) -> None:
    fill(url, "b", [{"id": 1}])
    fill(url, "a.C-d", [{"id": 1}])
    assert docmap("collections", url).lines == ["a.C-d", "b"]


def test_info(docmap: Docmap, fill: Fill, url: str) -> None:
    fill(url, "a", [{"id": number} for number in range(1200)])
    with connect(url) as db:
        db.save(City(name="Bern"))
    done = docmap("info", url)
    assert done.status == 0
    assert done.lines[0].split() == ["engine", url.partition(":")[0]]
    assert "  a: 1,200 documents" in done.lines
    at = done.lines.index("  cities: 1 document")
    assert done.lines[at + 1].startswith("    index ")
    data = json.loads(docmap("info", url, "--json").out)
    assert data["collections"]["a"] == {"documents": 1200, "indexes": []}
    assert len(data["collections"]["cities"]["indexes"]) == 1
    assert data["engine"] == url.partition(":")[0]


def test_info_of_a_file(docmap: Docmap, fill: Fill) -> None:
    fill("sqlite:///store.db", "a", [{"id": 1}])
    text = docmap("info", "sqlite:///store.db").out
    assert "store.db" in text
    assert "version" in text
    assert "size" in text
