"""Options of calls: views of a storage, their values, and the deadline of what runs."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic
from typing import Any, ClassVar

import pytest

from docmap import (
    BaseStorageAdapter,
    Document,
    InvalidConfig,
    ScanRefused,
    Unavailable,
    connect,
)
from docmap.plan.engine import NativeQuery, Record
from docmap.schema.schema import Schema
from docmap.storage import deadlines
from docmap.storage.call_options import KEEP
from docmap.storage.loading import state_of
from tests.storage.bare import Bare


class Note(Document, collection="notes"):
    text: str = ""


SOON = 1e-9
"""A timeout that is over before anything can be done."""
AMPLE = 3600.0


class Clocked(Bare):
    """Notes which deadline each of its hooks is given; a server of some kind."""

    default_timeout: ClassVar[float | None] = 30.0

    def __init__(self, url: str | None = None, **options: Any) -> None:
        super().__init__(url, **options)
        self.seen: list[tuple[str, float | None]] = []

    def _connect(self) -> None:
        self._note("connect")
        super()._connect()

    def _get(self, schema: Schema, key: Any) -> Record | None:
        self._note("get")
        return super()._get(schema, key)

    def _find(self, schema: Schema, query: NativeQuery) -> Iterator[Record]:
        for record in super()._find(schema, query):
            self._note("find")
            yield record

    def _put(self, schema: Schema, key: Any, record: Record) -> None:
        self._note("put")
        super()._put(schema, key, record)

    def _note(self, name: str) -> None:
        self.seen.append((name, self.deadline()))

    def left(self, name: str) -> set[float]:
        """The seconds that the hooks of a name had, to tens; then forget them."""
        now = monotonic()
        found = {round((at or 0) - now, -1) for hook, at in self.seen if hook == name}
        self.seen.clear()
        return found


@pytest.fixture
def clocked() -> Iterator[Clocked]:
    with Clocked() as storage:
        yield storage
    assert deadlines.caller.deadline is None


class TestViews:
    def test_each_option_is_kept_by_itself(self, db: BaseStorageAdapter) -> None:
        view = db.options(timeout=5).options(consistency="causal").options(allow_scan=False)
        view = view.options(read_preference="nearest")
        assert (view.call_timeout, view.consistency) == (5.0, "causal")
        assert (view.allow_scan, view.read_preference) == (False, "nearest")
        timeout = None if db.default_timeout is None else 30.0
        assert (db.call_timeout, db.consistency, db.read_preference) == (timeout, None, None)
        view = view.options(write_concern=1).options(read_concern="local")
        assert (view.write_concern, view.read_concern, view.allow_scan) == (1, "local", False)
        assert (db.write_concern, db.read_concern) == (None, None)
        assert view.same(db)

    def test_none_is_what_the_storage_was_opened_with(self) -> None:
        assert Clocked().call_timeout == 30
        storage = Clocked("bare://?timeout=7")
        assert storage.options(timeout=2).options(timeout=None).call_timeout == 7
        view = storage.options(consistency="strong", read_preference="primary")
        view = view.options(consistency=None, read_preference=None)
        assert (view.consistency, view.read_preference) == (None, None)

    def test_the_timeout_of_an_embedded_engine_is_about_locks(self) -> None:
        assert connect("sqlite://?timeout=7").call_timeout is None

    def test_the_options_of_a_query_are_its_own(self, db: BaseStorageAdapter) -> None:
        db.save(Note(id="a", text="x"))
        query = db.find(Note, text="x")
        strict = query.options(allow_scan=False, timeout=AMPLE)
        with pytest.raises(ScanRefused):
            strict.list()
        assert strict.options(allow_scan=True).count() == query.count() == 1

    def test_a_document_of_such_a_query_belongs_to_the_storage(
        self, full: BaseStorageAdapter
    ) -> None:
        full.save(Note(id="a"))
        query = full.find(Note).options(timeout=AMPLE)
        for found in (query.one(), *query, query.find_one_and_update(text="x")):
            assert state_of(found).storage is full  # type: ignore[union-attr]
        strict = full.options(timeout=AMPLE)
        assert state_of(strict.get(Note, "a")).storage is strict  # type: ignore[union-attr]


class TestValues:
    @pytest.mark.parametrize("wrong", [0, -1, True, "5", float("inf"), float("nan"), [1]])
    def test_a_timeout_is_a_time(self, db: BaseStorageAdapter, wrong: Any) -> None:
        for ask in (db.options, db.find(Note).options):
            with pytest.raises(InvalidConfig, match="timeout is a number of seconds above 0"):
                ask(timeout=wrong)

    @pytest.mark.parametrize(
        ("name", "wrong", "meant"),
        [
            ("consistency", "stron", "strong"),
            ("consistency", 1, None),
            ("consistency", ["strong"], None),
            ("read_preference", "primaryPreferred", "primary_preferred"),
            ("read_concern", "majorty", "majority"),
            ("write_concern", "majorty", "majority"),
            ("write_concern", True, None),
        ],
    )
    def test_an_unknown_value(self, name: str, wrong: Any, meant: str | None) -> None:
        options: dict[str, Any] = {name: wrong}
        with pytest.raises(InvalidConfig, match=f"{name} is not") as caught:
            connect("memory://").options(**options)
        assert caught.value.field == name
        if meant is not None:
            assert meant in caught.value.suggestions

    @pytest.mark.parametrize("wrong", [0, -1, 51])
    def test_a_write_is_confirmed_by_somebody(self, db: BaseStorageAdapter, wrong: int) -> None:
        with pytest.raises(InvalidConfig, match="write_concern is a number of copies from 1"):
            db.options(write_concern=wrong)

    @pytest.mark.parametrize("given", [{"timeout": 0.0}, {"timeout": -3}])
    def test_a_wrong_timeout_of_a_server(self, given: dict[str, Any]) -> None:
        with pytest.raises(InvalidConfig, match="above 0"):
            Clocked(**given)

    def test_the_url_of_a_server_takes_a_timeout(self) -> None:
        with pytest.raises(InvalidConfig, match="timeout"):
            Clocked("bare://?timeout=soon")


class TestDeadlines:
    def test_an_operation_has_one(self, clocked: Clocked) -> None:
        assert clocked.left("connect") == {30}
        clocked.options(timeout=100).save(Note(id="a"))
        ((_, first), *others) = clocked.seen
        assert others
        assert {at for _, at in others} == {first}
        assert clocked.left("put") == {100}

    def test_what_is_inside_another_ends_with_it(self, clocked: Clocked) -> None:
        clocked.save(Note(id="a"))
        clocked.seen.clear()
        hasty = clocked.options(timeout=20)

        @clocked.before("save", Note)
        def look(note: Note) -> None:
            clocked.options(timeout=100).get(Note, "a")

        hasty.save(Note(id="b"))
        assert clocked.left("get") == {20}
        clocked.options(timeout=100).get(Note, "a")
        assert clocked.left("get") == {100}

    def test_an_update_and_what_belongs_to_it_share_one(self, clocked: Clocked) -> None:
        clocked.insert_many(Note, [{"id": "a"}, {"id": "b"}])
        clocked.seen.clear()
        clocked.options(timeout=100).find(Note).update(text="x")
        assert {name for name, _ in clocked.seen} >= {"find", "put"}
        assert len({at for _, at in clocked.seen}) == 1

    def test_it_ends_with_an_error(self, clocked: Clocked) -> None:
        with pytest.raises(KeyError):
            clocked.options(timeout=5).get(Note, "a")
        assert deadlines.caller.deadline is None

    def test_a_stream_has_one_while_it_reads(self, clocked: Clocked) -> None:
        clocked.insert_many(Note, [{} for _ in range(100)])
        for _ in clocked.options(timeout=20).find(Note):
            assert deadlines.caller.deadline is None
            assert clocked.left("find") <= {20}

    def test_a_bulk_write_has_none_as_a_whole(self, clocked: Clocked) -> None:
        rows: list[dict[str, Any]] = [{"id": str(n)} for n in range(20)]
        clocked.insert_many(Note, rows, batch_size=1)
        assert len({at for name, at in clocked.seen if name == "put"}) == 20


class TestInTime:
    @pytest.fixture
    def many(self, full: BaseStorageAdapter) -> BaseStorageAdapter:
        full.insert_many(Note, [{"text": str(n)} for n in range(200)])
        return full

    def test_a_stream_ends(self, many: BaseStorageAdapter) -> None:
        with pytest.raises(Unavailable, match="did not end the operation within its timeout"):
            many.find(Note).options(timeout=SOON).list()
        assert many.find(Note).options(timeout=AMPLE).count() == 200

    def test_filtering_ends(self) -> None:
        with Bare() as bare:
            bare.save(Note(text="x"))
            residual = bare.find(Note, text__icontains="ß")
            with pytest.raises(Unavailable):
                residual.options(timeout=SOON).count()
            assert residual.options(timeout=AMPLE).count() == 0

    def test_the_storage_works_on(self, many: BaseStorageAdapter) -> None:
        hasty = many.options(timeout=SOON)
        with pytest.raises(Unavailable) as caught:
            hasty.find(Note).list()
        assert caught.value.engine == many.scheme
        if many.default_timeout is None:
            hasty.save(Note(id="a"))  # a write is not given up
        else:
            with pytest.raises(Unavailable):  # it was not even sent
                hasty.save(Note(id="a"))
            many.save(Note(id="a"))
        assert many.get(Note, "a").text == ""


def test_the_sentinel_shows_as_itself() -> None:
    assert repr(KEEP) == "KEEP"
