"""`input_model()`: what a client may send for a document."""
# ruff: noqa: RUF012 - pydantic copies the defaults of a model

from __future__ import annotations

from typing import Annotated, Any, Self

import pytest
from pydantic import (
    BaseModel,
    Field,
    ValidationError,
    field_serializer,
    field_validator,
    model_validator,
)

from docmap import BaseStorageAdapter, CreatedAt, Document, Indexed, UpdatedAt
from tests.model.shop import Country, Order, Ticket


class ServerSet:
    """A marker of a field that is set by docmap."""

    server_set = True


class Post(Document, collection="posts"):
    """A post on the wall."""

    title: Annotated[str, Field(min_length=2, description="its headline"), Indexed(unique=True)]
    stars: int = Field(default=0, alias="Stars")
    tags: list[str] = []
    made: Annotated[int, ServerSet()] = 7

    @field_validator("title")
    @classmethod
    def _shout(cls, value: str) -> str:
        return value.upper()

    @field_validator("id", "stars", mode="before")
    @classmethod
    def _count(cls, value: Any) -> Any:
        return 5 if value == "five" else value

    @field_validator("made")
    @classmethod
    def _never(cls, value: int) -> int:
        raise AssertionError(value)

    @model_validator(mode="before")
    @classmethod
    def _unwrap(cls, value: Any) -> Any:
        return value.get("post", value) if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if self.stars > 100:
            raise ValueError("too many stars")
        return self

    @field_serializer("stars")
    def _text(self, value: int) -> str:
        return "*" * value


def test_it_is_a_plain_model_without_key_and_server_set_fields() -> None:
    model = Post.input_model()
    assert issubclass(model, BaseModel)
    assert not issubclass(model, Document)
    assert model.__name__ == "PostInput"
    assert list(model.model_fields) == ["title", "stars", "tags"]
    assert model is Post.input_model()


def test_its_json_schema() -> None:
    assert Post.input_model().model_json_schema() == {
        "title": "PostInput",
        "description": "A post on the wall.",
        "type": "object",
        "properties": {
            "title": {
                "description": "its headline",
                "minLength": 2,
                "title": "Title",
                "type": "string",
            },
            "Stars": {"default": 0, "title": "Stars", "type": "integer"},
            "tags": {"default": [], "items": {"type": "string"}, "title": "Tags", "type": "array"},
        },
        "required": ["title"],
    }


def test_validators_and_serializers_are_those_of_the_class() -> None:
    model = Post.input_model()
    body = model.model_validate({"post": {"title": "ab", "Stars": "five"}})
    assert body.model_dump() == {"title": "AB", "stars": "*****", "tags": []}
    with pytest.raises(ValidationError, match="at least 2"):
        model.model_validate({"title": "a"})
    with pytest.raises(ValidationError, match="too many stars"):
        model.model_validate({"title": "ab", "Stars": 101})


def test_a_body_is_saved_as_a_new_document(db: BaseStorageAdapter) -> None:
    body = Order.input_model().model_validate({"id": "taken", "number": "1", "total": "2.50"})
    key = db.save(Order, body.model_dump())
    assert key != "taken"
    assert str(db.get(Order, key).total) == "2.50"


def test_a_key_that_only_the_user_can_give_stays() -> None:
    assert list(Country.input_model().model_fields) == ["code", "name"]
    assert list(Ticket.input_model().model_fields) == ["title"]


def test_moments_are_set_by_docmap() -> None:
    class Dated(Document, collection="dated"):
        name: str
        made: CreatedAt
        changed: UpdatedAt

    assert list(Dated.input_model().model_fields) == ["name"]


def test_a_subclass_has_one_of_its_own() -> None:
    class Base(Document, abstract=True):
        name: str

    class One(Base, collection="ones"):
        size: int

    class Two(Base, collection="twos"):
        weight: int

    assert list(One.input_model().model_fields) == ["name", "size"]
    assert list(Two.input_model().model_fields) == ["name", "weight"]
