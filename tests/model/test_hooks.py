"""Hooks of document classes and of storages: when they are called, and what a veto stops."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, ClassVar

import pytest

from docmap import (
    BaseStorageAdapter,
    Document,
    DuplicateKey,
    InvalidModel,
    InvalidValue,
    after,
    before,
)
from tests.storage.engines import undone

EVENTS = ("save", "insert", "update", "delete", "load")
calls: list[str] = []


@pytest.fixture(autouse=True)
def _no_calls() -> Iterator[None]:
    calls.clear()
    yield
    calls.clear()


class Veto(Exception):
    """What a hook raises to stop a write; docmap does not know it."""


class Told(Document, collection="told"):
    """Says which of its events happened."""

    text: str = ""

    @before("save", "insert", "update", "delete")
    def was_before(self) -> None:
        calls.append(f"{self.text}:")

    @after("save")
    def saved(self) -> None:
        calls.append(f"{self.text} saved")

    @after("insert")
    def inserted(self) -> None:
        assert not self.is_new
        calls.append(f"{self.text} inserted")

    @after("update")
    def updated(self) -> None:
        calls.append(f"{self.text} updated")

    @after("delete")
    def deleted(self) -> None:
        calls.append(f"{self.text} deleted")

    @after("load")
    def loaded(self) -> None:
        calls.append(f"{self.text} loaded")


class Guarded(Document, collection="guarded"):
    """Refuses to be stored or deleted while its text is `no`."""

    text: str = ""

    @before("save", "delete")
    def check(self) -> None:
        if self.text == "no":
            raise Veto


def said(*wanted: str) -> list[str]:
    """The calls since the last time, those before an event left out unless asked for."""
    found = [one for one in calls if ":" in wanted or not one.endswith(":")]
    calls.clear()
    return found


class TestTheEvents:
    def test_a_new_document(self, db: BaseStorageAdapter) -> None:
        Told(text="a").save(db)
        assert calls == ["a:", "a:", "a inserted", "a saved"]

    def test_a_stored_one(self, db: BaseStorageAdapter) -> None:
        told = Told(text="a")
        told.insert(db)
        calls.clear()
        told.text = "b"
        told.save()
        assert calls == ["b:", "b:", "b updated", "b saved"]

    def test_upsert_finds_out(self, db: BaseStorageAdapter) -> None:
        db.upsert(Told(id="1", text="a"))
        assert said() == ["a inserted", "a saved"]
        db.upsert(Told(id="1", text="b"))
        assert said() == ["b updated", "b saved"]

    def test_data_of_a_key_too(self, db: BaseStorageAdapter) -> None:
        db.save(Told, {"text": "a"}, primary_key="1")
        db.save(Told, {"text": "b"}, primary_key="1")
        db.save(Told, {"text": "c"})
        assert said() == [
            "a inserted",
            "a saved",
            "b updated",
            "b saved",
            "c inserted",
            "c saved",
        ]

    def test_deleting(self, db: BaseStorageAdapter) -> None:
        told = Told(id="1", text="a")
        told.save(db)
        calls.clear()
        told.delete()
        assert calls == ["a:", "a deleted"]
        assert not db.delete(Told, "1")
        assert calls == ["a:", "a deleted"]

    def test_deleting_by_key_loads_the_document(self, db: BaseStorageAdapter) -> None:
        Told(id="1", text="a").save(db)
        calls.clear()
        assert db.delete(Told, "1")
        assert calls == ["a loaded", "a:", "a deleted"]

    def test_loading(self, db: BaseStorageAdapter) -> None:
        db.insert_many([Told(id=str(n), text=str(n)) for n in range(3)])
        calls.clear()
        db.get(Told, "1")
        assert said() == ["1 loaded"]
        db.get_many(Told, ["2", "0", "2"])
        assert said() == ["2 loaded", "0 loaded", "2 loaded"]
        db.find(Told).order_by("text").list()
        assert said() == ["0 loaded", "1 loaded", "2 loaded"]
        db.find(Told).order_by("text").on_invalid("skip").list()
        assert said() == ["0 loaded", "1 loaded", "2 loaded"]
        db.find(Told).order_by("text").first()
        assert said() == ["0 loaded"]
        db.find(Told).raw().list()
        db.find(Told).count()
        assert said() == []

    def test_a_stream_loads_as_it_is_read(self, db: BaseStorageAdapter) -> None:
        db.insert_many([Told(id=str(n), text=str(n)) for n in range(9)])
        calls.clear()
        for told in db.find(Told).order_by("text"):
            if told.text == "2":
                break
        assert said() == ["0 loaded", "1 loaded", "2 loaded"]

    def test_reload_and_get_or_create(self, db: BaseStorageAdapter) -> None:
        told, _ = db.get_or_create(Told, text="a")
        assert said() == ["a inserted", "a saved"]
        told.reload()
        db.get_or_create(Told, text="a")
        assert said() == ["a loaded", "a loaded"]

    def test_a_failed_write_has_no_after(self, db: BaseStorageAdapter) -> None:
        Told(id="1").save(db)
        calls.clear()
        with pytest.raises(DuplicateKey):
            db.insert(Told(id="1", text="a"))
        assert calls == ["a:", "a:"]


class TestBulk:
    def test_each_document_has_its_events(self, db: BaseStorageAdapter) -> None:
        documents = [Told(id="1", text="a"), Told(id="2", text="b")]
        db.insert_many(documents)
        assert said() == ["a inserted", "a saved", "b inserted", "b saved"]
        db.save_many([*documents, Told(id="3", text="c")])
        assert said() == [
            "a updated",
            "a saved",
            "b updated",
            "b saved",
            "c inserted",
            "c saved",
        ]
        db.insert_many(Told, [{"text": "d"}])
        assert said() == ["d inserted", "d saved"]
        db.delete_many(documents)
        assert said() == ["a deleted", "b deleted"]

    def test_before_all_of_a_batch_then_after(self, db: BaseStorageAdapter) -> None:
        db.insert_many([Told(text="a"), Told(text="b"), Told(text="c")], batch_size=2)
        assert [one[:3].strip() for one in calls] == [
            *["a:", "a:", "b:", "b:"],
            *["a i", "a s", "b i", "b s"],
            *["c:", "c:", "c i", "c s"],
        ]

    def test_what_is_written_before_a_failure_has_its_after(self, db: BaseStorageAdapter) -> None:
        Told(id="2").save(db)
        calls.clear()
        with pytest.raises(DuplicateKey):
            db.insert_many([Told(id=key, text=key) for key in "123"])
        assert said() == ["1 inserted", "1 saved"]

    def test_a_veto_stops_there(self, db: BaseStorageAdapter) -> None:
        rows = [Guarded(id=str(n), text=text) for n, text in enumerate(["a", "b", "no", "d"])]
        with pytest.raises(Veto) as caught:
            db.insert_many(rows)
        assert caught.value.__notes__ == ["docmap: 2 documents of insert_many came before it"]
        assert [one.text for one in db.find(Guarded).order_by("id")] == ["a", "b"]

    def test_in_a_transaction_nothing_stays(self, full: BaseStorageAdapter) -> None:
        with pytest.raises(Veto), full.transaction():
            full.insert_many([Guarded(), Guarded(text="no")])
        assert full.find(Guarded).count() == 0

    def test_a_veto_of_a_delete(self, db: BaseStorageAdapter) -> None:
        documents = [Guarded(id=str(n)) for n in range(3)]
        db.insert_many(documents)
        documents[1].text = "no"
        with pytest.raises(Veto):
            db.delete_many(documents)
        assert [one.id for one in db.find(Guarded).order_by("id")] == ["1", "2"]


class TestVeto:
    @pytest.mark.parametrize("ask", ["save", "insert", "upsert"])
    def test_nothing_is_written(self, db: BaseStorageAdapter, ask: str) -> None:
        document = Guarded(id="1", text="no")
        with pytest.raises(Veto):
            getattr(db, ask)(document)
        assert document.is_new
        assert db.find(Guarded).count() == 0

    def test_of_a_change(self, db: BaseStorageAdapter) -> None:
        document = Guarded(id="1", text="yes")
        document.save(db)
        document.text = "no"
        with pytest.raises(Veto):
            document.save()
        assert db.get(Guarded, "1").text == "yes"

    def test_of_a_delete(self, db: BaseStorageAdapter) -> None:
        document = Guarded(id="1")
        document.save(db)
        document.text = "no"
        with pytest.raises(Veto):
            document.delete()
        assert db.find(Guarded).count() == 1

    def test_of_a_delete_on_a_query_none_is_deleted(self, db: BaseStorageAdapter) -> None:
        class Kept(Document, collection="kept"):
            number: int = 0

            @before("delete")
            def check(self) -> None:
                if self.number == 2:
                    raise Veto

        db.insert_many([Kept(number=number) for number in range(4)])
        with pytest.raises(Veto):
            db.find(Kept).delete()
        assert db.find(Kept).count() == 4
        assert db.find(Kept, number__lt=2).delete() == 2

    def test_hooks_after_the_one_that_vetoes_are_not_called(self, db: BaseStorageAdapter) -> None:
        class Later(Guarded, collection="later"):
            @before("save")
            def never(self) -> None:
                calls.append("never")

        with pytest.raises(Veto):
            Later(text="no").save(db)
        assert calls == []


class TestQueryDelete:
    def test_every_match_is_loaded_and_told(self, db: BaseStorageAdapter) -> None:
        db.insert_many([Told(id=str(n), text="a" if n % 2 else "b") for n in range(4)])
        calls.clear()
        assert db.find(Told, text="a").delete() == 2
        assert said(":") == ["a loaded", "a loaded", "a:", "a:", "a deleted", "a deleted"]
        assert db.find(Told).count() == 2

    def test_of_a_whole_collection(self, db: BaseStorageAdapter) -> None:
        db.insert_many([Told(), Told()])
        assert db.collection(Told).clear() == 2
        assert said().count(" deleted") == 2

    def test_the_plan_says_so(self, db: BaseStorageAdapter) -> None:
        class Plain(Document):
            @before("save")
            def tidy(self) -> None:
                """Is no hook of a delete."""

        explanation = db.find(Told).explain()
        assert explanation.data["loads"] == ["update", "delete"]
        assert "hooks     update and delete: each document is loaded" in str(explanation)
        assert db.find(Plain).explain().data["loads"] == []
        assert "hooks" not in str(db.find(Plain).explain())
        stop = db.after("delete", print, Plain)
        assert db.find(Plain).explain().data["loads"] == ["delete"]
        stop()
        assert db.find(Plain).explain().data["loads"] == []

    def test_without_delete_hooks_none_is_loaded(self, db: BaseStorageAdapter) -> None:
        class Saved(Document, collection="saved"):
            @before("save")
            @after("load")
            def hook(self) -> None:
                calls.append("called")

        db.insert_many(Saved, [{}, {}])
        calls.clear()
        assert db.find(Saved).delete() == 2
        assert calls == []


class Counted(Document, collection="counted"):
    """Its update hooks keep the length of the text, and refuse some."""

    text: str = ""
    length: int = 0

    @before("update")
    def measure(self) -> None:
        if self.text == "no":
            raise Veto
        calls.append(",".join(sorted(self.changed_fields)))
        self.length = len(self.text)

    @after("update")
    def told(self) -> None:
        assert self.changed_fields == set()
        calls.append(f"after {self.text}")

    @before("save")
    def never(self) -> None:
        calls.append("saved")


class TestQueryUpdate:
    @pytest.fixture(autouse=True)
    def _stored(self, db: BaseStorageAdapter) -> None:
        db.insert_many("counted", [{"id": str(n), "text": str(n), "kept": n} for n in range(3)])

    def test_every_match_is_loaded_and_told(self, db: BaseStorageAdapter) -> None:
        assert db.find(Counted, id__lt="2").update(text="long").matched == 2
        assert calls == ["text", "text", "after long", "after long"]
        rows = db.find(Counted).order_by("id").raw().list()
        assert [(row["text"], row.get("length")) for row in rows] == [
            ("long", 4),
            ("long", 4),
            ("2", None),
        ]
        assert [row["kept"] for row in rows] == [0, 1, 2]

    def test_one(self, db: BaseStorageAdapter) -> None:
        found = db.find(Counted).find_one_and_update(text="long")
        assert found is not None
        assert (found.id, found.length) == ("0", 4)
        assert calls == ["text", "after long"]
        found.save()
        assert db.get(Counted, "0").length == 4

    def test_a_veto_stops_all_of_it(self, db: BaseStorageAdapter) -> None:
        db.save("counted", {"id": "1", "text": "no", "length": 7}, primary_key="1")
        with pytest.raises(Veto):
            db.find(Counted).update(length=5)
        assert [row.get("length") for row in db.find("counted").order_by("id")] == [None, 7, None]
        assert not any(call.startswith("after") for call in calls)

    def test_what_a_hook_makes_wrong_is_refused(self, db: BaseStorageAdapter) -> None:
        @db.before("update", Counted)
        def spoil(document: Counted) -> None:
            document.__dict__["text"] = 5

        with pytest.raises(InvalidValue):
            db.find(Counted).update(text="a")
        assert [row["text"] for row in db.find("counted").order_by("id")] == ["0", "1", "2"]


class TestWhatAHookDoes:
    def test_its_changes_are_checked_and_stored(self, db: BaseStorageAdapter) -> None:
        class Slugged(Document, collection="slugged"):
            title: str
            slug: str = ""

            @before("save")
            def make_slug(self) -> None:
                self.slug = self.title.lower()

        one = Slugged(title="A B")
        one.save(db)
        db.insert_many(Slugged, [{"title": "C"}])
        assert db.find(Slugged).values("slug") == ["a b", "c"]
        one.__dict__["title"] = "\0"
        with pytest.raises(InvalidValue):
            one.save()

    def test_it_may_give_the_key(self, db: BaseStorageAdapter) -> None:
        class Named(Document, collection="named", key="name"):
            name: str = ""
            first: str

            @before("save")
            def name_it(self) -> None:
                self.name = f"n-{self.first}"

        assert Named(first="a").save(db) == "n-a"
        db.upsert(Named(first="a"))
        assert db.find(Named).count() == 1

    def test_a_counted_key_is_known_after(self, full: BaseStorageAdapter) -> None:
        class Numbered(Document, collection="numbered"):
            id: int = None  # type: ignore[assignment]

            @before("save")
            def without(self) -> None:
                calls.append(str(self.id))

            @after("save")
            def with_it(self) -> None:
                calls.append(str(self.id))

        Numbered().save(full)
        assert calls == ["None", "1"]

    def test_it_takes_the_storage_and_saves_others(self, db: BaseStorageAdapter) -> None:
        class Log(Document, collection="log"):
            text: str

        class Logged(Document, collection="logged"):
            text: str = ""

            @before("save")
            @after("save", "delete")
            def log(self, storage: BaseStorageAdapter) -> None:
                Log(text=self.text).save(storage)

        db.insert_many([Logged(text="a"), Logged(text="b")])
        db.upsert(Logged(text="c"))
        db.find(Logged, text="a").delete()
        texts = sorted(one.text for one in db.find(Log))
        assert texts == ["a", "a", "a", "b", "b", "c", "c"]

    def test_it_leads_to_itself(self, db: BaseStorageAdapter) -> None:
        class Endless(Document, collection="endless"):
            @after("save")
            def again(self) -> None:
                self.save()

        with pytest.raises(RecursionError, match=r"Endless\.again, called after save, leads to"):
            Endless().save(db)
        calls.clear()
        Told().save(db)  # and the storage goes on
        assert len(calls) == 4

    def test_it_may_save_itself_again_for_a_while(self, db: BaseStorageAdapter) -> None:
        class Twice(Document, collection="twice"):
            number: int = 0

            @after("save")
            def again(self) -> None:
                if self.number < 10:
                    self.number += 1
                    self.save()

        Twice(id="1").save(db)
        assert db.get(Twice, "1").number == 10

    def test_a_failure_after_leaves_what_is_written(self, db: BaseStorageAdapter) -> None:
        class Late(Document, collection="late"):
            @after("save")
            def fail(self) -> None:
                raise Veto

        document = Late()
        with pytest.raises(Veto):
            document.save(db)
        assert not document.is_new
        assert db.find(Late).count() == 1

    def test_unless_a_transaction_is_undone(self, full: BaseStorageAdapter) -> None:
        told = Told(text="a")
        with undone(full):
            told.save(full)
            assert said() == ["a inserted", "a saved"]  # at once, not with the commit
        assert told.is_new
        assert full.find(Told).count() == 0


class Base(Document, abstract=True):
    order: ClassVar[list[str]] = []

    @before("save")
    def first(self) -> None:
        calls.append("first")

    @before("save")
    def second(self) -> None:
        calls.append("second")


class Mixin:
    @before("save")
    def mixed(self) -> None:
        calls.append("mixed")


class TestInheritance:
    def test_in_the_order_of_definition_those_of_bases_first(self, db: BaseStorageAdapter) -> None:
        class Child(Base, collection="child"):
            @before("save")
            def another(self) -> None:
                calls.append("another")

        Child().save(db)
        assert calls == ["first", "second", "another"]

    def test_an_override_is_called_in_its_place(self, db: BaseStorageAdapter) -> None:
        class Over(Base, collection="over"):
            def first(self) -> None:
                calls.append("over")

        Over().save(db)
        assert calls == ["over", "second"]

    def test_an_override_with_events_of_its_own(self, db: BaseStorageAdapter) -> None:
        class Moved(Base, collection="moved"):
            @after("save")
            def first(self) -> None:
                calls.append("moved")

        Moved().save(db)
        assert calls == ["second", "moved"]

    def test_of_a_mixin(self, db: BaseStorageAdapter) -> None:
        class Mixed(Mixin, Document, collection="mixed"):
            pass

        Mixed().save(db)
        assert calls == ["mixed"]

    def test_one_method_several_times(self, db: BaseStorageAdapter) -> None:
        class Both(Document, collection="both"):
            @before("save", "save")
            @after("save")
            def hook(self) -> None:
                calls.append("hook")

        Both().save(db)
        assert calls == ["hook", "hook"]


class Vehicle(Document, collection="vehicles"):
    wheels: int = 4


class Car(Vehicle):
    @after("save", "update", "delete", "load")
    def car(self) -> None:
        calls.append("car")


class Truck(Vehicle):
    pass


class TestFamilies:
    """Each document has the hooks of its own class, whatever class it was asked for by."""

    @pytest.fixture(autouse=True)
    def _stored(self, db: BaseStorageAdapter) -> None:
        db.insert_many([Car(id="1"), Truck(id="2"), Vehicle(id="3")])
        assert calls == ["car"]
        calls.clear()

    def test_loading(self, db: BaseStorageAdapter) -> None:
        db.find(Vehicle).list()
        db.get(Vehicle, "1")
        db.get_many(Vehicle, "123")
        db.find(Vehicle).on_invalid("skip").list()
        db.find(Truck).list()
        assert calls == ["car"] * 4

    def test_updates_and_deletes_of_a_query(self, db: BaseStorageAdapter) -> None:
        assert db.find(Vehicle).explain().data["loads"] == ["update", "delete"]
        db.find(Vehicle).update(wheels=6)
        assert calls == ["car", "car"]  # loaded, updated
        db.find(Vehicle).delete()
        assert calls == ["car"] * 4

    def test_a_delete_by_key(self, db: BaseStorageAdapter) -> None:
        db.delete(Vehicle, "1")
        db.delete(Vehicle, "2")
        assert calls == ["car", "car"]

    def test_of_a_storage(self, db: BaseStorageAdapter) -> None:
        db.after("load", lambda one: calls.append(one.id), Truck)
        db.find(Vehicle).list()
        assert sorted(calls) == ["2", "car"]


class TestBadUse:
    def test_an_unknown_event(self) -> None:
        with pytest.raises(InvalidModel, match="'safe' is no event; did you mean 'save'") as caught:
            before("safe")  # type: ignore[arg-type]
        assert caught.value.suggestions == ("save",)
        with pytest.raises(InvalidModel, match="there are save, insert, update, delete, load"):
            after(5)  # type: ignore[arg-type]

    def test_before_a_load(self) -> None:
        with pytest.raises(
            InvalidModel, match=r'no document before it is loaded: use after\("load'
        ):
            before("load")  # type: ignore[arg-type]

    def test_without_an_event(self) -> None:
        with pytest.raises(InvalidModel, match="names no event"):
            before()

        with pytest.raises(
            InvalidModel, match=r'needs the event that it is for: @before\("save"\)'
        ):

            @before  # type: ignore[arg-type]
            def hook(self: Any) -> None:
                """Is given no event."""

    def test_async(self) -> None:
        with pytest.raises(InvalidModel, match="async and would never run"):

            @before("save")  # type: ignore[type-var]
            async def hook(self: Any) -> None:
                """Would not be awaited."""

    @pytest.mark.parametrize("kind", [staticmethod, classmethod])
    def test_no_plain_method(self, kind: Callable[[Any], Any]) -> None:
        def hook(self: Any) -> None:
            """Would not have the document."""

        with pytest.raises(InvalidModel, match=f"is a {kind.__name__}: "):
            before("save")(kind(hook))
        made: Any = type(Document)
        for abstract in (True, False):
            with pytest.raises(InvalidModel, match=f"hook_of_it is a {kind.__name__}: "):
                made(
                    "Wrong",
                    (Document,),
                    {"__module__": __name__, "hook_of_it": kind(before("save")(hook))},
                    abstract=abstract,
                )

    @pytest.mark.parametrize(
        "hook",
        [lambda: None, lambda _a, _b, _c: None, lambda _a, *, _b: None],
        ids=["0", "3", "named"],
    )
    def test_other_arguments(self, hook: Any, db: BaseStorageAdapter) -> None:
        with pytest.raises(InvalidModel, match="called with the document, and with the storage"):
            before("save")(hook)
        with pytest.raises(InvalidModel, match="called with the document, and with the storage"):
            db.before("save", hook)

    def test_of_a_storage(self, db: BaseStorageAdapter) -> None:
        with pytest.raises(InvalidModel, match="did you mean 'delete'"):
            db.after("deleted", print)  # type: ignore[call-overload]
        with pytest.raises(InvalidModel, match="names no event"):
            db.before(print)  # type: ignore[call-overload]
        with pytest.raises(InvalidModel, match="takes one function, not 2"):
            db.before("save", print, print)  # type: ignore[call-overload]
        with pytest.raises(InvalidModel, match="is int, not a function"):
            db.before("save", 5)  # type: ignore[call-overload]


class Plain(Document, collection="plain"):
    text: str = ""


class Other(Document, collection="other"):
    pass


class TestOfAStorage:
    def test_a_callback(self, db: BaseStorageAdapter) -> None:
        seen: list[Any] = []
        stop = db.before("save", seen.append)
        one = Plain()
        one.save(db)
        stop()
        one.save()
        stop()
        assert seen == [one]

    def test_a_decorator_for_some_classes(self, db: BaseStorageAdapter) -> None:
        @db.after("insert", "delete", Plain)
        def hook(document: Plain) -> None:
            calls.append(type(document).__name__)

        Plain(id="1").save(db)
        Other().save(db)
        db.delete(Plain, "1")
        assert calls == ["Plain", "Plain"]
        assert db.remove_hook(hook)
        assert not db.remove_hook(hook)
        Plain().save(db)
        assert calls == ["Plain", "Plain"]

    def test_a_base_stands_for_its_classes(self, db: BaseStorageAdapter) -> None:
        class Child(Base, collection="child2"):
            pass

        db.before("save", lambda _: calls.append("storage"), Base)
        Child().save(db)
        Plain().save(db)
        assert calls == ["first", "second", "storage"]

    def test_it_takes_the_storage(self, db: BaseStorageAdapter) -> None:
        def log(document: Any, storage: BaseStorageAdapter) -> None:
            if type(document) is not dict:
                storage.insert_many("log", [{"name": type(document).__name__}])

        db.after("save", log)
        db.insert_many([Plain(), Other()])
        assert sorted(row["name"] for row in db.find("log")) == ["Other", "Plain"]

    def test_dicts_of_untyped_collections(self, db: BaseStorageAdapter) -> None:
        @db.before("insert")
        def mark(document: Any) -> None:
            document["marked"] = True

        db.after("load", lambda document: calls.append(document["id"]))
        db.insert_many("things", [{"id": "a"}])
        db.save("things", {"id": "b"})
        assert [row["marked"] for row in db.find("things").order_by("id")] == [True, True]
        assert calls == ["a", "b"]

    def test_every_event(self, db: BaseStorageAdapter) -> None:
        for name in EVENTS:
            db.after(name, partial(lambda name, _: calls.append(name), name), Plain)  # type: ignore[call-overload]
        one = Plain()
        one.save(db)
        one.save()
        one.reload().delete()
        assert calls == ["insert", "save", "update", "save", "load", "delete"]

    def test_a_veto(self, db: BaseStorageAdapter) -> None:
        @db.before("save")
        def refuse(_: Any) -> None:
            raise Veto

        with pytest.raises(Veto):
            Plain().save(db)
        assert db.find(Plain).count() == 0

    def test_another_storage_is_left_alone(
        self, db: BaseStorageAdapter, second: BaseStorageAdapter
    ) -> None:
        db.before("save", lambda _: calls.append("called"))
        Plain().save(second)
        assert calls == []
        Plain().save(db.options(allow_scan=False))
        assert calls == ["called"]


def test_without_hooks_nothing_is_called(
    db: BaseStorageAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading and writing documents of a class without hooks costs not one call more for each."""
    from docmap.storage import firing, loading

    def never(*arguments: Any) -> None:
        raise AssertionError(arguments)

    for module in (firing, loading):
        monkeypatch.setattr(module, "fire", never)
    db.insert_many([Plain(id=str(n)) for n in range(5)])
    one = db.get(Plain, "1")
    one.save()
    assert len(db.find(Plain).list()) == 5
    one.delete()
    assert db.find(Plain).delete() == 4
