"""The key has the type that a class declares; fields may be declared anew."""

from __future__ import annotations

from typing import Annotated, Any, assert_type
from uuid import UUID, uuid4

from pydantic import Field

from docmap import Document, connect
from docmap.model.fields import col, field


class Plain(Document):
    name: str


class IntKey(Document):
    id: int
    name: str


class UuidKey(Document):
    id: UUID = Field(default_factory=uuid4)
    name: str


class Base(Document, abstract=True):
    name: str


class Longer(Base):
    name: Annotated[str, Field(max_length=200)] = "new"


class Keyed(Base):
    id: UUID


class Default(Document, abstract=True):
    name: str = "new"


class Required(Default):
    name: str = field()


db = connect("memory://")

assert_type(Plain(name="x").id, Any)
assert_type(IntKey(id=1, name="x").id, int)
assert_type(UuidKey(name="x").id, UUID)
Plain(id="x", name="x")
UuidKey(id=uuid4(), name="x")
Longer()
Required(name="x")
Keyed(id=uuid4(), name="x")
db.find(IntKey, IntKey.id > 5)
db.find(Plain, Plain.id == "x", col(Plain.id) == "x")
