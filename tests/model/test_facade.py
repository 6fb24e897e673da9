"""The facade: all public names in one place, loaded when they are first used."""

from __future__ import annotations

import importlib
import os
import pickle
import subprocess
import sys
import types
from pathlib import Path

import pytest

import docmap
from docmap import BaseStorageAdapter, connect, field


def test_every_public_name_is_there() -> None:
    assert docmap.__all__ == sorted(docmap.__all__)
    for name in docmap.__all__:
        assert getattr(docmap, name) is not None
        assert name in dir(docmap)


def test_others_are_not() -> None:
    with pytest.raises(AttributeError, match="module 'docmap' has no attribute 'nope'"):
        docmap.nope  # noqa: B018


def test_the_version() -> None:
    assert docmap.__version__.count(".") == 2


def test_storage_is_a_function_and_a_package() -> None:
    package = importlib.import_module("docmap.storage")
    assert isinstance(package, types.ModuleType)
    assert callable(docmap.storage)
    assert docmap.storage.wrap is package.wrap
    assert docmap.storage.BaseStorageAdapter is BaseStorageAdapter  # type: ignore[attr-defined]
    assert pickle.loads(pickle.dumps(BaseStorageAdapter)) is BaseStorageAdapter  # noqa: S301
    with pytest.raises(AttributeError):
        docmap.storage.nope  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize(
    "program",
    [
        "import docmap.storage; docmap.storage.wrap; assert callable(docmap.storage)",
        "import docmap.storage.base, docmap; assert callable(docmap.storage)",
        "from docmap.storage import wrap; import docmap; assert docmap.storage.wrap is wrap",
        "from docmap import storage; assert callable(storage)",
        """import docmap
class A(docmap.Document): pass
docmap.configure({'default': 'memory://'})
A().save()""",
        "from docmap import *; connect('memory://'); Document; StaleDocument",
    ],
)
def test_in_a_fresh_interpreter(program: str) -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)


def test_a_document_knows_the_configured_storage_by_itself(tmp_path: Path) -> None:
    program = """from docmap import Document
class A(Document): pass
assert A().save()"""
    environment = {**os.environ, "DOCMAP_URL": "memory://"}
    subprocess.run([sys.executable, "-c", program], env=environment, cwd=tmp_path, check=True)


def test_names_that_are_common_words() -> None:
    """`field` and `path` are docmap's, and a model may use them as names of fields all the same."""

    class Link(docmap.Document):
        path: str = field(default="")
        field: str = ""
        col: int = 0

    with connect("memory://") as db:
        db.save(Link(path="/", field="x", col=1))
        assert db.find(Link, path="/", field="x").where(Link.col == 1).count() == 1
