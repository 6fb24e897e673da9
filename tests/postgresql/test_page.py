"""The page about PostgreSQL: what needs a server in it is run on one."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.house.pages import blocks
from tests.house.tree import ROOT
from tests.servers import postgresql

PAGE: Path = ROOT / "docs" / "postgresql.md"


def test_the_examples_that_need_a_server_run(monkeypatch: pytest.MonkeyPatch) -> None:
    url = postgresql.url("page")
    script = ModuleType("postgresql_page")
    monkeypatch.setitem(sys.modules, script.__name__, script)
    ran = 0
    for block in blocks(PAGE.read_text(encoding="utf-8")):
        if block.language == "py":
            text = block.text.replace("postgresql://localhost/shop", url)
            code = compile("\n" * (block.line - 1) + text, str(PAGE), "exec")
            exec(code, script.__dict__)  # noqa: S102 - our own page
            ran += 1
    assert ran == 4
    script.__dict__["db"].disconnect()
