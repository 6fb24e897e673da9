"""What is logged: every operation, slow ones, unindexed scans; and never a value."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from docmap import (
    BaseStorageAdapter,
    DocmapError,
    Document,
    DuplicateKey,
    Index,
    NotConnected,
    Q,
    connect,
    path,
)
from docmap.plan.engine import EnginePlan, Record
from docmap.schema.schema import Schema
from docmap.storage import journal
from tests.model.shop import Note, Ticket
from tests.storage.bare import Bare

SECRET = "hunter2"  # noqa: S105 - what must not be logged


class Fact(Document, collection="facts", indexes=[Index("kind")]):
    kind: str = ""
    text: str = ""
    number: int = 0


class Slow(Bare):
    """A scan takes as long as `pause` says, in seconds, and pretends to read `size` documents."""

    pause = 0.02
    size = 20_000
    indexed = False
    scan_documents = 10_000  # as users have it

    def _scan(self, schema: Schema) -> Iterator[Record]:
        time.sleep(self.pause)
        return super()._scan(schema)

    def _explain(self, schema: Schema, query: Any) -> EnginePlan:
        self.calls["explain"] += 1
        return EnginePlan(scan=not self.indexed, documents=self.size)


class Unexplained(Slow):
    """An engine that is closed by others between a query and the question how it was run."""

    def _explain(self, schema: Schema, query: Any) -> EnginePlan:
        raise NotConnected("closed meanwhile", engine=self.scheme)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, logger="docmap")
    return caplog


def lines(log: pytest.LogCaptureFixture, level: int = logging.DEBUG) -> list[str]:
    """The messages at a level since the last call."""
    found = [record.getMessage() for record in log.records if record.levelno == level]
    log.clear()
    return found


OPERATIONS: list[tuple[Callable[[BaseStorageAdapter], Any], str]] = [
    (lambda db: db.save(Fact(id="new")), "save facts on {}: by key, 1 documents"),
    (lambda db: db.save(Fact, {}), "save facts on {}: by key, 1 documents"),
    (lambda db: db.insert(Fact()), "insert facts on {}: by key, 1 documents"),
    (lambda db: db.upsert(Fact(id="a")), "upsert facts on {}: by key, 1 documents"),
    (lambda db: db.get(Fact, "a"), "get facts on {}: by key, 1 documents"),
    (lambda db: db.get_many(Fact, "abz"), "get_many facts on {}: by key, 2 documents"),
    (lambda db: db.insert_many([Fact(), Fact()]), "insert_many facts on {}: by key, 2 documents"),
    (lambda db: db.insert_many(Fact, [{}] * 3), "insert_many facts on {}: by key, 3 documents"),
    (lambda db: db.save_many([Fact()]), "save_many facts on {}: by key, 1 documents"),
    (lambda db: db.delete(Fact, "a"), "delete facts on {}: by key, 1 documents"),
    (lambda db: db.delete(Fact, "z"), "delete facts on {}: by key, 0 documents"),
    (lambda db: db.delete(db.find(Fact, id="a").one()), "delete facts on {}: by key, 1 documents"),
    (
        lambda db: db.delete_many(db.get_many(Fact, "ab")),
        "delete_many facts on {}: by key, 2 documents",
    ),
    (lambda db: db.get(Fact, "a").reload(), "get facts on {}: by key, 1 documents"),
    (lambda db: "a" in db.collection(Fact), "contains facts on {}: by key, 1 documents"),
    (lambda db: db.find(Fact).list(), "find facts on {}: everything, 2 documents"),
    (lambda db: db.find(Fact, kind="x").list(), "find facts on {}: kind == ?, 1 documents"),
    (lambda db: db.find(Fact).first(), "find facts on {}: everything, 1 documents"),
    (lambda db: db.find(Fact, kind="x").count(), "count facts on {}: kind == ?, 1 documents"),
    (lambda db: db.find(Fact).exists(), "exists facts on {}: everything, 1 documents"),
    (lambda db: db.find(Fact).values("kind"), "values facts on {}: everything, 2 documents"),
    (lambda db: db.find(Fact, text="x").delete(), "delete facts on {}: text == ?, 0 documents"),
    (lambda db: len(db.collection(Fact)), "count facts on {}: everything, 2 documents"),
    (lambda db: db.find("facts").list(), "find facts on {}: everything, 2 documents"),
]


class TestOperations:
    @pytest.mark.parametrize(("operation", "line"), OPERATIONS)
    def test_each_is_a_line(
        self,
        full: BaseStorageAdapter,
        log: pytest.LogCaptureFixture,
        operation: Callable[[BaseStorageAdapter], Any],
        line: str,
    ) -> None:
        """With engine, collection, plan, count and time."""
        full.insert_many([Fact(id="a", kind="x"), Fact(id="b", kind="y")])
        log.clear()
        operation(full)
        last = lines(log)[-1]
        assert re.fullmatch(r".*, \d+\.\d ms", last)
        assert last.rpartition(",")[0] == line.format(full.scheme)

    def test_a_residual_is_named(self, log: pytest.LogCaptureFixture) -> None:
        with Bare() as db:
            db.find(Fact, kind="x").count()
            assert "kind == ? [residual: kind == ?]" in lines(log)[-1]

    def test_what_fails_says_with_what(
        self, db: BaseStorageAdapter, log: pytest.LogCaptureFixture
    ) -> None:
        db.save(Note(id="a"))
        log.clear()
        with pytest.raises(DuplicateKey):
            db.insert(Note(id="a"))
        with pytest.raises(DuplicateKey):
            db.insert_many([Note(id="0"), Note(id="a")])
        with pytest.raises(DocmapError):
            db.get(Note, "z")
        found = lines(log)
        assert f"insert notes on {db.scheme}: by key, 0 documents, DuplicateKey," in found[0]
        assert "insert_many notes" in found[1]
        assert "1 documents, DuplicateKey," in found[1]
        assert "DocumentNotFound" in found[-1]

    def test_a_stream_that_is_left_counts_what_it_gave(
        self, db: BaseStorageAdapter, log: pytest.LogCaptureFixture
    ) -> None:
        db.insert_many([Note() for _ in range(100)])
        log.clear()
        for _ in db.find(Note):
            break
        (line,) = lines(log)
        count = int(re.findall(r"(\d+) documents", line)[0])
        assert 1 <= count < 100

    def test_nothing_is_asked_of_the_engine_for_it(self, log: pytest.LogCaptureFixture) -> None:
        with Slow(scan_documents=10**12) as db:
            db.pause = 0.0
            db.find(Fact, kind="x").count()
            assert db.calls["explain"] == 0

    def test_the_logger_s_level_is_heeded(
        self, db: BaseStorageAdapter, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, logger="docmap")
        db.save(Note())
        db.find(Note).list()
        assert caplog.records == []


class TestSlow:
    def test_over_the_threshold_it_is_a_warning(self, log: pytest.LogCaptureFixture) -> None:
        with Slow(slow_seconds=0.01) as db:
            db.save(Note())
            log.clear()
            db.find(Note, text="x").count()
            db.find(Note).list()
            db.get_many(Note, ["a"])
        warnings = lines(log, logging.WARNING)
        assert [line.split(":")[0] for line in warnings].count("slow") == 3
        assert any(line.startswith("slow: count notes on bare: text == ?") for line in warnings)

    def test_a_failure_too(self, log: pytest.LogCaptureFixture) -> None:
        with Slow(slow_seconds=0.01) as db, pytest.raises(DocmapError):
            db.get(Note, "a")
        assert "slow: get notes" in lines(log, logging.WARNING)[0]

    def test_below_it_is_not(self, log: pytest.LogCaptureFixture) -> None:
        with Slow(slow_seconds=5, scan_documents=10**9) as db:
            db.find(Note).list()
        assert lines(log, logging.WARNING) == []

    def test_the_time_of_the_program_does_not_count(
        self, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = 0.0
        monkeypatch.setattr(journal, "perf_counter", lambda: now)
        with Bare(slow_seconds=0.05) as db:
            db.insert_many([Note() for _ in range(3)])
            for _ in db.find(Note):
                now += 1.0
        assert lines(log, logging.WARNING) == []

    def test_the_url_sets_the_threshold(self, log: pytest.LogCaptureFixture) -> None:
        with connect("memory://?slow_seconds=0") as db:
            db.save(Note())
        assert lines(log, logging.WARNING)[0].startswith("slow: save notes on memory")


class TestScans:
    def test_a_large_one_is_a_warning_once(self, log: pytest.LogCaptureFixture) -> None:
        with Slow() as db:
            for number in range(3):
                db.find(Note, stars=number).count()
                db.find(Note, stars=number).list()
            (warning,) = lines(log, logging.WARNING)
            assert warning.startswith("unindexed scan of notes on bare: stars == ?")
            assert "20000 documents" in warning
            assert "declare an index" in warning
            db.find(Note, text="x").count()
            assert len(lines(log, logging.WARNING)) == 1

    def test_a_small_one_is_not(self, log: pytest.LogCaptureFixture) -> None:
        with Slow() as db:
            db.size = 9_999
            db.find(Note, stars=1).count()
            assert lines(log, logging.WARNING) == []

    def test_until_it_has_grown(self, log: pytest.LogCaptureFixture) -> None:
        with Slow() as db:
            db.size = 5
            db.find(Note, stars=1).count()
            db.size = 10_000
            db.find(Note, stars=1).count()
            assert len(lines(log, logging.WARNING)) == 1

    def test_a_server_is_not_asked_again_for_each_query(
        self, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Slow, "default_timeout", 30.0)
        with Slow() as db:
            db.size = 5
            for number in range(4):
                db.find(Note, stars=number).count()
            assert db.calls["explain"] == 1
            db.size = 20_000
            monkeypatch.setattr(journal, "monotonic", lambda: monotonic() + 61)
            db.find(Note, stars=1).count()
            assert db.calls["explain"] == 2
            assert len(lines(log, logging.WARNING)) == 1

    def test_an_indexed_one_is_not(self, log: pytest.LogCaptureFixture) -> None:
        with Slow() as db:
            db.indexed = True
            db.find(Note, stars=1).count()
            assert lines(log, logging.WARNING) == []

    def test_the_threshold_can_be_set(self, log: pytest.LogCaptureFixture) -> None:
        with connect("memory://?scan_documents=10") as db:
            db.insert_many(Fact, [{"number": number} for number in range(200)])
            db.find(Fact, number=5).list()
            (warning,) = lines(log, logging.WARNING)
            assert "about 200 documents" in warning
            db.find(Fact, kind="x").list()
            assert lines(log, logging.WARNING) == []

    def test_of_real_engines(self, tmp_path: Path, log: pytest.LogCaptureFixture) -> None:
        for url in ("memory://", f"sqlite:///{tmp_path / 'a.db'}"):
            with connect(url, scan_documents=50) as db:
                db.insert_many(Fact, [{"kind": str(n), "number": n} for n in range(300)])
                db.find(Fact, kind="5").list()
                assert lines(log, logging.WARNING) == []
                db.find(Fact, number=5).list()
                assert len(lines(log, logging.WARNING)) == 1

    def test_a_stream_closed_after_the_storage(self, log: pytest.LogCaptureFixture) -> None:
        with Slow() as db:
            db.insert_many(Note, [{}, {}])
            stream = iter(db.find(Note))
            next(stream)
        stream.close()  # type: ignore[attr-defined]
        assert db.calls["explain"] == 0

    def test_no_query_fails_for_want_of_a_warning(self, log: pytest.LogCaptureFixture) -> None:
        with Unexplained() as db:
            db.insert(Note(id="a"))
            assert [note.id for note in db.find(Note)] == ["a"]
            assert lines(log, logging.WARNING) == []

    def test_the_queries_that_were_warned_of_are_not_kept_without_end(
        self, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(journal, "_SHAPES_KEPT", 3)
        with Slow() as db:
            for number in range(1, 9):
                db.find(Note, *[Q(stars=1) | Q(stars=one) for one in range(number)]).count()
                assert len(db.scans_seen) <= 3
        assert len(lines(log, logging.WARNING)) == 8


class TestSecrets:
    """Planted in values, keys, operands, options and URLs; never in a line."""

    def test_no_line_holds_one(self, db: BaseStorageAdapter, log: pytest.LogCaptureFixture) -> None:
        db.slow_seconds = 0.0  # everything warns
        db.scan_documents = 0
        db.save(Fact(id=SECRET, kind=SECRET, text=SECRET))
        fact = db.get(Fact, SECRET)
        fact.text = f"{SECRET} again"
        fact.save()
        for query in (
            db.find(Fact, kind=SECRET),
            db.find(Fact, text__contains=SECRET, id=SECRET),
            db.find(Fact, Q(text__startswith=SECRET) | ~Q(kind__in=[SECRET])),
            db.find(Fact, text__matches=SECRET, kind__like=f"%{SECRET}%"),
            db.find("facts", path("text") == SECRET),
        ):
            query.list()
            query.count()
            query.values("kind")
            query.order_by("text")[:3].first()
        db.get_many(Fact, [SECRET])
        db.get_or_create(Fact, kind=SECRET)
        db.save(Fact, {"text": SECRET}, primary_key=SECRET)
        db.insert_many("secrets", [{"id": f"{SECRET}-{n}", "a": SECRET} for n in range(3)])
        for failing in (
            lambda: db.insert(Fact(id=SECRET)),
            lambda: db.get(Fact, f"no {SECRET}"),
            lambda: db.insert_many(Fact, [{"id": SECRET}]),
            lambda: db.save(Fact, {"number": SECRET}),
            lambda: db.find(Fact, number=SECRET),
            lambda: db.save(Ticket.model_construct(id=SECRET, title="")),
        ):
            with pytest.raises(DocmapError):
                failing()
        db.find(Fact, kind=SECRET).delete()
        db.delete(Fact, SECRET)
        assert len(log.records) > 30
        for record in log.records:
            formatted = logging.Formatter("%(message)s %(args)s").format(record)
            assert SECRET not in formatted + repr(record.__dict__)

    def test_nor_a_password(self, log: pytest.LogCaptureFixture) -> None:
        class Guarded(Bare):
            settings = {"password": str}  # noqa: RUF012

        with Guarded(f"bare://user:{SECRET}@host/db?password={SECRET}", slow_seconds=0) as db:
            db.save(Note())
            db.find(Note).list()
            assert SECRET not in repr(db) + str(db.info())
        with pytest.raises(DocmapError) as caught:
            db.save(Note())
        assert SECRET not in str(caught.value) + repr(caught.value)
        assert SECRET not in log.text
