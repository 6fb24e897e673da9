"""`docmap copy`: what it prints, what it makes, how it ends. What a copy is: tests/storage."""

from __future__ import annotations

import json
import shelve
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from dbm import dumb
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest

from docmap.config import connect
from tests.adapters import install
from tests.cli.conftest import Docmap, Result
from tests.cli.test_import import Bar, bars

__all__ = ["bars"]  # a fixture

MODULE = """
from typing import Annotated
from docmap import Document, Index, Indexed

class Order(Document, collection="orders", key="number", indexes=[Index("status")]):
    number: str
    sku: Annotated[str | None, Indexed(unique=True)] = None
    status: str = "new"
    code: Annotated[int | str, Indexed()] = 0
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path) -> Iterator[None]:
    """A module of the user's in the working directory."""
    (tmp_path / "ordermodels.py").write_text(MODULE)
    yield
    sys.modules.pop("ordermodels", None)


def fill(url: str, count: int = 5) -> None:
    with connect(url) as db:
        db.insert_many("orders", [{"id": f"{n}", "number": f"{n}"} for n in range(count)])
        db.insert_many("users", [{"id": 1, "name": "Ann"}])


@pytest.fixture(params=[("memory://", "sqlite:///to.db"), ("sqlite:///from.db", "memory://")])
def urls(request: pytest.FixtureRequest) -> tuple[str, str]:
    """A filled store, and an empty one on another engine."""
    source, target = request.param
    fill(source)
    return source, target


def test_copy(docmap: Docmap, urls: tuple[str, str]) -> None:
    source, target = urls
    done = docmap("copy", source, target)
    same = "; count and content are the same on both sides"
    assert (done.status, done.out) == (0, "")
    assert done.err.splitlines() == [
        "  orders: 5 documents",
        "  users: 1 document",
        f"copied 6 documents into {target}{same}",
    ]
    for name in ("orders", "users"):
        assert docmap("export", target, name).rows == docmap("export", source, name).rows
    assert docmap("copy", target, "sqlite:///more.db", "--quiet") == Result(0, "", "")


def test_indexes_are_listed(docmap: Docmap, tmp_path: Path) -> None:
    fill("sqlite:///a.db")
    assert docmap("indexes", "apply", "sqlite:///a.db", "ordermodels:Order").status == 0
    lines = docmap("copy", "sqlite:///a.db", "sqlite:///b.db", "--collection", "orders").err
    assert lines.splitlines() == [
        "  orders: 5 documents",
        "    index (status)",
        "    index unique (sku)",
        "    index (code): left to its class, which --model names",
        "copied 5 documents into sqlite:///b.db; count and content are the same on both sides",
    ]
    assert docmap("collections", "sqlite:///b.db").lines == ["orders"]
    named = docmap(
        *("copy", "sqlite:///a.db", "sqlite:///c.db", "--model", "ordermodels:Order", "--json")
    )
    found = json.loads(named.out)["collections"]["orders"]
    assert sorted(found["indexes"]) == ["(code)", "(status)", "unique (sku)"]
    assert found["left"] == []


def test_json(docmap: Docmap, urls: tuple[str, str]) -> None:
    done = docmap("copy", *urls, "--json")
    assert done.err == ""
    found = json.loads(done.out)
    digests = [one.pop("sha256") for one in found["collections"].values()]
    assert [len(bytes.fromhex(digest)) for digest in digests] == [32, 32]
    one: dict[str, Any] = {"removed": 0, "indexes": [], "left": []}
    assert found == {
        "dry_run": False,
        "resumed": False,
        "documents": 6,
        "written": 6,
        "collections": {
            "orders": {"documents": 5, "written": 5, **one},
            "users": {"documents": 1, "written": 1, **one},
        },
    }


def test_a_dry_run_makes_no_file(docmap: Docmap, tmp_path: Path) -> None:
    fill("sqlite:///a.db")
    done = docmap("copy", "sqlite:///a.db", "sqlite:///b.db", "--dry-run")
    assert done.status == 0
    assert done.err.splitlines()[-1] == "would copy 6 documents into sqlite:///b.db"
    assert not (tmp_path / "b.db").exists()
    fill("sqlite:///c.db", 2)
    held = docmap("copy", "sqlite:///a.db", "sqlite:///c.db", "--dry-run")
    assert (held.status, "is not empty" in held.err) == (1, True)


def test_into_what_is_there(docmap: Docmap) -> None:
    fill("sqlite:///a.db")
    with connect("sqlite:///b.db") as db:
        db.save("users", {"id": 2, "name": "Bob"})
    refused = docmap("copy", "sqlite:///a.db", "sqlite:///b.db")
    assert refused.status == 1
    assert refused.err == (
        "docmap: error: sqlite:///b.db is not empty (users): copy to another target, or add to "
        "what is there (--into-existing, into_existing=True)\n"
    )
    added = docmap("copy", "sqlite:///a.db", "sqlite:///b.db", "--into-existing")
    assert (added.status, added.err.splitlines()[1]) == (0, "  users: 1 document")
    again = docmap("copy", "sqlite:///a.db", "sqlite:///b.db", "--into-existing")
    assert again.err.splitlines()[0] == "  orders: 5 documents (5 of them there already)"
    assert docmap("count", "sqlite:///b.db", "users").out == "2\n"


FAULTS = [
    (["sqlite:///no.db", "sqlite:///b.db"], 1, "there is no sqlite store at no.db"),
    (["sqlite:///a.db", "sqlit:///b.db"], 1, "no storage engine has the scheme 'sqlit'"),
    (["sqlite:///a.db", "sqlite:///a.db"], 1, "cannot be copied to itself"),
    (["sqlite:///a.db", "sqlite:///b.db", "--collection", "user"], 1, "did you mean 'users'?"),
    (["sqlite:///a.db", "sqlite:///b.db", "--model", "nothing:Here"], 1, "cannot be imported"),
    (["sqlite:///a.db", "sqlite:///b.db", "--model", "Order"], 2, "is not module:Class"),
    (["sqlite:///a.db", "sqlite:///b.db", "--batch-size", "0"], 1, "at least one document"),
    (["sqlite:///a.db"], 2, "required: TARGET"),
]


@pytest.mark.parametrize(("arguments", "status", "text"), FAULTS)
def test_faults(
    docmap: Docmap, tmp_path: Path, arguments: list[str], status: int, text: str
) -> None:
    fill("sqlite:///a.db")
    done = docmap("copy", *arguments)
    assert (done.status, done.out) == (status, "")
    assert done.err.startswith("docmap: error: ")
    assert done.err.count("\n") == 1
    assert text in done.err


@pytest.mark.parametrize("arguments", [["--collection", "user"], ["--model", "nothing:Here"]])
def test_a_refused_copy_makes_no_file(docmap: Docmap, tmp_path: Path, arguments: list[str]) -> None:
    fill("sqlite:///a.db")
    assert docmap("copy", "sqlite:///a.db", "sqlite:///b.db", *arguments).status == 1
    assert not (tmp_path / "b.db").exists()


def test_the_bar_goes_to_its_end(
    docmap: Docmap, bars: list[Bar], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill("sqlite:///a.db")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    docmap("copy", "sqlite:///a.db", "sqlite:///b.db")
    assert [(bar.total, bar.done) for bar in bars] == [(12, 12)]


def test_another_programs_shelf(
    docmap: Docmap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engines = ("sqlite:SQLiteStorage", "shelve:ShelveStorage")
    points = {one.partition(":")[0]: f"docmap_backends.{one}" for one in engines}
    install(monkeypatch, points)
    day = datetime(2024, 2, 29, 12, tzinfo=UTC)
    with _shelf(tmp_path / "people", "c") as shelf:
        shelf["ann"] = {"name": "Ann", "born": day, "paid": Decimal("1.10"), "tags": ("a", "b")}
        shelf["bob"] = {"name": "Bob"}
    done = docmap("copy", "shelve:///people", "sqlite:///people.db")
    assert (done.status, done.err.splitlines()[0]) == (0, "  people: 2 documents")
    assert docmap("export", "sqlite:///people.db", "people", "--extended").rows == [
        {
            "id": "ann",
            "name": "Ann",
            "born": {"$date": "2024-02-29T12:00:00Z"},
            "paid": {"$numberDecimal": "1.10"},
            "tags": ["a", "b"],
        },
        {"id": "bob", "name": "Bob"},
    ]
    with _shelf(tmp_path / "people", "r") as shelf:
        assert shelf["bob"] == {"name": "Bob"}
    again = docmap("copy", "shelve:///people", "sqlite:///people.db", "--into-existing")
    assert again.err.splitlines()[0] == "  people: 2 documents (2 of them there already)"
    assert docmap("copy", "sqlite:///people.db", "shelve:///people2").status == 0
    assert docmap("count", "shelve:///people2", "people").out == "2\n"


def _shelf(path: Path, flag: Any) -> shelve.Shelf[Any]:
    return shelve.Shelf(cast("Any", dumb.open(str(path), flag)))


def test_what_a_source_holds_beside_its_collections_is_told(
    docmap: Docmap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engines = ("sqlite:SQLiteStorage", "tinydb:TinyDBStorage")
    install(monkeypatch, {one.partition(":")[0]: f"docmap_backends.{one}" for one in engines})
    rows = {"_default": {"1": {"a": 1}, "2": {"b": 2}}, "kept": {"1": {"id": "x"}}}
    (tmp_path / "plain.json").write_text(json.dumps(rows))
    done = docmap("copy", "tinydb:///plain.json", "sqlite:///to.db", "--json")
    assert done.status == 0
    assert json.loads(done.out)["documents"] == 1
    assert done.err.startswith("docmap: warning: 2 documents of the table _default in ")
    assert done.err.endswith(" are left alone: it has no name that a collection may have\n")
    assert done.err.count("\n") == 1
