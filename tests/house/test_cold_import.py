"""`import docmap` loads no driver, no adapter and nothing heavy that pydantic does not load."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from typing import Final

import pytest

from tests.house.imports import DRIVERS
from tests.house.tree import ROOT

HEAVY: Final = {
    "argparse",
    "asyncio",
    "concurrent.futures",
    "email",
    "hashlib",
    "hypothesis",
    "http",
    "importlib.metadata",
    "importlib.resources",
    "ipaddress",
    "logging.config",
    "multiprocessing",
    "pickle",
    "pytest",
    "socket",
    "ssl",
    "subprocess",
    "tempfile",
    "tomllib",
    "tqdm",
    "unittest",
    "urllib.request",
    "xml",
    "zipfile",
}
UNWANTED: Final = {"docmap_backends"} | HEAVY | {name for own in DRIVERS.values() for name in own}

PROBE: Final = """
import sys
from pydantic import BaseModel
class Model(BaseModel):
    name: str
before = set(sys.modules)
{statement}
print(*sorted(set(sys.modules) - before))
"""


def loaded_by(statement: str) -> list[str]:
    """The modules that `statement` loads in a fresh interpreter which uses pydantic already."""
    output = subprocess.run(
        [sys.executable, "-c", PROBE.format(statement=statement)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return output.split()


def unwanted(modules: Iterable[str]) -> set[str]:
    """Those of `modules` that `import docmap` must not load, by the name in the list."""
    return {
        bad for name in modules for bad in UNWANTED if name == bad or name.startswith(bad + ".")
    }


def test_importing_docmap_loads_what_it_must_and_no_more() -> None:
    loaded = loaded_by("import docmap")
    assert "docmap" in loaded
    assert unwanted(loaded) == set()


@pytest.mark.parametrize("name", ["sqlite3", "asyncio", "docmap_backends"])
def test_what_is_loaded_is_seen(name: str) -> None:
    assert name in unwanted(loaded_by(f"import {name}"))
