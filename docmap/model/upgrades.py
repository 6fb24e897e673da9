"""The upgrade functions of a class: declared in its body, checked when it is made."""

from __future__ import annotations

import sys
from collections.abc import Callable
from inspect import Parameter, isfunction, signature
from typing import Any, Final, TypeVar

from docmap.errors import InvalidModel
from docmap.schema.upgrades import Upgrades

STEPS: Final = "__docmap_upgrades__"
"""The class attribute with the upgrade functions of a class, in the order of its body."""

F = TypeVar("F", bound=Callable[..., Any])


def upgrade(*, to: int) -> Callable[[F], F]:
    """Declare, in the body of a document class, how records of older versions become version `to`.

    ```
    class Person(Document, version=2):
        first: str
        last: str

        @upgrade(to=2)
        @staticmethod
        def _(record: dict[str, Any]) -> dict[str, Any]:
            record["first"], _, record["last"] = record.pop("name").partition(" ")
            return record
    ```

    The function takes and returns the record as a dict: names as they are stored, values as Python
    has them; those of fields that the class does not declare (any more) as JSON has them. Of a
    record below `to` it is called when the record is loaded, in the order of `to`, and by
    `docmap upgrade`; so it should depend on nothing else, and be right for every old record.

    Raises InvalidModel for a `to` below 2 (records begin with version 1), for one that the body
    has already, and for what is no function of one argument.
    """
    body = sys._getframe(1).f_locals
    # `def _` is bound again and again: the body keeps what its names forget.
    steps: list[tuple[int, Callable[..., Any]]] = body.setdefault(STEPS, [])
    place = body.get("__qualname__", "upgrade")

    def declared(function: F) -> F:
        if type(to) is not int or to < 2:
            raise InvalidModel(
                f"{place}: upgrade(to={to!r}): records begin with version 1, and the first upgrade "
                "is to=2"
            )
        if any(known == to for known, _ in steps):
            raise InvalidModel(f"{place} has two upgrade functions to={to}: make one of them")
        plain = function.__func__ if isinstance(function, staticmethod) else function
        if not isfunction(plain) or not _takes_one(plain):
            raise InvalidModel(
                f"{place}: upgrade(to={to}) takes a function of one argument, the record as a "
                "dict: def _(record): ...; return record"
            )
        steps.append((to, plain))
        return function

    return declared


def _takes_one(function: Callable[..., Any]) -> bool:
    try:
        signature(function).bind(None)
    except TypeError:
        return False
    first = next(iter(signature(function).parameters.values()))
    return first.kind is not Parameter.VAR_KEYWORD and first.name not in {"self", "cls"}


def upgrades_of(cls: Any, version: int | None) -> Upgrades | None:
    """The version and the steps of a class with those of its bases. Raises InvalidModel."""
    steps = [step for base in reversed(cls.__mro__) for step in base.__dict__.get(STEPS, ())]
    highest = max((to for to, _ in steps), default=0)
    if highest > (version or 0):
        has = f"is of version {version}" if version else "declares no version"
        raise InvalidModel(
            f"{cls.__name__} has an upgrade to={highest} and {has}: declare version={highest}"
        )
    if version is None:
        return None
    return Upgrades(version, tuple(sorted(steps, key=lambda step: step[0])))
