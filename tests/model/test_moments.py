"""`CreatedAt` and `UpdatedAt`: set by every kind of write, kept where they were given."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from docmap import (
    BaseStorageAdapter,
    CreatedAt,
    Document,
    InvalidModel,
    Precision,
    UpdatedAt,
    before,
    field,
    use_clock,
)

START = datetime(2024, 5, 17, 12, 30, 0, 123456, tzinfo=UTC)
FIRST = START.replace(microsecond=123000)
GIVEN = datetime(2001, 1, 1, tzinfo=UTC)


class Clock:
    """The time that the test says it is."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> datetime:
        return self.time

    def on(self, **parts: float) -> datetime:
        """Go on by so much; the time then as it is stored."""
        self.time += timedelta(**parts)
        return self.time.replace(microsecond=self.time.microsecond // 1000 * 1000)


@pytest.fixture(autouse=True)
def clock() -> Iterator[Clock]:
    made = Clock()
    with use_clock(made):
        yield made


class Post(Document, collection="posts"):
    text: str = ""
    created_at: CreatedAt = field(init=False)
    updated_at: UpdatedAt = field(init=False)


def times(post: Any) -> tuple[datetime, datetime]:
    return post.created_at, post.updated_at


def stored(db: BaseStorageAdapter, key: str = "1") -> tuple[datetime, datetime]:
    post = db.get(Post, key)
    return times(post)


class TestWrites:
    def test_a_new_document(self, db: BaseStorageAdapter, clock: Clock) -> None:
        post = Post(id="1")
        second = clock.on(seconds=5)
        post.save(db)
        assert times(post) == stored(db) == (second, second)

    def test_a_save_later(self, db: BaseStorageAdapter, clock: Clock) -> None:
        Post(id="1").save(db)
        post = db.get(Post, "1")
        second = clock.on(seconds=5)
        post.text = "a"
        post.save()
        assert times(post) == stored(db) == (FIRST, second)
        assert db.get(Post, "1") == post

    def test_in_bulk(self, db: BaseStorageAdapter, clock: Clock) -> None:
        db.insert_many(Post, [{"id": "1"}])
        posts = [db.get(Post, "1"), Post(id="2")]
        second = clock.on(seconds=5)
        db.save_many(posts)
        assert stored(db, "1") == (FIRST, second)
        assert stored(db, "2") == (second, second)

    def test_an_update_of_a_query(self, db: BaseStorageAdapter, clock: Clock) -> None:
        Post(id="1").save(db)
        second = clock.on(seconds=5)
        db.find(Post).update(text="a")
        assert stored(db) == (FIRST, second)
        third = clock.on(seconds=5)
        found = db.find(Post).find_one_and_update(text="b")
        assert found is not None
        assert times(found) == stored(db) == (FIRST, third)
        db.find(Post).update(updated_at=GIVEN)
        assert stored(db) == (FIRST, GIVEN)

    def test_replacing_keeps_when_it_was_created(
        self, db: BaseStorageAdapter, clock: Clock
    ) -> None:
        db.upsert(Post(id="1"))
        second = clock.on(seconds=5)
        db.upsert(Post(id="1"))
        assert stored(db) == (FIRST, second)
        third = clock.on(seconds=5)
        db.save(Post, {"text": "a"}, primary_key="1")
        assert stored(db) == (FIRST, third)
        db.save(Post, {"text": "a"}, primary_key="2")
        assert stored(db, "2") == (third, third)

    def test_a_loaded_document_is_touched_by_upsert(
        self, db: BaseStorageAdapter, clock: Clock
    ) -> None:
        Post(id="1").save(db)
        post = db.get(Post, "1")
        second = clock.on(seconds=5)
        db.upsert(post)
        assert stored(db) == (FIRST, second)

    def test_get_or_create(self, db: BaseStorageAdapter) -> None:
        post, _ = db.get_or_create(Post, text="a")
        assert times(post) == (FIRST, FIRST)


class TestGiven:
    def test_an_import_keeps_them(self, db: BaseStorageAdapter) -> None:
        row = {"created_at": GIVEN, "updated_at": GIVEN}
        db.insert_many(Post, [{"id": "1", **row}])
        db.save(Post, row, primary_key="2")
        db.insert(Post.model_validate({"id": "3", **row}))
        assert [stored(db, key) for key in "123"] == [(GIVEN, GIVEN)] * 3

    def test_a_copy_in_another_storage_keeps_when_it_was_created(
        self, db: BaseStorageAdapter, second: BaseStorageAdapter, clock: Clock
    ) -> None:
        Post(id="1").save(db)
        later = clock.on(days=1)
        second.insert(db.get(Post, "1"))
        assert stored(second) == (FIRST, later)

    def test_a_model_copy_is_a_new_document(self, db: BaseStorageAdapter, clock: Clock) -> None:
        Post(id="1").save(db)
        later = clock.on(days=1)
        copied = db.get(Post, "1").model_copy(update={"id": "2"})
        copied.save(db)
        assert stored(db, "2") == (later, later)
        kept = copied.model_copy(update={"id": "3", "created_at": GIVEN})
        kept.save(db)
        assert stored(db, "3") == (GIVEN, later)

    def test_one_that_is_assigned_is_kept(self, db: BaseStorageAdapter, clock: Clock) -> None:
        post = Post(id="1")
        post.created_at = GIVEN
        post.save(db)
        clock.on(days=1)
        post.created_at = GIVEN + timedelta(days=1)
        post.updated_at = GIVEN
        post.save()
        assert post.created_at == GIVEN + timedelta(days=1)
        assert post.updated_at > FIRST

    def test_a_hook_has_the_last_word(self, db: BaseStorageAdapter) -> None:
        class Backdated(Document, collection="backdated"):
            created_at: CreatedAt = field(init=False)

            @before("insert")
            def backdate(self) -> None:
                assert self.created_at == FIRST
                self.created_at = GIVEN

        Backdated(id="1").save(db)
        assert db.get(Backdated, "1").created_at == GIVEN

    def test_a_client_does_not_send_them(self) -> None:
        assert set(Post.input_model().model_fields) == {"text"}


class TestDeclaring:
    def test_microseconds(self, db: BaseStorageAdapter) -> None:
        class Exact(Document, collection="exact"):
            at: Annotated[CreatedAt, Precision("us")] = field(init=False)

        Exact(id="1").save(db)
        assert db.get(Exact, "1").at == START

    def test_no_value_is_needed(self) -> None:
        assert Post().created_at == FIRST
        assert Post.model_json_schema().get("required") is None

    def test_a_subclass_has_them(self, db: BaseStorageAdapter) -> None:
        class Timed(Document, abstract=True):
            created_at: CreatedAt = field(init=False)

        class Thing(Timed, collection="things"):
            pass

        Thing(id="1").save(db)
        assert db.get(Thing, "1").created_at == FIRST

    def test_they_are_queried_as_any_other(self, db: BaseStorageAdapter, clock: Clock) -> None:
        for key in "123":
            Post(id=key).save(db)
            clock.on(hours=1)
        query = db.find(Post, Post.created_at > FIRST).order_by("-created_at")
        assert [post.id for post in query] == ["3", "2"]

    @pytest.mark.filterwarnings("ignore::pydantic.warnings.UnsupportedFieldAttributeWarning")
    def test_where_they_cannot_work(self) -> None:
        class Part(BaseModel):
            at: CreatedAt = field(init=False)

        for annotation in (Part, list[Part], list[CreatedAt], CreatedAt | None, dict[str, Part]):
            make: Any = type(Document)
            with pytest.raises(InvalidModel, match="are about the document"):
                make(
                    "Wrong",
                    (Document,),
                    {"__module__": __name__, "__annotations__": {"place": annotation}},
                )


def test_a_clock_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"), use_clock(datetime(2024, 1, 1)):  # noqa: DTZ001
        pass


def test_the_clock_before_comes_back() -> None:
    with use_clock(GIVEN):
        assert Post().created_at == GIVEN
    assert Post().created_at == FIRST
