"""Adapters as if they were installed, for the tests that look them up."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import EntryPoint

import pytest

from docmap.storage import load


def install(monkeypatch: pytest.MonkeyPatch, points: Mapping[str, str]) -> None:
    """Make these the only adapters, as name to `module:class`; `points` may change afterwards.

    A 2 at the end of a name is left out, so that two adapters can have one scheme.
    """

    def entry_points(*, group: str) -> list[EntryPoint]:
        assert group == "docmap.backends"
        return [EntryPoint(name.rstrip("2"), value, group) for name, value in points.items()]

    monkeypatch.setattr("importlib.metadata.entry_points", entry_points)
    fresh = lru_cache(maxsize=1)(load._entry_points.__wrapped__)
    monkeypatch.setattr(load, "_entry_points", fresh)
