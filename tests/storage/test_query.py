"""Queries: built once and never changed, checked at once, lazy, and asked in one statement."""
# ruff: noqa: RUF012 - pydantic copies the defaults of a model

from __future__ import annotations

import copy
from collections.abc import Callable
from decimal import Decimal
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from docmap import (
    BaseStorageAdapter,
    Document,
    DocumentNotFound,
    Index,
    InvalidQuery,
    MultipleFound,
    Q,
    Query,
    ScanRefused,
    col,
    connect,
    path,
)
from tests.model.shop import Customer, Note, Order
from tests.storage.bare import Bare


class Item(Document, collection="items", indexes=[Index("kind", "-size")]):
    kind: str = "a"
    size: int = 0
    price: Decimal | None = None
    tags: list[str] = []
    owner: Customer | None = None


class Tool(Document, collection="tools"):
    """Its fields have names of Item's."""

    kind: str = ""
    size: int = 0


ITEMS = [
    Item(id=f"{number:02}", kind="ab"[number % 2], size=number // 3, tags=["x"] * (number % 3))
    for number in range(20)
]


@pytest.fixture
def items(db: BaseStorageAdapter) -> Query[Item]:
    db.insert_many([item.model_copy(update={"id": item.id}) for item in ITEMS])
    return db.find(Item)


def ids(query: Any) -> list[str]:
    return [item.id for item in query]


class TestImmutable:
    STEPS: tuple[Callable[[Any], Any], ...] = (
        lambda q: q.where(kind="a"),
        lambda q: q.where_not(size__gt=2),
        lambda q: q.order_by("-size"),
        lambda q: q[2:5],
        lambda q: q.limit(3),
        lambda q: q.offset(3),
        lambda q: q.options(allow_scan=False),
        lambda q: q.on_invalid("skip"),
        lambda q: q.raw(),
    )

    @pytest.mark.parametrize("step", STEPS)
    def test_every_step_gives_a_new_query(
        self, items: Query[Item], step: Callable[[Any], Any]
    ) -> None:
        before, shown = items.list(), repr(items)
        changed = step(items)
        assert changed is not items
        assert items.list() == before
        assert repr(items) == shown

    def test_one_query_is_asked_anew_each_time(self, db: BaseStorageAdapter) -> None:
        query = db.find(Note, text="x")
        assert query.count() == 0
        db.save(Note(text="x"))
        assert (query.count(), len(query.list())) == (1, 1)

    def test_a_query_can_be_copied(self, items: Query[Item]) -> None:
        assert copy.copy(items[2:4]).list() == items[2:4].list()

    def test_a_loop_can_be_left_and_started_again(self, items: Query[Item]) -> None:
        for item in items.order_by("id"):
            assert item.id == "00"
            break
        assert len(ids(items)) == 20


class TestConditions:
    def test_narrowing_is_and(self, items: Query[Item]) -> None:
        both = items.where(kind="a").where(size__gte=5)
        assert set(ids(both)) == set(ids(items.where(kind="a", size__gte=5)))
        assert set(ids(both)) == set(ids(items.where(Item.kind == "a", Item.size >= 5)))
        assert set(ids(both)) == set(ids(items.where(Q(kind="a") & (Item.size >= 5))))
        assert both.count() == 2

    def test_where_not_is_the_complement_of_where(self, items: Query[Item]) -> None:
        for conditions in ({}, {"kind": "a"}, {"kind": "a", "size__gt": 3}, {"price": None}):
            inside, outside = ids(items.where(**conditions)), ids(items.where_not(**conditions))
            assert sorted(inside + outside) == [item.id for item in ITEMS]

    def test_no_condition_is_everything(self, items: Query[Item]) -> None:
        assert items.where().count() == items.where(Q()).count() == 20
        assert items.where_not().count() == 0

    def test_find_takes_what_where_takes(self, db: BaseStorageAdapter, items: Query[Item]) -> None:
        assert db.find(Item, Item.size > 5, kind="a").count() == 1
        assert db.get_query(Item).count() == 20

    @pytest.mark.parametrize(
        ("conditions", "suggestions"),
        [
            ({"knd": "a"}, ("kind",)),
            ({"size__gtt": 1}, ("gt", "gte")),
            ({"owner__nme": "x"}, ("name",)),
        ],
    )
    def test_an_unknown_name_is_refused_at_once(
        self, db: BaseStorageAdapter, conditions: dict[str, Any], suggestions: tuple[str, ...]
    ) -> None:
        query = db.find(Item)
        for build in (query.where, query.where_not, lambda **c: db.find(Item, **c), query.get):
            with pytest.raises(InvalidQuery) as caught:
                build(**conditions)
            error = caught.value
            assert set(suggestions) <= set(error.suggestions)
            assert (error.collection, error.engine) == ("items", db.scheme)

    def test_names_of_arguments_are_no_trap(self, db: BaseStorageAdapter) -> None:
        class Odd(Document):
            self: int = 0
            model: int = 0
            key: int = 0
            conditions: int = 0
            name: int = 0

        db.save(Odd(self=1, model=2, key=3, conditions=4, name=5))
        wanted: Any = {"self": 1, "model": 2, "key": 3, "conditions": 4, "name": 5}
        assert db.find(Odd, **wanted).count() == 1
        assert db.find(Odd).where(**wanted).get(**wanted).name == 5
        assert db.find(Odd).where_not(**wanted).count() == 0
        assert db.get_or_create(Odd, **wanted)[1] is False

    def test_python_s_own_truth_is_refused(self, items: Query[Item]) -> None:
        with pytest.raises(InvalidQuery, match="True or False"):
            items.where(True)
        with pytest.raises(InvalidQuery):
            items.where("kind='a'")  # type: ignore[arg-type]


class TestOtherClasses:
    """A field of another class would compare something else than was meant."""

    @pytest.mark.parametrize(
        "use",
        [
            lambda q: q.where(Tool.kind == "a"),
            lambda q: q.where_not(Tool.kind == "a"),
            lambda q: q.where((Item.kind == "a") | (Tool.kind == "a")),
            lambda q: q.get(Tool.kind == "a"),
            lambda q: q.order_by(Tool.kind),
            lambda q: q.order_by("kind", col(Tool.size).desc()),
            lambda q: q.order_by(col(Tool.size).asc()),
            lambda q: q.values(Tool.kind),
        ],
        ids="where where_not or get order_by desc asc values".split(),
    )
    def test_its_fields_are_refused(
        self, items: Query[Item], use: Callable[[Query[Item]], object]
    ) -> None:
        with pytest.raises(InvalidQuery, match="query on Item was given a field of Tool"):
            use(items)

    def test_its_own_are_taken(self, items: Query[Item]) -> None:
        assert items.where(Item.kind == "a").order_by(Item.size).values(Item.size)
        assert ids(items.order_by(col(Item.size).desc())) == ids(items.order_by("-size"))

    def test_an_untyped_collection_takes_none(self, db: BaseStorageAdapter) -> None:
        with pytest.raises(InvalidQuery):
            db.find("items", Item.kind == "a")
        assert db.find("items", path("kind") == "a").count() == 0


class TestOrder:
    def test_the_key_is_always_last(self, items: Query[Item]) -> None:
        by_size = sorted(ITEMS, key=lambda item: (item.size, item.id))
        assert ids(items.order_by("size")) == ids(by_size)
        assert ids(items.order_by("-size")) == ids(by_size[::-1])
        assert ids(items.order_by("size", "-kind")) == ids(
            sorted(sorted(ITEMS, key=lambda i: (i.kind, i.id), reverse=True), key=lambda i: i.size)
        )

    def test_the_last_call_counts(self, items: Query[Item]) -> None:
        assert ids(items.order_by("size").order_by("id")) == [item.id for item in ITEMS]

    def test_null_and_missing_come_first(self, db: BaseStorageAdapter) -> None:
        db.save_many([Item(id="b", price=Decimal(1)), Item(id="c"), Item(id="d", price=Decimal(0))])
        db.insert_many("items", [{"id": "a"}])
        query = db.find(Item).raw()
        assert [row["id"] for row in query.order_by("price")] == ["a", "c", "d", "b"]
        assert [row["id"] for row in query.order_by("-price")] == ["b", "d", "c", "a"]

    @pytest.mark.parametrize(
        "name", ["tags", "-tags", "owner", "nope", "", "-", "size__gt", 5, None]
    )
    def test_what_has_no_order_is_refused(self, items: Query[Item], name: Any) -> None:
        with pytest.raises(InvalidQuery):
            items.order_by(name)

    def test_no_name_at_all(self, items: Query[Item]) -> None:
        with pytest.raises(InvalidQuery, match="at least one"):
            items.order_by()


class TestSlices:
    @pytest.mark.parametrize(
        ("start", "stop"),
        [(0, 5), (5, 10), (18, 30), (20, 25), (100, 200), (5, 5), (7, 3), (None, 4), (4, None)],
    )
    def test_they_are_python_s(
        self, items: Query[Item], start: int | None, stop: int | None
    ) -> None:
        wanted = [item.id for item in ITEMS][start:stop]
        query = items[start:stop]
        assert ids(query) == wanted
        assert (query.count(), len(query), query.exists(), bool(query)) == (
            len(wanted),
            len(wanted),
            bool(wanted),
            bool(wanted),
        )
        first = query.first()
        assert (first.id if first else None) == (wanted[0] if wanted else None)

    def test_limit_and_offset(self, items: Query[Item]) -> None:
        assert ids(items.limit(3)) == ids(items[:3])
        assert ids(items.offset(17)) == ids(items[17:])
        assert ids(items.offset(5).limit(2)) == ["05", "06"]
        assert ids(items.limit(5).offset(2)) == ["02", "03", "04"]
        assert ids(items.limit(10).limit(20)) == ids(items[:10])
        assert (ids(items.limit(0)), items.limit(0).count(), bool(items.limit(0))) == ([], 0, False)

    def test_they_are_ordered_by_key_without_an_order(self, db: BaseStorageAdapter) -> None:
        db.insert_many(Item, [{"id": key} for key in "cbaed"])
        assert ids(db.find(Item)[1:4]) == ["b", "c", "d"]
        assert db.find(Item).first().id == "a"  # type: ignore[union-attr]

    def test_pages_never_overlap(self, items: Query[Item]) -> None:
        query = items.order_by("kind")
        pages = [ids(query[start : start + 6]) for start in range(0, 24, 6)]
        assert list(chain(*pages)) == ids(query)

    def test_an_index(self, items: Query[Item]) -> None:
        query = items.order_by("-id")
        assert (query[0].id, query[19].id, query[5:10][2].id) == ("19", "00", "12")
        for out in (20, 10**9):
            with pytest.raises(IndexError):
                query[out]
        with pytest.raises(IndexError):
            query[5:10][5]

    @pytest.mark.parametrize(
        "index",
        [
            -1,
            slice(-1, None),
            slice(None, -1),
            slice(0, 5, 2),
            slice(0, 5, -1),
            slice(None, None, 0),
            "a",
            1.0,
            True,
            slice("a", None),
            slice(None, 1.5),
            None,
        ],
        ids=str,
    )
    def test_others_are_refused(self, items: Query[Item], index: Any) -> None:
        with pytest.raises(InvalidQuery):
            items[index]

    @pytest.mark.parametrize("count", [-1, 1.5, "1", None, True])
    def test_counts_are_whole_numbers(self, items: Query[Item], count: Any) -> None:
        for method in (items.limit, items.offset):
            with pytest.raises(InvalidQuery):
                method(count)

    @pytest.mark.parametrize(
        "method",
        [
            lambda q: q.where(kind="a"),
            lambda q: q.where_not(kind="a"),
            lambda q: q.order_by("id"),
            lambda q: q.delete(),
            lambda q: q.get(kind="a"),
        ],
        ids="where where_not order_by delete get".split(),
    )
    @pytest.mark.parametrize("cut", [slice(0, 5), slice(5, None), slice(0, 0)], ids=str)
    def test_what_would_change_the_slice_is_refused(
        self, items: Query[Item], cut: slice, method: Callable[[Query[Item]], object]
    ) -> None:
        with pytest.raises(InvalidQuery, match="after a slice"):
            method(items[cut])
        assert items.count() == 20

    def test_values_see_the_slice(self, items: Query[Item]) -> None:
        assert items.order_by("size")[:4].values("size") == [0, 1]
        assert items[:0].values("size") == []

    @given(cuts=st.lists(st.tuples(st.integers(0, 25), st.none() | st.integers(0, 25)), max_size=4))
    def test_they_compose_as_in_python(self, cuts: list[tuple[int, int | None]]) -> None:
        with Bare() as db:
            db.insert_many(Item, [{"id": f"{number:02}"} for number in range(20)])
            query, wanted = db.find(Item), [f"{number:02}" for number in range(20)]
            for start, stop in cuts:
                query, wanted = query[start:stop], wanted[start:stop]
            if cuts:
                assert ids(query) == wanted
            assert query.count() == len(wanted)


class TestEnds:
    def test_first(self, items: Query[Item]) -> None:
        assert items.where(kind="b").order_by("-size").first() == ITEMS[19]
        assert items.where(kind="z").first() is None

    def test_one(self, items: Query[Item]) -> None:
        assert items.where(id="03").one() == ITEMS[3]
        with pytest.raises(DocumentNotFound) as missing:
            items.where(kind="z").one()
        with pytest.raises(MultipleFound) as several:
            items.where(kind="a").one()
        for error in (missing.value, several.value):
            assert error.collection == "items"
            assert error.engine is not None
        assert items[3:4].one() == ITEMS[3]

    def test_get(self, items: Query[Item]) -> None:
        assert items.get(id="03") == items.get(Item.id == "03") == ITEMS[3]
        with pytest.raises(MultipleFound):
            items.get(kind="a")
        with pytest.raises(KeyError):
            items.get(kind="z")

    def test_count_exists_len_bool(self, items: Query[Item]) -> None:
        some, none = items.where(kind="a"), items.where(kind="z")
        assert (some.count(), len(some), some.exists(), bool(some)) == (10, 10, True, True)
        assert (none.count(), len(none), none.exists(), bool(none)) == (0, 0, False, False)

    def test_in(self, items: Query[Item]) -> None:
        assert ITEMS[3] in items
        assert ITEMS[3] not in items.where(kind="a")

    def test_delete(self, items: Query[Item]) -> None:
        assert items.where(kind="a").delete() == 10
        assert items.where(kind="a").delete() == 0
        assert items.count() == 10
        assert items.delete() == 10

    def test_list(self, items: Query[Item]) -> None:
        assert items.order_by("id").list() == ITEMS
        assert isinstance(items.list(), list)

    def test_raw(self, items: Query[Item], db: BaseStorageAdapter) -> None:
        row = items.where(id="04").raw().one()
        assert row == {
            "id": "04",
            "kind": "a",
            "size": 1,
            "price": None,
            "tags": ["x"],
            "owner": None,
        }
        assert items.raw().order_by("id")[4] == row
        assert items.raw().count() == 20
        assert db.find("items", id="04").raw().one() == row


class TestValues:
    def test_distinct_and_ordered(self, items: Query[Item]) -> None:
        assert items.values("kind") == ["a", "b"]
        assert items.values("size") == [0, 1, 2, 3, 4, 5, 6]
        assert items.where(size__gt=4).values(Item.size) == [5, 6]
        assert items.values("price") == []
        assert items.values("price", nulls=True) == [None]

    def test_of_nested_fields(self, db: BaseStorageAdapter) -> None:
        db.save_many([Item(owner=Customer(name=name)) for name in ("b", "a", "b")])
        db.save(Item())
        for name in ("owner.name", "owner__name", path("owner", "name"), Item.owner.name):  # type: ignore[union-attr]
            assert db.find(Item).values(name) == ["a", "b"]
        assert db.find(Item).values("owner.name", nulls=True) == [None, "a", "b"]

    @pytest.mark.parametrize("name", ["tags", "owner", path("tags")])
    def test_lists_and_objects_are_refused_naming_each(self, items: Query[Item], name: Any) -> None:
        with pytest.raises(InvalidQuery, match=r"each\(\)") as caught:
            items.values(name)
        assert caught.value.collection == "items"

    def test_each_gives_elements(self, items: Query[Item]) -> None:
        assert items.values(path("tags").each()) == ["x"]
        assert items.values(col(Item.tags).each()) == ["x"]

    def test_an_unknown_name(self, items: Query[Item]) -> None:
        with pytest.raises(InvalidQuery, match="'kind'"):
            items.values("knd")
        with pytest.raises(InvalidQuery, match="lookup"):
            items.values("size__gt")


class TestScans:
    def test_a_scan_is_refused_with_its_plan(self, full: BaseStorageAdapter) -> None:
        full.insert_many(Item, [{"size": 1}])
        query = full.find(Item, size=1, price=Decimal("12345.67")).options(allow_scan=False)
        for use in (
            query.list,
            query.count,
            query.exists,
            query.delete,
            lambda: len(query),
            lambda: bool(query),
            lambda: query.values("size"),
            lambda: query.order_by("size").list(),
        ):
            with pytest.raises(ScanRefused, match="no index serves") as caught:
                use()
            error = caught.value
            assert isinstance(error, InvalidQuery)
            assert error.plan["scan"]
            assert error.plan["engine"] == full.scheme == error.engine
            assert error.plan["collection"] == "items" == error.collection
            assert "12345" not in str(error) + repr(error.plan)
        assert full.find(Item).count() == 1

    def test_an_index_is_no_scan(self, full: BaseStorageAdapter) -> None:
        full.insert_many(Item, [{"kind": kind, "size": 1} for kind in "abc"])
        strict = full.options(allow_scan=False)
        assert strict.find(Item, kind="a").count() == 1
        assert len(strict.find(Item, kind="a").order_by("-size").list()) == 1
        assert strict.find(Item, kind__in=["a", "b"]).count() == 2
        if full.scheme == "sqlite":  # an index in memory goes one way only
            assert strict.find(Item).order_by("kind", "-size")[:2].count() == 2

    def test_what_reads_nothing_is_no_scan(self, full: BaseStorageAdapter) -> None:
        strict = full.options(allow_scan=False)
        assert strict.find(Item, size__in=[]).count() == 0
        assert strict.find(Item)[:0].list() == []

    def test_by_key_is_no_scan(self, full: BaseStorageAdapter) -> None:
        full.insert_many(Item, [{"id": key} for key in "abc"])
        assert full.options(allow_scan=False).find(Item, id="a").one().id == "a"


class TestExplain:
    DATA = frozenset(
        "engine collection condition native residual order order_native slice_native indexes "
        "scan documents statement detail".split()
    )

    def test_as_data(self, full: BaseStorageAdapter) -> None:
        full.insert_many(Item, [{"kind": kind} for kind in "abc"])
        explanation = full.find(Item, kind="a").order_by("-size")[2:5].explain()
        data = explanation.data
        assert data.keys() >= self.DATA
        assert data["engine"] == full.scheme
        assert data["collection"] == "items"
        assert data["condition"] == "kind == ?"
        assert data["order"] == "-size, -id"
        assert (data["native"], data["residual"], data["scan"]) == (True, "", False)
        assert (data["offset"], data["limit"]) == (2, 3)
        assert explanation.indexes == ("(kind, -size)",)
        assert not explanation.scan

    def test_as_text(self, full: BaseStorageAdapter) -> None:
        full.insert_many(Item, [{"kind": "a"}])
        text = str(full.find(Item, kind="a").order_by("-size")[2:5].explain())
        assert text.startswith(f"items on {full.scheme}: uses (kind, -size)")
        for part in ("kind == ?", "-size", "[2:5]"):
            assert part in text

    def test_a_residual_is_shown(self) -> None:
        with Bare() as db:
            db.insert_many(Item, [{"kind": "a"}])
            explanation = db.find(Item, kind="a").order_by("size").explain()
            assert explanation.data["residual"] == "kind == ?"
            assert explanation.scan
            assert (explanation.data["native"], explanation.data["order_native"]) == (False, False)
            assert "filtered by docmap" in str(explanation)
            assert "sorted by docmap" in str(explanation)

    def test_it_reads_no_document(self) -> None:
        with Bare() as db:
            db.insert_many(Item, [{"kind": "a"}])
            db.calls.clear()
            db.find(Item, kind="a", size__in=[]).explain()
            assert db.calls["scan"] == 0

    def test_a_query_that_matches_nothing(self, db: BaseStorageAdapter) -> None:
        explanation = db.find(Item, size__in=[]).explain()
        assert "nothing is read" in str(explanation)
        assert not explanation.scan


class TestRepr:
    SECRET = "hunter2"  # noqa: S105 - what must not be shown

    def test_it_shows_no_values(self, db: BaseStorageAdapter) -> None:
        queries: list[Query[Any]] = [
            db.find(Item, kind=self.SECRET, owner__name__startswith=self.SECRET),
            db.find(Item, (Item.kind == self.SECRET) | col(Item.tags).contains(self.SECRET)),
            db.find(Item, ~Q(kind=self.SECRET), owner__name__in=[self.SECRET]),
            db.find("things", path("a.b") == self.SECRET),
        ]
        for query in queries:
            shown = repr(query.order_by("id")[1:3])
            assert self.SECRET not in shown + str(query.explain()) + repr(query.explain().data)
            assert db.scheme in shown

    def test_it_shows_the_rest(self, db: BaseStorageAdapter) -> None:
        query = db.find(Item, kind="a").order_by("-size")[5:]
        assert repr(query) == f"<Query Item on {db.scheme}: kind == ?, order -size, -id, [5:]>"
        assert repr(db.find("things")) == f"<Query things on {db.scheme}: everything>"

    def test_debugging_shows_them(
        self, db: BaseStorageAdapter, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DOCMAP_DEBUG", "1")
        assert self.SECRET in repr(db.find(Item, kind=self.SECRET))

    def test_it_asks_nothing(self) -> None:
        with Bare() as db:
            repr(db.find(Item)[:2])
            assert db.calls["scan"] == 0


class TestStreams:
    def test_a_loop_does_not_see_its_own_writes(self, db: BaseStorageAdapter) -> None:
        db.insert_many(Note, [{"id": f"{number:03}", "stars": number} for number in range(50)])
        for query in (db.find(Note), db.find(Note).order_by("stars"), db.find(Note, stars__gte=0)):
            seen = []
            for note in query:
                seen.append(note.id)
                note.stars += 100
                note.save()
                db.save(Note(id=f"new-{note.id}-{note.stars}", stars=note.stars))
                if len(seen) > 300:
                    break
            assert len(seen) == len(set(seen))
            assert [key for key in seen if key.startswith("new")] == [] or len(seen) < 300

    def test_deleting_what_comes(self, db: BaseStorageAdapter) -> None:
        db.insert_many(Note, [{"id": f"{number:03}"} for number in range(40)])
        assert sum(1 for note in db.find(Note).order_by("id") if note.delete()) == 40
        assert db.find(Note).count() == 0

    def test_two_at_once(self, items: Query[Item]) -> None:
        query = items.order_by("id")
        assert all(first == second for first, second in zip(query, query, strict=True))
        assert all(a.id < b.id for a, b in pairwise(query))


class TestStatements:
    """How often an engine is asked: `list(query)` must not count first."""

    WAYS: tuple[tuple[str, Callable[[Any], Any]], ...] = (
        ("list", list),
        ("tuple", tuple),
        ("sorted", lambda query: sorted(query, key=lambda note: note.id)),
        ("[*query]", lambda query: [*query]),
        ("(*query,)", lambda query: (*query,)),
        ("call", lambda query: "{}{}{}".format(*query)),
        ("extend", lambda query: list[Any]().extend(query)),
        ("comprehension", lambda query: [note for note in query]),  # noqa: C416
        ("set", lambda query: {note.id for note in query}),
        ("loop", lambda query: sum(1 for _ in query)),
        ("query.list", lambda query: query.list()),
        ("first", lambda query: query.first()),
        ("one", lambda query: query.where(id="a").one()),
        ("index", lambda query: query[0]),
        ("count", lambda query: query.count()),
        ("len", len),
        ("bool", bool),
        ("exists", lambda query: query.exists()),
        ("values", lambda query: query.values("text")),
    )

    @pytest.mark.parametrize(("name", "way"), WAYS, ids=[name for name, _ in WAYS])
    def test_one_scan_of_an_adapter(self, name: str, way: Callable[[Any], Any]) -> None:
        with Bare() as db:
            db.insert_many(Note, [{"id": key} for key in "abc"])
            query = db.find(Note)
            for _ in range(3):
                db.calls.clear()
                way(query)
                assert db.calls["scan"] == 1

    @pytest.mark.parametrize(("name", "way"), WAYS, ids=[name for name, _ in WAYS])
    def test_one_statement_of_sqlite(self, name: str, way: Callable[[Any], Any]) -> None:
        with connect("sqlite://") as db:
            db.insert_many(Note, [{"id": key} for key in "abc"])
            query, native = db.find(Note), db.native
            way(query)
            for _ in range(3):
                statements: list[str] = []
                native.set_trace_callback(statements.append)
                way(query)
                native.set_trace_callback(None)
                asked = [one for one in statements if not one.startswith("PRAGMA")]
                assert len(asked) == 1, asked

    def test_len_is_the_count_whatever_came_before(self) -> None:
        with Bare() as db:
            db.insert_many(Note, [{"id": key} for key in "abc"])
            query = db.find(Note)
            stream = iter(query)
            assert len(query) == 3
            assert len(list(stream)) == 3
            assert [len(query) for _ in query] == [3, 3, 3]

            def ask(question: Callable[[Any], Any]) -> Any:
                return question(query)

            left = ask(iter)
            assert ask(len) == 3
            assert len([*left]) == 3

    def test_a_loop_that_is_left_is_one_statement(self, tmp_path: Path) -> None:
        with connect(f"sqlite:///{tmp_path / 'a.db'}") as db:
            db.insert_many(Note, [{"id": str(number)} for number in range(1000)])
            for _ in range(20):
                for _note in db.find(Note):
                    break
            db.save(Note())
            assert db.find(Note).count() == 1001


class TestUntyped:
    """The same queries, on dicts."""

    @pytest.fixture
    def countries(self, db: BaseStorageAdapter) -> BaseStorageAdapter:
        db.insert_many(
            "countries",
            [
                {
                    "id": "CL",
                    "name": "Chile",
                    "region": "America",
                    "area": 756_102,
                    "borders": ["AR"],
                },
                {"id": "DE", "name": "Germany", "region": "Europe", "area": 357_114},
                {"id": "MT", "name": "Malta", "region": "Europe", "area": 316.5, "borders": []},
            ],
        )
        return db

    def test_they_give_dicts_in_the_same_language(self, countries: BaseStorageAdapter) -> None:
        query = countries.find("countries", region="Europe")
        assert {row["name"] for row in query} == {"Germany", "Malta"}
        assert [row["id"] for row in query.order_by("-area")] == ["DE", "MT"]
        assert query.values("name") == ["Germany", "Malta"]
        assert countries.find("countries", borders__contains="AR").one()["id"] == "CL"
        assert countries.find("countries", area__gt=316).count() == 3
        assert countries.find("countries", borders__exists=False).count() == 1
        assert countries.find("countries", pk="CL").one()["name"] == "Chile"
        assert query.delete() == 2

    def test_documents_are_copies(self, countries: BaseStorageAdapter) -> None:
        row = countries.get("countries", "CL")
        row["borders"].append("PE")
        assert countries.get("countries", "CL")["borders"] == ["AR"]

    def test_an_empty_collection(self, db: BaseStorageAdapter) -> None:
        query = db.find("nothing", a=1)
        assert (query.list(), query.count(), query.exists(), query.first()) == ([], 0, False, None)
        assert (query.values("a"), query.delete(), query.order_by("a").list()) == ([], 0, [])
        assert db.collections() == []


def test_a_model_that_is_no_document_is_refused(db: BaseStorageAdapter) -> None:
    class Plain(BaseModel):
        a: int = 0

    with pytest.raises(TypeError, match="Plain has no collection"):
        db.find(Plain)


def test_orders_with_everything(db: BaseStorageAdapter) -> None:
    """One query with all of it, as the manual has it."""
    for number in range(30):
        db.save(
            Order(
                number=str(number),
                status=("new", "paid", "sent")[number % 3],
                customer=Customer(name="Ann", country=("DE", "FR")[number % 2]),
                total=Decimal(number * 10),
                tags=["test"] if number % 5 == 0 else [],
            )
        )
    paid = db.find(Order).where(status="paid", customer__country="FR", total__gte=100)
    query = paid.where_not(tags__contains="test").order_by("-total")
    assert [order.number for order in query[:20]] == ["19", "13"]
    either = db.find(Order, (Order.total > 280) | col(Order.tags).contains("test"))
    assert either.count() == 7
    assert paid.values("customer.country") == ["FR"]
