"""A copy that is killed on its way, or finds the disk full, is whole once it has run again."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from docmap import BaseStorageAdapter, connect
from docmap.storage.copy_parts import MARKER
from docmap.storage.copying import copy
from tests.storage.test_copying import Order, contents, filled

ROOT: Final = Path(__file__).parents[2]
FILES: Final = ("sqlite", "tinydb", "shelve", "leveldb")
COUNT: Final = 400
BATCH: Final = 10


def url(engine: str, directory: Path, name: str) -> str:
    return f"{engine}:///{directory / name}"


@pytest.mark.parametrize("engine", FILES)
def test_a_killed_copy_goes_on(
    engine: str, tmp_path: Path, rng: random.Random, *, long_run: bool
) -> None:
    source, target = url("sqlite", tmp_path, "source"), url(engine, tmp_path, "target")
    with connect(source) as one:
        filled(one, COUNT)
        expected = contents(one)
    for _ in range(40 if long_run else 3):
        _kill(source, target, rng.randrange(1, 2 * COUNT // BATCH))
        with connect(target) as other:
            _check_whole(other, expected)
    with connect(source) as one, connect(target) as other:
        report = copy(one, other)
        assert (report.resumed, report.documents) == (True, COUNT + 5)
        assert contents(other) == expected
        assert other.indexes(Order)["missing"] == []


@pytest.mark.parametrize("engine", FILES)
def test_a_copy_goes_on_once_the_disk_has_room(engine: str, tmp_path: Path) -> None:
    source, target = url("sqlite", tmp_path, "source"), url(engine, tmp_path, "target")
    with connect(source) as one:
        filled(one, COUNT)
        expected = contents(one)
    arguments = [sys.executable, "-m", "tests.storage.copier", source, target, str(BATCH)]
    arguments.append("60000")
    done = subprocess.run(
        arguments, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "docmap.errors.Storage" in done.stderr.splitlines()[-1]
    with connect(target) as other:
        _check_whole(other, expected)
        assert MARKER in contents(other)
    with connect(source) as one, connect(target) as other:
        assert copy(one, other).resumed
        assert contents(other) == expected


def _kill(source: str, target: str, after: int) -> None:
    """Run a copy, and kill it after so many lines of its progress."""
    arguments = [sys.executable, "-m", "tests.storage.copier", source, target, str(BATCH)]
    pipe = subprocess.PIPE
    with subprocess.Popen(arguments, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for number, line in enumerate(process.stdout, 1):
            assert line != "done\n"
            process.stdin.write("\n")
            process.stdin.flush()
            if number == after:
                process.kill()
                break


def _check_whole(target: BaseStorageAdapter, expected: dict[str, list[tuple[bytes, int]]]) -> None:
    """What is there by now is there as it is in the source, and once."""
    for name, records in contents(target).items():
        if name in expected:
            assert len(set(records)) == len(records)
            assert set(records) <= set(expected[name])
