"""A module imports from lower levels only, and only docmap's adapters know their drivers."""

from __future__ import annotations

import pytest

from tests.house.imports import violations
from tests.house.tree import modules


def test_the_table_holds() -> None:
    sources = {name: path.read_text(encoding="utf-8") for name, path in modules().items()}
    assert sources
    assert violations(sources) == []


@pytest.mark.parametrize(
    ("module", "source", "reason"),
    [
        ("docmap.query.nodes", "from docmap.schema import schema", "levels up to 1, not 2"),
        ("docmap.query.nodes", "import docmap.plan.split", "levels up to 1, not 3"),
        ("docmap.query.nodes", "from docmap import Document", "levels up to 1, not 7"),
        ("docmap.query.nodes", "from docmap import schema", "levels up to 1, not 2"),
        ("docmap.query.nodes", "from . import paths", "absolutely"),
        ("docmap.query.nodes", "def f():\n    import docmap.model", "levels up to 1, not 5"),
        ("docmap.query.nodes", "if TYPE_CHECKING:\n    import docmap.plan", "not 3"),
        ("docmap.query.nodes", "import_module('docmap.plan')", "not 3"),
        ("docmap.plan.split", "import sqlite3", "neither the standard library"),
        ("docmap.plan.split", "import tqdm", "neither the standard library"),
        ("docmap.plan.split", "import docmap_backends._sql", "never imports an adapter"),
        ("docmap", "from docmap_backends import memory", "never imports an adapter"),
        ("docmap", "import docmap.testing", "imported by nothing"),
        ("docmap.services.base", "from docmap.model.query import _step", "public names only"),
        ("docmap_backends.sqlite", "from docmap.model import fields", "levels up to 4, not 5"),
        ("docmap_backends.sqlite", "from docmap import Document", "levels up to 4, not 7"),
        ("docmap_backends.sqlite", "import docmap_backends.memory", "another adapter"),
        ("docmap_backends.sqlite", "import psycopg", "neither the standard library"),
        ("docmap_backends._sql", "import sqlite3", "neither the standard library"),
        ("docmap_backends._sql", "import docmap_backends.sqlite", "another adapter"),
        ("docmap_backends.rqlite", "import docmap_backends._sqlite_pool", "another adapter"),
        ("docmap.rooms", "", "no room"),
        ("docmap_backends.oracle", "", "no room"),
        ("docmap.cli.main", "import docmap.rooms", "not in the table"),
    ],
)
def test_what_the_table_forbids_is_found(module: str, source: str, reason: str) -> None:
    (line,) = violations({module: source})
    assert line.startswith(module)
    assert reason in line


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("docmap.values", "from docmap.errors import InvalidValue"),
        ("docmap.query.nodes", "from docmap.query import paths"),
        ("docmap.schema.codec", "import pydantic_core, json"),
        ("docmap.cli.main", "from docmap.config import connect; import tqdm"),
        ("docmap", "from docmap.content import Blob; from docmap.model.query import Query"),
        ("docmap.services.base", "from docmap import Document; import docmap.storage"),
        ("docmap.testing.plugin", "import pytest; from docmap import connect"),
        ("docmap_backends.sqlite", "import sqlite3; from docmap_backends._sql import Text"),
        ("docmap_backends.sqlite", "from docmap_backends import _sqlite_pool"),
        ("docmap_backends._sqlite_pool", "import sqlite3; import docmap.storage.base"),
        ("docmap_backends._sql_text", "import docmap_backends._sql"),
    ],
)
def test_what_the_table_allows_is_not_reported(module: str, source: str) -> None:
    assert violations({module: source}) == []
