"""Conditions as they are typed in a shell, `total__gte=100`, and the query that they make."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError, Namespace
from dataclasses import dataclass
from typing import Any

from docmap.cli.extended import from_extended
from docmap.errors import InvalidValue
from docmap.storage.base import BaseStorageAdapter


@dataclass(frozen=True, slots=True)
class Condition:
    """A keyword condition: its name, lookup included, and its operand."""

    name: str
    value: Any


def condition(text: str) -> Condition:
    """The condition that `text` writes.

    >>> condition("total__gte=100"), condition('name="5"')
    (Condition(name='total__gte', value=100), Condition(name='name', value='5'))
    """
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise ArgumentTypeError(
            f"{text!r} is not a condition: write NAME=VALUE or NAME__LOOKUP=VALUE"
        )
    return Condition(name, _value(value))


def _value(text: str) -> Any:
    try:
        tree = json.loads(text, parse_constant=_not_json)
    except (ValueError, RecursionError):
        return text
    try:
        return from_extended(tree)
    except InvalidValue as error:
        raise ArgumentTypeError(str(error)) from None


def _not_json(name: str) -> Any:
    raise ValueError(name)


def query(storage: BaseStorageAdapter, arguments: Namespace) -> Any:
    """The query of a command's CONDITIONs, and of its order and slice if it has them."""
    schema: Any = storage.describe(arguments.collection)
    found = storage.find(schema)
    for wanted in arguments.conditions:
        found = found.where(**{wanted.name: wanted.value})
    for unwanted in arguments.conditions_not:
        found = found.where_not(**{unwanted.name: unwanted.value})
    order = getattr(arguments, "order_by", None)
    if order:
        found = found.order_by(*order)
    if getattr(arguments, "offset", None) is not None:
        found = found.offset(arguments.offset)
    if getattr(arguments, "limit", None) is not None:
        found = found.limit(arguments.limit)
    return found
