"""What PostgreSQL's and the driver's errors are to docmap: a table by SQLSTATE.

What the program was about decides too: a read that got no answer did not happen, a write that got
none may have.
"""

from __future__ import annotations

import os
import re
from typing import Final

import psycopg
from psycopg import errors as pg

from docmap.errors import (
    CorruptStore,
    OutcomeUnknown,
    StorageError,
    StorageFull,
    TransactionConflict,
    Unavailable,
)

ENGINE: Final = "postgresql"

# The longest prefix of the SQLSTATE that is listed says what it is, and what to do.
_TABLE: Final[dict[str, tuple[type[StorageError], str]]] = {
    "0A": (StorageError, "this server lacks what the call needs"),
    "08": (Unavailable, "the connection was lost; try again"),
    "23": (StorageError, "a constraint that is not docmap's refused the write"),
    "25006": (StorageError, "the server takes no writes: connect to the primary"),
    "25P02": (StorageError, "an error has undone the transaction: leave its block"),
    "25P04": (Unavailable, "the transaction took longer than the server allows, which undid it"),
    "25P03": (Unavailable, "the transaction stood idle for too long, and the server undid it"),
    "26000": (
        TransactionConflict,
        "a pooler between docmap and the server gave the transaction another session; run it again",
    ),
    "28": (StorageError, "the server refuses this user or password: check them in the URL"),
    "3D000": (
        StorageError,
        "there is no such database: create it, or name another",
    ),
    "3F000": (StorageError, "there is no such schema: create it, or name another"),
    "40": (TransactionConflict, "others wrote at the same time; run the transaction again"),
    "42501": (
        StorageError,
        "this user may not do that: grant it the right that the cause names, or connect as another",
    ),
    "42703": (StorageError, "a table of docmap's has been changed: it lacks a column"),
    "42P01": (
        TransactionConflict,
        "a table that the transaction works on was removed by others; run it again",
    ),
    "53100": (StorageFull, "the server's disk is full; what was saved before is intact"),
    "53200": (StorageError, "the server is out of memory"),
    "53300": (
        Unavailable,
        "the server has no connection left: raise its max_connections, or lower pool_size",
    ),
    "53": (Unavailable, "the server lacks resources; try again later"),
    "54": (StorageError, "the server's limits do not allow it"),
    "55P03": (TransactionConflict, "others hold a lock on it; try again"),
    "57014": (Unavailable, "it did not end within its timeout, and was undone"),
    "57": (Unavailable, "the server stops or starts; try again"),
    "58030": (StorageError, "the server cannot read or write its files; see its log"),
    "XX001": (CorruptStore, "the server found damaged data; see its log"),
    "XX002": (CorruptStore, "the server found a damaged index: REINDEX it"),
}
# The server answered that it gives up, or goes away: whether it had done it does not follow.
_VAGUE: Final = frozenset({"57P01", "57P02", "57P05", "08006", "08007", "40003"})


def without_values(error: psycopg.Error) -> psycopg.Error:
    """What the server said, but for the values in it: a traceback shows the cause, in a log too.

    Its details and the lines of its context hold them, and what it says of data that it cannot
    read. While debugging everything stays.
    """
    if os.environ.get("DOCMAP_DEBUG") == "1":
        return error
    told, hint = error.diag.message_primary or "", error.diag.message_hint
    if (error.sqlstate or "").startswith("22"):
        told = _QUOTED.sub('"?"', told)
    error.args = (f"{told}\nHINT:  {hint}" if hint else told,)
    return error


_QUOTED: Final = re.compile(r'".*"', re.DOTALL)


def is_lost(error: psycopg.Error) -> bool:
    """True if the connection is of no use any more, and what was sent may have had no answer."""
    return error.sqlstate is None or error.sqlstate[:2] == "08" or error.sqlstate in _VAGUE


def is_timeout(error: BaseException) -> bool:
    """True if the driver gave up waiting for the server."""
    return isinstance(error, pg._WaitTimeout)


def lost_commit(error: psycopg.Error, where: str) -> StorageError:
    """Docmap's error for one of the driver's that a COMMIT ended with."""
    if not (is_timeout(error) or is_lost(error)):
        return translated(error, where)
    return OutcomeUnknown(
        f"the connection to {where} was lost before the answer to a commit came, so the whole "
        "transaction may be stored, or nothing of it: get a document that it wrote, and compare "
        "its revision, before you run it again",
        engine=ENGINE,
    )


def translated(error: psycopg.Error, where: str, *, sent_write: bool = False) -> StorageError:
    """Docmap's error for one of the driver's; the caller raises it from that.

    `where` names the server without user and password. `sent_write` says that a write was sent
    outside of a transaction, or a commit: without an answer its outcome is not known.
    """
    if is_timeout(error) or is_lost(error):
        if sent_write:
            return OutcomeUnknown(
                f"the connection to {where} was lost before the answer to a write came, so it may "
                "have been stored or not: get the document by its key and compare its revision "
                "before you write again",
                engine=ENGINE,
            )
        why = (
            "did not end the operation within its timeout"
            if is_timeout(error)
            else "broke the connection"
        )
        return Unavailable(
            f"{where} {why}; nothing of what was asked is stored. Try again later, or give it more "
            "time: options(timeout=...)",
            engine=ENGINE,
        )
    state = error.sqlstate or ""
    for length in (5, 2):
        found = _TABLE.get(state[:length])
        if found is not None:
            kind, text = found
            return kind(f"{where}: {text} (SQLSTATE {state})", engine=ENGINE)
    return StorageError(
        f"{where} refused it, for the reason that the cause names (SQLSTATE {state})", engine=ENGINE
    )
