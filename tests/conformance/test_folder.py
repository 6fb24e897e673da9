"""The conformance suite on the adapter of docs/new-backend.md, as the page says to run it."""

from __future__ import annotations

from tests.conformance import folder
from tests.conformance.folder import PAGE, TEST_FILE

FolderStorage = vars(folder)["FolderStorage"]
exec(compile(TEST_FILE, PAGE, "exec"), globals())  # noqa: S102 - our own page
