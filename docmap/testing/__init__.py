"""For the tests of programs that use docmap: counting what is asked, undoing what was written.

With pytest the fixtures of `docmap.testing.plugin` are there by themselves; what is here works with
any other test runner too. The names are loaded when they are first used: pytest loads the plugin,
and so this package, in every run.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docmap.testing.commands import QueryCounter, Seen, counting
    from docmap.testing.undoing import undone

__all__ = ["QueryCounter", "Seen", "counting", "undone"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'docmap.testing' has no attribute {name!r}")
    home = "undoing" if name == "undone" else "commands"
    return getattr(import_module(f"docmap.testing.{home}"), name)
