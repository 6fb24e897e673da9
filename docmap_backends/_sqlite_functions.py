"""What SQLite calls back: the lookups on text that SQL cannot express."""

from __future__ import annotations

from typing import Any

from docmap.query.lookups import VOCABULARY


def text_lookup(name: str, stored: Any, wanted: str) -> int | None:
    """One of the vocabulary's lookups on text; nothing for what is none."""
    if not isinstance(stored, str):
        return None
    return int(VOCABULARY[name].matches(stored, wanted))
