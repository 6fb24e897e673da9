"""Programs on servers: several that start together, and databases that are copied."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from itertools import permutations
from pathlib import Path
from typing import Annotated, Any, Final

import pytest

from docmap import Document, Index, Indexed, connect
from docmap.storage.copying import copy
from tests.servers import mongo, postgresql
from tests.servers.running import ROOT
from tests.servers.storages import emptied

PROCESSES: Final = 4
URLS: Final[dict[str, Callable[[Path], str]]] = {
    "memory": lambda _: "memory://",
    "sqlite": lambda path: f"sqlite:///{path / 'copy.db'}",
    "tinydb": lambda path: f"tinydb:///{path / 'copy.json'}",
    "shelve": lambda path: f"shelve:///{path / 'copy'}",
    "leveldb": lambda path: f"leveldb:///{path / 'copy'}?sync=false",
    "postgresql": lambda _: postgresql.url("copied"),
    "mongodb": lambda _: mongo.url("copied"),
}
SERVERS: Final = {"postgresql", "mongodb"}
PAIRS: Final = [pair for pair in permutations(URLS, 2) if SERVERS & set(pair)]


class Crate(Document, collection="crates", indexes=[Index("place", "-weight")]):
    number: Annotated[int, Indexed(unique=True)]
    place: str = "yard"
    weight: Decimal = Decimal(0)
    labels: Annotated[list[str], Indexed()] = []  # noqa: RUF012 - pydantic copies it


class Ticket(Document, collection="copied_tickets"):
    id: int | None = None


MODULE: Final = """
from decimal import Decimal
from typing import Annotated
from docmap import Document, Index, Indexed

class Crate(Document, collection="crates", indexes=[Index("place", "-weight")]):
    number: Annotated[int, Indexed(unique=True)]
    place: str = "yard"
    weight: Decimal = Decimal(0)
    labels: Annotated[list[str], Indexed()] = []
"""


def _environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}


@pytest.mark.parametrize("engine", sorted(SERVERS))
def test_programs_that_start_together_make_indexes_once(engine: str, tmp_path: Path) -> None:
    """`docmap indexes apply` in several processes on an empty database: each of them succeeds."""
    (tmp_path / "crates.py").write_text(MODULE, encoding="utf-8")
    url = {"postgresql": postgresql.url, "mongodb": mongo.url}[engine]("together")
    command = [sys.executable, "-m", "docmap.cli", "indexes", "apply", url, "crates:Crate"]
    running = [
        subprocess.Popen(
            command,
            cwd=tmp_path,
            env=_environment(tmp_path),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(PROCESSES)
    ]
    ended = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0] * PROCESSES, ended
    with connect(url) as db:
        found = db.indexes(Crate)
        assert (found["missing"], found["extra"], found["conflicts"]) == ([], [], [])
        Crate(number=1).save(db)


def _filled(storage: Any) -> None:
    storage.insert_many(
        [
            Crate(id=f"{n:02}", number=n, weight=Decimal(n) / 4, labels=["a", "é"][: n % 3])
            for n in range(20)
        ]
    )
    storage.find(Crate, number=3).update(place="ship")
    tickets = [Ticket(), Ticket(), Ticket()]
    storage.insert_many(tickets)
    storage.delete(tickets[2])
    storage.insert_many("loose", [{"id": "x", "a.b": {"$c": Decimal("1.10")}, "f": 1e22}])


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_copy_is_the_same_database(source: str, target: str, tmp_path: Path) -> None:
    places = {name: partial(URLS[name], tmp_path) for name in (source, target)}
    with emptied(places[source]()) as one, emptied(places[target]()) as other:
        _filled(one)
        report = copy(one, other, models=[Crate])
        assert (report.documents, report.written) == (23, 23)
        with connect("memory://") as third:
            again = copy(other, third, models=[Crate])
        hashes = [[part.sha256 for part in done.collections] for done in (report, again)]
        assert hashes[0] == hashes[1]
        assert list(other.find(Crate).order_by("number")) == list(
            one.find(Crate).order_by("number")
        )
        assert other.find(Crate, labels__contains="é", weight__gte=1).count() == 5
        assert other.indexes(Crate)["missing"] == []
        assert other.find("loose").one() == one.find("loose").one()
        assert Ticket().save(other) == 4


def test_the_command_copies_to_a_server_and_back(tmp_path: Path) -> None:
    url = postgresql.url("commanded")
    with emptied(url), connect(f"sqlite:///{tmp_path / 'old.db'}") as old:
        _filled(old)

    def docmap(*arguments: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-m", "docmap.cli", *arguments, "--json"],
            cwd=tmp_path,
            env=_environment(tmp_path),
            check=True,
            capture_output=True,
            text=True,
        )
        assert "docmap:" not in done.stdout  # neither user nor password
        return json.loads(done.stdout)

    there = docmap("copy", "sqlite:///old.db", url)
    back = docmap("copy", url, "sqlite:///new.db")
    assert there["documents"] == back["documents"] == 23
    hashes = [
        {name: part["sha256"] for name, part in done["collections"].items()}
        for done in (there, back)
    ]
    assert hashes[0] == hashes[1]
