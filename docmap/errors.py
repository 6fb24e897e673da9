"""The one error tree of docmap.

```
DocmapError
├── InvalidModel (TypeError)             a document class that cannot work
├── InvalidValue (ValueError)            a value no engine could keep; nothing was written
├── InvalidQuery (ValueError)            a query that has no meaning; nothing was read
│   └── ScanRefused                      allow_scan=False and no index serves the query
├── ProcessorDoesNotExist                a manager has nothing registered for a value
│   ├── LookupProcessorDoesNotExist
│   └── DataProcessorDoesNotExist
├── DocumentNotFound (KeyError)
├── MultipleFound
├── NotFetched                           a reference was asked for a document that nobody fetched
├── ReferencedDocument                   a delete rule denies deleting what others refer to
├── DuplicateKey                         a key or a unique index is taken
├── BulkError                            some documents of an unordered bulk call failed
├── UpdateTypeError                      an update meets a stored value that it cannot work on
├── StaleDocument                        somebody else wrote the document since it was loaded
├── ChangesLost                          changes after a token are not kept any more
├── InvalidRecord                        a stored record that does not fit its class
├── InvalidConfig                        an unknown scheme, option or alias, a missing extra
├── NoStorage                            a document that knows no storage
├── AlreadyConnected (RuntimeError)
├── UseAsyncStorage                      sync code asks a storage that is awaited
├── Unsupported                          an ability that this engine does not have
└── StorageError                         the engine failed; its exception is the cause
    ├── NotConnected
    ├── StoreLocked
    ├── TransactionConflict              others wrote what a transaction had read: run it again
    ├── Unavailable                      no server, answer or connection in time: try again later
    ├── OutcomeUnknown                   a write was sent and its reply never came: look first
    ├── StorageFull
    ├── CorruptStore
    └── ForeignStore                     the file belongs to another program or a newer docmap
```

A class stands for what a program would do about it, and not for where it comes from: choose another
key, load anew, run it again, declare it otherwise, call somebody. What calls for the same is one
class with other attributes.

Every error says who cannot do what, where, and what to do instead. What a program may need is in
attributes (see `DocmapError`), never only in the text. Messages hold no stored values, keys or
credentials unless the environment variable `DOCMAP_DEBUG` is `1`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, NamedTuple


def shown(value: object) -> str:
    """`value` for a message: its repr while debugging, else only its type."""
    return repr(value) if _debugging() else f"<{type(value).__name__}>"


def nearest(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """Those of `known` that `name` may have been meant to be, the likeliest first; 3 at most.

    >>> nearest("sqllite", ["memory", "sqlite"])
    ('sqlite',)
    """
    from difflib import get_close_matches  # only who errs waits for it

    return tuple(get_close_matches(name, sorted(set(known)), n=3, cutoff=0.6))


def _debugging() -> bool:
    return os.environ.get("DOCMAP_DEBUG") == "1"


class Failure(NamedTuple):
    """A document of a bulk call that failed: its place in the call from 0, its key, and why."""

    position: int
    key: Any
    error: Exception


class DocmapError(Exception):
    """The root: catch this to catch whatever docmap raises by itself.

    Attributes (None where they do not apply): `engine` (the URL scheme), `collection`, `field`
    (a dotted path), `key`, `index`, `fields`, `path` (a file), `suggestions`, `plan`. Of a bulk
    call: `done` (how many documents were written), `written` (their keys), `position` (the place
    of the one that failed, from 0) and `failed` (those that failed, each a `Failure`).
    """

    engine: str | None = None
    collection: str | None = None
    field: str | None = None
    key: Any = None
    index: str | None = None
    fields: tuple[str, ...] = ()
    path: str | None = None
    suggestions: tuple[str, ...] = ()
    plan: Any = None
    done: int | None = None
    position: int | None = None
    written: tuple[Any, ...] = ()
    _failed: tuple[Failure, ...] = ()

    def __init__(self, message: str, **attributes: Any) -> None:
        super().__init__(message)
        self.message = message
        for name, value in attributes.items():
            if not hasattr(DocmapError, name):
                raise TypeError(f"{type(self).__name__} has no attribute {name!r}")
            setattr(self, name, value)

    @property
    def failed(self) -> tuple[Failure, ...]:
        """The documents of a bulk call that failed; of an ordered one the one that ended it."""
        if self._failed or self.position is None:
            return self._failed
        return (Failure(self.position, self.key, self),)

    @failed.setter
    def failed(self, failures: tuple[Failure, ...]) -> None:
        self._failed = failures

    def __str__(self) -> str:
        if self.key is None or not _debugging():
            return self.message
        return f"{self.message} (key {self.key!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        attributes = {name: value for name, value in self.__dict__.items() if name != "message"}
        return (_rebuild, (type(self), self.message, attributes))


def _rebuild(cls: type[DocmapError], message: str, attributes: dict[str, Any]) -> DocmapError:
    error = cls(message)
    error.__dict__.update(attributes)
    return error


class InvalidModel(DocmapError, TypeError):
    """The document class cannot work as it is declared."""


class InvalidValue(DocmapError, ValueError):
    """A value that no engine could keep, or of another type than declared."""


class InvalidQuery(DocmapError, ValueError):
    """The query names an unknown field or lookup, or compares what cannot be compared."""


class ScanRefused(InvalidQuery):
    """`allow_scan=False`, and the plan (attribute `plan`) would read the whole collection."""


class ProcessorDoesNotExist(DocmapError):
    """A manager has no processor for what it was asked."""


class LookupProcessorDoesNotExist(ProcessorDoesNotExist):
    """A LookupManager has no processor for the operation."""


class DataProcessorDoesNotExist(ProcessorDoesNotExist):
    """A ConverterManager has no processor for the data type."""


class DocumentNotFound(DocmapError, KeyError):
    """No document has this key, or none matches."""


class MultipleFound(DocmapError):
    """More than one document matches where exactly one was asked for."""


class NotFetched(DocmapError):
    """The value of a reference was asked for before it was fetched; nothing was read."""


class ReferencedDocument(DocmapError):
    """Documents refer to what is to be deleted, and their delete rule denies it."""


class DuplicateKey(DocmapError):
    """The key, or the values of the unique index `index` over `fields`, are taken."""


class BulkError(DocmapError):
    """Some documents of a bulk call with `ordered=False` failed; `failed` says which and why."""


class UpdateTypeError(DocmapError):
    """An update found a stored value of another type than its operator takes."""


class StaleDocument(DocmapError):
    """The stored document is newer than the one in memory, or was deleted."""


class ChangesLost(DocmapError):
    """The changes that follow a token are not kept any more: read the collection anew."""


class InvalidRecord(DocmapError):
    """A stored record does not fit the class it is loaded as."""


class InvalidConfig(DocmapError):
    """An unknown scheme, option or alias, or an engine whose extra is not installed."""


class NoStorage(DocmapError):
    """The document was neither loaded nor saved, and no default storage is configured."""


class AlreadyConnected(DocmapError, RuntimeError):
    """`connect()` on a storage that is open; `reconnect()` closes and opens it again."""


class UseAsyncStorage(DocmapError):
    """The storage is awaited (docmap.aio): use its methods, and not those of the document."""


class Unsupported(DocmapError):
    """The engine does not have the ability that was asked for."""


class StorageError(DocmapError):
    """The engine failed; its own exception is the cause."""


class NotConnected(StorageError):
    """The storage is closed, or was opened by the parent process before a fork."""


class StoreLocked(StorageError):
    """Another process or connection holds the store."""


class TransactionConflict(StorageError):
    """Others wrote what the transaction had read; nothing of it was written, run it again."""


class Unavailable(StorageError):
    """No server, answer or free connection within the deadline; what was asked did not happen."""


class OutcomeUnknown(StorageError):
    """A write or a commit was sent, and its reply never came: it may have happened, or not.

    Its message says what to look at before trying again: the key, and its revision.
    """


class StorageFull(StorageError):
    """No space is left; what was acknowledged before is intact."""


class CorruptStore(StorageError):
    """The store's bytes are damaged."""


class ForeignStore(StorageError):
    """The file was made by another program, or by a newer docmap."""
