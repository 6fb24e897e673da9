"""An engine without an engine, for the tests of what finds and opens storages."""

from __future__ import annotations

import threading
from typing import Any, ClassVar

from docmap.errors import StorageError
from docmap.storage.base import BaseStorageAdapter
from docmap.storage.url import URL


class Fake(BaseStorageAdapter):
    """An engine that remembers how often it was opened and closed."""

    scheme = "fake"
    settings: ClassVar[dict[str, type]] = {"timeout": float, "password": str}
    made: ClassVar[list[Fake]] = []
    slow: ClassVar[threading.Event | None] = None

    def __init__(self, url: URL | None = None, **options: Any) -> None:
        super().__init__(url, **options)
        self.opened = self.closed = 0
        Fake.made.append(self)

    def _connect(self) -> None:
        if Fake.slow is not None:
            Fake.slow.wait(0.05)
        if self.url is not None and self.url.path == "broken":
            raise StorageError("the fake is broken")
        self.opened += 1

    def _disconnect(self) -> None:
        self.closed += 1
        if self.url is not None and self.url.path == "sticky":
            raise StorageError("the fake does not close")
