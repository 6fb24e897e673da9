"""Features of a class that meet: what one of them does must hold beside the others."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import pytest

from docmap import (
    BaseStorageAdapter,
    CreatedAt,
    Document,
    DuplicateKey,
    Indexed,
    Stored,
    field,
    use_clock,
)

NOON = datetime(2024, 5, 17, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Account(Document, collection="accounts"):
    id: int
    name: Annotated[str | None, Indexed(unique=True)] = None
    mail: Annotated[str | None, Indexed(unique=True)] = None
    aliases: Annotated[list[str], Indexed(unique=True)] = []  # noqa: RUF012 - pydantic copies it


Write = Callable[[BaseStorageAdapter], Any]
BOTH = Account(id=3, name="a", mail="b", aliases=["c"])
TWICE: list[tuple[Write, str]] = [
    (lambda db: db.insert(Account(id=1, name="a", mail="b")), "id"),
    (lambda db: db.insert_many([Account(id=1, mail="y", aliases=["c"])]), "id"),
    (lambda db: db.insert(BOTH.model_copy(update={"id": 3})), "name"),
    (lambda db: db.insert(Account(id=3, mail="b", aliases=["c"])), "mail"),
    (lambda db: db.upsert(Account(id=2, mail="b", aliases=["z", "c"])), "mail"),
    (lambda db: db.find(Account, id=2).update(mail="b", name="a", aliases__push="c"), "name"),
    (lambda db: db.find(Account, id=2).update(name=None, aliases=["q", "c"]), "aliases"),
]


@pytest.mark.parametrize(("write", "named"), TWICE)
def test_of_several_taken_values_the_first_is_named(
    db: BaseStorageAdapter, write: Write, named: str
) -> None:
    """The key first, then the unique indexes as they are declared, on every engine."""
    db.insert_many(
        [Account(id=1, name="a", mail="b", aliases=["c"]), Account(id=2, name="x", mail="y")]
    )
    with pytest.raises(DuplicateKey) as caught:
        write(db)
    assert caught.value.fields == (named,)
    assert caught.value.key in {1, 2, 3}


class Session(Document, collection="sessions", expires_after=HOUR):
    id: int
    ticket: Annotated[str, Indexed(unique=True)]
    created_at: Annotated[CreatedAt, Stored("made at")] = field(init=False)


class SessionKey(Document, collection="sessions"):
    """It knows nothing of times."""

    id: int
    ticket: str


def _sessions(db: BaseStorageAdapter) -> None:
    with use_clock(NOON):
        db.insert(Session(id=1, ticket="old"))
    with use_clock(NOON + HOUR / 2):
        db.insert(Session(id=2, ticket="new"))


@pytest.mark.parametrize("one", [True, False])
def test_an_update_takes_a_unique_value_over_from_what_has_expired(
    db: BaseStorageAdapter, *, one: bool
) -> None:
    _sessions(db)
    query = db.find(Session, id=2)
    with use_clock(NOON + HOUR):
        if one:
            assert query.find_one_and_update(ticket="old") is not None
        else:
            assert query.update(ticket="old").matched == 1
        assert db.find("sessions").values("id") == [2]


def test_an_update_of_another_field_leaves_what_has_expired(db: BaseStorageAdapter) -> None:
    _sessions(db)
    with use_clock(NOON + HOUR):
        assert db.find(Session).update(created_at=NOON + HOUR).matched == 1
    assert db.find("sessions").count() == 2


@pytest.mark.parametrize("origin", [SessionKey, "sessions"])
def test_a_view_through_a_class_that_expires_is_narrowed_by_it(
    db: BaseStorageAdapter, origin: Any
) -> None:
    """Whatever the class of the query knows of the field that says when."""
    _sessions(db)
    with use_clock(NOON + HOUR):
        query = db.find(origin).view(Session)
        assert [one.id for one in query] == [2]
        assert query.count() == 1
