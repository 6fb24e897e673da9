"""What PyMongo's errors mean in docmap's words, and the errors themselves without stored values."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final, Literal

from bson.errors import BSONError, InvalidDocument
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    CursorNotFound,
    DuplicateKeyError,
    ExecutionTimeout,
    InvalidOperation,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
    WriteConcernError,
    WriteError,
    WTimeoutError,
)

from docmap.errors import (
    CorruptStore,
    InvalidConfig,
    NotConnected,
    OutcomeUnknown,
    StorageError,
    StorageFull,
    TransactionConflict,
    Unavailable,
    Unsupported,
)

Writes = Literal["", "one", "many"]
"""What a command writes: nothing, one document, or several, of which some may be written alone."""

DRIVER_ERRORS: Final = (PyMongoError, BSONError)

# Codes by what they say; servers of the same protocol give the same codes.
_NOT_PRIMARY: Final = frozenset({10107, 13435, 13436, 10058})
_INTERRUPTED: Final = frozenset({6, 7, 89, 91, 189, 9001, 11600, 11602})
_CONFLICTS: Final = frozenset({24, 112, 225, 239, 246, 251})
_DENIED: Final = frozenset({13, 18, 8000})
_FULL: Final = frozenset({14031})
_THROTTLED: Final = frozenset({16500})
_LACKS: Final = frozenset({20, 59, 115, 238, 263, 40324, 40573})
_OUT_OF_TIME: Final = frozenset({50, 202, 262})
_LABELS: Final = (
    "NoWritesPerformed",
    "RetryableWriteError",
    "TransientTransactionError",
    "UnknownTransactionCommitResult",
)
_PLAIN: Final = frozenset(
    {
        CursorNotFound,
        DuplicateKeyError,
        ExecutionTimeout,
        WTimeoutError,
        WriteConcernError,
        WriteError,
    }
)
_WRITTEN: Final = ("nInserted", "nModified", "nRemoved", "nUpserted")
_DUPLICATE: Final = frozenset({11000, 11001, 12582})
_VALIDATION: Final = 121
_NO_INDEX: Final = 67

_LATER: Final = "nothing was done: try again later"


def translated(
    error: Exception, place: str, *, writes: Writes = "", sent: bool = True
) -> StorageError | InvalidConfig | Unsupported:
    """The error of docmap for one of the driver, about the server at `place`.

    `sent` says whether a command was sent that no certain answer came to: else nothing happened.
    """
    unsure = bool(writes) and sent
    if isinstance(error, BSONError):
        return _not_bson(error, place)
    if isinstance(error, BulkWriteError):
        return _bulk(error, place)
    if isinstance(error, NotPrimaryError):
        return _unknown(place) if unsure else _of_code(_code_of(error) or 10107, error, place)
    if isinstance(error, OperationFailure):
        if isinstance(error, (WriteConcernError, WTimeoutError)):
            return OutcomeUnknown(
                f"mongodb: {place} wrote it, and did not confirm it as the write concern asks: get "
                "the document by its key and compare before you write again"
            )
        if unsure:
            return _unknown(place)
        return _of_code(error.code or 0, error, place, partly=writes == "many")
    if isinstance(error, ServerSelectionTimeoutError):
        return _unreachable(error, place, unsure=unsure)
    if isinstance(error, WaitQueueTimeoutError):
        return Unavailable(
            f"mongodb: no connection to {place} became free in time, and {_LATER}, or raise "
            "maxPoolSize"
        )
    if isinstance(error, ConnectionFailure):
        return _unknown(place) if unsure else _no_answer(place)
    if isinstance(error, ConfigurationError):
        return _not_configured(error, place)
    if isinstance(error, InvalidOperation):
        return NotConnected(f"mongodb: the connection to {place} is closed: call reconnect()")
    return StorageError(f"mongodb: {place} failed with {type(error).__name__}")


def _of_code(
    code: int, error: Exception, place: str, *, partly: bool = False
) -> StorageError | Unsupported:
    """The error for a code; `partly` if some of several writes may have been done before."""
    if code in _NOT_PRIMARY:
        return Unavailable(
            f"mongodb: {place} takes no writes now, as it is not the primary, and {_LATER}; if it "
            "never does, name all members of the replica set in the URL"
        )
    if code in _CONFLICTS or _labelled(error, "TransientTransactionError"):
        return TransactionConflict(
            "mongodb: others wrote what this transaction reads or writes; nothing of it was "
            "written: run it again, for example with storage.retrying"
        )
    if code in _DENIED:
        return StorageError(
            f"mongodb: {place} refuses this user or the password: check the URL, authSource and "
            "the user's roles"
        )
    if code in _FULL:
        return StorageFull(f"mongodb: {place} has no space left; what was written before is intact")
    if code in _THROTTLED:
        return Unavailable(f"mongodb: {place} takes no more requests at this rate, and {_LATER}")
    if code in _INTERRUPTED:
        return _no_answer(place)
    if code in _OUT_OF_TIME or isinstance(error, ExecutionTimeout):
        return _unknown(place) if partly else _too_late(place)
    if code in _LACKS:
        return Unsupported(f"mongodb: {place} does not have what was asked for (code {code})")
    if code == _VALIDATION:
        return StorageError(
            f"mongodb: the validator of the collection on {place} refuses the document"
        )
    if code == _NO_INDEX:
        return StorageError(
            f"mongodb: {place} cannot make this index: on a sharded collection a unique index "
            "begins with the fields of the shard key"
        )
    return StorageError(f"mongodb: {place} failed with {_told(error)}")


def _unreachable(error: Exception, place: str, *, unsure: bool) -> StorageError:
    text = str(error)
    if "SSL" in text or "TLS" in text or "certificate" in text:
        return StorageError(
            f"mongodb: {place} and this program do not agree on TLS: check tls, tlsCAFile and the "
            "host name in the URL"
        )
    if unsure:
        return _unknown(place)
    if "match selector" in text:
        return Unavailable(
            f"mongodb: {place} has no member now that may answer this, as a primary is elected or "
            f"the read preference fits none; {_LATER}"
        )
    if "for replica set name" in text or "replica set named" in text:
        return Unavailable(
            f"mongodb: {place} shows no member of the replica set that the URL names: check "
            f"replicaSet; {_LATER}"
        )
    return Unavailable(
        f"mongodb: {place} cannot be reached: check host and port, and that it runs; {_LATER}"
    )


def _not_bson(error: BSONError, place: str) -> StorageError:
    if isinstance(error, InvalidDocument):
        return StorageError(
            f"mongodb: the document is too large for {place}, or has what the driver cannot send; "
            "nothing was written"
        )
    return CorruptStore(
        f"mongodb: {place} gave a document that is no valid BSON: look at it with mongosh"
    )


def _not_configured(error: ConfigurationError, place: str) -> Unavailable | InvalidConfig:
    if type(error.__cause__).__module__.startswith("dns."):
        return Unavailable(
            f"mongodb: the DNS names no servers for {place}: check the name, or try again later"
        )
    return InvalidConfig(f"mongodb: the driver refuses the options for {place}")


def _no_answer(place: str) -> Unavailable:
    return Unavailable(f"mongodb: {place} gave no answer: try again later")


def _too_late(place: str) -> Unavailable:
    return Unavailable(f"mongodb: {place} did not do it within the deadline, and {_LATER}")


def _unknown(place: str) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"mongodb: a write was sent to {place} and its reply never came, so it may have happened: "
        "get the documents by their keys and look at what they hold before you write again"
    )


def _bulk(error: BulkWriteError, place: str) -> StorageError | Unsupported:
    details: Mapping[str, Any] = error.details or {}
    failures = details.get("writeErrors") or ()
    if failures:
        done = sum(int(details.get(name) or 0) for name in _WRITTEN)
        made = _of_code(int(failures[0].get("code") or 0), error, place)
        made.done = done
        return made
    return OutcomeUnknown(
        f"mongodb: {place} wrote the documents, and did not confirm them as the write concern "
        "asks: get them by their keys and compare before you write again"
    )


def _code_of(error: NotPrimaryError) -> int:
    details = error.details
    return int(details.get("code") or 0) if isinstance(details, Mapping) else 0


def _labelled(error: Exception, label: str) -> bool:
    return isinstance(error, PyMongoError) and error.has_error_label(label)


def _told(error: Exception) -> str:
    """The code of a server's error and its name: its text may hold stored values."""
    code = getattr(error, "code", None)
    details = getattr(error, "details", None) or {}
    name = details.get("codeName") if isinstance(details, Mapping) else None
    return " ".join(map(str, filter(None, (f"code {code}", name))))


def scrubbed(error: Exception) -> Exception:
    """The driver's error without what its text may hold: stored values, keys, credentials.

    With the environment variable `DOCMAP_DEBUG` at 1 it is as it was.
    """
    if os.environ.get("DOCMAP_DEBUG") == "1":
        return error
    if isinstance(error, BulkWriteError):
        failures = [
            {"index": one.get("index"), "code": one.get("code"), "errmsg": "(left out)"}
            for one in error.details.get("writeErrors") or ()
        ]
        return BulkWriteError({**_counts(error.details), "writeErrors": failures})
    if isinstance(error, OperationFailure):
        labels = [label for label in _LABELS if error.has_error_label(label)]
        kind: type[OperationFailure] = type(error) if type(error) in _PLAIN else OperationFailure
        return kind(_told(error), error.code, {"errorLabels": labels})
    if isinstance(error, NotPrimaryError):
        labels = [label for label in _LABELS if error.has_error_label(label)]
        code = _code_of(error)
        return NotPrimaryError(f"code {code}", {"code": code, "errorLabels": labels})
    if not isinstance(error, DRIVER_ERRORS) or isinstance(error, ConnectionFailure):
        return error  # names hosts and ports only
    return PyMongoError(type(error).__name__)


def _counts(details: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in details.items() if name.startswith("n")}


def is_answer(failure: Mapping[str, Any]) -> bool:
    """True of a server's reply that says that the command did nothing; else it may have."""
    return "ok" in failure and failure.get("code") not in _INTERRUPTED


def is_duplicate(error: Exception) -> bool:
    """True if a unique index was broken, by a single write or in a bulk."""
    if not isinstance(error, BulkWriteError):
        return isinstance(error, DuplicateKeyError)
    failures = error.details.get("writeErrors") or ()
    return bool(failures) and all(one.get("code") in _DUPLICATE for one in failures)
