"""LookupManager: what an engine makes of a lookup, registered by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from docmap.errors import LookupProcessorDoesNotExist

Processor = Callable[..., Any]
P = TypeVar("P", bound=Processor)


class LookupManager:
    """The lookups of one engine: name to processor.

    A processor takes `(name, value)` and returns the engine's native condition or several; it
    raises ValueError or TypeError for a value that it cannot express. An adapter's processor may
    take a third argument, the codec.

    >>> lookups = LookupManager()
    >>> @lookups.register("gt")
    ... def gt(name, value):
    ...     return {name: {"$gt": value}}
    >>> lookups.resolve("age", "gt", 90)
    {'age': {'$gt': 90}}
    """

    exception_class: type[Exception] = LookupProcessorDoesNotExist

    def __init__(self, parent: LookupManager | None = None) -> None:
        self._processors: dict[str, Processor] = {}
        self._arity: dict[str, int] = {}
        self._default: str | None = None
        self._parent = parent

    def register(self, name: str, default: bool = False) -> Callable[[P], P]:
        """A decorator that registers a processor as `name`; one of all may be the default.

        Raises ValueError for a second default. A name registered again is replaced.
        """

        def decorate(processor: P) -> P:
            if default:
                if self._default not in {None, name}:
                    raise ValueError(
                        f"{self._default!r} is the default lookup already; only one can be"
                    )
                self._default = name
            self._processors[name] = processor
            self._arity[name] = _positional(processor)
            return processor

        return decorate

    def names(self) -> frozenset[str]:
        """The names of all lookups registered here and in the parent."""
        inherited = self._parent.names() if self._parent else frozenset()
        return inherited | frozenset(self._processors)

    @property
    def default(self) -> str | None:
        """The name of the default lookup, if one was registered."""
        return self._default or (self._parent.default if self._parent else None)

    def resolve(self, name: Any, operation: str | None, value: Any, codec: Any = None) -> Any:
        """What the processor of `operation` (None: the default) returns for `name` and `value`.

        Raises `exception_class` if there is no such processor, and whatever the processor raises.
        """
        wanted = operation or self.default
        processor = self._processors.get(wanted) if wanted else None
        if processor is None:
            if self._parent is not None:
                return self._parent.resolve(name, operation, value, codec)
            known = ", ".join(sorted(self._processors)) or "none"
            raise self.exception_class(
                f"no lookup is registered as {wanted!r}; registered are: {known}"
            )
        if wanted is not None and self._arity[wanted] >= 3:
            return processor(name, value, codec)
        return processor(name, value)


def _positional(processor: Processor) -> int:
    parameters = inspect.signature(processor).parameters.values()
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return 3
    return sum(p.kind in {p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD} for p in parameters)
