"""docs/new-backend.md names every hook that an adapter may override."""

from __future__ import annotations

from docmap.storage.copy_hooks import CopyHooks
from docmap.storage.counting import CountingHooks
from docmap.storage.hooks import Hooks
from tests.house.tree import ROOT

HELPERS = frozenset({"_check_unique", "_lacks"})  # not for engines to override


def unnamed(hooks: set[str], page: str) -> list[str]:
    """The hooks that a page does not name."""
    return sorted(name for name in hooks if f"`{name}`" not in page and f"def {name}(" not in page)


def test_the_page_names_every_hook() -> None:
    named = {*vars(Hooks), *vars(CopyHooks), *vars(CountingHooks)}
    hooks = {name for name in named if name.startswith("_") and not name.startswith("__")}
    page = (ROOT / "docs" / "new-backend.md").read_text(encoding="utf-8")
    assert unnamed(hooks - HELPERS, page) == []


def test_a_hook_that_is_not_named_is_found() -> None:
    assert unnamed({"_scan", "_find", "_new"}, "def _scan(self): ...\n`_find`") == ["_new"]
