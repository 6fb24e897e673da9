"""The program itself: its help, its exit status, one clear line for each error."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from docmap.cli import main as program
from docmap.cli.main import COMMANDS, main
from docmap.errors import DocmapError
from tests.cli.conftest import Docmap

ROOT = Path(__file__).parents[2]
HUNTER = "hunter2"


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_has_help_with_an_example(docmap: Docmap, command: Any) -> None:
    done = docmap(command.name, "--help")
    assert (done.status, done.err) == (0, "")
    assert f"docmap {command.name} " in done.out.partition("example:\n")[2]
    assert command.name in docmap("--help").out


def test_the_examples_of_the_help_are_calls_that_parse() -> None:
    import shlex

    for command in COMMANDS:
        assert program._parse(shlex.split(command.example)[1:]).command is command


def test_the_version(docmap: Docmap) -> None:
    done = docmap("--version")
    assert done.status == 0
    assert done.out.startswith("docmap ")
    assert "Python 3." in done.out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "a command is needed; see docmap --help"),
        (["fnid"], "invalid choice: 'fnid'"),
        (["find"], "the following arguments are required: URL, COLLECTION"),
        (["find", "memory://", "c", "x"], "'x' is not a condition: write NAME=VALUE"),
        (["find", "memory://", "c", "--limit", "5", "x"], "'x' is not a condition"),
        (["find", "memory://", "c", "--limit", "-1"], "'-1' is not a whole number from 0"),
        (["find", "memory://", "c", "--order-by", "--limit"], "argument --order-by: expected one"),
        (["find", "memory://", "c", "--formt", "json"], "unrecognized arguments: --formt json"),
        (["count", "memory://", "c", "a=1", "--lim", "5"], "unrecognized arguments: --lim 5"),
        (["collections", "memory://", "c"], "unrecognized arguments: c"),
        (["import", "x.json", "--into", "memory://"], "arguments are required: --collection"),
        (["find", "memory://", "c", 'x={"$oid": 1}'], "the value is not a well-formed $oid"),
    ],
)
def test_a_wrong_call(docmap: Docmap, argv: list[str], message: str) -> None:
    done = docmap(*argv)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("docmap: error: ")
    assert message in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["find", "sqlite:///none.db", "c"], "there is no sqlite store at none.db"),
        (["info", "sqlite:///none.db"], "there is no sqlite store at none.db"),
        (["find", "none.db", "c"], "this is not a storage's URL"),
        (["find", "sqllite:///none.db", "c"], "did you mean 'sqlite'"),
        (["find", "mongodb://h", "c"], "mongodb:// has no adapter installed: pip install"),
        (["find", "memory://?spede=1", "c"], "memory has no option 'spede'"),
        (["find", "memory://", "c"], "memory:// has no collection 'c'. It has: none"),
        (["import", "x", "--into", "sqllite:///x", "--collection", "c"], "did you mean 'sqlite'"),
    ],
)
def test_an_error_is_one_line(
    docmap: Docmap, argv: list[str], message: str, tmp_path: Path
) -> None:
    done = docmap(*argv)
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith("docmap: error: ")
    assert message in done.err
    assert done.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_something_else_is_told(docmap: Docmap, tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is no database, whatever its name says" * 100)
    done = docmap("find", "sqlite:///text.db", "c")
    assert done.status == 1
    assert "text.db" in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    "argv",
    [
        ["find", f"mongodb://ann:{HUNTER}@h/db", "c"],
        ["find", f"nosuch://ann:{HUNTER}@h/db", "c"],
        ["find", f"nosuch://ann:{HUNTER}/x@h/db", "c"],
        ["find", f"mongodb://h/db?password={HUNTER}", "c"],
        ["find", "--into", f"mongodb://ann:{HUNTER}@h/db"],
        ["find", "memory://", "c", f"--url=mongodb://h/db?sslPassword={HUNTER}"],
        [f"mongodb://ann:{HUNTER}@h/db"],
        ["--debug", "info", f"ann:{HUNTER}@h/db"],
    ],
)
def test_passwords_show_nowhere(
    docmap: Docmap, argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        done = docmap(*argv)
        shown = done.out + done.err
        assert done.status in {1, 2}
    except DocmapError as error:
        shown = repr(error) + "".join(capsys.readouterr())
    assert HUNTER not in shown


def test_debug_shows_what_is_done_and_the_traceback(docmap: Docmap, tmp_path: Path) -> None:
    (tmp_path / "in.json").write_text("{}")
    call = ["import", "in.json", "--into", "memory://", "--collection", "c", "--quiet"]
    assert "insert_many c on memory" in docmap(*call, "--debug").err
    assert not docmap(*call).err
    with pytest.raises(DocmapError, match="there is no sqlite store"):
        docmap("--debug", "info", "sqlite:///none.db")


def test_a_fault_of_the_program_is_told_as_one(
    docmap: Docmap, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: object) -> None:
        raise ZeroDivisionError(HUNTER)

    monkeypatch.setattr("docmap.cli.overview.reading", fails)
    done = docmap("info", "memory://")
    assert done.status == 1
    assert done.err.startswith("docmap: error: unexpected ZeroDivisionError")
    assert HUNTER not in done.err
    with pytest.raises(ZeroDivisionError):
        docmap("info", "memory://", "--debug")


def test_an_interrupt(docmap: Docmap, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("docmap.cli.overview.reading", interrupted)
    done = docmap("info", "memory://")
    assert (done.status, done.err) == (130, "docmap: error: interrupted\n")


def in_a_shell(command: str) -> subprocess.CompletedProcess[str]:
    """Run a pipeline in which `docmap` is this program."""
    script = f'docmap() {{ "{sys.executable}" -W error -m docmap.cli "$@"; }}\n{command}'
    return subprocess.run(
        ["/bin/bash", "-c", script],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    lines = "".join(f'{{"id": {number}, "x": "{"y" * 100}"}}\n' for number in range(5000))
    (tmp_path / "in.jsonl").write_text(lines)
    done = in_a_shell(
        "docmap import in.jsonl --into sqlite:///s.db --collection c --quiet\n"
        "docmap export sqlite:///s.db c | head -n 1\n"
        "echo ${PIPESTATUS[0]}"
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [lines.splitlines()[0], str(program.PIPE_CLOSED)]


def test_a_terminal_that_takes_ascii_only(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"id": 1, "name": "Zürich"}', encoding="utf-8")
    done = in_a_shell(
        "export PYTHONIOENCODING=ascii\n"
        "docmap import in.jsonl --into sqlite:///s.db --collection c --quiet\n"
        "docmap find sqlite:///s.db c\n"
        "docmap find sqlite:///s.db c --format jsonl\n"
    )
    assert done.stdout.splitlines()[2:] == [" 1  Z\\xfcrich", '{"id": 1, "name": "Z\\u00fcrich"}']


def test_main_takes_the_arguments_of_the_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["docmap", "--version"])
    assert main() == 0
    assert capsys.readouterr().out.startswith("docmap ")
