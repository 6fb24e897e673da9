"""The kit finds adapters that are broken, and lets those pass that are sound."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Final

import pytest

from docmap.testing import suite
from tests.conformance.broken import profiles
from tests.conformance.broken.catalogue import BROKEN, Kind
from tests.conformance.broken.run import Result, run

LEAST: Final = 150
SOME: Final = 40
SOME_SERVERS: Final = 3
WHOLE: Final = 6
PROFILE: Final = "::profile"  # the check that a test file has taken over the whole suite
SHARE: Final = 0.95
UNSEEN: Final[dict[str, str]] = {}
"""Broken adapters that the kit lets pass, and why it cannot see what is wrong with them."""


def _names(kind: Kind) -> list[str]:
    return [broken.name for broken in BROKEN.values() if broken.kind == kind]


def _unseen(results: dict[str, Result]) -> set[str]:
    return {name for name, result in results.items() if not result.failed}


def test_there_are_enough_and_most_are_caught() -> None:
    assert len(BROKEN) >= LEAST
    assert UNSEEN.keys() <= BROKEN.keys()
    assert 1 - len(UNSEEN) / len(BROKEN) >= SHARE


def test_each_names_what_shows_it() -> None:
    assert [broken.name for broken in BROKEN.values() if not broken.shown_by] == []
    named = {one.partition(":")[0] for broken in BROKEN.values() for one in broken.shown_by}
    assert {f"test_{module}" for module in named} <= suite.TESTS.keys()


def test_some_that_are_broken_fail(tmp_path: Path, rng: Random) -> None:
    names = rng.sample(_names("memory"), SOME)
    assert _unseen(run(names, tmp_path, "named")) == UNSEEN.keys() & set(names)


@pytest.mark.engine("postgresql")
def test_some_servers_that_are_broken_fail(tmp_path: Path, rng: Random) -> None:
    names = rng.sample(_names("server"), SOME_SERVERS)
    assert _unseen(run(names, tmp_path, "named")) == UNSEEN.keys() & set(names)


@pytest.mark.long
@pytest.mark.parametrize(
    "kind", ["memory", "file", pytest.param("server", marks=pytest.mark.engine("postgresql"))]
)
def test_what_is_broken_fails_where_it_should(kind: Kind, tmp_path: Path) -> None:
    results = run(_names(kind), tmp_path, "named")
    assert _unseen(results) == UNSEEN.keys() & set(_names(kind))


@pytest.mark.long
@pytest.mark.parametrize("name", profiles.SOUND)
def test_what_is_sound_passes(name: str, tmp_path: Path) -> None:
    result = run([name], tmp_path, "whole")[name]
    assert result.failed == [], result.why
    assert len(result.passed) > 5 * len(suite.TESTS)


@pytest.mark.parametrize(
    "name", ["OnlyRaises", pytest.param("CannotConnect", marks=pytest.mark.long)]
)
def test_what_only_raises_passes_nothing(name: str, tmp_path: Path) -> None:
    result = run([name], tmp_path, "whole")[name]
    assert [one for one in result.passed if one != PROFILE] == []
    assert len(result.failed) > 5 * len(suite.TESTS)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["memory", "file"])
def test_the_whole_suite_on_what_is_broken(kind: Kind, tmp_path: Path, rng: Random) -> None:
    """Whoever does not know what is wrong finds it too, though most of the suite passes first."""
    names = rng.sample(_names(kind), WHOLE)
    assert _unseen(run(names, tmp_path, "first")) == UNSEEN.keys() & set(names)
