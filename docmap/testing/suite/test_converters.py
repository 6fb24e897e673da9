"""Values: each comes back equal and of its type, or is refused before anything is written."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import pytest

from docmap import BaseStorageAdapter, Document, InvalidValue, path
from docmap.testing.answers import exact
from docmap.testing.corpus import PLAIN, documents
from docmap.testing.models import Everything, Indexes
from docmap.testing.pools import POOLS, THINGS


def _stored(value: Any) -> Any:
    """A value as it comes back: datetimes in UTC with milliseconds."""
    if isinstance(value, datetime):
        value = value.astimezone(UTC)
        return value - timedelta(microseconds=value.microsecond % 1000)
    return value


@pytest.mark.parametrize("model", [Everything, Indexes])
@pytest.mark.parametrize("name", POOLS)
def test_each_value_comes_back(db: BaseStorageAdapter, name: str, model: type[Everything]) -> None:
    values = POOLS[name]
    made = [model(id=f"{n:03}", **{name: value}) for n, value in enumerate(values)]
    db.insert_many(made)
    found = db.find(model).order_by("id").list()
    for one, value in zip(found, values, strict=True):
        given = getattr(one, name)
        wanted = value if name == "fine" else _stored(value)
        assert type(given) is type(wanted)
        assert given == wanted
        if isinstance(value, Decimal):
            assert str(given) == str(value)
    assert [one.id for one in found] == [one.id for one in made]
    assert db.get_many(model, [one.id for one in made]) == found


def test_whole_documents_come_back(db: BaseStorageAdapter) -> None:
    made = [one for one in documents(PLAIN, foreign=False) if type(one) is Everything]
    db.insert_many(made)
    for one in made:
        found = db.get(Everything, one.id)
        assert exact(found.model_dump(exclude={"moment", "tags"})) == exact(
            one.model_dump(exclude={"moment", "tags"})
        )
        assert found.tags == one.tags


def test_untyped_values_come_back(db: BaseStorageAdapter) -> None:
    rows = [{"id": f"{n:03}", "v": value} for n, value in enumerate(THINGS)]
    db.insert_many("loose", rows)
    for row, found in zip(rows, db.find("loose").order_by("id"), strict=True):
        assert exact(found["v"]) == exact(row["v"])


@pytest.mark.parametrize(
    "name", ["", "a.b", "$set", "é", "e\u0301", "a b", "'", '"', "\\", "0", "_id"]
)
def test_any_name_can_be_a_key_of_a_dict(db: BaseStorageAdapter, name: str) -> None:
    Everything(id="a", box={name: 1, "other": 2}).save(db)
    Everything(id="b", box={"other": 3}).save(db)
    assert db.get(Everything, "a").box == {name: 1, "other": 2}
    place = path("box", name)
    assert [one.id for one in db.find(Everything).where(place == 1)] == ["a"]
    db.find(Everything).where(place.exists(True)).update(place.inc(4))
    assert db.get(Everything, "a").box == {name: 5, "other": 2}
    assert db.get(Everything, "b").box == {"other": 3}


_REFUSED: Final[tuple[tuple[str, Any], ...]] = (
    ("whole", 2**63),
    ("whole", -(2**63) - 1),
    ("ratio", math.nan),
    ("ratio", math.inf),
    ("price", Decimal("NaN")),
    ("price", Decimal("1" * 35)),
    ("price", Decimal("1E+6145")),
    ("word", "a\0b"),
    ("word", "\ud800"),
    ("thing", "a\0b"),
    ("thing", 2**63),
    ("thing", {"a": [math.inf]}),
    ("thing", {"a\0": 1}),
    ("moment", datetime(2024, 1, 1)),  # noqa: DTZ001 - a naive one is refused
)


@pytest.mark.parametrize(("name", "value"), _REFUSED, ids=lambda one: ascii(one)[:20])
def test_what_no_engine_could_keep_is_refused(
    db: BaseStorageAdapter, name: str, value: Any
) -> None:
    Everything(id="good", whole=1).save(db)
    broken = Everything(id="a").model_copy(update={"id": "a", name: value})
    with pytest.raises(InvalidValue) as caught:
        broken.save(db)
    assert str(caught.value.field).startswith(name)
    with pytest.raises(InvalidValue):
        db.insert_many([Everything(id="b"), broken.model_copy(update={"id": "c"})])
    assert {one.id for one in db.find(Everything)} <= {"good", "b"}
    assert db.find(Everything, whole=1).count() == 1


def test_minus_zero_is_zero(db: BaseStorageAdapter) -> None:
    Everything(id="a", ratio=-0.0, price=Decimal("-0")).save(db)
    found = db.get(Everything, "a")
    assert math.copysign(1, found.ratio or 0.0) == 1
    assert str(found.price) == "0"


def test_large_documents(db: BaseStorageAdapter) -> None:
    class Large(Document, collection="large"):
        text: str

    text = "é" * 2_000_000
    Large(id="a", text=text).save(db)
    assert db.get(Large, "a").text == text
    with pytest.raises(InvalidValue):
        Large(id="b", text="x" * 16_000_001).save(db)
    assert db.find(Large).count() == 1
