"""The driver's client, sync or async: every call of it gets a deadline and docmap's errors."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from time import monotonic
from typing import Any, Final

import pymongo
from pymongo.errors import ConfigurationError, PyMongoError
from pymongo.monitoring import CommandListener

from docmap.errors import InvalidConfig, NotConnected, StorageError, Unavailable, Unsupported
from docmap.storage.bridge import Local, wait
from docmap.storage.url import URL
from docmap_backends._mongodb_abilities import Abilities
from docmap_backends._mongodb_consistency import Clock
from docmap_backends._mongodb_errors import (
    DRIVER_ERRORS,
    Writes,
    is_answer,
    is_duplicate,
    scrubbed,
    translated,
)
from docmap_backends._mongodb_settings import SETTINGS, database_name, keywords, place, seeds
from docmap_backends._mongodb_values import OPTIONS


class _Attempt:
    """One call of the driver: how many of its commands did something, and may have."""

    __slots__ = ("done", "unanswered")

    def __init__(self) -> None:
        self.done = 0
        self.unanswered = 0

    def may_have_written(self, writes: Writes) -> bool:
        """True if nobody can say that nothing was written; large bulks are several commands."""
        return self.unanswered > 0 or (writes == "many" and self.done > 0)


_attempt: ContextVar[_Attempt | None] = ContextVar("docmap_mongodb_attempt", default=None)
_CLOSING: Final = 1.0  # seconds to tell the server of what it would end by itself
_KEPT: Final = 1_000  # collections
_HANDSHAKE: Final = frozenset({"hello", "isMaster", "ismaster", "ping", "endSessions"})


class _Sent(CommandListener):
    """Counts the commands of the running call: of what no answer came the outcome is unknown."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def started(self, event: Any) -> None:
        attempt = _attempt.get()
        if attempt is not None and event.command_name not in _HANDSHAKE:
            attempt.unanswered += 1

    def succeeded(self, event: Any) -> None:
        self._clock.told(event.reply)
        attempt = _attempt.get()
        if attempt is not None and event.command_name not in _HANDSHAKE:
            attempt.unanswered -= 1
            attempt.done += 1

    def failed(self, event: Any) -> None:
        attempt = _attempt.get()
        if attempt is not None and event.command_name not in _HANDSHAKE:
            attempt.unanswered -= is_answer(event.failure)


class _Open(Local):
    """What the caller has open: the session of its transaction."""

    session: Any = None
    broken: BaseException | None = None
    """What ended its transaction on the server, if something did."""


class Client:
    """The connection of one storage to its servers; safe to use from many threads or tasks."""

    def __init__(self, url: URL | None, given: Mapping[str, Any], *, asynchronous: bool) -> None:
        self.place = place(url)
        self.asynchronous = asynchronous
        self.abilities = Abilities(self)
        self.clock = Clock()
        self._process = os.getpid()
        self._open = _Open()
        self._closed = False
        maker: Any = pymongo.AsyncMongoClient if asynchronous else pymongo.MongoClient
        failure: Exception | None = None
        try:
            self.native = maker(
                seeds(url),
                connect=False,
                event_listeners=[_Sent(self.clock)],
                **keywords(url, given),
            )
        except (PyMongoError, ValueError, TypeError, OSError) as error:
            failure = _refusal(error, self.place)
        if failure is not None:
            raise failure  # here, where no frame that it holds has a password
        self.database = self.native[database_name(url)]
        self._collections: dict[str, Any] = {}

    # -- calls

    def run(
        self, call: Callable[[], Any], *, writes: Writes = "", deadline: float | None = None
    ) -> Any:
        """What a call of the driver gives, before the deadline. Raises docmap's errors.

        DuplicateKeyError and BulkWriteError with duplicates are the driver's own still: only who
        wrote knows which index is meant. `writes` says what may have happened without a reply.
        """
        self.check()
        if self.broken is not None:
            raise self.gone() from self.broken
        attempt = _Attempt()
        before = _attempt.set(attempt)
        try:
            with pymongo.timeout(self._left(deadline)):
                return wait(call())
        except DRIVER_ERRORS as error:
            self.fail(error)
            if is_duplicate(error):
                raise
            sent = attempt.may_have_written(writes)
            raise self.error(error, writes=writes, sent=sent) from scrubbed(error)
        except Exception:
            raise  # such as the end of a cursor
        except BaseException as error:
            self.fail(error)  # in the middle of a command
            raise
        finally:
            _attempt.reset(before)

    def _left(self, deadline: float | None) -> float | None:
        """The seconds up to the deadline. Raises Unavailable behind it."""
        if deadline is None:
            return None
        left = deadline - monotonic()
        if left <= 0:
            raise Unavailable(
                f"mongodb: {self.place} did not do all of it within the deadline; this part was "
                "not sent: try again later, or give it more time with options(timeout=...)",
                engine="mongodb",
            )
        return left

    def error(self, error: Exception, *, writes: Writes = "", sent: bool = True) -> Exception:
        """The error of docmap for one of the driver."""
        within = "" if self._open.session is not None else writes  # undone with the transaction
        made = translated(error, self.place, writes=within, sent=sent)
        made.engine = "mongodb"
        return made

    def check(self) -> None:
        """Raise NotConnected in a forked child, whose parent uses the same sockets."""
        if self._process != os.getpid():
            raise NotConnected(
                "mongodb: this connection was opened by the parent process: call reconnect() in "
                "the child",
                engine="mongodb",
            )
        if self._closed:
            raise NotConnected("mongodb: the storage was closed meanwhile", engine="mongodb")

    def close_cursor(self, cursor: Any) -> None:
        """Give back a cursor that may not have been read to its end."""
        if cursor.alive and not self._closed:
            with suppress(*DRIVER_ERRORS, StorageError):
                self.run(cursor.close, deadline=monotonic() + _CLOSING)

    def collection(self, name: str, asked: Mapping[str, Any] | None = None) -> Any:
        """The driver's collection, with the concerns and the preference that are asked for.

        Without any it is made once: that takes as long as a tenth of reading a document.
        """
        if asked:
            return self.database.get_collection(name, codec_options=OPTIONS, **asked)
        found = self._collections.get(name)
        if found is None:
            if len(self._collections) >= _KEPT:
                self._collections.clear()
            found = self.database.get_collection(name, codec_options=OPTIONS)
            self._collections[name] = found
        return found

    # -- sessions

    @property
    def session(self) -> Any:
        """The session of the caller's transaction; None outside."""
        return self._open.session

    @contextmanager
    def using(self, session: Any) -> Iterator[None]:
        """Let the caller's commands be of a session. Raises StorageError if one of them failed."""
        self._open.session = session
        try:
            yield
            if self.broken is not None:
                raise self.gone() from self.broken
        finally:
            self._open.session = self._open.broken = None

    @contextmanager
    def outside(self) -> Iterator[None]:
        """Let commands in the block be of no transaction, and end none by their errors."""
        opened = self._open
        held, opened.session, opened.broken = (opened.session, opened.broken), None, None
        try:
            yield
        finally:
            opened.session, opened.broken = held

    @property
    def broken(self) -> BaseException | None:
        """What ended the caller's transaction on the server; None if nothing did."""
        return self._open.broken

    def fail(self, error: BaseException) -> None:
        """Note that the caller's transaction, if there is one, can only be undone."""
        if self._open.session is not None and self._open.broken is None:
            self._open.broken = scrubbed(error) if isinstance(error, Exception) else error

    def gone(self) -> StorageError:
        """The error of what is asked in a transaction that has ended on the server."""
        return StorageError(
            f"mongodb: something failed in this transaction on {self.place}, which ended it: "
            "nothing of it is written; MongoDB goes on with none after an error, so leave the "
            "block and run it again",
            engine="mongodb",
        )

    # -- its life

    def open(self, deadline: float) -> dict[str, Any]:
        """Reach the server and log in; what it says of itself."""
        command = self.native.admin.command
        self.run(lambda: command("ping"), deadline=deadline)
        try:
            hello: dict[str, Any] = self.run(lambda: command("hello"), deadline=deadline)
        except Unsupported:  # its older name
            hello = self.run(lambda: command("isMaster"), deadline=deadline)
        return hello

    def close(self) -> None:
        """Close all connections. In a forked child they are the parent's, and left alone."""
        self._closed = True
        if self._process == os.getpid():
            # The driver tells a server of its sessions, and would wait for a silent one.
            with suppress(*DRIVER_ERRORS, StorageError), pymongo.timeout(_CLOSING):
                wait(self.native.close())

    def __repr__(self) -> str:
        return f"<Client {self.place}>"


def _refusal(error: Exception, place: str) -> Exception:
    text = str(error).replace(" ", "").lower()  # which may hold a value: that is not told
    named = [name for name in SETTINGS if name.lower() in text and len(name) > 1]
    if named:
        name = max(named, key=len)
        return InvalidConfig(
            f"mongodb: the driver refuses the option {name}", engine="mongodb", field=name
        )
    if isinstance(error, OSError):
        return InvalidConfig(
            "mongodb: a file that one of the options of TLS names cannot be read: see tlsCAFile, "
            "tlsCertificateKeyFile and tlsCRLFile",
            engine="mongodb",
        )
    made = translated(error if isinstance(error, PyMongoError) else ConfigurationError(), place)
    made.engine = "mongodb"
    return made
