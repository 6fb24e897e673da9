"""A family of classes, for the tests."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from docmap import Document, Index, Indexed


class Vehicle(Document, collection="vehicles", indexes=["wheels"]):
    name: str
    wheels: int = 4
    size: int | Decimal = 1


class Car(Vehicle, indexes=[Index("_class", "doors")]):
    doors: int = 4
    plate: Annotated[str | None, Indexed(unique=True)] = None


class SportsCar(Car):
    power: int = 300
    size: Decimal = Decimal("1.5")


class Truck(Vehicle, family_name="lorry"):
    load: float = 1.5
    plate: str | None = None


class Thing(Document, abstract=True, collection="things", family_field="kind"):
    kind: str = ""
    name: str = ""


class Ball(Thing):
    kind: Literal["ball"] = "ball"
    radius: float = 1.0


class Box(Thing):
    sides: int = 6


class Chest(Box, abstract=True):
    locked: bool = True


class Safe(Chest, family_name="safe"):
    code: str = ""


def raw(db: Any, collection: str, key: Any) -> dict[str, Any]:
    """The stored record of a key."""
    found: dict[str, Any] = db.find(collection, id=key).one()
    return found
