"""The conformance suite on directories of LevelDB."""

from __future__ import annotations

from pathlib import Path

from docmap.testing.profile import BackendProfile
from docmap.testing.suite import *  # noqa: F403 - the suite's tests and fixtures are this file's


def data_files(directory: Path) -> list[Path]:
    """The files that LevelDB reads; it writes its messages and its own lock to others."""
    files = (directory / "store").iterdir()
    return [file for file in files if file.name not in {"LOCK", "LOG", "LOG.old"}]


profile = BackendProfile(
    name="leveldb",
    url="leveldb:///{directory}/store",
    kind="file",
    abilities=frozenset({"transactions", "counters", "indexes"}),
    second="locked",
    files=data_files,
)
