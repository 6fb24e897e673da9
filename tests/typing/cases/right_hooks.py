"""Hooks, times and listeners as they are written: nothing is an error."""

from __future__ import annotations

from datetime import datetime, timedelta

from docmap import (
    BaseStorageAdapter,
    Command,
    CreatedAt,
    Document,
    UpdatedAt,
    after,
    before,
    connect,
    field,
    on_command,
    use_clock,
)


class Post(Document, expires_after=("created_at", timedelta(days=1))):
    text: str
    created_at: CreatedAt = field(init=False)
    updated_at: UpdatedAt = field(init=False)

    @before("save", "insert", "update", "delete")
    def tidy(self) -> None:
        self.text = self.text.strip()

    @after("load", "save")
    def note(self, storage: BaseStorageAdapter) -> None:
        assert storage is db


db = connect("memory://")
post = Post(text="a")
post.tidy()
post.note(db)
moment: datetime = post.created_at
db.find(Post, Post.created_at > moment, updated_at__gte=moment)


def check(document: object) -> None:
    assert document is not None


stop = db.before("save", check, Post)
stop()


@db.after("load", Post)
@db.after("insert", "update", Post)
def seen(document: Post, storage: BaseStorageAdapter) -> None:
    document.note(storage)


removed: bool = db.remove_hook(seen)


def told(command: Command) -> None:
    assert command.seconds >= command.queue + command.decode - 1
    assert command.name + command.plan + command.collection


end = on_command(told)
db.on_command(told)()
with use_clock(moment), use_clock(lambda: moment):
    db.save(post)
    count: int = db.remove_expired(Post)
end()
