"""Stamps: constants that docmap writes into records beside the fields of a model."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_core import from_json

from docmap import BaseStorageAdapter, Document, InvalidValue
from docmap.query.nodes import Compare
from docmap.query.paths import Path
from docmap.schema.schema import typed
from docmap.schema.stamps import TEXT, WHOLE
from docmap.storage.loading import SCHEMA

STAMPS = (("_class", "Car"), ("_version", 3))


class Plain(Document, collection="stamped"):
    name: str


class Car(Document, collection="stamped"):
    name: str
    doors: int = 4


class Open(Document, collection="stamped", extra="allow"):
    name: str


class Closed(Document, collection="stamped", unknown="forbid"):
    name: str


for _class in (Car, Open, Closed):
    _unknown: Any = "forbid" if _class is Closed else "keep"
    setattr(_class, SCHEMA, typed(_class, "stamped", stamps=STAMPS, unknown=_unknown))


def record(db: BaseStorageAdapter, key: Any) -> dict[str, Any]:
    """The stored record of a key."""
    return db.find("stamped", id=key).one()


@pytest.mark.parametrize("kind", [Car, Open, Closed])
def test_a_stamp_is_written_and_not_seen(db: BaseStorageAdapter, kind: Any) -> None:
    document = kind(name="a")
    key = document.save(db)
    assert record(db, key)["_class"] == "Car"
    assert record(db, key)["_version"] == 3
    found: Any = db.get(kind, key)
    assert found == document
    assert found.model_extra in (None, {})
    assert db.find(kind).list() == [document]
    found.name = "b"
    found.save(db)
    assert record(db, key)["_version"] == 3
    assert found.changed_fields == frozenset()


def test_a_stamp_wins_over_what_is_stored(db: BaseStorageAdapter) -> None:
    key = Plain(name="a").save(db)
    db.save("stamped", {"name": "a", "_class": "Truck", "_version": 1, "colour": "red"}, key)
    car = db.get(Car, key)
    car.save(db)
    assert record(db, key) == {
        "id": key,
        "name": "a",
        "doors": 4,
        "colour": "red",
        "_class": "Car",
        "_version": 3,
    }


def test_an_extra_field_cannot_have_the_name_of_a_stamp(db: BaseStorageAdapter) -> None:
    with pytest.raises(InvalidValue, match="_class is a name that docmap itself writes"):
        Open.model_validate({"name": "a", "_class": "Mine"}).save(db)
    key = Open(name="a").save(db)
    # A record in another form, as another program would write it.
    db.save("stamped", {"name": "a", "more": 1, "_version": 3, "_class": "Car"}, key)
    assert db.get(Open, key).model_extra == {"more": 1}


def test_conditions_on_stamps_are_native(full: BaseStorageAdapter) -> None:
    Plain(name="old").save(full)
    Car(name="new").save(full)
    query: Any = full.find(Car)
    for node, names in (
        (Compare(Path(("_class",)), "equals", "Car", TEXT), ["new"]),
        (Compare(Path(("_version",)), "lt", 3, WHOLE), []),
        (Compare(Path(("_version",)), "is_null", True, WHOLE), ["old"]),
    ):
        narrowed = query._with(condition=node)
        assert narrowed.explain().data["native"]
        assert [found.name for found in narrowed] == names


def test_stamps_stand_in_front(full: BaseStorageAdapter) -> None:
    car = Car(name="a")
    car.save(full)
    stored: Any = full._get(full.find(Car)._request.schema, car.id)
    data = stored[0] if isinstance(stored[0], bytes) else stored[0].encode()
    found = list(from_json(data))
    first = found if full.scheme == "postgresql" else found[:2]  # JSONB keeps no order of keys
    assert {"_class", "_version"} <= set(first)
