"""Documents in a shelf."""

from __future__ import annotations

from docmap.storage.base import BaseStorageAdapter


class ShelveStorage(BaseStorageAdapter):
    """`shelve:///path`."""

    scheme = "shelve"
