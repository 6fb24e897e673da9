"""The conformance suite: `from docmap.testing.suite import *` beside a `profile` runs it all.

Each module `test_*.py` beside this one belongs to it; the names of their tests are unique. The
fixtures that they share are in `fixtures`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType
from typing import Any, Final

from docmap.testing.suite import fixtures


def _found() -> dict[str, dict[str, Callable[..., Any]]]:
    """The tests of each module of the suite, by name."""
    found: dict[str, dict[str, Callable[..., Any]]] = {}
    for one in iter_modules(__path__):
        if one.name.startswith("test_"):
            module = import_module(f"{__name__}.{one.name}")
            found[one.name] = {
                name: value
                for name, value in vars(module).items()
                if name.startswith("test_") and value.__module__ == module.__name__
            }
    return found


TESTS: Final[Mapping[str, Mapping[str, Callable[..., Any]]]] = MappingProxyType(_found())
"""The tests by the name of their module."""

_everything: dict[str, Any] = {name: getattr(fixtures, name) for name in fixtures.__all__}
for _module, _tests in TESTS.items():
    for _name, _test in _tests.items():
        if _name in _everything:
            raise ImportError(f"two tests of the suite are called {_name}; one is in {_module}")
        _everything[_name] = _test
globals().update(_everything)
__all__ = list(_everything)
