"""docs/engines.md says what each engine does by itself today."""

from __future__ import annotations

from pathlib import Path

import pytest

from docmap.testing.profile import ABILITIES
from tests.house import engine_table
from tests.house.engine_table import PAGE, ROWS, Asked, in_page, profiles, table, write


def test_the_page_has_the_table_of_today() -> None:
    assert in_page(PAGE.read_text(encoding="utf-8")) == table(), engine_table.BEGIN


def test_each_ability_has_its_row() -> None:
    rows = " ".join(ROWS)
    words = {"transactions": "transactions", "counters": "counted", "indexes": "indexes"}
    assert [a for a in ABILITIES if words.get(a, "change feed") not in rows] == []


def test_each_engine_has_its_page() -> None:
    text = (PAGE.parent / "index.md").read_text(encoding="utf-8")
    missing = [
        profile.name
        for profile in profiles()
        if profile.kind != "memory" and f"]({profile.name}.md)" not in text
    ]
    assert missing == []


def test_a_hook_of_its_own_is_told_from_a_general_one(tmp_path: Path) -> None:
    memory = next(one for one in profiles() if one.name == "memory")
    with memory.open(tmp_path) as storage:
        asked = Asked(memory, storage)
        assert asked.has("_count")
        assert not asked.has("_update_matching")


def test_the_table_is_written_where_it_belongs(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n\n{engine_table.BEGIN}\n\ne\n\n{engine_table.END}\n\nafter\n")
    write(page)
    text = page.read_text(encoding="utf-8")
    assert in_page(text) == table()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")


def test_a_page_without_a_place_is_an_error() -> None:
    with pytest.raises(ValueError, match="table"):
        in_page("nothing here")
