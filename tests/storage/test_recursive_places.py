"""References are looked for in types that contain themselves, and that comes to an end."""

from __future__ import annotations

from typing import Any

from pydantic import RootModel

from docmap import BaseStorageAdapter, Document, Ref


class Tree(RootModel[dict[str, "Tree"]]):
    """A tree of nothing but names."""


class Branches(RootModel[dict[str, Any] | list["Branches"]]):
    """A tree through a union."""


class Plant(Document):
    tree: Tree | None = None
    branches: Branches | None = None
    parent: Ref[Plant] | None = None


def test_deletes_look_into_them(db: BaseStorageAdapter) -> None:
    plant = Plant(tree=Tree({"a": Tree({"b": Tree({})})}))
    plant.save(db)
    assert db.get(Plant, plant.id) == plant
    assert db.delete(Plant, plant.id)
