"""docs/lookups.md says of each lookup what the engines do with it today."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.house import lookup_table
from tests.house.lookup_table import CASES, PAGE, built_in, in_page, table, write


def test_the_page_has_the_table_of_today() -> None:
    assert in_page(PAGE.read_text(encoding="utf-8")) == table(), lookup_table.BEGIN


def test_each_lookup_has_its_row() -> None:
    assert set(CASES) == built_in()


def test_each_lookup_is_explained_in_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8").partition(lookup_table.BEGIN)[0]
    assert [name for name in built_in() if f"| `{name}` |" not in text] == []


def test_the_table_is_written_where_it_belongs(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n\n{lookup_table.BEGIN}\n\ne\n\n{lookup_table.END}\n\nafter\n")
    write(page)
    text = page.read_text(encoding="utf-8")
    assert in_page(text) == table()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")


def test_a_page_without_a_place_is_an_error() -> None:
    with pytest.raises(ValueError, match="engines"):
        in_page("nothing here")
