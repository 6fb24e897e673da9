"""The lock under which get_or_create creates has one name for one question, in every process."""

from __future__ import annotations

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from docmap import Document
from docmap_backends.memory import MemoryStorage


class Order(Document, collection="orders"):
    tags: set[str] = Field(default_factory=set)
    total: Decimal = Decimal(0)
    status: str = "new"


class Holding(MemoryStorage):
    """Tells what it is asked to hold."""

    def _hold(self, name: str) -> None:
        names.append(name)


names: list[str] = []
TAGS = {"red", "green", "blue", "yellow"}


def held(**conditions: Any) -> str:
    """The name of the lock of one call."""
    names.clear()
    with Holding() as db:
        db.get_or_create(Order, **conditions)
    (name,) = names
    return name


def test_a_question_has_one_name() -> None:
    name = held(tags=TAGS, total=1, status="x")
    assert held(status="x", total=Decimal(1), tags=TAGS) == name
    assert held(status="y", total=1, tags=TAGS) != name
    assert held(status="x", total=2, tags=TAGS) != name


@pytest.mark.parametrize("seed", ["1", "2", "3"])
def test_another_process_has_the_same(seed: str) -> None:
    root = str(Path(__file__).parents[2])
    script = "from tests.storage.test_holding import TAGS, held; print(held(tags=TAGS))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": root},
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == held(tags=TAGS)
