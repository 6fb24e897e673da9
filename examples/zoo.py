"""A zoo: families of classes, references, hooks, and records of an older version.

Run it anywhere: `python examples/zoo.py`. It keeps everything in SQLite's memory.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field

from docmap import (
    BackReference,
    BaseStorageAdapter,
    Document,
    Index,
    OnDelete,
    Ref,
    ReferencedDocument,
    after,
    back_reference,
    before,
    connect,
    upgrade,
)


class Note(Document, collection="notes"):
    """What happened."""

    text: str


class Keeper(Document, collection="keepers"):
    """Somebody who looks after animals; `animals(db)` is the query for them."""

    name: str
    animals: ClassVar[BackReference[Animal]] = back_reference("Animal", "keeper")


class Animal(Document, collection="animals", version=2, indexes=[Index("keeper", "name")]):
    """Any animal. At first its weight was kept in kilograms, as `kilos`."""

    name: str
    keeper: Annotated[Ref[Keeper], OnDelete("deny")]
    friends: Annotated[list[Ref[Animal]], OnDelete("nullify")] = Field(default_factory=list)
    grams: int = 0

    @before("save")
    def tidy(self) -> None:
        """Before it is stored: names are written alike."""
        self.name = self.name.strip().title()

    @after("insert", "delete")
    def note(self, db: BaseStorageAdapter) -> None:
        """After it came, and after it went."""
        Note(text=f"{type(self).__name__} {self.name}").save(db)

    @upgrade(to=2)
    @staticmethod
    def _(record: dict[str, Any]) -> dict[str, Any]:
        record["grams"] = round(1000 * record.pop("kilos", 0))
        return record


class Bird(Animal):
    """An animal with wings."""

    wings: int = 2


class Penguin(Bird, family_name="penguin"):
    """A bird that swims."""

    depth: int = 0


def fill(db: BaseStorageAdapter) -> None:
    """Two keepers, three animals, and a record that an older program wrote."""
    ann, bob = Keeper(id="ann", name="Ann"), Keeper(id="bob", name="Bob")
    leo = Animal(id="leo", name="leo ", keeper=Ref(ann), grams=190_000)
    kea = Bird(id="kea", name="kea", keeper=Ref(bob), friends=[Ref(leo)])
    pip = Penguin(id="pip", name="pip", keeper=Ref(ann), friends=[Ref(leo), Ref(kea)], depth=90)
    db.insert_many([ann, bob])
    db.insert_many([leo, kea, pip])
    db.save("animals", {"name": "Old Tom", "keeper": "bob", "kilos": 4.25}, primary_key="tom")


def run(db: BaseStorageAdapter) -> None:
    """Ask about them."""
    fill(db)
    for animal in db.find(Animal).order_by("name").fetch("keeper", "friends"):
        friends = ", ".join(friend.value.name for friend in animal.friends) or "nobody"
        kind, keeper = type(animal).__name__, animal.keeper.value.name
        print(f"{animal.name}: {kind}, {animal.grams} g, kept by {keeper}, likes {friends}")
    print("Birds:", db.find(Bird).count(), "that dive:", db.find(Penguin, depth__gt=10).count())

    print("Heavier than 4 kg:", db.find(Animal, grams__gt=4000).count(), "before the upgrade,")
    print(db.upgrade(Animal).upgraded, "record upgraded, then:", end=" ")
    print(db.find(Animal, grams__gt=4000).count())

    ann = db.get(Keeper, "ann")
    try:
        ann.delete()
    except ReferencedDocument as error:
        print("Ann stays:", error)
    ann.animals(db).update(keeper="bob")
    print("Ann leaves:", ann.delete())
    print("Leo leaves:", db.delete(Animal, "leo"))
    print("Friends of Pip:", [friend.key for friend in db.get(Animal, "pip").friends])
    print("Notes:", db.find(Note).values("text"))


def main() -> None:
    """Run it."""
    with connect("sqlite://") as db:
        run(db)


if __name__ == "__main__":
    main()
