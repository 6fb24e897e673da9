"""Files of documents: arrays and lines told apart, each fault with its place, in little memory."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path
from typing import Any

import pytest

from docmap.cli import rows
from docmap.cli.rows import Row, opened
from docmap.errors import DocmapError, InvalidValue


def read(tmp_path: Path, content: bytes | str) -> list[Row]:
    path = tmp_path / "rows.json"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    counted: list[int] = []
    with opened(str(path)) as source:
        first = list(source.rows(counted.append))
        assert list(source.rows(lambda _: None)) == first
    assert sum(counted) <= len(path.read_bytes())
    return first


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("", []),
        (" \n\n", []),
        ('{"a": 1}', [Row("line 1", {"a": 1})]),
        ('{"a": 1}\n\n  {"a": 2}\r\n', [Row("line 1", {"a": 1}), Row("line 3", {"a": 2})]),
        ('\ufeff{"\ufeffISO": 0}\n', [Row("line 1", {"\ufeffISO": 0})]),
        ('{"a": "x\u2028y\x85"}\n', [Row("line 1", {"a": "x\u2028y\x85"})]),
        ("[]", []),
        ("\n [ \n ] \n", []),
        ('[{"a": 1}]', [Row("element 1 (line 1)", {"a": 1})]),
        (
            '\ufeff[\n  {"a":\n 1},\n\n  {"a": 2}\n]\n',
            [Row("element 1 (line 2)", {"a": 1}), Row("element 2 (line 5)", {"a": 2})],
        ),
    ],
)
def test_reads(tmp_path: Path, content: str, found: list[Row]) -> None:
    assert read(tmp_path, content) == found


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("oops", "not JSON: Expecting value (column 1)"),
        ('{"a": 1', "not JSON: Expecting ',' delimiter (column 8)"),
        ("{", "not JSON: Expecting property name enclosed in double quotes (column 2)"),
        ('{"a": 1} {"a": 2}', "more follows after the object's end (column 9)"),
        ('{"a": 1, "b": {"x": 1, "x": 2}}', "the name 'x' stands twice in one object"),
        ('{"a": 1, "a": 1}', "the name 'a' stands twice in one object"),
        ("[1]", "an object is needed, not a list"),
        ('"a"', "an object is needed, not text"),
        ("5", "an object is needed, not a number"),
        ("null", "an object is needed, not null"),
        ('{"a": "\xff"}', "not UTF-8"),
        ('{"a": "\t"}', "not JSON: Invalid control character at (column 8)"),
        ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deeply"),
    ],
)
def test_a_bad_line_is_a_row_with_its_fault(tmp_path: Path, line: str, fault: str) -> None:
    good = b'{"a": 1}\n'
    assert read(tmp_path, good + line.encode("latin-1") + b"\n" + good) == [
        Row("line 1", {"a": 1}),
        Row("line 2", fault=fault),
        Row("line 3", {"a": 1}),
    ]


def test_a_bad_element_is_a_row_with_its_fault(tmp_path: Path) -> None:
    assert read(tmp_path, '[{"a": 1},\n5,\n{"b": 1, "b": 2},\n[{}], {"a": 2}]') == [
        Row("element 1 (line 1)", {"a": 1}),
        Row("element 2 (line 2)", fault="an object is needed, not a number"),
        Row("element 3 (line 3)", fault="the name 'b' stands twice in one object"),
        Row("element 4 (line 4)", fault="an object is needed, not a list"),
        Row("element 5 (line 4)", {"a": 2}),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[{"a": 1}\n', r"element 1 \(line 2\): a comma or the array's end is needed after it"),
        ('[{"a": 1} {"a": 2}]', r"element 1 \(line 1\): a comma or the array's end"),
        ('[{"a": 1},\n]', r"element 2 \(line 2\): not JSON: Expecting value"),
        ("[", r"element 1 \(line 1\): not JSON"),
        ('[\n{"a": 1},\n{"a":\n oops}]', r"element 2 \(line 4\): not JSON: Expecting value"),
        ('[{"a": 1}]\n[]', r"element 1 \(line 2\): more follows after the array's end"),
        (b'[{"a": "\xff"}]', "not UTF-8"),
        (b'[{"a": "x"}]\xc3', "not UTF-8"),
        ('[{"a": ' + "[" * 100_000, "nested too deeply"),
    ],
)
def test_a_broken_array_ends_the_reading(
    tmp_path: Path, content: bytes | str, message: str
) -> None:
    with pytest.raises(InvalidValue, match=rf"rows\.json, .*{message}"):
        read(tmp_path, content)


@pytest.mark.parametrize("block", [1, 2, 7, 64])
def test_blocks_may_end_anywhere(
    tmp_path: Path, rng: random.Random, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    documents = [
        {"n": rng.randint(-(10**12), 10**12), "x": rng.random(), "é": ["\U0001f600", {"k": None}]}
        for _ in range(20)
    ]
    text = json.dumps(documents, ensure_ascii=False, indent=rng.choice([None, 1]))
    monkeypatch.setattr(rows, "_BLOCK", block)
    assert [row.value for row in read(tmp_path, text)] == documents
    numbers = read(tmp_path, "[12, 345,6.5e3 ]")
    assert [row.fault for row in numbers] == ["an object is needed, not a number"] * 3


def test_an_array_is_not_held_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    element = json.dumps({"a": "x" * 1000})
    path.write_text(f"[{','.join([element] * 5000)}]")
    with opened(str(path)) as source:
        source.file.seek(0)
        reader = rows._Array(source, lambda _: None)
        assert max(len(reader._text) for _ in reader.rows()) <= 3 * rows._BLOCK


def test_numbers_that_no_engine_keeps_reach_the_check_of_values(tmp_path: Path) -> None:
    value: Any = read(tmp_path, f'{{"a": NaN, "b": 1e999, "c": {"9" * 5000}, "d": {"9" * 30}}}')
    assert str(value[0].value) == f"{{'a': nan, 'b': inf, 'c': inf, 'd': {'9' * 30}}}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"a": 1}'.encode("utf-16"), "is UTF-16: convert it to UTF-8"),
        (b"\x1f\x8b\x08\x00", "is compressed: unpack it first"),
        (b"PK\x03\x04", "is an archive"),
    ],
)
def test_foreign_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(DocmapError, match=message):
        read(tmp_path, content)


def test_a_missing_file(tmp_path: Path) -> None:
    name = str(tmp_path / "none.json")
    with pytest.raises(DocmapError, match=r"cannot read .*none\.json: No such file") as caught:
        read_name(name)
    assert caught.value.path == name


def read_name(name: str) -> list[Row]:
    with opened(name) as source:
        return list(source.rows(lambda _: None))


def test_standard_input_can_be_read_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'[{"a": 1}]')))
    with opened("-") as source:
        assert source.name == "standard input"
        for _ in range(2):
            assert [row.value for row in source.rows(lambda _: None)] == [{"a": 1}]
