"""The document classes that this process knows: for references by name, and for delete rules."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from weakref import ref

from docmap.errors import InvalidModel

DECLARATION: Final = "__docmap_declaration__"
"""The class attribute with the class keywords of a document class."""


class TargetUndefined(InvalidModel):
    """A reference names a class that is not defined yet; it may be later."""


class Known:
    """Document classes by module and name. A class that is defined anew replaces the older one."""

    def __init__(self) -> None:
        self._classes: dict[tuple[str, str], ref[Any]] = {}
        self._defining = threading.local()
        self.generation = 0
        """Grows with each class: what was found out before may then be different."""

    def add(self, cls: type) -> None:
        """Note a class that was defined."""
        place = _place(cls)
        self._classes.pop(place, None)  # so that the latest comes last
        self._classes[place] = ref(cls)
        self.generation += 1

    @contextmanager
    def defining(self) -> Iterator[None]:
        """While a class is defined its module may still define the class that a name means."""
        outer = getattr(self._defining, "now", False)
        self._defining.now = True
        try:
            yield
        finally:
            self._defining.now = outer

    def has(self, cls: type) -> bool:
        """True if the class was not replaced by one of the same module and name."""
        found = self._classes.get(_place(cls))
        return found is not None and found() is cls

    def all(self) -> list[Any]:
        """The classes, in the order in which they were defined."""
        return [cls for held in list(self._classes.values()) if (cls := held()) is not None]

    def find(self, name: str, module: str) -> Any:
        """The class that `name` means in a module: its own first, else the only one there is.

        Raises InvalidModel if there is none, or if there are several.
        """
        found = [cls for cls in self.all() if _is_named(cls, name)]
        own = [cls for cls in found if cls.__module__ == module]
        if own:
            return own[-1]
        early = "." not in name and getattr(self._defining, "now", False)
        if len(found) == 1 and not early:
            return found[0]
        if not found or early:
            raise TargetUndefined(
                f'Ref["{name}"] names no document class that is defined by now: import the module '
                "that defines it, or correct the name",
            )
        places = " and ".join(f'Ref["{cls.__module__}.{cls.__qualname__}"]' for cls in found)
        raise InvalidModel(f'Ref["{name}"] could mean several classes: write {places}')


def _place(cls: type) -> tuple[str, str]:
    return cls.__module__, cls.__qualname__


def _is_named(cls: type, name: str) -> bool:
    return cls.__name__ == name or (
        "." in name and f".{cls.__module__}.{cls.__qualname__}".endswith(f".{name}")
    )


known: Final = Known()


def is_document_class(value: object) -> bool:
    """True for a class that derives from Document."""
    return isinstance(value, type) and hasattr(value, DECLARATION)


def belongs(cls: Any, target: Any) -> bool:
    """True if documents of `cls` are documents of `target`: the class itself or one of its family.

    A subclass with a collection of its own is another kind of document.
    """
    collection = getattr(target, DECLARATION).collection
    return (
        collection is not None
        and issubclass(cls, target)
        and getattr(cls, DECLARATION).collection == collection
    )
