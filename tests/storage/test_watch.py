"""The change feed: every committed change once, in order, and none that was undone."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from docmap import (
    BaseStorageAdapter,
    ChangeEvent,
    ChangesLost,
    Document,
    DuplicateKey,
    InvalidConfig,
    InvalidQuery,
    InvalidRecord,
    NotConnected,
    Q,
    Unsupported,
    Watch,
    connect,
    use_clock,
)
from tests.model.shop import Note, Ticket
from tests.model.vehicles import Car, SportsCar, Truck, Vehicle
from tests.storage.bare import Bare
from tests.storage.engines import MAKERS, WATCHED, undone


class Post(Document, collection="posts"):
    title: str = ""
    likes: int = 0


class Liked(Document, collection="posts", where=Q(likes__gte=10)):
    title: str = ""
    likes: int = 10


class Token(Document, collection="tokens", expires_after="until"):
    until: datetime


def told(changes: Iterable[ChangeEvent[Any]]) -> list[tuple[str, Any]]:
    return [(change.kind, change.key) for change in changes]


@pytest.fixture(params=WATCHED)
def full(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BaseStorageAdapter]:
    """A fresh storage of each engine with a feed of changes."""
    with MAKERS[request.param](tmp_path) as storage:
        yield storage


@pytest.fixture
def feed(full: BaseStorageAdapter) -> Iterator[Watch[Post]]:
    """The posts of `full`, without waiting for them."""
    with full.watch(Post, wait=0) as watch:
        yield watch


class TestWhatIsSeen:
    def test_insert_update_delete(self, full: BaseStorageAdapter, feed: Watch[Post]) -> None:
        post = Post(id="a", title="one")
        post.save(full)
        post.likes = 1
        post.save()
        post.delete()
        first, second, third = feed
        assert (first.kind, first.key, first.document) == ("insert", "a", Post(id="a", title="one"))
        assert (second.kind, second.document) == ("update", Post(id="a", title="one", likes=1))
        assert (third.kind, third.key, third.document) == ("delete", "a", None)
        assert list(feed) == []

    def test_nothing_of_before(self, full: BaseStorageAdapter) -> None:
        Post(id="a").save(full)
        watch = full.watch(Post, wait=0)
        assert list(watch) == []
        Post(id="b").save(full)
        assert told(watch) == [("insert", "b")]

    def test_every_way_to_write(self, full: BaseStorageAdapter, feed: Watch[Post]) -> None:
        full.insert_many(Post, [{"id": key} for key in "abc"])
        full.save(Post, {"title": "x"}, primary_key="a")
        full.upsert(Post(id="d"))
        full.save_many(full.find(Post, id__in=["b", "c"]).order_by("id").list())
        full.get_or_create(Post, id="e")
        full.delete(Post, "a")
        full.delete(Post, "not there")
        full.delete_many(full.find(Post, id="b"))
        full.find(Post, id="c").delete()
        full.collection(Post).clear()
        found = told(feed)
        assert found[:9] == [
            *(("insert", key) for key in "abc"),
            ("update", "a"),
            ("insert", "d"),
            ("update", "b"),
            ("update", "c"),
            ("insert", "e"),
            ("delete", "a"),
        ]
        assert found[9:11] == [("delete", "b"), ("delete", "c")]
        assert sorted(found[11:]) == [("delete", "d"), ("delete", "e")]

    def test_clearing_the_storage(self, full: BaseStorageAdapter, feed: Watch[Post]) -> None:
        full.insert_many(Post, [{"id": "a"}, {"id": "b"}])
        full.clear()
        Post(id="c").save(full)
        found = told(feed)
        assert found[:2] == [("insert", "a"), ("insert", "b")]
        assert sorted(found[2:4]) == [("delete", "a"), ("delete", "b")]
        assert found[4:] == [("insert", "c")]

    def test_what_fails_is_no_change(self, full: BaseStorageAdapter, feed: Watch[Post]) -> None:
        Post(id="a").save(full)
        with pytest.raises(DuplicateKey):
            Post(id="a").save(full)
        with pytest.raises(DuplicateKey):
            full.insert_many(Post, [{"id": "b"}, {"id": "a"}, {"id": "c"}])
        assert told(feed) == [("insert", "a"), ("insert", "b")]

    def test_other_collections_are_not_seen(
        self, full: BaseStorageAdapter, feed: Watch[Post]
    ) -> None:
        Note(id="a").save(full)
        Post(id="a").save(full)
        Note(id="b").save(full)
        assert told(feed) == [("insert", "a")]
        assert list(feed) == []

    def test_several_watchers(self, full: BaseStorageAdapter, feed: Watch[Post]) -> None:
        Post(id="a").save(full)
        second = full.watch(Post, wait=0)
        notes = full.watch(Note, wait=0)
        Post(id="b").save(full)
        Note(id="c").save(full)
        assert told(feed) == [("insert", "a"), ("insert", "b")]
        assert told(second) == [("insert", "b")]
        assert told(notes) == [("insert", "c")]

    def test_an_untyped_collection(self, full: BaseStorageAdapter) -> None:
        with full.watch("things", wait=0) as things:
            full.insert_many("things", [{"id": 1, "x": [1, "a"]}, {"id": "1"}])
            full.delete("things", 1)
            found = list(things)
        assert told(found) == [("insert", 1), ("insert", "1"), ("delete", 1)]
        assert found[0].document == {"id": 1, "x": [1, "a"]}

    def test_keys_of_other_types(self, full: BaseStorageAdapter) -> None:
        with full.watch(Ticket, wait=0) as tickets:
            Ticket(title="a").save(full)
            full.delete(Ticket, 1)
            assert told(tickets) == [("insert", 1), ("delete", 1)]

    def test_documents_can_be_saved(self, full: BaseStorageAdapter, feed: Watch[Post]) -> None:
        post = Post(id="a")
        post.save(full)
        (change,) = feed
        assert change.document is not None
        change.document.likes = 7
        change.document.save()
        assert full.get(Post, "a").likes == 7
        post.likes = 8
        with pytest.raises(Exception, match="changed by somebody else"):
            post.save()


class TestTransactions:
    def test_they_appear_when_they_are_committed(
        self, full: BaseStorageAdapter, feed: Watch[Post]
    ) -> None:
        with full.transaction():
            Post(id="a").save(full)
            assert list(feed) == []
            full.delete(Post, "a")
            Post(id="b").save(full)
        assert told(feed) == [("insert", "a"), ("delete", "a"), ("insert", "b")]

    def test_what_is_undone_never_does(self, full: BaseStorageAdapter, feed: Watch[Post]) -> None:
        Post(id="a").save(full)
        with undone(full):
            Post(id="b").save(full)
            full.find(Post).delete()
            full.clear()
        with full.transaction():
            Post(id="c").save(full)
            with undone(full):
                Post(id="d").save(full)
                with full.transaction():
                    full.delete(Post, "a")
            Post(id="e").save(full)
        assert told(feed) == [("insert", "a"), ("insert", "c"), ("insert", "e")]

    def test_a_watch_does_not_begin_inside(self, full: BaseStorageAdapter) -> None:
        with full.transaction(), pytest.raises(InvalidQuery, match="before it"):
            full.watch(Post)


class TestConditions:
    def test_of_the_state_after(self, full: BaseStorageAdapter) -> None:
        watch = full.watch(Post, Post.likes > 1, title__startswith="a", wait=0)
        post = Post(id="a", title="ab", likes=1)
        post.save(full)
        post.likes = 2
        post.save()
        post.title = "b"
        post.save()
        assert told(watch) == [("update", "a")]

    def test_of_deletions_the_state_before(self, full: BaseStorageAdapter) -> None:
        full.insert_many(Post, [{"id": "a", "likes": 2}, {"id": "b", "likes": 1}])
        watch = full.watch(Post, likes__gt=1, wait=0)
        full.find(Post).delete()
        assert told(watch) == [("delete", "a")]

    def test_they_are_checked_at_once(self, full: BaseStorageAdapter) -> None:
        with pytest.raises(InvalidQuery, match="title"):
            full.watch(Post, titel="x")


class TestWhatAClassSees:
    def test_a_branch_of_a_family(self, full: BaseStorageAdapter) -> None:
        vehicles, cars = full.watch(Vehicle, wait=0), full.watch(Car, wait=0)
        SportsCar(id="a", name="x").save(full)
        Truck(id="b", name="y").save(full)
        full.find(Vehicle).delete()
        kinds = [(change.kind, type(change.document).__name__) for change in vehicles]
        assert kinds[:2] == [("insert", "SportsCar"), ("insert", "Truck")]
        assert len(kinds) == 4
        assert told(cars) == [("insert", "a"), ("delete", "a")]

    def test_a_class_with_a_condition(self, full: BaseStorageAdapter) -> None:
        liked = full.watch(Liked, wait=0)
        full.insert_many(Post, [{"id": "a", "likes": 5}, {"id": "b", "likes": 50}])
        full.find(Post).delete()
        assert told(liked) == [("insert", "b"), ("delete", "b")]

    def test_what_has_expired(self, full: BaseStorageAdapter) -> None:
        times = [datetime(2024, 1, 1, tzinfo=UTC)]
        with use_clock(lambda: times[0]):
            tokens = full.watch(Token, wait=0)
            full.insert_many(Token, [{"id": "a", "until": times[0] + timedelta(hours=1)}])
            begin = tokens.token
            assert told(tokens) == [("insert", "a")]
            times[0] += timedelta(hours=2)
            assert full.remove_expired(Token) == 1
            assert told(tokens) == [("delete", "a")]
            again = told(full.watch(Token, after=begin, wait=0))
            assert again == [("delete", "a")]

    def test_updates_on_a_query(self, full: BaseStorageAdapter, feed: Watch[Post]) -> None:
        full.insert_many(Post, [{"id": "a"}, {"id": "b"}, {"id": "c", "likes": 9}])
        full.find(Post, likes=0).update(likes__inc=5)
        full.find(Post, id="c").update(title="x")
        found = list(feed)[3:]
        assert sorted(told(found[:2])) == [("update", "a"), ("update", "b")]
        assert [change.document and change.document.likes for change in found] == [5, 5, 9]
        assert found[2].document == Post(id="c", title="x", likes=9)
        with undone(full):
            full.find(Post).update(likes=0)
        assert list(feed) == []


class TestTokens:
    def test_going_on_behind_a_change(self, full: BaseStorageAdapter, feed: Watch[Post]) -> None:
        full.insert_many(Post, [{"id": key} for key in "abcd"])
        changes = list(feed)
        for number, change in enumerate(changes):
            rest = full.watch(Post, after=change.token, wait=0)
            assert told(rest) == told(changes[number + 1 :])

    def test_of_the_watch_itself(self, full: BaseStorageAdapter, feed: Watch[Post]) -> None:
        begin = feed.token
        full.insert_many(Post, [{"id": key} for key in "abc"])
        next(feed)
        assert told(full.watch(Post, after=begin, wait=0)) == [("insert", key) for key in "abc"]
        assert told(full.watch(Post, after=feed.token, wait=0)) == [("insert", k) for k in "bc"]

    def test_changes_that_do_not_match_are_passed(self, full: BaseStorageAdapter) -> None:
        watch = full.watch(Post, likes=5, wait=0)
        full.insert_many(Post, [{"id": key} for key in "abc"])
        before = watch.token
        assert list(watch) == []
        assert watch.token != before
        assert list(full.watch(Post, after=watch.token, wait=0)) == []

    def test_of_another_collection(self, full: BaseStorageAdapter, feed: Watch[Post]) -> None:
        with pytest.raises(InvalidQuery, match="of the collection posts"):
            full.watch(Note, after=feed.token)

    @pytest.mark.parametrize("token", ["", "x", "a/b/c", "=", "ü", 5, b"x"])
    def test_that_are_none(self, full: BaseStorageAdapter, token: Any) -> None:
        with pytest.raises(InvalidQuery, match="takes the token"):
            full.watch(Post, after=token)

    def test_of_another_store(self, full: BaseStorageAdapter, tmp_path: Path) -> None:
        token = full.watch(Post).token
        for url in ("memory://", "sqlite://", f"sqlite:///{tmp_path / 'other.db'}"):
            with connect(url) as other, pytest.raises(ChangesLost, match="anew"):
                other.watch(Post, after=token)

    @pytest.mark.parametrize("engine", WATCHED)
    def test_older_than_what_is_kept(self, engine: str, tmp_path: Path) -> None:
        url = {"memory": "memory://", "sqlite": "sqlite://"}.get(engine)
        url = url or f"{'tinydb' if engine == 'tinydb' else 'sqlite'}:///{tmp_path / 'kept'}"
        with connect(url, kept_changes=10) as db:
            behind, quiet = db.watch(Post, wait=0), db.watch(Note, wait=0)
            Note(id="a").save(db)
            assert told(quiet) == [("insert", "a")]
            db.insert_many(Post, [{} for _ in range(100)])
            tokens = [change.token for change in db.watch(Post, after=_late(db), wait=0)]
            assert 10 <= len(tokens) <= 12
            with pytest.raises(ChangesLost, match="last 10 "):
                next(behind)
            with pytest.raises(ChangesLost, match="kept_changes"):
                db.watch(Post, after=behind.token)
            assert list(quiet) == []  # nothing of this collection is lost
            assert list(db.watch(Note, after=quiet.token, wait=0)) == []
            Note(id="b").save(db)
            assert told(quiet) == [("insert", "b")]

    def test_that_none_are_kept_is_refused(self) -> None:
        for url in ("memory://", "sqlite://"):
            with pytest.raises(InvalidConfig, match="kept_changes"):
                connect(url, kept_changes=0)


def _late(db: BaseStorageAdapter) -> str:
    """The oldest token of the posts that still works."""
    from docmap.storage.watching import token_of

    feed: Any = db.watch(Post)._feed
    log = feed._log if db.scheme == "sqlite" else feed._name
    for position in range(200):
        with suppress(ChangesLost):
            token = token_of(log, "posts", position)
            db.watch(Post, after=token)
            return token
    raise AssertionError


class TestWaiting:
    def test_it_blocks_until_there_is_one(self, full: BaseStorageAdapter) -> None:
        with full.watch(Post) as watch, _soon(lambda: Post(id="a").save(full)):
            assert next(watch).key == "a"

    def test_it_ends_when_nothing_comes(self, full: BaseStorageAdapter) -> None:
        watch = full.watch(Post, wait=0.01)
        assert list(watch) == []
        Post(id="a").save(full)
        assert told(watch) == [("insert", "a")]

    def test_closing_from_another_thread(self, full: BaseStorageAdapter) -> None:
        watch = full.watch(Post)
        with _soon(watch.close):
            assert list(watch) == []
        Post(id="a").save(full)
        assert list(watch) == []

    def test_closing_ends_the_loop_that_it_is_in(self, full: BaseStorageAdapter) -> None:
        seen: list[str] = []
        with full.watch(Post) as watch:
            full.insert_many(Post, [{"id": key} for key in "abc"])
            for change in watch:
                seen.append(change.key)
                if change.key == "b":
                    watch.close()
        assert seen == ["a", "b"]

    def test_a_storage_that_is_closed(self, full: BaseStorageAdapter) -> None:
        watch = full.watch(Post)
        with _soon(full.disconnect), pytest.raises(NotConnected):
            next(watch)

    def test_a_storage_that_was_closed_and_opened_again(self, full: BaseStorageAdapter) -> None:
        watch = full.watch(Post)
        full.reconnect()
        Post(id="a").save(full)
        with pytest.raises(NotConnected):
            next(watch)

    def test_threads_share_the_changes(self, full: BaseStorageAdapter) -> None:
        watch, seen = full.watch(Post), list[str]()

        def follow() -> None:
            seen.extend(change.key for change in watch)

        threads = [threading.Thread(target=follow) for _ in range(3)]
        for thread in threads:
            thread.start()
        keys = [f"{number:03}" for number in range(60)]
        for key in keys:
            Post(id=key).save(full)
        with full.watch(Post, wait=0) as done:
            while watch.token != done.token:
                threading.Event().wait(0.005)
        watch.close()
        for thread in threads:
            thread.join()
        assert sorted(seen) == keys


def _soon(action: Callable[[], Any]) -> Any:
    """Run an action in another thread a moment after the block began; wait for it at the end."""

    class Soon:
        def __enter__(self) -> None:
            self.timer = threading.Timer(0.05, action)
            self.timer.start()

        def __exit__(self, *exception: object) -> None:
            self.timer.join()

    return Soon()


class TestRecordsThatDoNotFit:
    def test_the_next_ones_follow(self, full: BaseStorageAdapter, feed: Watch[Post]) -> None:
        full.insert_many("posts", [{"id": "a", "likes": "many"}, {"id": "b"}])
        with pytest.raises(InvalidRecord, match="likes"):
            next(feed)
        assert told(feed) == [("insert", "b")]


class TestUnwatch:
    def test_who_stands_in_the_log_is_told(self, full: BaseStorageAdapter) -> None:
        feed, notes = full.watch(Post, wait=0), full.watch(Note, wait=0)
        Post(id="a").save(full)
        token = next(feed).token
        full.unwatch(Post)
        full.unwatch(Post)
        full.unwatch(Ticket)
        for _ in range(2):
            with pytest.raises(ChangesLost, match="unwatch"):
                next(feed)
            Post().save(full)
        with pytest.raises(ChangesLost):
            full.watch(Post, after=token)
        Note(id="b").save(full)
        assert told(notes) == [("insert", "b")]

    def test_it_can_be_watched_again(self, full: BaseStorageAdapter) -> None:
        old = full.watch(Post, wait=0)
        full.unwatch(Post)
        Post(id="a").save(full)
        new = full.watch(Post, wait=0)
        Post(id="b").save(full)
        assert told(new) == [("insert", "b")]
        with pytest.raises(ChangesLost):
            next(old)
        with pytest.raises(ChangesLost):
            full.watch(Post, after=old.token)

    def test_it_wakes_who_waits(self, full: BaseStorageAdapter) -> None:
        feed = full.watch(Post)
        with _soon(lambda: full.unwatch(Post)), pytest.raises(ChangesLost):
            next(feed)

    def test_not_inside_a_transaction(self, full: BaseStorageAdapter) -> None:
        full.watch(Post)
        with full.transaction(), pytest.raises(InvalidQuery):
            full.unwatch(Post)

    def test_numbers_are_not_used_again(self, full: BaseStorageAdapter) -> None:
        notes = full.watch(Note, wait=0)
        full.watch(Post)
        Note(id="a").save(full)
        full.insert_many(Post, [{} for _ in range(5)])
        assert told(notes) == [("insert", "a")]
        full.unwatch(Post)
        Note(id="b").save(full)
        assert told(notes) == [("insert", "b")]


class TestEnginesWithout:
    def test_they_say_which_can(self) -> None:
        with Bare() as db:
            assert "watch" not in db.abilities
            with pytest.raises(Unsupported, match="Engines that have: memory, "):
                db.watch(Post)

    def test_those_that_can_say_so(self, full: BaseStorageAdapter) -> None:
        assert "watch" in full.abilities


# -- random programs


@pytest.mark.parametrize("seed", range(25))
def test_the_changes_are_what_the_program_did(seed: int, tmp_path: Path) -> None:
    """Of every engine alike; played back, they give what is stored."""
    found = []
    for name in WATCHED:
        with MAKERS[name](tmp_path) as db:
            watch = db.watch(Post, wait=0)
            _program(db, random.Random(seed))
            changes = [(c.kind, c.key, c.document and c.document.likes) for c in watch]
            played: dict[str, int] = {}
            for kind, key, likes in changes:
                assert (kind == "insert") == (key not in played)
                if kind == "delete":
                    del played[key]
                else:
                    played[key] = likes or 0
            assert played == {post.id: post.likes for post in db.find(Post)}
            found.append(changes)
    assert all(one == found[0] for one in found)


def _program(db: BaseStorageAdapter, rng: random.Random, depth: int = 0) -> None:
    for _ in range(rng.randrange(3, 10)):
        key, likes = rng.choice("abcdef"), rng.randrange(100)
        step = rng.randrange(9 if depth < 2 else 7)
        with suppress(DuplicateKey):
            if step == 0:
                db.insert(Post(id=key, likes=likes))
            elif step == 1:
                db.upsert(Post(id=key, likes=likes))
            elif step == 2:
                db.delete(Post, key)
            elif step == 3:
                db.find(Post, id=key).delete()
            elif step == 4:
                rows = [{"id": one, "likes": likes} for one in rng.sample("abcdef", 3)]
                db.insert_many(Post, rows)
            elif step == 5:
                for post in db.find(Post).order_by("id"):
                    post.likes += 1
                    post.save()
            elif step == 6:
                db.find(Post, id=key).update(likes__inc=1)
            elif step == 7:
                with db.transaction():
                    _program(db, rng, depth + 1)
            else:
                with undone(db):
                    _program(db, rng, depth + 1)
