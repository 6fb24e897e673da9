"""What another program wrote in the place of a store's file is no document, and no empty store."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from docmap import ForeignStore, StorageError
from docmap.testing.collecting import requires
from docmap.testing.notes import held, note
from docmap.testing.profile import BackendProfile
from docmap.testing.suite.fixtures import Opened

_DIARY: Final = b"Dear diary, today nothing happened at all.\n" * 40


@requires("file", "durable")
def test_the_files_of_other_programs_are_refused(
    backend: BackendProfile, directory: Path, opened: Opened
) -> None:
    """Where a file holds something else the documents are all there, or an error says why not."""
    with opened() as db:
        db.insert_many([note(f"{number}", number) for number in range(20)])
        expected = held(db)
    copy = directory.with_name("before")
    shutil.copytree(directory, copy)
    refused = 0
    for file in backend.store_files(directory):
        if file.stat().st_size:  # an empty one is there to be locked
            file.write_bytes(_DIARY)
            try:
                with opened() as db:
                    assert held(db) == expected, file.name
            except ForeignStore:
                refused += 1
                assert file.read_bytes() == _DIARY, file.name
            except StorageError:  # its own file, to the engine, and damaged
                refused += 1
            shutil.rmtree(directory)
            shutil.copytree(copy, directory)
    assert refused
    with opened() as db:
        assert held(db) == expected
