"""What the tests of awaited storages store."""

from __future__ import annotations

from docmap import Document, Ref, field


class Maker(Document, collection="makers"):
    name: str


class Thing(Document, collection="things"):
    id: int = field(default=None)  # a default for type checkers
    name: str = ""
    group: int = 0
    tags: list[str] = field(default=[])
    maker: Ref[Maker] | None = None
