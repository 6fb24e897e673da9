"""A view of a document has what the loaded document has: over every kind of class and of type.

The documents are those that saving and loading is tested with, and random ones.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Annotated, Any, Final, NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import create_model
from pydantic.fields import FieldInfo
from typing_extensions import TypedDict

from docmap import Document
from docmap.schema.structs import reads_alike
from docmap.schema.views import view_of
from tests.schema.same import difference
from tests.schema.strategies import Inner, Shape, shapes
from tests.schema.test_codec_property import CASES, model_of

Infos = Mapping[str, FieldInfo]


def _hints(infos: Infos) -> dict[str, Any]:
    """The annotations with what stands beside them."""
    found: dict[str, Any] = {}
    for name, info in infos.items():
        chosen = [FieldInfo(discriminator=info.discriminator)] if info.discriminator else []
        beside = (*info.metadata, *chosen)
        hint = Annotated[(info.annotation, *beside)] if beside else info.annotation
        # A default of None is taken unchecked, and so stored.
        found[name] = hint | None if info.default is None else hint
    return found


def _model(infos: Infos) -> Any:
    definitions: Any = {name: (info.annotation, deepcopy(info)) for name, info in infos.items()}
    return create_model("Model", __config__={"arbitrary_types_allowed": True}, **definitions)


KINDS: Final[dict[str, Callable[[Infos], Any]]] = {
    "model": _model,
    "dataclass": lambda infos: dataclasses.make_dataclass("Data", list(_hints(infos).items())),
    "typed dict": lambda infos: TypedDict("Typed", _hints(infos)),  # type: ignore[operator]
    "named tuple": lambda infos: NamedTuple("Named", list(_hints(infos).items())),  # type: ignore[misc]
    "struct": lambda infos: msgspec.defstruct("Struct", list(_hints(infos).items()), kw_only=True),
    "anything": lambda infos: dataclasses.make_dataclass("Loose", [(n, Any) for n in infos]),
}
OPTIONS: Final = {"use_enum_values", "regex_engine"}
"""Options of a class that change what is read, and that other classes do not have."""


def names_of(cls: type[Document]) -> Infos:
    """The fields that every kind of class can have, and that no validator of the class changes."""
    changed = {
        field
        for decorator in cls.__pydantic_decorators__.field_validators.values()
        for field in decorator.info.fields
    }
    return {
        name: info
        for name, info in cls.model_fields.items()
        if name.isidentifier() and name[0] != "_" and name not in changed
    }


def check_views(document: Document, kinds: Mapping[str, Any]) -> None:
    """Each view equals the loaded document, field by field, in type and in value."""
    schema = type(document).__docmap_schema__
    data = schema.codec.encode(document)
    loaded = schema.codec.decode(data)
    infos = names_of(type(document))
    for label, make in kinds.items():
        seen: Any = view_of(schema, make(infos)).decode(data)
        for name in infos:
            value = seen[name] if isinstance(seen, dict) else getattr(seen, name)
            found = difference(value, getattr(loaded, name))
            assert found is None, f"{label}: {name}: {found}"


@pytest.mark.parametrize("label", KINDS)
@pytest.mark.parametrize(
    "document", CASES, ids=[f"{i} {type(case).__name__}" for i, case in enumerate(CASES)]
)
def test_a_view_has_what_the_document_has(document: Document, label: str) -> None:
    if label == "anything" or not OPTIONS & type(document).model_config.keys():
        check_views(deepcopy(document), {label: KINDS[label]})


@given(
    fields=st.dictionaries(st.sampled_from("abcdefgh"), shapes(), min_size=1, max_size=5),
    data=st.data(),
)
def test_a_view_of_a_made_document(fields: dict[str, Shape], data: st.DataObject) -> None:
    model = model_of(fields, {})
    values = {name: data.draw(shape.values, label=name) for name, shape in fields.items()}
    label = data.draw(st.sampled_from(sorted(KINDS)), label="kind")
    check_views(model.model_construct(**values), {label: KINDS[label]})


def test_msgspec_takes_part() -> None:
    """Some of the fields are read by msgspec itself, others are not."""
    found = []
    for cls in {type(document) for document in CASES}:
        if not OPTIONS & cls.model_config.keys():
            for name, info in names_of(cls).items():
                struct = KINDS["struct"]({name: info})
                found.append(reads_alike(view_of(cls.__docmap_schema__, struct)._kind))
    assert found.count(True) > 20
    assert found.count(False) > 20


def test_a_model_in_a_union_keeps_its_own_extra_fields() -> None:
    class Held(Document):
        place: int | Inner

    schema = Held.__docmap_schema__
    data = schema.codec.encode(Held(place=Inner(name="a", more=5)))
    view = view_of(schema, KINDS["dataclass"](names_of(Held))).decode(data)
    assert view.place.more == 5
