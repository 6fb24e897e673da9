"""Eight threads in each of four processes race on one file: one winner each, and nothing lost."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Final

from docmap import connect
from tests.house.tree import ROOT
from tests.sqlite.racing import Named, Ticket, Total

PROCESSES: Final = 4
THREADS: Final = 8


def _race(file: Path, rounds: int) -> list[dict[str, list[Any]]]:
    """What each process was told to have done."""
    command = [sys.executable, "-W", "error", "-m", "tests.sqlite.racing", str(file)]
    started = [
        subprocess.Popen(
            [*command, str(worker), str(THREADS), str(rounds)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for worker in range(PROCESSES)
    ]
    said = [process.communicate(timeout=300)[0] for process in started]
    assert [process.returncode for process in started] == [0] * PROCESSES
    return [json.loads(one) for one in said]


def test_races_have_one_winner_and_lose_nothing(tmp_path: Path, *, long_run: bool) -> None:
    file, rounds = tmp_path / "race.db", 20 if long_run else 2
    with connect(f"sqlite:///{file}") as db:
        db.insert_many([Total(id=name) for name in ("revised", "transacted", "counted")])
    told = _race(file, rounds)
    every = PROCESSES * THREADS * rounds
    created = Counter(name for one in told for name in one["created"])
    seats = Counter(seat for one in told for seat in one["seats"])
    with connect(f"sqlite:///{file}") as db:
        # get_or_create by conditions that no index covers
        assert created == Counter({f"n{number}": 1 for number in range(rounds)})
        assert sorted(named.name for named in db.find(Named)) == sorted(created)
        # a unique index
        assert seats == Counter(dict.fromkeys(range(rounds), 1))
        assert sorted(ticket.seat for ticket in db.find(Ticket)) == sorted(seats)
        # load, change, save: by revision, in a transaction, and as an update
        for name in ("revised", "transacted", "counted"):
            assert db.get(Total, name).value == every
        # upsert: whoever was last, one document, written as often as was acknowledged
        assert sum(len(one["put"]) for one in told) == every
        assert db.find(Total, id__startswith="put").count() == rounds
