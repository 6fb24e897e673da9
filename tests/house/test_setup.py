"""README's two set-up commands are the ones that work, and continuous integration runs one."""

from __future__ import annotations

from tests.house.tree import ROOT

PREFIX = "python3 -m venv .venv && "


def commands(text: str) -> list[str]:
    """The set-up commands in a text, one a line, without a prompt."""
    lines = (line.strip().removeprefix("$ ") for line in text.splitlines())
    return [line for line in lines if line.startswith(PREFIX)]


def test_readme_has_two_commands_and_ci_runs_the_second() -> None:
    first, second = commands((ROOT / "README.md").read_text(encoding="utf-8"))
    assert [second] == commands((ROOT / ".ci" / "run").read_text(encoding="utf-8"))
    script = first.split()[-1]
    assert script.startswith("examples/")
    assert (ROOT / script).is_file()


def test_commands_are_found_where_they_stand() -> None:
    text = f"```sh\n$ {PREFIX}one\n```\nor\n  {PREFIX}two\nand `{PREFIX}three`, {PREFIX}four"
    assert commands(text) == [f"{PREFIX}one", f"{PREFIX}two"]
