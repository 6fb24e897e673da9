"""A document of a family converted to, or saved as, another member: it is of that class then."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from docmap import BaseStorageAdapter, Document


class Shape(Document, collection="converted_shapes", family_field="kind"):
    kind: str = ""
    name: str


class Circle(Shape, family_name="circle"):
    radius: int = 1


class Square(Shape):
    side: int = 2


class Plan(Document, collection="converted_plans", family_field="kind"):
    kind: str = ""
    name: str


class Plain(Document, collection="converted_plain"):
    name: str


class Odd(Plain):
    size: int = 1


class Even(Plain):
    half: int = 1


@pytest.mark.parametrize(("first", "second"), [(Circle, Square), (Square, Circle), (Odd, Even)])
def test_a_converted_document_becomes_a_member_of_the_class(
    db: BaseStorageAdapter, first: Any, second: Any
) -> None:
    first(id="1", name="one").save(db)
    loaded = db.get(first, "1")
    made = loaded.convert_to(second)
    assert (type(made), made.is_new) == (second, False)
    made.save()
    base = second.__bases__[0]
    assert type(db.get(base, "1")) is second
    assert (db.find(first).count(), db.find(second).count()) == (0, 1)
    root = db.get(base, "1").convert_to(base)
    root.save()
    assert type(db.get(base, "1")) is base


@pytest.mark.parametrize(("first", "second"), [(Circle, Square), (Circle, Shape), (Odd, Even)])
def test_a_copy_is_of_the_class_that_it_is_saved_as(
    db: BaseStorageAdapter, first: Any, second: Any
) -> None:
    original = first(id="1", name="one")
    original.save(db)
    made = original.save_as(second, key="2")
    assert type(made) is second
    assert type(db.get(second, "2")) is second
    assert type(db.get(first, "1")) is first


def test_a_member_is_saved_as_the_root_of_another_family(db: BaseStorageAdapter) -> None:
    circle = Circle(id="1", name="one")
    circle.save(db)
    assert circle.save_as(Plan, key="2").kind == "Plan"
    assert circle.kind == "circle"
    assert db.get(Plan, "2").name == "one"


def test_input_models_leave_out_the_name_of_the_class() -> None:
    assert set(Circle.input_model().model_fields) == {"name", "radius"}
    assert set(Odd.input_model().model_fields) == {"name", "size"}


def test_input_models_keep_a_literal_by_which_clients_tell_classes_apart() -> None:
    class Base(Document, collection="converted_events", abstract=True, family_field="kind"):
        kind: str

    class Start(Base):
        kind: Literal["start"] = "start"

    assert set(Start.input_model().model_fields) == {"kind"}
