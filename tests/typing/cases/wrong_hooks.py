"""Hooks, times and listeners: events that there are not, functions that cannot be hooks."""

from __future__ import annotations

from datetime import UTC, datetime

from docmap import Command, CreatedAt, Document, after, before, connect, field

db = connect("memory://")


class Post(Document):
    text: str
    created_at: CreatedAt = field(init=False)

    @before("safe")  # error
    def one(self) -> None: ...

    @before("load")  # error
    def two(self) -> None: ...

    @after("save")  # error
    async def three(self) -> None: ...

    @after("save")  # error
    def four(self, storage: object, more: object) -> None: ...


def told(command: Command) -> None:
    command.seconds = 5  # error
    _ = command.operands  # error


Post(text="a", created_at=datetime.now(UTC))  # error
db.before("load", print)  # error
db.after("saved", print)  # error
db.on_command(5)  # error
