"""Runs the examples of one page of the manual, or of one module's docstrings, as a program.

`python pages.py docs/page.md` runs in the current directory, from top to bottom, the blocks
labelled

- `python`: all of a page in one namespace, as if the page were one script;
- `pycon`: the same namespace, as a doctest, `...` standing for any text;
- `console`: each `$ docmap ...` in a shell; what follows it is the output, `...` as above. Lines
  of other programs are not run.

`python pages.py docmap.values` runs the doctests of a module. Exit code 1 and a message that
names the line mean that an example is not true.
"""

from __future__ import annotations

import ast
import doctest
import importlib
import re
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

OPTIONS: Final = doctest.ELLIPSIS
FENCE: Final = re.compile(
    r"^(?P<indent>[ ]*)```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=indent)```[ ]*$",
    re.MULTILINE | re.DOTALL,
)
COMMAND: Final = re.compile(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
DOCUMENTED: Final = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


class ExampleFailed(Exception):
    """An example does not do what the page says."""


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: `line` is the one that its text begins on, counted from 1."""

    language: str
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a console block, with the output that the page shows under it."""

    text: str
    output: str
    line: int


def run_page(page: Path) -> int:
    """Run the blocks of a page in order; how many ran. Raises what the first failing one raises."""
    script = types.ModuleType("__main__")
    sys.modules["__main__"] = script  # as in a script, classes can be found where they say they are
    ran = 0
    for block in blocks(page.read_text(encoding="utf-8")):
        if run := RUNNERS.get(block.language):
            run(block, page, script.__dict__)
            ran += 1
    return ran


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a Markdown text."""
    for match in FENCE.finditer(text):
        line = text.count("\n", 0, match.start("text")) + 1
        inner = re.sub(rf"^{match['indent']}", "", match["text"], flags=re.MULTILINE)
        yield Block(match["language"], inner, line)


def _run_python(block: Block, page: Path, names: dict[str, object]) -> None:
    source = "\n" * (block.line - 1) + block.text  # so that tracebacks name the page's line
    exec(compile(source, page, "exec", dont_inherit=True), names)  # noqa: S102 - our own pages


def _run_pycon(block: Block, page: Path, names: dict[str, object]) -> None:
    parser = doctest.DocTestParser()
    test = parser.get_doctest(block.text, names, page.name, str(page), block.line - 1)
    test.globs = names  # get_doctest copied them, and what a block defines is for the next one
    result = doctest.DocTestRunner(optionflags=OPTIONS).run(test, clear_globs=False)
    if result.failed:
        raise ExampleFailed(f"{page}:{block.line}: {result.failed} examples failed")


def _run_console(block: Block, page: Path, _names: dict[str, object]) -> None:
    for command in commands(block):
        done = subprocess.run(  # noqa: S602 - our own pages, and pipes are part of what they show
            command.text,
            shell=True,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        failed = done.returncode != 0 and not command.output
        if failed or not same_output(command.output, done.stdout):
            raise ExampleFailed(
                f"{page}:{command.line}: $ {command.text}\n"
                f"expected:\n{command.output}\ngot (exit code {done.returncode}):\n{done.stdout}"
            )


RUNNERS: Final[dict[str, Callable[[Block, Path, dict[str, object]], None]]] = {
    "python": _run_python,
    "pycon": _run_pycon,
    "console": _run_console,
}


def commands(block: Block) -> Iterator[Command]:
    """The `$ docmap ...` commands of a console block; a command goes on after a backslash."""
    for match in COMMAND.finditer(block.text):
        if match[1].split()[0] == "docmap":
            line = block.line + block.text.count("\n", 0, match.start())
            yield Command(match[1], match[2], line)


def same_output(expected: str, got: str) -> bool:
    """True if `got` is `expected`, where `...` is any text and blanks at the ends do not count."""
    return doctest.OutputChecker().check_output(_trimmed(expected), _trimmed(got), OPTIONS)


def _trimmed(output: str) -> str:
    return "\n".join(line.rstrip() for line in output.strip().splitlines()) + "\n"


def run_module(name: str) -> int:
    """Run the doctests of a module; how many ran. Raises if one fails or was not even found."""
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=OPTIONS)
    written = examples_in(Path(str(module.__file__)).read_text(encoding="utf-8"))
    if result.failed:
        raise ExampleFailed(f"{name}: {result.failed} examples failed")
    if result.attempted != written:
        raise ExampleFailed(
            f"{name}: {result.attempted} of {written} examples ran; doctest cannot reach the "
            "others from the module's names"
        )
    return result.attempted


def examples_in(source: str) -> int:
    """How many doctest examples the docstrings of a module hold."""
    nodes = (node for node in ast.walk(ast.parse(source)) if isinstance(node, DOCUMENTED))
    parser = doctest.DocTestParser()
    return sum(len(parser.get_examples(ast.get_docstring(node) or "")) for node in nodes)


if __name__ == "__main__":
    target = sys.argv[1]
    ran = run_page(Path(target)) if target.endswith(".md") else run_module(target)
    sys.stdout.write(f"{target}: {ran} ran\n")
