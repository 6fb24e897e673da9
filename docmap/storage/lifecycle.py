"""The life of a storage: opening, closing, what it is and what it can do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Literal, Self, TypeVar, overload

from docmap.errors import AlreadyConnected, NotConnected
from docmap.schema.schema import Schema
from docmap.storage.bridge import Lock, is_served, outside
from docmap.storage.call_options import CallOptions
from docmap.storage.deadlines import in_time
from docmap.storage.hooks import Hooks
from docmap.storage.journal import Listener
from docmap.storage.options import read_options
from docmap.storage.transactions import check_transaction
from docmap.storage.url import URL

Before = Literal["save", "insert", "update", "delete"]
After = Literal["save", "insert", "update", "delete", "load"]
Callback = Callable[[Any], None] | Callable[[Any, Any], None]
C = TypeVar("C", bound=Callback)

_COMMON: dict[str, type] = {"slow_seconds": float, "scan_documents": int}


class Lifecycle(CallOptions):
    """What every storage has, whatever it stores."""

    def __init__(self, url: URL | str | None = None, **options: Any) -> None:
        super().__init__()
        self.url = URL.parse(url) if isinstance(url, str) else url
        table = {**_COMMON, **self.settings}
        if self.default_timeout is not None:
            table["timeout"] = float
        self._options = read_options(table, self.url, options, engine=self.scheme)
        self.slow_seconds = self._options.get("slow_seconds", self.slow_seconds)
        self.scan_documents = self._options.get("scan_documents", self.scan_documents)
        self._opened_with(self._options.get("timeout"))
        self._open = threading.Event()
        self._ensured: dict[int, Schema] = {}

    # -- connecting

    def make_async(self) -> None:
        """Say, before it is connected, that this storage is awaited: `docmap.aio` does it.

        From then on only that may call it.
        """
        self.is_async = True
        if self.has_async:  # its tasks take turns, and so do threads' with theirs
            self._mutex = Lock()  # type: ignore[assignment]

    def connect(self) -> None:
        """Open the storage. Raises AlreadyConnected if it is open: use `reconnect()`."""
        with self._mutex:
            if self._open.is_set():
                raise AlreadyConnected(
                    f"{self!r} is connected already: reconnect() closes and opens it again",
                    engine=self.scheme,
                )
            with in_time(self):
                self._connect()
            self._open.set()

    def disconnect(self) -> None:
        """Close the storage; nothing happens if it is closed."""
        with self._mutex:
            if self._open.is_set():
                self._open.clear()
                self._ensured.clear()
                self._disconnect()

    def reconnect(self) -> None:
        """Close the storage if it is open, and open it."""
        self.disconnect()
        self.connect()

    def __enter__(self) -> Self:
        if not self._open.is_set():
            self.connect()
        return self

    def __exit__(self, *exception: object) -> None:
        self.disconnect()

    def clear(self) -> None:
        """Remove all data of the storage, and set the counters of keys back."""
        self.check_open()
        if "transactions" in self.abilities:
            with in_time(self):
                self._clear()  # a lock held here, waiting for a writer, would hold up readers
        else:
            with self._mutex, in_time(self):
                self._clear()
        self._ensured.clear()

    def sync(self) -> None:
        """Make everything that was acknowledged durable."""
        self.check_open()
        with in_time(self):
            self._sync()

    def ping(self) -> bool:
        """True if the engine answers. Raises StorageError if it does not."""
        self.check_open()
        with in_time(self):
            self._ping()
        return True

    # -- the rest

    @property
    def native(self) -> Any:
        """The driver's own object, for what docmap does not do."""
        self.check_open()
        return self._native()

    @property
    def abilities(self) -> frozenset[str]:
        """What this engine may do beyond the contract, such as `transactions` or `watch`."""
        return self.abilities_of()

    @classmethod
    def abilities_of(cls) -> frozenset[str]:
        """The abilities of an adapter class: hooks without a general form that it has."""
        own = {
            "transactions": "_transaction",
            "counters": "_next_key",
            "indexes": "_ensure",
            "watch": "_watch",
        }
        return frozenset(
            name for name, hook in own.items() if getattr(cls, hook) is not getattr(Hooks, hook)
        )

    def info(self) -> dict[str, Any]:
        """What a person may want to know: engine, URL without secrets, version, size."""
        self.check_open()
        has = self.isolation and "transactions" in self.abilities  # some servers have none
        own = {"isolation": self.isolation} if has else {}
        return {"engine": self.scheme, "url": str(self.url or ""), **own, **self._info()}

    def same(self, other: object) -> bool:
        """True if both are one storage, perhaps with other options."""
        return isinstance(other, Lifecycle) and other._mutex is self._mutex

    def on_command(self, listener: Listener, /) -> Callable[[], None]:
        """Call `listener` with a Command after each operation of this storage.

        Returns the function that ends that. See `docmap.on_command`.
        """
        return self.listeners.add(listener)

    @overload
    def before(
        self, event: Before, callback: Callback, /, *classes: type
    ) -> Callable[[], None]: ...
    @overload
    def before(self, event: Before, /, *what: Before | type) -> Callable[[C], C]: ...
    def before(self, *what: Any) -> Any:
        """Call a function before each event of a document that is stored here.

        `db.before("save", callback, Order)` returns the function that ends it;
        `@db.before("save", Order)` decorates. Without classes it is about all documents, the dicts
        of untyped collections included; a class stands for those that derive from it, too. The
        callback takes the document, and this storage if it has a second argument. It is called
        after the hooks of the class; what it raises stops the write.

        Raises InvalidModel for an unknown event, and for what cannot be called so.
        """
        return self.hooks.given("before", what)

    @overload
    def after(self, event: After, callback: Callback, /, *classes: type) -> Callable[[], None]: ...
    @overload
    def after(self, event: After, /, *what: After | type) -> Callable[[C], C]: ...
    def after(self, *what: Any) -> Any:
        """Call a function after each event of a document that is stored here, or loaded.

        Used as `before`; what it raises reaches the caller, and what was written stays.
        """
        return self.hooks.given("after", what)

    def remove_hook(self, callback: Callable[..., Any], /) -> bool:
        """End the calls of a function that was given to `before` or `after`; True if it was."""
        return self.hooks.remove(callback)

    # -- for the modules beside this one

    @property
    def is_open(self) -> bool:
        """True between `connect()` and `disconnect()`."""
        return self._open.is_set()

    def check_open(self) -> None:
        """Raise NotConnected if the storage is closed, Unsupported in another's transaction.

        Raises UseAsyncStorage if it is awaited, and this is not done for who awaits it.
        """
        if self.is_async and not is_served():
            raise outside()
        if not self._open.is_set():
            raise NotConnected(
                f"{self!r} is not connected: call connect(), or use it in a with block",
                engine=self.scheme,
            )
        check_transaction(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url or self.scheme + '://'}>"
