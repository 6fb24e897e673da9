"""The storages under test, for this directory."""

from __future__ import annotations

from tests.storage.engines import db, full, second

__all__ = ["db", "full", "second"]
