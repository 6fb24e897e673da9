"""The public names and signatures are those of the baseline file: a change is a reviewed diff."""

from __future__ import annotations

import difflib
import types
from typing import Any, overload

from tests.house.api_baseline import BASELINE, current, module_lines


def difference(baseline: str, code: str) -> str:
    """What changed, as a diff; empty if nothing did."""
    lines = difflib.unified_diff(
        baseline.splitlines(), code.splitlines(), "api.txt", "the code", n=0, lineterm=""
    )
    return "\n".join(lines)


def test_the_public_api_is_the_baseline() -> None:
    changed = difference(BASELINE.read_text(encoding="utf-8"), current())
    assert not changed, f"{changed}\n\npython -m tests.house.api_baseline --write accepts this"


def test_a_changed_signature_is_a_difference() -> None:
    before = "f(a: int)\ng()\n"
    assert difference(before, before) == ""
    assert difference(before, "f(a: str)\ng()\n").splitlines()[3:] == ["-f(a: int)", "+f(a: str)"]


class Base:
    """A class of docmap's own that another derives from."""

    def inherited(self) -> None: ...


class BaseQueryAdapter(Base):
    """Stands for the real one: its hooks are part of the baseline."""

    limit = 3

    def __init__(self, *, name: str = "x") -> None: ...

    def __len__(self) -> int:
        return 0

    @property
    def size(self) -> int:
        return 0

    @classmethod
    def make(cls, url: str, /, **options: Any) -> Any: ...

    @overload
    def get(self, key: int) -> int: ...
    @overload
    def get(self, key: str) -> str: ...
    def get(self, key: int | str) -> int | str:
        return key

    def _where(self, node: object = object) -> None: ...


def function(a: int, b: tuple[str, ...] = (), c: bool = False) -> list[str]:
    return []


def test_a_module_becomes_lines() -> None:
    module = types.ModuleType("docmap")
    module.__dict__.update(BaseQueryAdapter=BaseQueryAdapter, function=function, Ref=3, hidden=4)
    module.__dict__["__all__"] = ["Ref", "BaseQueryAdapter", "function"]
    assert list(module_lines(module)) == [
        "class docmap.BaseQueryAdapter(Base)",
        "docmap.BaseQueryAdapter.__init__(self, *, name: str = 'x') -> None",
        "docmap.BaseQueryAdapter._where(self, node: object = ...) -> None",
        "overload docmap.BaseQueryAdapter.get(self, key: int) -> int",
        "overload docmap.BaseQueryAdapter.get(self, key: str) -> str",
        "docmap.BaseQueryAdapter.get(self, key: int | str) -> int | str",
        "docmap.BaseQueryAdapter.inherited(self) -> None",
        "docmap.BaseQueryAdapter.limit: int",
        "classmethod docmap.BaseQueryAdapter.make(cls, url: str, /, **options: Any) -> Any",
        "docmap.BaseQueryAdapter.size: property -> int",
        "docmap.Ref: int",
        "docmap.function(a: int, b: tuple[str, ...] = (), c: bool = False) -> list[str]",
    ]


def test_without_a_list_what_the_package_defines_is_public() -> None:
    module = types.ModuleType("tests.house")
    module.__dict__.update(function=function, _hidden=function, Any=Any, types=types)
    assert [line.partition("(")[0] for line in module_lines(module)] == ["tests.house.function"]
