"""`docmap upgrade` and `docmap check`."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from docmap.config import connect
from tests.cli.conftest import Docmap

MODULE = """
from __future__ import annotations
import os, sys
from typing import Any
from docmap import Document, upgrade

class Person(Document, collection="people", version=2):
    first: str
    last: str

    @upgrade(to=2)
    @staticmethod
    def _(record: dict[str, Any]) -> dict[str, Any]:
        record["first"], _, record["last"] = record.pop("name").partition(" ")
        record["times"] = record.get("times", 0) + 1
        return record

Other = "text"
class Plain(Document, collection="people"):
    name: str
"""
PERSON = "people_model:Person"


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A module of the user's in the working directory."""
    (tmp_path / "people_model.py").write_text(MODULE)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    sys.modules.pop("people_model", None)


def fill(url: str, count: int) -> None:
    with connect(url) as db:
        db.insert_many("people", ({"id": f"{n:06}", "name": f"P {n}"} for n in range(count)))


def test_upgrade(docmap: Docmap, url: str) -> None:
    fill(url, 1200)
    dry = docmap("upgrade", url, PERSON, "--dry-run")
    assert (dry.status, dry.err) == (0, "")
    assert dry.out == "people: 1,200 of 1,200 older records would be upgraded to version 2\n"
    assert "1,200 of 1,200" in docmap("upgrade", url, PERSON, "--dry-run").out
    done = docmap("upgrade", url, PERSON, "--batch-size", "100")
    assert done.out == "people: 1,200 of 1,200 older records upgraded to version 2\n"
    again = docmap("upgrade", url, PERSON, "--json")
    assert json.loads(again.out) == {
        "collection": "people",
        "version": 2,
        "dry_run": False,
        "outdated": 0,
        "upgraded": 0,
        "failed": 0,
        "errors": [],
    }


def test_what_fails_is_told(docmap: Docmap, url: str) -> None:
    fill(url, 2)
    with connect(url) as db:
        db.save("people", {"nme": "x"}, "bad")
    done = docmap("upgrade", url, PERSON)
    assert done.status == 1
    assert "2 of 3 older records" in done.lines[0]
    assert "bad" in done.lines[-1]
    assert "KeyError" in done.lines[-1]
    assert json.loads(docmap("upgrade", url, PERSON, "--json").out)["errors"][0]["key"] == "bad"


def test_check(docmap: Docmap, url: str) -> None:
    fill(url, 3)
    assert docmap("check", url, PERSON).out == "people: 3 records, all fit Person\n"
    with connect(url) as db:
        db.save("people", {"nme": "x"}, "bad")
        db.save("people", {"_version": 3}, "newer")
        db.save("people", {"first": "a", "last": 5, "_version": 2}, "worse")
    done = docmap("check", url, PERSON)
    assert done.status == 1
    assert len(done.lines) == 5
    found = {row["key"]: row for row in docmap("check", url, PERSON, "--format", "jsonl").rows}
    assert set(found) == {"bad", "newer", "worse"}
    assert found["worse"]["field"] == "last"
    assert found["worse"]["collection"] == "people"
    assert "update the program" in found["newer"]["reason"]
    assert len(docmap("check", url, PERSON, "--limit", "1", "--format", "jsonl").rows) == 1
    assert docmap("check", url, "people_model:Plain").status == 1


@pytest.mark.parametrize(
    ("model", "status", "text"),
    [
        ("people_model", 2, "is not module:Class"),
        ("people_model:Persn", 1, "did you mean"),
        ("people_model:Other", 1, "is no document class"),
        ("no_such_module:Person", 1, "cannot be imported"),
        ("people_model:Plain", 1, "declares no version"),
    ],
)
def test_what_is_no_class(docmap: Docmap, url: str, model: str, status: int, text: str) -> None:
    fill(url, 1)
    done = docmap("upgrade", url, model)
    assert done.status == status
    assert text in done.err


def test_no_store_is_made(docmap: Docmap, tmp_path: Path) -> None:
    done = docmap("upgrade", "sqlite:///nothing.db", PERSON)
    assert done.status == 1
    assert not (tmp_path / "nothing.db").exists()


def test_killed_and_run_again(docmap: Docmap, tmp_path: Path) -> None:
    url, count = "sqlite:///store.db", 4000
    fill(url, count)
    command = [sys.executable, "-m", "docmap.cli", "upgrade", url, PERSON, "--batch-size", "40"]
    landed = 0
    for _ in range(4):
        with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL) as running:
            before, deadline = upgraded(url), time.monotonic() + 30
            while upgraded(url) < before + 200 and running.poll() is None:
                assert time.monotonic() < deadline
                time.sleep(0.002)
            running.send_signal(signal.SIGKILL)
        done = upgraded(url)
        landed += before < done < count
        assert done % 40 == 0  # a batch is written whole
    assert landed
    assert docmap("upgrade", url, PERSON).status == 0
    with connect(url) as db:
        records: list[dict[str, Any]] = db.find("people").list()
    assert len(records) == count
    assert {(one["_version"], one["times"], one["first"]) for one in records} == {(2, 1, "P")}


def upgraded(url: str) -> int:
    with connect(url) as db:
        return db.find("people", _version=2).count()
