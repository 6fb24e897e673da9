"""Features of a class that meet: what one of them does must hold beside the others."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import pytest
from pydantic import BaseModel, Field

from docmap import (
    BaseStorageAdapter,
    CreatedAt,
    Document,
    DuplicateKey,
    Indexed,
    InvalidQuery,
    InvalidRecord,
    InvalidValue,
    Ref,
    Stored,
    field,
    upgrade,
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


class Person(Document, collection="people", version=2):
    id: int
    name: str
    age: int = 0

    @upgrade(to=2)
    @staticmethod
    def _(record: dict[str, Any]) -> dict[str, Any]:
        record["name"] = record.pop("called")
        return record


class PersonName(Document, collection="people"):
    """It knows nothing of versions."""

    id: int
    name: str = ""


class TestPartsOfOlderRecords:
    """What such a part saved, the upgrade of its record would undo."""

    @pytest.fixture(autouse=True)
    def _records(self, db: BaseStorageAdapter) -> None:
        db.insert_many("people", [{"id": 1, "called": "Ann"}, {"id": 2, "called": "Bo"}])

    def test_a_view_is_refused(self, db: BaseStorageAdapter) -> None:
        query = db.find(Person).order_by("id").view(PersonName)
        with pytest.raises(InvalidRecord, match=r"db\.upgrade\(Person\)") as caught:
            query.list()
        assert caught.value.key == 1
        assert query.on_invalid("skip").list() == []

    def test_a_conversion_is_refused(self, db: BaseStorageAdapter) -> None:
        person = db.get(Person, 1)
        with pytest.raises(InvalidRecord, match="PersonName does not know"):
            person.convert_to(PersonName)
        person.save()
        assert person.convert_to(PersonName).name == "Ann"

    def test_after_the_upgrade_it_is_saved(self, db: BaseStorageAdapter) -> None:
        assert db.upgrade(Person).upgraded == 2
        part = db.find(Person, id=1).view(PersonName).one()
        part.name = "Eve"
        part.save()
        assert db.get(Person, 1).name == "Eve"


class Shape(Document, collection="shapes"):
    id: int
    size: int = 0
    label: str = ""


class SmallShape(Shape):
    size: Annotated[int, Field(le=5)] = 0


class WordShape(Shape):
    size: str = "small"  # type: ignore[assignment]


class TestUpdatesThroughABase:
    """They must fit what a subclass declares anew."""

    @pytest.fixture(autouse=True)
    def _shapes(self, db: BaseStorageAdapter) -> None:
        db.insert_many([Shape(id=1), SmallShape(id=2), WordShape(id=3)])

    @pytest.mark.parametrize(("key", "name"), [(2, "SmallShape"), (3, "WordShape")])
    def test_a_value_that_the_subclass_refuses(
        self, db: BaseStorageAdapter, key: int, name: str
    ) -> None:
        with pytest.raises(InvalidValue, match=f"{name}.size is not valid"):
            db.find(Shape, id=key).update(size=9)
        with pytest.raises(InvalidValue, match=f"{name}.size is not valid"):
            db.find(Shape, id=key).find_one_and_update(size=9)
        assert [type(one) for one in db.find(Shape).order_by("id")] == [
            Shape,
            SmallShape,
            WordShape,
        ]

    def test_what_fits(self, db: BaseStorageAdapter) -> None:
        assert db.find(Shape, id__lte=2).update(size=4).matched == 2
        assert db.find(Shape).update(label="x").matched == 3
        assert db.find(SmallShape).values("size") == [4]
        assert "subclasses declare" in str(db.find(Shape).explain_update(size=4))


class City(Document, collection="cities"):
    id: int
    name: str


class Trip(Document, collection="trips"):
    id: int
    start: Ref[City]
    end: Ref[City]
    days: int = 0


class TripEnd(Document, collection="trips"):
    id: int
    end: Ref[City]


class TripDays(BaseModel):
    days: int


class TestFetchingThroughAView:
    @pytest.fixture(autouse=True)
    def _trips(self, db: BaseStorageAdapter) -> None:
        db.insert_many([City(id=1, name="Bonn"), City(id=2, name="Rome")])
        db.insert(Trip(id=1, start=Ref[City](1), end=Ref[City](2)))

    def test_of_a_document_class(self, db: BaseStorageAdapter) -> None:
        assert db.find(Trip).fetch("end").view(TripEnd).one().end.value.name == "Rome"
        assert db.find(Trip).view(TripEnd).fetch("end").list()[0].end.value.name == "Rome"

    def test_of_a_reference_that_it_has_not(self, db: BaseStorageAdapter) -> None:
        with pytest.raises(InvalidQuery, match="TripEnd has no reference 'start'"):
            db.find(Trip).fetch("start").view(TripEnd).list()

    def test_of_a_class_that_is_no_document(self, db: BaseStorageAdapter) -> None:
        with pytest.raises(InvalidQuery, match="view through a document class"):
            db.find(Trip).fetch("end").view(TripDays).list()


class Token(Document, collection="tokens"):
    id: UUID
    uses: int = 0


def test_keys_of_another_form_are_named(db: BaseStorageAdapter) -> None:
    """A UUID is tagged where no class declares it, and the class of the collection keeps text."""
    key = UUID(int=7)
    db.insert_many("tokens", [{"id": key, "uses": 1}])
    if db.scheme == "postgresql":  # one statement changes it, wherever its key is
        assert db.find(Token).find_one_and_update(uses__inc=1) == Token(id=key, uses=2)
    else:
        with pytest.raises(InvalidRecord, match="insert it anew through Token"):
            db.find(Token).find_one_and_update(uses__inc=1)
