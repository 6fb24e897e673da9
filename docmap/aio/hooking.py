"""What an awaited storage does at once, as nothing is read or written: hooks, listeners."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, overload

from docmap.storage.callers import served
from docmap.storage.lifecycle import After, Before, C, Callback

if TYPE_CHECKING:
    from docmap.aio.runners import Runner
    from docmap.storage.base import BaseStorageAdapter
    from docmap.storage.journal import Listener
    from docmap.storage.url import URL


class Hooking:
    """The part of `storage.AsyncStorage` that nobody awaits."""

    __slots__ = ("_core", "_runner")

    def __init__(self, core: BaseStorageAdapter, runner: Runner) -> None:
        self._core = core
        self._runner = runner

    @property
    def scheme(self) -> str:
        """The scheme of the engine's URLs, and its name in messages."""
        return self._core.scheme

    @property
    def url(self) -> URL | None:
        """The URL it was opened with, which shows no password."""
        return self._core.url

    @property
    def is_open(self) -> bool:
        """True between `connect()` and `disconnect()`."""
        return self._core.is_open

    @property
    def native(self) -> Any:
        """The driver's own object: its async client or pool where it has one."""
        with served():
            return self._core.native

    @property
    def abilities(self) -> frozenset[str]:
        """What this engine may do beyond the contract, such as `transactions` or `watch`."""
        return self._core.abilities

    def on_command(self, listener: Listener, /) -> Callable[[], None]:
        """Call `listener` with a Command after each operation of this storage."""
        return self._core.on_command(listener)

    @overload
    def before(
        self, event: Before, callback: Callback, /, *classes: type
    ) -> Callable[[], None]: ...
    @overload
    def before(self, event: Before, /, *what: Before | type) -> Callable[[C], C]: ...
    def before(self, *what: Any) -> Any:
        """Call a function before each event of a document that is stored here.

        It is a plain function, and its second argument a sync face of this storage, which works
        inside of the hook: `storage.save(other)`.
        """
        return self._core.before(*what)

    @overload
    def after(self, event: After, callback: Callback, /, *classes: type) -> Callable[[], None]: ...
    @overload
    def after(self, event: After, /, *what: After | type) -> Callable[[C], C]: ...
    def after(self, *what: Any) -> Any:
        """Call a function after each event of a document that is stored here, or loaded."""
        return self._core.after(*what)

    def remove_hook(self, callback: Callable[..., Any], /) -> bool:
        """End the calls of a function that was given to `before` or `after`; True if it was."""
        return self._core.remove_hook(callback)
