"""`docmap indexes plan` and `apply`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from docmap.config import connect
from docmap.storage.indexing import build_missing, plan_indexes
from docmap.storage.loading import schema_of
from tests.cli.conftest import Docmap
from tests.cli.test_import import Bar, bars

MODULE = """
from decimal import Decimal
from typing import Annotated
from docmap import Document, Index, Indexed

class Order(Document, collection="orders", indexes=[Index("status", "-total")]):
    number: Annotated[str | None, Indexed(unique=True)] = None
    status: str = "new"
    total: Decimal = Decimal(0)
    tags: list[str] = []

class Before(Document, collection="orders", indexes=[Index("tags"), Index("number")]):
    number: str | None = None
    tags: list[str] = []

class Other(Document, collection="orders", indexes=[Index("-status")]):
    status: str = "new"

class Plain(Document, collection="plain"):
    pass

class Base(Document, abstract=True):
    pass

number = 5
"""


__all__ = ["bars"]  # a fixture

CONFLICT = "unique (number: str) is declared, and (number: str) is there"


@pytest.fixture(autouse=True)
def module(tmp_path: Path) -> Iterator[None]:
    """A module of the user's in the working directory."""
    (tmp_path / "shopmodels.py").write_text(MODULE)
    yield
    sys.modules.pop("shopmodels", None)


@pytest.fixture
def classes() -> Any:
    """That module, as the program has it."""
    sys.path.insert(0, "")
    import importlib

    try:
        return importlib.import_module("shopmodels")
    finally:
        sys.path.remove("")


@pytest.fixture
def held(url: str, classes: Any) -> str:
    """A store in which the class of before wrote."""
    with connect(url) as db:
        db.insert_many(classes.Before, [{"id": key, "number": key} for key in "abc"])
    return url


def present(url: str) -> set[str]:
    with connect(url) as db:
        return set(db.indexes("orders")["present"])


class TestPlan:
    def test_it_shows_the_difference(self, docmap: Docmap, held: str) -> None:
        done = docmap("indexes", "plan", held, "shopmodels:Order")
        assert (done.status, done.err) == (0, "")
        assert done.lines[0] == f"orders on {held.partition(':')[0]} (Order)"
        assert sorted(done.lines[1:]) == sorted(
            [
                "  + unique (number): to be made",
                "  + (status, -total): to be made",
                "  - (tags): not declared",
                f"  ! (number): not declared; {CONFLICT}",
            ]
        )

    def test_it_changes_nothing(self, docmap: Docmap, held: str) -> None:
        before = present(held)
        docmap("indexes", "plan", held, "shopmodels:Order")
        assert present(held) == before == {"(tags)", "(number)"}

    def test_as_json(self, docmap: Docmap, held: str) -> None:
        done = docmap("indexes", "plan", held, "shopmodels:Order", "--json")
        data = json.loads(done.out)
        assert data["action"] == "plan"
        (found,) = data["collections"].values()
        assert set(found["missing"]) == {"unique (number: str)", "(status: str, -total: decimal)"}
        assert set(found["extra"]) == {"(tags: each str)", "(number: str)"}
        assert found["conflicts"] == [
            {"declared": "unique (number: str)", "present": "(number: str)"}
        ]

    def test_classes_that_share_a_collection(self, docmap: Docmap, held: str) -> None:
        done = docmap("indexes", "plan", held, "shopmodels:Order", "shopmodels:Before")
        assert done.lines[0].endswith("(Order, Before)")
        assert "  - " not in done.out
        assert "  ! " not in done.out
        assert "    (tags): there" in done.lines

    def test_another_direction_is_no_conflict(self, docmap: Docmap, url: str, classes: Any) -> None:
        with connect(url) as db:
            db.ensure_indexes(classes.Other)
        done = docmap("indexes", "plan", url, "shopmodels:Order")
        assert "  - (-status): not declared" in done.lines
        assert "!" not in done.out

    def test_a_class_without(self, docmap: Docmap, held: str) -> None:
        assert docmap("indexes", "plan", held, "shopmodels:Plain").lines[1:] == ["    no indexes"]


class TestApply:
    def test_it_makes_what_is_missing(self, docmap: Docmap, held: str) -> None:
        done = docmap("indexes", "apply", held, "shopmodels:Order")
        assert "  + unique (number): made" in done.lines
        assert present(held) == {"(tags)", "(number)", "unique (number)", "(status, -total)"}

    def test_a_conflict_names_both(self, docmap: Docmap, held: str) -> None:
        for _ in range(2):
            done = docmap("indexes", "apply", held, "shopmodels:Order")
            assert done.status == 1
            assert CONFLICT in done.err
            assert "--drop" in done.err

    def test_only_if_it_is_told_it_drops(
        self, docmap: Docmap, held: str, fill: Callable[..., None], classes: Any
    ) -> None:
        done = docmap("indexes", "apply", held, "shopmodels:Order", "--drop")
        assert (done.status, done.err) == (0, "")
        assert "  - (tags): dropped" in done.lines
        assert present(held) == {"unique (number)", "(status, -total)"}
        plan = docmap("indexes", "plan", held, "shopmodels:Order").lines
        assert sorted(plan[1:]) == ["    (status, -total): there", "    unique (number): there"]
        with connect(held) as db:
            assert db.find(classes.Order, number="b").one().id == "b"
            db.insert_many(classes.Before, [{"id": "d", "number": "d", "tags": ["x"]}])
            assert db.find(classes.Before, tags__contains="x").one().id == "d"

    def test_as_json(self, docmap: Docmap, held: str) -> None:
        done = docmap("indexes", "apply", held, "shopmodels:Order", "--drop", "--json")
        (found,) = json.loads(done.out)["collections"].values()
        assert len(found["made"]) == len(found["dropped"]) == 2

    def test_a_store_that_is_not_there_yet(self, docmap: Docmap, url: str) -> None:
        done = docmap("indexes", "apply", url, "shopmodels:Order")
        assert (done.status, done.err) == (0, "")
        assert present(url) == {"unique (number)", "(status, -total)"}

    def test_documents_with_the_same_values(self, docmap: Docmap, held: str, classes: Any) -> None:
        with connect(held) as db:
            db.insert_many(classes.Before, [{"number": "a"}, {"number": "b"}, {"number": "b"}])
        done = docmap("indexes", "apply", held, "shopmodels:Order")
        assert done.status == 1
        assert "documents with the same values of number" in done.err
        assert "2 values are in more than one document, 5 documents in all" in done.err
        assert present(held) == {"(tags)", "(number)"}


def test_a_terminal_sees_a_bar_for_each(
    docmap: Docmap, held: str, bars: list[Bar], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert docmap("indexes", "apply", held, "shopmodels:Order", "--drop").status == 0
    assert [(bar.total, bar.done) for bar in bars] == [(3, 3), (3, 3)]
    bars.clear()
    docmap("indexes", "apply", held, "shopmodels:Before", "--quiet", "--drop")
    assert bars == []


def test_sqlite_tells_while_it_builds(classes: Any) -> None:
    """Now and then, of documents as they are indexed."""
    with connect("sqlite://") as db:
        db.insert_many("orders", [{"id": f"{n}", "number": f"{n}"} for n in range(30_000)])
        (plan,) = plan_indexes(db, [schema_of(classes.Order)])
        told: list[int] = []
        build_missing(db, plan, told.append)
        assert len(told) >= 4
        assert sum(told) > 30_000  # of two indexes; it is a guess


class TestWrongCalls:
    def test_plan_drops_nothing(self, docmap: Docmap, held: str) -> None:
        done = docmap("indexes", "plan", held, "shopmodels:Order", "--drop")
        assert done.status == 1
        assert "plan changes nothing" in done.err

    @pytest.mark.parametrize(
        ("name", "status", "text"),
        [
            ("shopmodels", 2, "module:Class"),
            ("shop models:Order", 2, "module:Class"),
            ("nomodule:Order", 1, "nomodule cannot be imported"),
            ("shopmodels:Ordr", 1, "did you mean 'Order'"),
            ("shopmodels:Base", 1, "no collection"),
            ("shopmodels:Decimal", 1, "no collection"),
            ("shopmodels:number", 1, "no document class"),
        ],
    )
    def test_classes(self, docmap: Docmap, held: str, name: str, status: int, text: str) -> None:
        done = docmap("indexes", "plan", held, name)
        assert done.status == status
        assert text in done.err

    def test_a_file_that_is_not_there(self, docmap: Docmap) -> None:
        done = docmap("indexes", "plan", "sqlite:///no.db", "shopmodels:Order")
        assert (done.status, Path("no.db").exists()) == (1, False)


def test_info_tells_what_indexes_are_over(docmap: Docmap, held: str) -> None:
    lines = docmap("info", held).lines
    assert "    index (number)" in lines
    assert "    index (tags)" in lines
