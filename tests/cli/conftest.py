"""What the tests of the command line need: the program, and a store on each engine."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from docmap.cli.main import main
from docmap_backends.memory import MemoryStorage
from tests.adapters import install


class KeptMemory(MemoryStorage):
    """The engine memory, whose data outlives a command as a file's does."""

    kept: ClassVar[dict[str, Any]] = {}

    def __init__(self, url: Any = None, **options: Any) -> None:
        super().__init__(url, **options)
        self._tables = self.kept

    def _disconnect(self) -> None:
        pass


@pytest.fixture(autouse=True)
def engines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Both engines, found as installed ones are, and an empty working directory."""
    KeptMemory.kept.clear()
    sqlite = "docmap_backends.sqlite:SQLiteStorage"
    install(monkeypatch, {"memory": f"{__name__}:KeptMemory", "sqlite": sqlite})
    monkeypatch.delenv("DOCMAP_DEBUG", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)


@pytest.fixture(params=["memory://", "sqlite:///store.db"], ids=["memory", "sqlite"])
def url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty store."""
    return str(request.param)


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended, and what it printed."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def rows(self) -> list[Any]:
        """The output as JSON lines."""
        return [json.loads(line) for line in self.lines]


Docmap = Callable[..., Result]


@pytest.fixture
def docmap(capsys: pytest.CaptureFixture[str]) -> Docmap:
    """Run the program with these arguments."""

    def run(*argv: str) -> Result:
        capsys.readouterr()
        status = main(argv)
        out, err = capsys.readouterr()
        return Result(status, out, err)

    return run


@pytest.fixture
def fill(docmap: Docmap, tmp_path: Path) -> Callable[..., None]:
    """Import documents, given as Extended JSON, into a collection."""

    def run(url: str, collection: str, documents: list[dict[str, Any]]) -> None:
        path = tmp_path / "fill.jsonl"
        path.write_text("".join(json.dumps(document) + "\n" for document in documents))
        done = docmap("import", str(path), "--into", url, "--collection", collection, "--quiet")
        assert (done.status, done.err) == (0, "")

    return run
