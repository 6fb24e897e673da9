"""`docmap import`: all or nothing, or what is good; keys, faults with their lines, the bar."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import pytest

from docmap.cli import importing
from tests.cli.conftest import Docmap, KeptMemory, Result

OID = "55f14312c7447c3da7051b26"


@pytest.fixture
def put(docmap: Docmap, url: str, tmp_path: Path) -> Callable[..., Result]:
    """Import a file of this content into the collection `things`."""

    def run(content: str | bytes, *options: str) -> Result:
        path = tmp_path / "in.json"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return docmap("import", "in.json", "--into", url, "--collection", "things", *options)

    return run


@pytest.fixture
def held(docmap: Docmap, url: str) -> Callable[[], list[Any]]:
    """The documents of the collection `things`, as Extended JSON."""

    def run() -> list[Any]:
        if "things" not in docmap("collections", url).lines:
            return []
        return docmap("export", url, "things", "--extended").rows

    return run


Put = Callable[..., Result]
Held = Callable[[], list[Any]]


@pytest.mark.parametrize("content", ['{"id": 1}\n\n{"id": 2}\n', '[{"id": 1},\n{"id": 2}]'])
def test_lines_and_arrays(put: Put, held: Held, url: str, content: str) -> None:
    done = put(content)
    assert done == Result(0, "", f"imported 2 documents into things ({url})\n")
    assert held() == [{"id": 1}, {"id": 2}]


def test_extended_json_keeps_its_types(put: Put, held: Held) -> None:
    document = {
        "id": {"$oid": OID},
        "n": 7,
        "d": {"$numberDecimal": "1.10"},
        "at": [{"$date": "2012-12-24T12:15:30.501Z"}],
        "b": {"$binary": {"base64": "AAEC", "subType": "00"}},
    }
    v1 = {
        "_id": {"$oid": OID},
        "n": {"$numberLong": "7"},
        "d": {"$numberDecimal": "1.10"},
        "at": [{"$date": 1356351330501}],
        "b": {"$binary": "AAEC", "$type": "00"},
    }
    assert put(json.dumps(v1)).status == 0
    assert held() == [document]


def test_a_mark_at_the_beginning_is_dropped_and_one_in_a_name_kept(put: Put, held: Held) -> None:
    assert put('\ufeff{"id": 1, "\ufeffISO": 0}').status == 0
    assert held() == [{"id": 1, "\ufeffISO": 0}]


@pytest.mark.parametrize(
    ("options", "document", "stored"),
    [
        ([], {"id": "a", "_id": 1}, {"id": "a", "_id": 1}),
        ([], {"n": 1, "_id": 5}, {"id": 5, "n": 1}),
        ([], {"_id": {"$oid": OID}}, {"id": {"$oid": OID}}),
        (["--key", "n"], {"n": 5}, {"id": 5, "n": 5}),
        (["--key", "n"], {"n": 5, "id": 5}, {"id": 5, "n": 5}),
        (["--key", "n.x"], {"n": {"x": "k"}}, {"id": "k", "n": {"x": "k"}}),
        (["--key", "n.x"], {"n.x": "k", "n": {"x": "l"}}, {"id": "k", "n.x": "k", "n": {"x": "l"}}),
        (["--key", "a b"], {"a b": 1}, {"id": 1, "a b": 1}),
        (["--key", "_id"], {"_id": 1}, {"id": 1, "_id": 1}),
    ],
)
def test_keys(
    put: Put, held: Held, options: list[str], document: dict[str, Any], stored: dict[str, Any]
) -> None:
    assert put(json.dumps(document), *options).status == 0
    assert held() == [stored]


def test_a_document_without_a_key_gets_one(put: Put, held: Held) -> None:
    assert put('{"n": 1}\n{"n": 2}\n').status == 0
    assert [len(document["id"]) for document in held()] == [36, 36]


BAD: list[tuple[str, list[str], str]] = [
    ("oops", [], "line 2: not JSON: Expecting value (column 1)"),
    ("[]", [], "line 2: an object is needed, not a list"),
    ('{"id": 2, "id": 3}', [], "line 2: the name 'id' stands twice in one object"),
    (f'{{"$oid": "{OID}"}}', [], "line 2: an object is needed"),
    ('{"a": [{"$minKey": 1}]}', [], "line 2: a.0 is the smallest key"),
    ('{"a": {"$oid": "x"}}', [], "line 2: a is not a well-formed $oid"),
    ('{"a": NaN}', [], "line 2: things.a is not finite"),
    ('{"a": 1e999}', [], "line 2: things.a is not finite"),
    ('{"a": 9223372036854775808}', [], "line 2: things.a is beyond 64 bits"),
    ('{"a": "\\u0000"}', [], "line 2: things.a holds a NUL character"),
    ('{"a": "\\ud800"}', [], "line 2: things.a holds a lone surrogate"),
    ('{"id": null}', [], "line 2: id is null, and a key is text, a whole number"),
    ('{"id": [1]}', [], "line 2: id is of type list"),
    ('{"id": 1.5}', [], "line 2: id is of type float"),
    ('{"id": true}', [], "line 2: id is of type bool"),
    ('{"_id": {"a": 1}}', [], "line 2: _id is of type dict"),
    ('{"id": "' + "k" * 513 + '"}', [], "line 2: "),
    ('{"n": 1}', ["--key", "id"], "line 2: id is missing"),
    ('{"id": 1, "a": {"b": 1}}', ["--key", "a.c"], "line 2: a.c is missing"),
    ('{"id": 7, "x": 8}', ["--key", "x"], "line 2: the document has an id of its own"),
    (f'{{"a": {"[" * 200}{"]" * 200}}}', [], "line 2: a.0.0"),
]


@pytest.mark.parametrize(("line", "options", "message"), BAD, ids=[m for *_, m in BAD])
def test_a_bad_line_stops_before_anything_is_written(
    put: Put, held: Held, line: str, options: list[str], message: str
) -> None:
    done = put(f'{{"id": 1, "x": 1, "a": {{"c": 1}}}}\n{line}\n{{"id": 3}}\n', *options)
    assert done.status == 1
    assert done.out == ""
    assert done.err.startswith(f"docmap: error: in.json, {message}")
    assert done.err.count("\n") == 1
    assert held() == []


@pytest.mark.parametrize(("line", "options", "message"), BAD, ids=[m for *_, m in BAD])
def test_a_bad_line_can_be_skipped(
    put: Put, held: Held, line: str, options: list[str], message: str
) -> None:
    good = '{"id": 1, "x": 1, "a": {"c": 1}}\n'
    done = put(f"{good}{line}\n", "--on-error", "skip", *options)
    first, last = done.err.splitlines()
    assert first.startswith(f"skipped: in.json, {message}")
    assert last.startswith("imported 1 document into things (")
    assert last.endswith("), skipped 1")
    assert done.status == 0
    assert len(held()) == 1


def test_a_file_that_does_not_exist_leaves_no_store(docmap: Docmap, tmp_path: Path) -> None:
    done = docmap("import", "none.json", "--into", "sqlite:///new.db", "--collection", "things")
    assert (done.status, done.out) == (1, "")
    assert done.err == "docmap: error: cannot read none.json: No such file or directory\n"
    assert list(tmp_path.iterdir()) == []


def test_a_bad_file_leaves_no_store(put: Put, tmp_path: Path) -> None:
    assert put("oops").status == 1
    assert [path.name for path in tmp_path.iterdir()] == ["in.json"]


def test_a_broken_array_stops_either_way(put: Put, held: Held) -> None:
    content = '[{"id": 1},\n{"id": 2}\n'
    for mode in ("stop", "skip"):
        done = put(content, "--on-error", mode, "--batch-size", "1")
        assert done.status == 1
        assert "in.json, element 2 (line 3): a comma or the array's end is needed" in done.err
        assert held() == []


def test_a_key_twice_in_the_file(put: Put, held: Held) -> None:
    lines = "".join(f'{{"id": {number % 1500}}}\n' for number in range(1600))
    done = put(lines)
    assert done.status == 1
    assert done.err.startswith("docmap: error: in.json, line 1 and line 1501: ")
    assert done.err.endswith("; nothing was imported\n")
    assert held() == []


def test_a_key_that_is_taken_stops(put: Put, held: Held) -> None:
    assert put('{"id": 1501, "old": true}').status == 0
    done = put("".join(f'{{"id": {number}}}\n' for number in range(2000)))
    assert done.status == 1
    assert done.err.startswith("docmap: error: in.json, line 1502: things has a document with")
    assert held() == [{"id": 1501, "old": True}]


def test_keys_that_are_taken_are_skipped(put: Put, held: Held, url: str) -> None:
    assert put('{"id": 2, "old": true}').status == 0
    content = '[{"id": 1}, {"id": 2}, {"id": 3}, {"id": 3, "again": true}, {"id": 4}]'
    done = put(content, "--on-error", "skip", "--batch-size", "3")
    assert done.status == 0
    assert [line.split(": things")[0] for line in done.err.splitlines()] == [
        "skipped: element 2 (line 1)",
        "skipped: element 4 (line 1)",
        f"imported 3 documents into things ({url}), skipped 2",
    ]
    assert held() == [{"id": 1}, {"id": 2, "old": True}, {"id": 3}, {"id": 4}]


def test_it_fails_if_every_line_was_skipped(put: Put) -> None:
    assert put("oops\noops\n", "--on-error", "skip").status == 1
    assert put("\n", "--on-error", "skip").status == 0


def test_an_engine_without_transactions_tells_what_it_kept(
    put: Put, held: Held, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if url != "memory://":
        return
    monkeypatch.setattr(KeptMemory, "abilities", frozenset())
    assert put('{"id": 5}').status == 0
    done = put("".join(f'{{"id": {number}}}\n' for number in range(8)))
    assert done.err.startswith("docmap: error: in.json, line 6: ")
    assert done.err.endswith("; the 5 before it were imported\n")
    assert [document["id"] for document in held()] == [0, 1, 2, 3, 4, 5]
    done = put("".join(f'{{"id": {number}}}\n' for number in range(8)), "--on-error", "skip")
    assert done.err.count("skipped: line ") == 6
    assert len(held()) == 8


def test_standard_input(
    docmap: Docmap, url: str, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'{"id": 1}\n')))
    assert docmap("import", "-", "--into", url, "--collection", "things").status == 0
    assert held() == [{"id": 1}]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"oops")))
    done = docmap("import", "-", "--into", url, "--collection", "things")
    assert done.err.startswith("docmap: error: standard input, line 1: not JSON")


def test_quiet_says_only_what_went_wrong(put: Put) -> None:
    assert put('{"id": 1}', "--quiet") == Result(0, "", "")
    assert put('{"id": 1}\noops\n{"id": 2}', "--quiet", "--on-error", "skip").err.count("\n") == 2


def test_a_name_that_is_no_collection(docmap: Docmap, url: str, tmp_path: Path) -> None:
    (tmp_path / "in.json").write_text("{}")
    done = docmap("import", "in.json", "--into", url, "--collection", "no such")
    assert done.status == 1
    assert "no such" in done.err


def test_an_interrupted_import_writes_nothing(
    put: Put, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = importing._keyed
    calls: list[int] = []

    def interrupted(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 4500:  # in the second pass
            raise KeyboardInterrupt
        return taken(*arguments)

    monkeypatch.setattr(importing, "_keyed", interrupted)
    done = put("".join(f'{{"id": {number}}}\n' for number in range(3000)))
    assert (done.status, done.err) == (130, "docmap: error: interrupted\n")
    assert held() == []


class Bar:
    """What tqdm does, as far as it is used."""

    made: list[Bar]

    def __init__(self, *, total: int, file: Any, **_: Any) -> None:
        assert file is sys.stderr
        self.total, self.done = total, 0
        self.lines: list[str] = []
        Bar.made.append(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, count: int) -> None:
        self.done += count

    def write(self, text: str, file: Any) -> None:
        assert file is sys.stderr
        self.lines.append(text)


@pytest.fixture
def bars(monkeypatch: pytest.MonkeyPatch) -> list[Bar]:
    """The progress bars that were shown."""
    module = ModuleType("tqdm")
    module.tqdm = Bar  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tqdm", module)
    Bar.made = []
    return Bar.made


@pytest.mark.parametrize("content", ['{"id": 1}\noops\n', '[{"id": 1},\n 5 ]'])
def test_a_terminal_sees_a_bar(
    put: Put, bars: list[Bar], monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert put(content, "--on-error", "skip").status == 0
    assert bars[-1].done == bars[-1].total == len(content)
    assert bars[-1].lines[0].startswith("skipped: in.json, ")


def test_no_terminal_no_bar(put: Put, bars: list[Bar]) -> None:
    assert put('{"id": 1}').status == 0
    assert bars == []


def test_no_tqdm_no_bar(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert put('{"id": 1}').status == 0
