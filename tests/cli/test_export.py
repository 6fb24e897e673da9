"""`docmap export`: what it writes can be imported again, and a failure leaves the old file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from docmap.cli import output
from tests.cli.conftest import Docmap

Fill = Callable[[str, str, list[dict[str, Any]]], None]

DOCUMENTS: list[dict[str, Any]] = [
    {
        "id": "a",
        "total": {"$numberDecimal": "9.90"},
        "at": {"$date": "2024-02-29T12:00:00Z"},
        "raw": {"$binary": {"base64": "AAEC", "subType": "00"}},
        "day": {"$day": "2024-02-29"},
        "odd": {"$dict": [["$oid", 1]]},
        "x": 1.0,
        "é\ufeff": ["日本", None, True],
    },
    {"id": "b", "oid": {"$oid": "55f14312c7447c3da7051b26"}},
]


def test_extended_json_lines_are_what_was_imported(
    docmap: Docmap, fill: Fill, url: str, tmp_path: Path
) -> None:
    fill(url, "orders", DOCUMENTS)
    done = docmap("export", url, "orders", "--extended", "--out", "orders.jsonl")
    assert (done.status, done.out) == (0, "")
    assert done.err == "exported 2 documents from orders to orders.jsonl\n"
    text = (tmp_path / "orders.jsonl").read_text(encoding="utf-8")
    assert [json.loads(line) for line in text.splitlines()] == DOCUMENTS
    assert "日本" in text
    assert docmap("import", "orders.jsonl", "--into", url, "--collection", "copy").status == 0
    assert docmap("export", url, "copy", "--extended").out == text


def test_plain_json_is_one_array_in_the_order_of_keys(docmap: Docmap, fill: Fill, url: str) -> None:
    fill(url, "orders", [*DOCUMENTS[1:], DOCUMENTS[0]])
    done = docmap("export", url, "orders", "--format", "json")
    first, second = json.loads(done.out)
    assert second == {"id": "b", "oid": "55f14312c7447c3da7051b26"}
    assert first["total"] == "9.90"
    assert first["at"] == "2024-02-29T12:00:00Z"
    assert first["raw"] == "000102"
    assert first["odd"] == {"$oid": 1}


def test_a_failure_leaves_the_old_file(
    docmap: Docmap, fill: Fill, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(url, "orders", [{"id": "a"}, {"id": "b"}])
    (tmp_path / "out.jsonl").write_text("old")
    before = sorted(tmp_path.iterdir())

    def fails(value: Any) -> Any:
        if value["id"] == "b":
            raise OSError(28, "No space left on device")
        return value

    monkeypatch.setattr(output, "to_extended", fails)
    done = docmap("export", url, "orders", "--extended", "--out", "out.jsonl")
    assert done.status == 1
    assert done.err == "docmap: error: cannot write out.jsonl: No space left on device\n"
    assert (tmp_path / "out.jsonl").read_text() == "old"
    assert sorted(tmp_path.iterdir()) == before


def test_a_file_is_replaced_where_a_link_leads(
    docmap: Docmap, fill: Fill, url: str, tmp_path: Path
) -> None:
    fill(url, "orders", [{"id": 1}])
    target = tmp_path / "target.jsonl"
    target.write_text("old")
    target.chmod(0o600)
    (tmp_path / "link.jsonl").symlink_to(target)
    assert docmap("export", url, "orders", "--out", "link.jsonl").status == 0
    assert (tmp_path / "link.jsonl").is_symlink()
    assert target.read_text() == '{"id": 1}\n'
    assert target.stat().st_mode & 0o777 == 0o600


def test_a_directory_that_does_not_exist(docmap: Docmap, fill: Fill, url: str) -> None:
    fill(url, "orders", [{"id": 1}])
    done = docmap("export", url, "orders", "--out", "none/out.jsonl")
    assert done.status == 1
    assert done.err.startswith("docmap: error: cannot write none/out.jsonl: No such file")


def test_a_device_is_written_to(docmap: Docmap, fill: Fill, url: str) -> None:
    fill(url, "orders", [{"id": 1}])
    assert docmap("export", url, "orders", "--out", "/dev/null").status == 0
    assert Path("/dev/null").exists()
    assert not Path("/dev/null").is_file()
