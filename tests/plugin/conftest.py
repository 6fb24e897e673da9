"""The storages that are tested, for this directory."""

from __future__ import annotations

from tests.storage.engines import full

__all__ = ["full"]
