"""Which engines a test is about, so that `--engines memory,sqlite` can leave the others out."""

from __future__ import annotations

from typing import Final

import pytest

SERVERS: Final = frozenset({"postgresql", "mongodb", "ferretdb"})
ENGINES: Final = SERVERS | {"leveldb", "memory", "shelve", "sqlite", "tinydb"}
MARK: Final = "engine"


def narrow(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests of engines that `--engines` does not name; without it all run."""
    given = str(config.getoption("--engines", None) or "")
    if not given:
        return
    named = {one.strip().partition("://")[0] for one in given.split(",")}
    left_out = [item for item in items if engines_of(item) - named]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]


def engines_of(item: pytest.Item) -> set[str]:
    """The engines that a test needs: all of them are named by the run, or it is left out.

    They are said by the mark `engine`, by the folder or the name of the test file (tests/leveldb,
    test_sqlite.py), and for servers by the first word of a parameter (`postgresql-async`).
    """
    marked = {name for mark in item.iter_markers(MARK) for name in mark.args}
    words = {*item.path.parent.parts, *item.path.stem.split("_")} & ENGINES
    call = getattr(item, "callspec", None)
    values = [] if call is None else call.params.values()
    chosen = {value.split("-")[0] for value in values if isinstance(value, str)} & SERVERS
    return marked | words | chosen
