"""A key and overridden fields are checked as they are declared."""

from __future__ import annotations

from docmap import connect
from docmap.model.fields import field
from tests.typing.cases.right_overriding import IntKey, Plain, Required, UuidKey

db = connect("memory://")

IntKey(id="x", name="x")  # error
IntKey(name="x")  # error
UuidKey(id="x", name="x")  # error
Required()  # error
Plain(key="x", name="x")  # error
db.find(IntKey, IntKey.id > "x")  # error


class Other(Plain):
    name: int = field(default=0)  # error
