"""One criterion of an order: which path, and in which direction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from docmap.query.paths import Path


@dataclass(frozen=True, slots=True)
class OrderTerm:
    """Sort by the value at `path`.

    `type` is the field's type once the term is bound, `owner` the class whose field was named.
    """

    path: Path
    descending: bool = False
    type: Any = None
    owner: Any = field(default=None, compare=False, repr=False)
