"""What the commands print: tables that stay aligned, plain JSON, nothing that moves a cursor."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from docmap.cli.output import at, cell, cut, json_text, pick, plain, write_documents, write_table
from docmap.values import MISSING, ObjectId

OID = ObjectId("55f14312c7447c3da7051b26")

PLAIN: list[tuple[Any, Any]] = [
    (Decimal("1.10"), "1.10"),
    (datetime(2024, 2, 29, 12, tzinfo=UTC), "2024-02-29T12:00:00Z"),
    (datetime(2024, 2, 29, 12, 0, 0, 500000, tzinfo=UTC), "2024-02-29T12:00:00.500000Z"),
    (date(2024, 2, 29), "2024-02-29"),
    (time(12, 30), "12:30:00"),
    (timedelta(hours=1, seconds=30), "PT1H30S"),
    (UUID(int=5), "00000000-0000-0000-0000-000000000005"),
    (OID, "55f14312c7447c3da7051b26"),
    (b"\0\xff", "00ff"),
    ({"a": [Decimal(1), None, True, 1.0, 1]}, {"a": ["1", None, True, 1.0, 1]}),
]


@pytest.mark.parametrize(("value", "text"), PLAIN, ids=repr)
def test_plain_forms(value: Any, text: Any) -> None:
    assert plain(value) == text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def table(rows: list[dict[str, Any]], names: list[str] | None = None) -> list[str]:
    out = io.StringIO()
    write_table(rows, out, names)
    return out.getvalue().splitlines()


def test_a_table_has_every_name_in_order_of_appearance() -> None:
    assert table(
        [
            {"id": "a", "n": 5, "tags": ["x"]},
            {"id": "bcd", "n": 12.5, "note": "line\nbreak", "tags": None},
        ]
    ) == [
        "id      n  tags   note",
        "---  ----  -----  -----------",
        'a       5  ["x"]',
        "bcd  12.5  null   line\\nbreak",
    ]


def test_columns_align_in_every_script() -> None:
    lines = table(
        [{"name": "日本", "x": 1}, {"name": "ไทย", "x": 2}, {"name": "cafe\u0301", "x": 3}]
    )
    assert lines == [
        "name  x",
        "----  -",
        "日本  1",
        "ไทย   2",
        "cafe\u0301  3",
    ]


def test_asked_columns_are_there_even_if_no_row_has_them() -> None:
    assert table([{"a": 1}], ["b", "a"]) == ["b  a", "-  -", "   1"]
    assert table([], ["a"]) == ["a", "-"]
    assert table([]) == []


def test_nothing_moves_the_cursor() -> None:
    assert cell("\x1b[2J\r\n\t\u202e\x9b") == "\\x1b[2J\\r\\n\\t\\u202e\\x9b"
    assert cell("日本 café") == "日本 café"
    assert cell(MISSING) == ""
    assert table([{"\x1b": 1}])[0] == "\\x1b"


def test_only_a_terminal_cuts_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    row = {"a": "x" * 100, "b": "日" * 50, "c": "z"}
    out = Terminal()
    write_table([row], out)
    line = out.getvalue().splitlines()[2]
    assert line == f"{'x' * 19}…  {'日' * 9}…  z"
    assert table([row])[2] == f"{'x' * 100}  {'日' * 50}  z"


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("日本語", 5, "日本…"), ("日本語", 4, "日…")],
)
def test_cut(text: str, width: int, expected: str) -> None:
    assert cut(text, width) == expected


def test_json_and_json_lines() -> None:
    rows: list[dict[str, Any]] = [{"id": OID, "é": Decimal("1.0")}, {"id": 2}]
    out = io.StringIO()
    assert write_documents(rows, out, form="json") == 2
    assert out.getvalue() == f'[\n{{"id": "{OID}", "é": "1.0"}},\n{{"id": 2}}\n]\n'
    out = io.StringIO()
    assert write_documents(rows, out, form="jsonl", extended=True) == 2
    assert out.getvalue().splitlines()[0] == (
        f'{{"id": {{"$oid": "{OID}"}}, "é": {{"$numberDecimal": "1.0"}}}}'
    )
    out = io.StringIO()
    assert write_documents([], out, form="json") == 0
    assert out.getvalue() == "[]\n"


def test_json_is_ascii_where_the_output_takes_no_more() -> None:
    assert json_text("é", io.TextIOWrapper(io.BytesIO(), "ascii")) == '"\\u00e9"'
    assert json_text("é", io.TextIOWrapper(io.BytesIO(), "UTF-8")) == '"é"'


def test_pick_takes_names_before_paths() -> None:
    document = {"a": {"b": [1, {"c": 2}]}, "a.b": "dotted", "n": None}
    assert list(pick([document], ["a.b", "a.b.1.c", "n", "x"])) == [
        {"a.b": "dotted", "a.b.1.c": 2, "n": None}
    ]
    assert at({"a": {"b": [1, {"c": 2}]}}, "a.b.1.c") == 2
    assert at({"a": {"b": [1]}}, "a.b.7") is MISSING
    assert at({"a": 1}, "a.b") is MISSING
