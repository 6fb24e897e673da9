"""The adapter that docs/new-backend.md builds, as it stands there."""

from __future__ import annotations

from typing import Final

from tests.house.pages import blocks
from tests.house.tree import ROOT

PAGE: Final = ROOT / "docs" / "new-backend.md"
PROGRAMS: Final = [
    block.text for block in blocks(PAGE.read_text(encoding="utf-8")) if block.language == "python"
]
ADAPTER: Final = PROGRAMS[0]
TEST_FILE: Final = next(one for one in PROGRAMS if "profile = BackendProfile" in one)

exec(compile(ADAPTER, PAGE, "exec"), globals())  # noqa: S102 - our own page
