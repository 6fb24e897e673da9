"""`wrap`: an object that follows the public names, and derives from nothing, is a storage."""
# ruff: noqa: RUF012 - pydantic copies the defaults of a model

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

import docmap
from docmap import (
    BaseStorageAdapter,
    Document,
    DuplicateKey,
    InvalidConfig,
    InvalidRecord,
    NotConnected,
    Q,
    StaleDocument,
    StorageError,
    Unsupported,
    connect,
)
from docmap.storage.wrap import WrappedStorage
from tests.model.shop import NOW, Address, Customer, Note, Order, Ticket


def name_of(model: Any) -> str:
    return model if isinstance(model, str) else model.__name__


class PlainQuery:
    """What `get_query` gives: the names of a query, over a list of dicts."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    def where(self, **conditions: Any) -> PlainQuery:
        found = [r for r in self.rows if all(r.get(n) == v for n, v in conditions.items())]
        return PlainQuery(found)

    def order_by(self, name: str) -> PlainQuery:
        plain = name.removeprefix("-")
        return PlainQuery(sorted(self.rows, key=lambda r: r[plain], reverse=name != plain))

    def values(self, name: str) -> list[Any]:
        return list({row[name]: None for row in self.rows})

    def count(self) -> int:
        return len(self.rows)

    def delete(self) -> None:
        self.rows.clear()


class Plain:
    """A backend of dicts, as the old manual describes one."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[Any, dict[str, Any]]] = {}

    def get(self, model: Any, primary_key: Any) -> dict[str, Any]:
        return copy.deepcopy(self.tables[name_of(model)][primary_key])

    def save(self, model: Any, data: dict[str, Any], primary_key: Any = None) -> Any:
        self.tables.setdefault(name_of(model), {})[primary_key] = copy.deepcopy(data)
        return primary_key

    def delete(self, model: Any, primary_key: Any) -> None:
        del self.tables[name_of(model)][primary_key]

    def get_query(self, model: Any) -> PlainQuery:
        return PlainQuery([dict(row) for row in self.tables.get(name_of(model), {}).values()])


class Full(Plain):
    """One with a life, too."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def connect(self) -> None:
        self.calls.append("connect")

    def disconnect(self) -> None:
        self.calls.append("disconnect")

    def sync(self) -> None:
        self.calls.append("sync")

    def clear(self) -> None:
        self.tables.clear()


@pytest.fixture
def backend() -> Plain:
    return Plain()


@pytest.fixture
def wrapped(backend: Plain) -> Iterator[BaseStorageAdapter]:
    with docmap.storage.wrap(backend) as storage:
        yield storage


class TestWrap:
    def test_it_is_connected_at_once(self, backend: Plain) -> None:
        storage = docmap.storage.wrap(backend)
        storage.save(Note(id="a"))
        assert storage.native is backend
        assert storage.scheme == "wrapped"
        assert storage.abilities == frozenset()

    @pytest.mark.parametrize("names", [["get"], ["save"], ["delete"], ["get_query", "get"]])
    def test_missing_names_are_refused(self, names: list[str]) -> None:
        methods = {n: getattr(Plain, n) for n in ("get", "save", "delete", "get_query")}
        lacking = type("Lacking", (), {n: m for n, m in methods.items() if n not in names})
        with pytest.raises(InvalidConfig, match="Lacking cannot be wrapped") as caught:
            docmap.storage.wrap(lacking())
        for name in names:
            assert f"no {name}" in str(caught.value)

    def test_a_name_that_is_no_method_is_missing(self, backend: Plain) -> None:
        backend.save = "yes"  # type: ignore[method-assign,assignment]
        with pytest.raises(InvalidConfig, match="no save"):
            docmap.storage.wrap(backend)

    def test_its_life_is_passed_on(self) -> None:
        backend = Full()
        with docmap.storage.wrap(backend) as storage:
            storage.sync()
            storage.save(Note())
            storage.clear()
            assert storage.find(Note).count() == 0
        assert backend.calls == ["connect", "sync", "disconnect"]
        with pytest.raises(NotConnected):
            storage.save(Note())

    def test_an_open_backend_can_be_wrapped(self) -> None:
        """The page has `connect` raise RuntimeError if the connection is not closed yet."""

        class Strict(Full):
            def connect(self) -> None:
                if "connect" in self.calls:
                    raise RuntimeError("connected already")
                super().connect()

        backend = Strict()
        backend.connect()
        storage = docmap.storage.wrap(backend)
        storage.save(Note())
        assert storage.find(Note).count() == 1

    def test_one_that_cannot_connect_says_why(self) -> None:
        class Broken(Full):
            def connect(self) -> None:
                raise OSError("no cable")

        with pytest.raises(StorageError, match="Broken") as caught:
            docmap.storage.wrap(Broken())
        assert isinstance(caught.value.__cause__, OSError)

    def test_what_it_cannot_do(self, wrapped: BaseStorageAdapter) -> None:
        wrapped.sync()
        with pytest.raises(Unsupported):
            wrapped.clear()
        with pytest.raises(Unsupported), wrapped.transaction():
            pass
        with pytest.raises(Unsupported, match="count keys"):
            wrapped.save(Ticket())


class TestDocuments:
    def test_records_are_dicts_with_a_revision(
        self, wrapped: BaseStorageAdapter, backend: Plain
    ) -> None:
        note = Note(id="a", text="x")
        wrapped.save(note)
        stored = backend.tables["Note"]["a"]
        revision = stored["_revision"]
        assert stored == {"id": "a", "text": "x", "stars": 0, "done": None, "_revision": revision}
        note.text = "y"
        note.save()
        assert backend.tables["Note"]["a"]["_revision"] == revision + 1
        assert wrapped.get(Note, "a") == note

    def test_revisions_are_checked(self, wrapped: BaseStorageAdapter) -> None:
        wrapped.save(Note(id="a"))
        mine, theirs = wrapped.get(Note, "a"), wrapped.get(Note, "a")
        theirs.save()
        with pytest.raises(StaleDocument):
            mine.save()
        with pytest.raises(DuplicateKey):
            wrapped.insert(theirs)
        assert theirs.delete()
        with pytest.raises(StaleDocument):
            theirs.save()
        assert wrapped.delete(Note, "a") is False

    def test_a_record_of_its_own_has_none(
        self, wrapped: BaseStorageAdapter, backend: Plain
    ) -> None:
        backend.tables["Note"] = {"a": {"id": "a", "text": "old", "stars": 1, "done": None}}
        note = wrapped.get(Note, "a")
        note.text = "new"
        note.save()
        assert backend.tables["Note"]["a"]["_revision"] == 1

    def test_unknown_fields_are_kept(self, wrapped: BaseStorageAdapter, backend: Plain) -> None:
        backend.tables["Note"] = {"a": {"id": "a", "text": "x", "more": [1]}}
        wrapped.get(Note, "a").save()
        assert backend.tables["Note"]["a"]["more"] == [1]

    def test_unique_indexes_hold(self, wrapped: BaseStorageAdapter) -> None:
        wrapped.save(Order(number="1"))
        with pytest.raises(DuplicateKey):
            wrapped.save(Order(number="1"))

    def test_bulk(self, wrapped: BaseStorageAdapter) -> None:
        with pytest.raises(DuplicateKey) as caught:
            wrapped.insert_many(Order, [{"number": n} for n in "121"])
        assert caught.value.done == 2
        assert wrapped.find(Order).values("number") == ["1", "2"]
        assert wrapped.delete_many(wrapped.find(Order)) == 2

    def test_untyped(self, wrapped: BaseStorageAdapter, backend: Plain) -> None:
        wrapped.insert_many("things", [{"id": 1, "a": Decimal("1.10")}, {"id": "x"}])
        assert backend.tables["things"][1]["a"] == {"$decimal": "1.10"}
        assert wrapped.find("things", a=Decimal("1.1")).one() == {"id": 1, "a": Decimal("1.10")}
        assert wrapped.get_many("things", ["x", 1])[0] == {"id": "x"}
        assert wrapped.collections() == ["things"]

    def test_a_backend_may_give_documents(self) -> None:
        class Giving(Plain):
            def get(self, model: Any, primary_key: Any) -> Any:
                row = super().get(model, primary_key)
                return model.model_validate(row)

        with docmap.storage.wrap(Giving()) as storage:
            storage.save(Note(id="a", text="x"))
            assert storage.get(Note, "a").text == "x"

    def test_nothing_else(self) -> None:
        class Odd(Plain):
            def get(self, model: Any, primary_key: Any) -> Any:
                return [primary_key]

        with docmap.storage.wrap(Odd()) as storage, pytest.raises(InvalidRecord, match="list"):
            storage.get(Note, "a")

    def test_none_is_missing_too(self) -> None:
        class Gentle(Plain):
            def get(self, model: Any, primary_key: Any) -> Any:
                return self.tables.get(name_of(model), {}).get(primary_key)

        with docmap.storage.wrap(Gentle()) as storage:
            note = Note()
            storage.save(note)
            assert storage.get_or_create(Note, id=note.id) == (note, False)
            with pytest.raises(KeyError):
                storage.get(Note, "nope")

    def test_another_key_than_the_given_is_an_error(self) -> None:
        class Renaming(Plain):
            def save(self, model: Any, data: dict[str, Any], primary_key: Any = None) -> Any:
                return "other"

        with (
            docmap.storage.wrap(Renaming()) as storage,
            pytest.raises(StorageError, match="another key"),
        ):
            storage.save(Note(id="a"))

    def test_its_own_exception_is_the_cause(self) -> None:
        class Broken(Plain):
            def save(self, model: Any, data: dict[str, Any], primary_key: Any = None) -> Any:
                raise OSError("disk full")

            def get_query(self, model: Any) -> PlainQuery:
                raise OSError("no cable")

        with docmap.storage.wrap(Broken()) as storage:
            for use in (lambda: storage.save(Note()), lambda: storage.find(Note).list()):
                with pytest.raises(StorageError, match=r"Broken\.\w+ failed") as caught:
                    use()
                assert isinstance(caught.value.__cause__, OSError)
                assert caught.value.engine == "wrapped"


class Everything(Document, collection="everything"):
    name: str
    number: int
    price: Decimal | None = None
    tags: list[str] = []
    at: Any = None
    customer: Customer | None = None
    when: Any = None
    customers: list[Customer] = []


ROWS = [
    Everything(
        id=f"{number:02}",
        name=("Ärger", "apple", "Apple pie", "100%")[number % 4],
        number=number - 3,
        price=None if number % 3 else Decimal(number) / 4,
        tags=["red", "green", "blue"][: number % 4],
        at=NOW + timedelta(days=number, hours=number),
        customer=Customer(name="Ann", address=Address(city="Rome")) if number % 2 else None,
        customers=[Customer(name=name) for name in "abc"[: number % 3]],
    )
    for number in range(16)
]

CONDITIONS: list[dict[str, Any]] = [
    {"name": "apple"},
    {"name__not_equals": "apple"},
    {"number__gt": 3, "number__lte": 9},
    {"number__gte": 3, "number__lt": 9},
    {"number__between": (0, 5)},
    {"number__in": [1, 2, 99]},
    {"number__not_in": [1, 2, 99]},
    {"price": None},
    {"price__is_null": False},
    {"price__exists": True},
    {"price__gt": Decimal("0.5")},
    {"name__contains": "ppl"},
    {"name__icontains": "APP"},
    {"name__startswith": "App"},
    {"name__istartswith": "APP"},
    {"name__endswith": "ie"},
    {"name__iendswith": "IE"},
    {"name__iexact": "ÄRGER"},
    {"name__matches": "^[a-z]+$"},
    {"name__matches_caseless": "^APPLE"},
    {"name__like": "100\\%"},
    {"tags__contains": "green"},
    {"tags__contains_any": ["green", "pink"]},
    {"tags__contains_all": ["red", "green"]},
    {"tags__size": 2},
    {"tags": ["red"]},
    {"tags__any": Q(startswith="b")},
    {"tags__all": Q(startswith="r")},
    {"customers__any": Q(name="b")},
    {"customer__address__city": "Rome"},
    {"customer__name__in": ["Ann", None]},
    {"at__gt": NOW + timedelta(days=4)},
    {"at__year": 2024, "at__month": 5},
    {"at__day": 20},
    {"at__hour": 15},
    {"at__weekday": 2},
    {"name": "nobody"},
]


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[BaseStorageAdapter, BaseStorageAdapter]]:
    """A wrapped storage and the reference, with the same documents."""
    with docmap.storage.wrap(Plain()) as storage, connect("memory://") as memory:
        for db in (storage, memory):
            db.insert_many([row.model_copy(update={"id": row.id}) for row in ROWS])
        yield storage, memory


class TestVocabulary:
    @pytest.mark.parametrize("conditions", CONDITIONS, ids=str)
    def test_every_lookup_means_what_it_means_in_memory(
        self,
        pair: tuple[BaseStorageAdapter, BaseStorageAdapter],
        conditions: dict[str, Any],
    ) -> None:
        query, reference = (db.find(Everything, **conditions) for db in pair)
        wanted = reference.order_by("id").list()
        assert query.order_by("id").list() == wanted
        assert sorted(one.id for one in query) == [one.id for one in wanted]
        assert query.count() == len(wanted)
        assert query.exists() == bool(wanted)
        assert query.order_by("-number", "name")[1:4].list() == (
            reference.order_by("-number", "name")[1:4].list()
        )
        assert query.values("name") == reference.values("name")
        assert query.first() == reference.first()
        outside = [db.find(Everything).where_not(**conditions).order_by("id").list() for db in pair]
        assert outside[0] == outside[1]
        assert len(outside[0]) + len(wanted) == len(ROWS)

    def test_the_table_above_has_every_lookup(self) -> None:
        used = {
            name.split("__")[-1] for conditions in CONDITIONS for name in conditions if "__" in name
        }
        api = set(
            """not_equals gt gte lt lte between in not_in contains icontains contains_any
            contains_all startswith istartswith endswith iendswith iexact matches matches_caseless
            like exists is_null year month day hour weekday size any all""".split()
        )
        assert api <= used

    def test_delete_by_query(self) -> None:
        with docmap.storage.wrap(Plain()) as storage:
            storage.insert_many([row.model_copy(update={"id": row.id}) for row in ROWS])
            assert storage.find(Everything, number__lt=0).delete() == 3
            assert storage.find(Everything).count() == 13

    def test_explain_says_that_docmap_filters(self, wrapped: BaseStorageAdapter) -> None:
        assert isinstance(wrapped, WrappedStorage)
        explanation = wrapped.find(Everything, name="a").explain()
        assert explanation.scan
        assert explanation.data["residual"] == "name == ?"
