"""Transactions of MongoDB: a session for each, committed once or told to be unknown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from time import monotonic
from typing import Any, Final

from pymongo import WriteConcern
from pymongo.errors import NotPrimaryError, OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference

from docmap.errors import OutcomeUnknown, StorageError, Unavailable, Unsupported
from docmap.storage.bridge import sleep
from docmap_backends._mongodb_client import Client
from docmap_backends._mongodb_copying import MongoCopying

_ABORTING: Final = 2.0  # seconds to tell the server, which would find out by itself
_ASKED_AT_MOST: Final = 3  # times, where there is no deadline
_PAUSE: Final = 0.05  # seconds before it is asked again, and more each time
_PAUSE_AT_MOST: Final = 1.0
_UNKNOWN: Final = "UnknownTransactionCommitResult"


class MongoTransactions(MongoCopying):
    """The transactions of `mongodb.MongoDBStorage`."""

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        client = self._client
        client.check()
        if client.session is not None:
            with self._inner(client):
                yield
            return
        if not self._has_transactions():
            raise Unsupported(
                f"mongodb: {client.place} has no transactions: they need a replica set or a "
                "sharded cluster",
                engine="mongodb",
            )
        session = self._run(client.native.start_session)
        try:
            self._run(
                lambda: session.start_transaction(
                    read_concern=ReadConcern("snapshot"),
                    write_concern=WriteConcern(self.write_concern or "majority"),
                    read_preference=ReadPreference.PRIMARY,
                )
            )
            with client.using(session):
                yield
            self._commit(session)
        except BaseException:
            self._abort(session)
            raise
        finally:
            with suppress(*_FAILURES):
                self._client.run(session.end_session, deadline=monotonic() + _ABORTING)

    @contextmanager
    def _inner(self, client: Client) -> Iterator[None]:
        """A transaction inside another: MongoDB undoes them together only."""
        try:
            yield
        except BaseException as error:
            client.fail(error)
            raise

    def _commit(self, session: Any) -> None:
        """Commit, again while nobody knows whether it was: that is safe as often as it is done."""
        deadline = self.deadline()
        cause: BaseException | None = None
        for asked in count(1):
            try:
                # Outside of `using`: what this leaves unsaid is unknown, not undone.
                self._client.run(session.commit_transaction, writes="one", deadline=deadline)
            except StorageError as error:
                if not isinstance(error, OutcomeUnknown) and not _is_unknown(error.__cause__):
                    # The server refused it, or it was not sent this time.
                    if asked > 1 and isinstance(error, Unavailable):
                        raise _unknown(self._client) from cause
                    raise
                cause = error.__cause__
                if deadline is None and asked > _ASKED_AT_MOST:
                    raise _unknown(self._client) from cause
            else:
                return
            pause = min(_PAUSE * asked, _PAUSE_AT_MOST)
            left = pause if deadline is None else deadline - monotonic()
            sleep(max(0.0, min(pause, left)))

    def _abort(self, session: Any) -> None:
        """Undo all, if there is something to undo and the server can be told."""
        if session.in_transaction:
            with suppress(*_FAILURES):
                self._client.run(session.abort_transaction, deadline=monotonic() + _ABORTING)

    # -- whether there are any

    def _has_transactions(self) -> bool:
        """True if the server says that it has them, or ran one."""
        abilities = self._client.abilities
        if not abilities.sessions:
            return False
        return abilities.replicated or abilities.has("transactions", self._try_transaction)

    def _try_transaction(self) -> None:
        """Read something in a transaction. Raises Unsupported where there are none.

        Some servers take no notice of it in what they run, and know of none to end.
        """
        client = self._client
        session = self._run(client.native.start_session)
        try:
            self._run(session.start_transaction)
            notes = client.database["_docmap_collections"]
            self._run(lambda: notes.find_one({}, session=session))
            self._run(session.commit_transaction)
        finally:
            self._abort(session)
            with suppress(*_FAILURES):
                self._run(session.end_session)


_FAILURES: Final = (PyMongoError, StorageError, Unsupported)


def _is_unknown(cause: BaseException | None) -> bool:
    """True of a reply that leaves open whether the transaction is committed."""
    return isinstance(cause, (OperationFailure, NotPrimaryError)) and cause.has_error_label(
        _UNKNOWN
    )


def _unknown(client: Client) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"mongodb: the commit was sent to {client.place} and its reply never came, so all of the "
        "transaction may be written, or nothing: get the documents by their keys and look before "
        "you run it again",
        engine="mongodb",
    )
