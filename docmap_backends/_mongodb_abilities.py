"""What a server can do: asked of it once for each client, never told from its version."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from docmap.errors import StorageError, Unsupported

if TYPE_CHECKING:
    from docmap_backends._mongodb_client import Client


class Abilities:
    """The answers of one server, and how it described itself."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: dict[str, bool] = {}
        self._lock = threading.Lock()
        self.hello: Mapping[str, Any] = {}

    def learn(self, hello: Mapping[str, Any]) -> None:
        """Keep what the server said of itself."""
        self.hello = dict(hello)

    @property
    def sessions(self) -> bool:
        """True if it keeps sessions."""
        return self.hello.get("logicalSessionTimeoutMinutes") is not None

    @property
    def sharded(self) -> bool:
        """True of a router in front of shards."""
        return self.hello.get("msg") == "isdbgrid"

    @property
    def replicated(self) -> bool:
        """True of a member of a replica set that says so; compatible servers may leave it out."""
        return bool(self.hello.get("setName")) or self.sharded

    def known(self, name: str) -> bool:
        """True if the server is known to have it, without asking."""
        return self._known.get(name, False)

    def has(self, name: str, probe: Callable[[], object]) -> bool:
        """True if `probe` ran without the server's refusal, now or when it was first asked.

        Raises Unavailable if there was no answer: it is asked again the next time.
        """
        known = self._known.get(name)
        if known is None:
            try:
                with self._client.outside():
                    probe()
                known = True
            except Unsupported:
                known = False
            except StorageError as error:
                if type(error) is not StorageError:
                    raise  # no answer at all
                known = False
            with self._lock:
                known = self._known.setdefault(name, known)
        return known
