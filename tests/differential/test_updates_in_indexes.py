"""After updates, indexed reads find what a plain list of the same documents says, undone ones too.

Many documents are updated at once and few, below what an index holds and beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import Any

import pytest

from docmap import BaseStorageAdapter, Document, Index, col, connect


class Part(Document, collection="parts", indexes=[
    Index("color", "-size"), Index("tags"), Index("weight"), Index("code", unique=True),
]):  # fmt: skip
    id: int
    color: str
    size: int
    weight: float
    tags: list[str]
    code: str
    note: str | None = None


@dataclass(frozen=True)
class Row:
    id: int
    color: str
    size: int
    weight: float
    tags: tuple[str, ...]
    code: str
    note: str | None = None


COLORS = ("red", "green", "blue")
TAGS = ("x", "y", "z")


def _row(rng: Random, key: int) -> Row:
    tags = tuple(rng.sample(TAGS, rng.randrange(4)))
    return Row(
        key, rng.choice(COLORS), rng.randrange(9), rng.choice((0.5, 1.0, 2.5)), tags, f"c{key}"
    )


def _agree(db: BaseStorageAdapter, rows: dict[int, Row]) -> None:
    for color in COLORS:
        wanted = sorted((r for r in rows.values() if r.color == color), key=lambda r: -r.size)
        found = list(db.find(Part, color=color).order_by("-size"))
        assert [one.size for one in found] == [row.size for row in wanted]
        assert db.find(Part, color=color).count() == len(wanted)
        for one in found:
            row = rows[one.id]
            stored = Row(one.id, one.color, one.size, one.weight, tuple(one.tags), one.code)
            assert replace(stored, note=one.note) == row
    for tag in TAGS:
        found = list(db.find(Part, col(Part.tags).contains(tag)))
        assert {one.id for one in found} == {r.id for r in rows.values() if tag in r.tags}
        assert len(found) == len({one.id for one in found})
    heavy = {one.id for one in db.find(Part, weight__gte=1.0)}
    assert heavy == {r.id for r in rows.values() if r.weight >= 1.0}
    key = max(rows)
    assert [one.id for one in db.find(Part, code=rows[key].code)] == [key]


def _update(rng: Random, db: BaseStorageAdapter, rows: dict[int, Row]) -> None:
    """One update of the documents of a color, of one document, or of all, here and there."""
    color = rng.choice(COLORS)
    size = rng.randrange(9)
    choices: list[tuple[dict[str, Any], list[Row]]] = [
        ({"color": color}, [r for r in rows.values() if r.color == color]),
        ({"size": size}, [r for r in rows.values() if r.size == size]),
        ({}, list(rows.values())),
        ({"id": size}, [r for r in rows.values() if r.id == size]),
    ]
    asked, meant = rng.choice(choices)
    text, step = rng.choice(COLORS), rng.randrange(1, 4)
    kind = rng.choice(["note", "note", "note", "color", "size", "weight", "tags", "several"])
    operators: dict[str, dict[str, Any]] = {
        "note": {"note": text},
        "color": {"color": text},
        "size": {"size__inc": step},
        "weight": {"weight__inc": step / 2},
        "tags": {"tags__add_to_set": "x"},
        "several": {"weight__mul": 0.5, "note": text},
    }
    done = db.find(Part, **asked).update(**operators[kind])
    assert done.modified == len(meant)
    for row in meant:
        rows[row.id] = {
            "note": lambda r: replace(r, note=text),
            "color": lambda r: replace(r, color=text),
            "size": lambda r: replace(r, size=r.size + step),
            "weight": lambda r: replace(r, weight=r.weight + step / 2),
            "tags": lambda r: r if "x" in r.tags else replace(r, tags=(*r.tags, "x")),
            "several": lambda r: replace(r, weight=r.weight * 0.5, note=text),
        }[kind](row)


def _fail(rng: Random, db: BaseStorageAdapter, rows: dict[int, Row]) -> None:
    with db.transaction():
        for _ in range(3):
            _update(rng, db, rows)
            if rng.random() < 0.5:
                _agree(db, rows)
        raise ZeroDivisionError


@pytest.mark.parametrize("url", ["memory://", "sqlite://"])
@pytest.mark.parametrize("count", [9, 250])
def test_updates_keep_indexes_right(rng: Random, url: str, count: int) -> None:
    rows = {key: _row(rng, key) for key in range(count)}
    with connect(url) as db:
        for row in rows.values():
            db.insert(Part(**{**vars(row), "tags": list(row.tags)}))
        for _ in range(12):
            for _ in range(rng.randrange(1, 4)):
                _update(rng, db, rows)
            if rng.random() < 0.4:
                with pytest.raises(ZeroDivisionError):
                    _fail(rng, db, dict(rows))
            if rng.random() < 0.3:
                key = min(rows)
                del rows[key]
                db.delete(Part, key)
            _agree(db, rows)
