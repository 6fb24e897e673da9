"""The types of containers: lists, tuples, sets and dicts of what they are declared to hold."""

from __future__ import annotations

import typing
from collections import Counter, OrderedDict, abc, defaultdict, deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic_core import core_schema as cs

from docmap.errors import InvalidModel
from docmap.schema.containers import (
    KEYS,
    deque_schema,
    dict_schema,
    list_schema,
    sequence_schema,
    set_schema,
)
from docmap.schema.types import FieldType

if TYPE_CHECKING:
    from docmap.schema.compile import Compiler

_LISTS: dict[Any, Callable[..., cs.CoreSchema]] = {
    list: list_schema,
    abc.Sequence: sequence_schema,
    abc.MutableSequence: sequence_schema,
    abc.Collection: sequence_schema,
    deque: deque_schema,
}
_SETS: dict[Any, Any] = {
    set: set,
    frozenset: frozenset,
    abc.Set: frozenset,
    abc.MutableSet: set,
}
_DICTS: dict[Any, Any] = {
    dict: dict,
    abc.Mapping: dict,
    abc.MutableMapping: dict,
    OrderedDict: OrderedDict,
    defaultdict: defaultdict,
    Counter: Counter,
}
_NEVER: dict[Any, str] = {
    abc.Iterable: "which can be read only once: declare list",
    abc.Iterator: "which can be read only once: declare list",
    abc.Generator: "which can be read only once: declare list",
    abc.Callable: "which no engine keeps: store the name of the function",
    type: "which no engine keeps: store the name of the class",
}


def container_type(
    compiler: Compiler, annotation: Any, bare: Any, limits: dict[str, Any], where: str
) -> FieldType | None:
    """The type of a list, set, tuple or dict, or of Any; None if it is another type."""
    args = typing.get_args(annotation)
    if bare in {Any, object}:
        return compiler.untyped()
    if limits and bare in {*_LISTS, *_SETS, *_DICTS, tuple}:
        compiler.recheck = True
    if bare in _LISTS:
        item = _item(compiler, args, where)
        core = _LISTS[bare](item, limits)
        return FieldType("list", item=item, annotation=annotation, core=core)
    if bare in _SETS:
        item = _item(compiler, args, where)
        core = set_schema(item, limits, _SETS[bare])
        return FieldType("set", item=item, annotation=annotation, core=core)
    if bare is tuple:
        return _tuple(compiler, annotation, limits, where)
    if bare in _DICTS:
        return _dict(compiler, annotation, bare, limits, where)
    if bare in _NEVER:
        name = getattr(bare, "__name__", str(bare))
        raise InvalidModel(f"{where} is declared as {name}, {_NEVER[bare]}", field=where)
    return None


def _item(compiler: Compiler, args: tuple[Any, ...], where: str) -> FieldType:
    return compiler.compile(args[0] if args else Any, (), f"{where}[]")


def _tuple(compiler: Compiler, annotation: Any, limits: dict[str, Any], where: str) -> FieldType:
    args = typing.get_args(annotation)
    if annotation is tuple:
        args = (Any, ...)
    if not args:
        core = cs.tuple_schema([])
        return FieldType("tuple", item=compiler.untyped(), annotation=annotation, core=core)
    if args[-1] is Ellipsis:
        item = _item(compiler, args, where)
        core = cs.tuple_schema([item.core], variadic_item_index=0, **limits)
        return FieldType("tuple", item=item, annotation=annotation, core=core)
    items = tuple(compiler.compile(arg, (), f"{where}[{i}]") for i, arg in enumerate(args))
    core = cs.tuple_schema([item.core for item in items])
    return FieldType("tuple", items=items, annotation=annotation, core=core)


def _dict(
    compiler: Compiler, annotation: Any, bare: Any, limits: dict[str, Any], where: str
) -> FieldType:
    args = typing.get_args(annotation)
    with compiler.within(tagging=False):
        key = compiler.compile(args[0] if args else str, (), f"{where} (key)")
    if key.kind not in KEYS or key.nullable:
        raise InvalidModel(
            f"{where} has keys of type {key.label}, which are not one text each once stored: use "
            "text keys, or a list of pairs",
            field=where,
        )
    if bare is Counter:
        args = (*args, int)
    declared = args[1] if args else Any
    value = compiler.compile(declared, (), f"{where}.*")
    kind = _DICTS[bare]
    build = partial(defaultdict, _factory(declared)) if kind is defaultdict else kind
    core = dict_schema(key, value, limits, kind, build)
    return FieldType("dict", item=value, annotation=annotation, core=core, key_type=key)


def _factory(declared: Any) -> Any:
    """What a missing key of a defaultdict gives, as pydantic infers it."""
    plain = typing.get_origin(declared) or declared
    return plain if plain in {list, set, dict, tuple, frozenset, str, int, float, bool} else None
