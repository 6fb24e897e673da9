"""`expires_after`: what has expired is not there any more, for every read and every write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from docmap import (
    BaseStorageAdapter,
    Count,
    CreatedAt,
    Document,
    DocumentNotFound,
    DuplicateKey,
    Indexed,
    InvalidModel,
    StaleDocument,
    UpdatedAt,
    after,
    field,
    use_clock,
)

START = datetime(2024, 5, 17, 12, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Clock:
    """The time that the test says it is."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> datetime:
        return self.time

    def on(self, **parts: float) -> None:
        self.time += timedelta(**parts)


@pytest.fixture(autouse=True)
def clock() -> Iterator[Clock]:
    made = Clock()
    with use_clock(made):
        yield made


class Session(Document, collection="sessions", expires_after=HOUR):
    """There for an hour after it was made."""

    code: Annotated[str, Indexed(unique=True)]
    user: str = ""
    created_at: CreatedAt = field(init=False)


class Lease(Document, collection="leases", expires_after="until"):
    """There until the moment that it holds, for ever without one."""

    until: datetime | None = None
    user: str = ""


@pytest.fixture
def kept(db: BaseStorageAdapter, clock: Clock) -> BaseStorageAdapter:
    """A session that has expired, and one that has not."""
    Session(id="old", code="a", user="ann").save(db)
    clock.on(minutes=30)
    Session(id="new", code="b", user="ben").save(db)
    clock.on(minutes=30)
    return db


READS: list[tuple[Callable[[BaseStorageAdapter], Any], Any]] = [
    (lambda db: [one.id for one in db.find(Session)], ["new"]),
    (lambda db: db.find(Session, user__in=["ann", "ben"]).count(), 1),
    (lambda db: db.find(Session).where_not(user="x").count(), 1),
    (lambda db: db.find(Session, user="ann").exists(), False),
    (lambda db: db.find(Session, id="old").first(), None),
    (lambda db: db.find(Session).order_by("-user")[0].id, "new"),
    (lambda db: db.find(Session).values("user"), ["ben"]),
    (lambda db: db.find(Session).aggregate(n=Count()).n, 1),
    (lambda db: [row["id"] for row in db.find(Session).raw()], ["new"]),
    (lambda db: [one.id for one in db.get_many(Session, ["old", "new"])], ["new"]),
    (lambda db: "old" in db.collection(Session), False),
    (lambda db: len(db.collection(Session)), 1),
    (lambda db: db.find(Session).update(user="x").matched, 1),
    (lambda db: db.find(Session, id="old").find_one_and_update(user="x"), None),
    (lambda db: db.delete(Session, "old"), False),
    (lambda db: db.find(Session).delete(), 1),
]


class TestReads:
    @pytest.mark.parametrize(("ask", "answer"), READS)
    def test_it_is_not_there(self, kept: BaseStorageAdapter, ask: Any, answer: Any) -> None:
        assert ask(kept) == answer

    def test_nor_by_key(self, kept: BaseStorageAdapter) -> None:
        assert kept.get(Session, "new").user == "ben"
        with pytest.raises(DocumentNotFound):
            kept.get(Session, "old")

    def test_from_that_moment_on(self, db: BaseStorageAdapter, clock: Clock) -> None:
        Session(id="1", code="a").save(db)
        clock.on(hours=1, microseconds=-1)
        assert db.find(Session).count() == 1
        clock.on(microseconds=1)
        assert db.find(Session).count() == 0

    def test_a_moment_of_its_own(self, db: BaseStorageAdapter, clock: Clock) -> None:
        db.insert_many(
            [Lease(id="1", until=START + HOUR), Lease(id="2"), Lease(id="3", until=START)]
        )
        db.save("leases", {"id": "4"})
        db.save("leases", {"id": "5", "until": 7})
        ids = [row["id"] for row in db.find(Lease).order_by("id").raw()]
        assert ids == ["1", "2", "4", "5"]
        clock.on(hours=1)
        assert [row["id"] for row in db.find(Lease).order_by("id").raw()] == ["2", "4", "5"]

    def test_the_record_is_there_for_who_asks_without_the_class(
        self, kept: BaseStorageAdapter
    ) -> None:
        assert kept.find("sessions").count() == 2


class TestWrites:
    def test_a_loaded_document_is_as_if_it_were_deleted(
        self, db: BaseStorageAdapter, clock: Clock
    ) -> None:
        Session(id="1", code="a").save(db)
        one = db.get(Session, "1")
        clock.on(hours=1)
        one.user = "x"
        for ask in (one.save, one.delete):
            with pytest.raises(StaleDocument, match="was deleted since it was loaded"):
                ask()
        assert db.find("sessions").one()["user"] == ""
        for many in (db.delete_many, db.save_many):
            with pytest.raises(StaleDocument):
                many([one])
        with pytest.raises(DocumentNotFound):
            one.reload()
        assert db.find("sessions").count() == 0  # save_many removed what was in its way

    @pytest.mark.parametrize("ask", ["insert", "save", "upsert"])
    def test_an_insert_takes_its_key(self, kept: BaseStorageAdapter, ask: str) -> None:
        kept.save("sessions", {**kept.find("sessions", id="old").one(), "more": 1}, "old")
        one = Session(id="old", code="c")
        getattr(kept, ask)(one)
        assert kept.get(Session, "old") == one
        assert one.created_at == START + HOUR
        assert "more" not in kept.find("sessions", id="old").one()

    def test_data_takes_its_key(self, kept: BaseStorageAdapter) -> None:
        kept.save(Session, {"code": "c"}, primary_key="old")
        assert kept.get(Session, "old").created_at == START + HOUR

    def test_many_take_their_keys(self, kept: BaseStorageAdapter) -> None:
        kept.insert_many([Session(id="old", code="a"), Session(code="c")])
        assert kept.find(Session).count() == 3

    def test_its_unique_values_are_taken_over(self, kept: BaseStorageAdapter) -> None:
        Session(id="3", code="a").save(kept)
        assert kept.find(Session, code="a").one().id == "3"
        with pytest.raises(DuplicateKey):
            Session(code="b").save(kept)

    def test_get_or_create(self, kept: BaseStorageAdapter) -> None:
        one, created = kept.get_or_create(Session, code="a")
        assert created
        again, created = kept.get_or_create(Session, code="a")
        assert (again, created) == (one, False)

    def test_what_is_there_is_not_replaced(self, kept: BaseStorageAdapter) -> None:
        with pytest.raises(DuplicateKey):
            kept.insert(Session(id="new", code="c"))

    def test_hooks_are_told_of_an_insert(self, db: BaseStorageAdapter, clock: Clock) -> None:
        calls: list[str] = []

        class Told(Document, collection="told", expires_after=HOUR):
            created_at: CreatedAt = field(init=False)

            @after("insert")
            def inserted(self) -> None:
                calls.append("insert")

            @after("update")
            def updated(self) -> None:
                calls.append("update")

        db.upsert(Told(id="1"))
        db.upsert(Told(id="1"))
        clock.on(hours=1)
        db.upsert(Told(id="1"))
        assert calls == ["insert", "update", "insert"]

    def test_a_write_makes_it_last_longer(self, db: BaseStorageAdapter, clock: Clock) -> None:
        class Kept(Document, collection="kept", expires_after=("seen", HOUR)):
            seen: UpdatedAt = field(init=False)
            text: str = ""

        db.insert_many([Kept(id="1"), Kept(id="2"), Kept(id="3")])
        one = db.get(Kept, "1")
        clock.on(minutes=40)
        one.save()
        db.find(Kept, id="2").update(text="a")
        clock.on(minutes=40)
        assert [kept.id for kept in db.find(Kept).order_by("id")] == ["1", "2"]


class TestRemoving:
    def test_it_is_removed_when_asked_for(self, kept: BaseStorageAdapter) -> None:
        assert kept.find("sessions").count() == 2
        assert kept.remove_expired(Session, Lease) == 1
        assert [row["id"] for row in kept.find("sessions")] == ["new"]
        assert kept.remove_expired(Session) == 0

    def test_by_the_index_that_was_made_for_it(self, full: BaseStorageAdapter) -> None:
        full.ensure_indexes(Session, Lease)
        assert "(created_at)" in full.indexes(Session)["present"]
        assert "(until)" in full.indexes(Lease)["present"]

    def test_no_second_one(self) -> None:
        class Indexing(Document, collection="indexing", expires_after="at"):
            at: Annotated[datetime, Indexed(descending=True)]

        assert len(Indexing.__docmap_schema__.indexes) == 1

    def test_the_condition_is_native(self, full: BaseStorageAdapter) -> None:
        Session(code="a").save(full)
        explanation = full.find(Session, code="a").explain()
        assert explanation.data["native"]
        assert explanation.indexes == ("unique (code)",)
        assert explanation.data["condition"] == "not created_at <= ? and code == ?"

    def test_classes_without_expiry_have_none(self, db: BaseStorageAdapter) -> None:
        class Plain(Document):
            pass

        Plain().save(db)
        assert db.remove_expired(Plain) == 0
        assert db.find(Plain).count() == 1


class Part(BaseModel):
    at: datetime | None = None
    several: list[datetime] = []


class TestDeclaring:
    def test_in_a_nested_model(self, db: BaseStorageAdapter, clock: Clock) -> None:
        class Nested(Document, collection="nested", expires_after=("part.at", HOUR)):
            part: Part = Part()

        db.insert_many([Nested(part=Part(at=START)), Nested()])
        clock.on(hours=1)
        assert db.find(Nested).count() == 1

    def test_it_is_inherited(self, db: BaseStorageAdapter, clock: Clock) -> None:
        class Short(Document, abstract=True, expires_after=HOUR):
            created_at: CreatedAt = field(init=False)

        class Thing(Short, collection="things"):
            pass

        class Child(Thing):
            pass

        db.insert_many([Thing(), Child()])
        assert db.find(Thing).count() == 2
        clock.on(hours=1)
        assert db.find(Thing).count() + db.find(Child).count() == 0

    @pytest.mark.parametrize(
        ("keyword", "fields", "reason"),
        [
            (HOUR, {}, "has no field of these types: expires_after takes"),
            (HOUR, {"a": CreatedAt, "b": UpdatedAt}, "the class has a and b"),
            (("ends", HOUR), {"end": datetime}, "did you mean"),
            ("text", {"text": str}, "holds one datetime"),
            ("days", {"days": list[datetime]}, "holds one datetime"),
            ("part", {"part": Part}, "holds one datetime"),
            (("at", timedelta(0)), {"at": datetime}, "above zero"),
            (-HOUR, {"at": CreatedAt}, "above zero"),
            (3600, {"at": CreatedAt}, "not int"),
            (("at", 5), {"at": CreatedAt}, "not tuple"),
        ],
    )
    def test_what_cannot_work(self, keyword: Any, fields: dict[str, Any], reason: str) -> None:
        make: Any = type(Document)
        names = {"__module__": __name__, "__annotations__": fields}
        with pytest.raises(InvalidModel, match=reason):
            make("Wrong", (Document,), names, expires_after=keyword)
