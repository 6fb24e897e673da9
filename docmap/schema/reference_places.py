"""Where a class holds references: their paths, and the condition that finds who refers to a key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from docmap.query.nodes import Compare, Element, Node
from docmap.query.paths import Path
from docmap.schema.types import LISTS, FieldType


class Inside(Enum):
    """A step into a container."""

    ELEMENT = "element"
    """Of a list or set."""
    VALUE = "value"
    """Of a dict."""
    MEMBER = "member"
    """Of a union."""


Step = str | int | Inside


@dataclass(frozen=True, slots=True)
class Place:
    """One place of a class that holds references."""

    steps: tuple[Step, ...]
    type: FieldType
    askable: bool
    """A condition can ask for it: no step goes into a dict, a union, or a model inside itself."""

    @property
    def target(self) -> Any:
        """The class that is referred to. Raises InvalidModel if it is not defined."""
        return self.type.target and self.type.target()

    @property
    def dotted(self) -> str:
        """The place as `fetch` takes it: `items.product`."""
        return ".".join(step for step in self.steps if isinstance(step, str))

    def condition(self, keys: Sequence[Any]) -> Node | None:
        """True for documents that hold one of the keys there; None if it cannot be asked."""
        return _condition(self.steps, keys) if self.askable else None


def reference_places(root: FieldType) -> list[Place]:
    """The places of the references in a class, nested ones included."""
    recursive: set[int] = set()
    found = list(_places(root, (), (id(root.fields),), recursive))
    return [
        Place(
            steps,
            kind,
            askable=recursive.isdisjoint(through[1:])
            and not any(step in {Inside.VALUE, Inside.MEMBER} for step in steps),
        )
        for steps, kind, through in found
    ]


def _places(
    kind: FieldType, steps: tuple[Step, ...], through: tuple[int, ...], recursive: set[int]
) -> Iterator[tuple[tuple[Step, ...], FieldType, tuple[int, ...]]]:
    if kind.target is not None:
        yield steps, kind, through
        return
    below: list[tuple[Step, FieldType]] = [(name, f.type) for name, f in kind.fields.items()]
    below += list(enumerate(kind.items))
    below += [(Inside.MEMBER, option) for option in kind.options]
    if kind.item is not None and kind.kind != "model":
        below.append((Inside.ELEMENT if kind.kind in LISTS else Inside.VALUE, kind.item))
    for step, inner in below:
        # A root model that contains itself is no model here, but what it holds.
        place = id(inner.fields) if inner.kind == "model" else id(inner)
        if place in through:
            recursive.add(place)
        else:
            yield from _places(inner, (*steps, step), (*through, place), recursive)


def _condition(steps: tuple[Step, ...], keys: Sequence[Any]) -> Node:
    for position, step in enumerate(steps):
        if isinstance(step, Inside):
            path = Path(tuple(one for one in steps[:position] if not isinstance(one, Inside)))
            rest = steps[position + 1 :]
            if not rest:
                return Compare(path, "contains_any", tuple(keys))
            return Element(path, "any", _condition(rest, keys))
    return Compare(
        Path(tuple(one for one in steps if not isinstance(one, Inside))), "in", tuple(keys)
    )
