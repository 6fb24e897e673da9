"""One model with everything at once, for programs that combine what classes can declare."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field

from docmap import (
    BaseStorageAdapter,
    CreatedAt,
    Document,
    Indexed,
    OnDelete,
    Q,
    Ref,
    Stored,
    UpdatedAt,
    after,
    before,
    field,
    upgrade,
)

LIFE: Final = timedelta(hours=10)
"""How long an item lives after it was written last."""


class VetoError(Exception):
    """What a hook raises to stop a write."""


CALLS: Final[dict[int, list[tuple[str, Any]]]] = defaultdict(list)
"""The hooks that ran, by storage: what happened, and the key."""


class Owner(Document, collection="owners"):
    id: int
    name: str = ""

    @before("delete")
    def keep_some(self, db: BaseStorageAdapter) -> None:
        CALLS[id(db.hooks)].append(("before delete of owner", self.id))
        if self.name == "kept":
            raise VetoError("a kept owner stays")


class Box(BaseModel):
    code: Annotated[str | None, Indexed(unique=True)] = None
    size: Annotated[int, Field(le=50)] = 0


class Item(Document, collection="items", version=2, expires_after=("updated_at", LIFE)):
    id: int
    name: str
    rank: Annotated[int, Field(ge=-20, le=20), Stored("r")] = 0
    box: Box = Box()
    tags: Annotated[list[str], Indexed(unique=True), Field(max_length=3)] = []  # noqa: RUF012 - pydantic copies it
    friend: Annotated[Ref[Owner] | None, OnDelete("nullify")] = None
    boss: Annotated[Ref[Owner] | None, OnDelete("cascade")] = None
    guard: Annotated[Ref[Owner] | None, OnDelete("deny")] = None
    created_at: CreatedAt = field(init=False)
    updated_at: UpdatedAt = field(init=False)

    @upgrade(to=2)
    @staticmethod
    def _(record: dict[str, Any]) -> dict[str, Any]:
        record["name"] = record.pop("label", record.get("name", "?"))
        return record

    @before("save")
    def check_name(self, db: BaseStorageAdapter) -> None:
        CALLS[id(db.hooks)].append(("before save", self.id))
        if self.name == "veto":
            raise VetoError("this name is not stored")

    @after("insert", "update")
    def note(self, db: BaseStorageAdapter) -> None:
        CALLS[id(db.hooks)].append(("after", self.id))


class Tool(Item):
    power: int = 1

    @before("update", "delete")
    def check_power(self, db: BaseStorageAdapter) -> None:
        CALLS[id(db.hooks)].append(("before update or delete of tool", self.id))
        if self.power == 13:
            raise VetoError("such a tool stays as it is")


class Toy(Item):
    rank: Annotated[int, Field(ge=-5, le=5), Stored("r")] = 0  # narrower than the base
    color: str = "red"


class Part(Document, collection="items"):
    """A part of an item, which knows nothing of versions, families and times."""

    id: int
    rank: Annotated[int, Stored("r")] = 0
    tags: list[str] = []  # noqa: RUF012 - pydantic copies it


class Ranked(Document, collection="items", where=Q(rank__gte=2)):
    """The items of some rank, as far as this class knows them."""

    id: int
    rank: Annotated[int, Stored("r")] = 2
    tags: list[str] = []  # noqa: RUF012 - pydantic copies it


class Short(BaseModel):
    name: str
    rank: int = 0


CLASSES: Final = (Item, Tool, Toy)
