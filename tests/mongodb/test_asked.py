"""How often MongoDB is asked: one command for each operation, two for some."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pymongo import monitoring

from docmap import BaseStorageAdapter, connect
from tests.servers import mongo
from tests.servers.asking import OPERATIONS, TURNS, Sale, fill, repeated


class Asked(monitoring.CommandListener):
    """The commands that were sent."""

    def __init__(self) -> None:
        self.commands: list[str] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        self.commands.append(event.command_name)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """What was started counts."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """What was started counts."""


ASKED = Asked()
READ_FIRST = frozenset({"upsert", "update by adding", "find one and update"})
"""What is stored is read first, where the server cannot check it as it writes."""


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[BaseStorageAdapter]:
    # Listeners that are registered are those of every client made from then on.
    listeners = monitoring._LISTENERS
    held = listeners.command_listeners
    monkeypatch.setattr(
        monitoring, "_LISTENERS", listeners._replace(command_listeners=[*held, ASKED])
    )
    with connect(mongo.url("asked")) as storage:
        yield storage


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_one_command(name: str, watched: BaseStorageAdapter) -> None:
    operation, loaded = OPERATIONS[name], fill(watched)
    repeated(watched, operation, loaded)
    ASKED.commands.clear()
    operation(watched, TURNS, loaded)
    assert 1 <= len(ASKED.commands) <= (2 if name in READ_FIRST else 1), ASKED.commands


def test_many_documents_are_few_commands(watched: BaseStorageAdapter) -> None:
    fill(watched)
    ASKED.commands.clear()
    watched.insert_many([Sale(number=n) for n in range(2000, 4500)])
    assert len(ASKED.commands) <= 10, ASKED.commands
    ASKED.commands.clear()
    assert len(watched.find(Sale).list()) == 2530
    assert len(ASKED.commands) <= 14, ASKED.commands
