"""What a class may declare, and what it is told if it cannot work."""
# ruff: noqa: RUF012 - pydantic copies the defaults of a model

from __future__ import annotations

import gc
import warnings
import weakref
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Generic, TypeVar

import pytest
from pydantic import BaseModel, ConfigDict, Field

from docmap import (
    BaseStorageAdapter,
    DocmapError,
    Document,
    Index,
    Indexed,
    InvalidModel,
    ObjectId,
    Stored,
    col,
)
from docmap.model.declaration import KEYWORDS, RESERVED
from docmap.storage.loading import schema_of
from tests.model.shop import Address, Customer, Note, Order

T = TypeVar("T")


class Page(Document, Generic[T], collection="pages"):
    item: T
    items: list[T] = []


class Timestamped(Document, abstract=True, indexes=[Index("-changed"), "author"]):
    changed: int = 0
    author: str = ""


class Article(Timestamped, indexes=[Index("title", unique=True)]):
    title: str = ""


class Comment(Timestamped, collection="remarks"):
    body: str = ""


class Titled(BaseModel):
    title: str = "untitled"

    def shout(self) -> str:
        return self.title.upper()


class Film(Titled, Document):
    year: int = 0


class Book(Document, Titled):
    pages: int = 0


class Person(Document):
    """Names itself and a class that is defined after it."""

    name: str
    boss: Person.Card | None = None
    cards: list[Later] = []

    class Card(BaseModel):
        """Defined inside, and named by it."""

        number: int


class Later(BaseModel):
    number: int


class TestKeywords:
    def test_the_collection(self) -> None:
        assert schema_of(Order).collection == "orders"

    @pytest.mark.parametrize(
        ("name", "collection"),
        [
            ("Order", "order"),
            ("OrderLine", "order_line"),
            ("HTTPLog", "http_log"),
            ("Order2Line", "order2_line"),
            ("X", "x"),
        ],
    )
    def test_its_default_is_the_class_name_in_snake_case(self, name: str, collection: str) -> None:
        made = type(name, (Document,), {"__module__": __name__})
        assert schema_of(made).collection == collection

    @pytest.mark.parametrize(
        "name", ["", "1a", "_a", "a b", "a/b", "é", "a" * 49, 'a"b', "a\0", 5, b"a", "a\n"]
    )
    def test_a_name_that_not_every_engine_keeps(self, name: Any) -> None:
        with pytest.raises(InvalidModel, match="cannot name a collection"):

            class Odd(Document, collection=name):
                pass

    @pytest.mark.parametrize("name", ["a", "A.b-c_9", "a" * 48, "order", "select", "sqlite_x"])
    def test_any_other_name_works(self, full: BaseStorageAdapter, name: str) -> None:
        made: Any = type("Made", (Document,), {"__module__": __name__}, collection=name)
        document = made()
        full.save(document)
        assert full.collections() == [name]
        assert full.get(made, document.id) == document

    def test_case_is_significant(self, full: BaseStorageAdapter) -> None:
        full.insert_many("things", [{"id": "a"}])
        full.insert_many("Things", [{"id": "b"}, {"id": "c"}])
        assert full.collections() == ["Things", "things"]
        assert (full.find("things").count(), full.find("Things").count()) == (1, 2)

    @pytest.mark.parametrize(
        ("keyword", "suggestion"),
        [
            ("colection", "collection"),
            ("index", "indexes"),
            ("abstrct", "abstract"),
            ("unknwon", "unknown"),
            ("frozn", "frozen"),
            ("populate_by_nam", "populate_by_name"),
        ],
    )
    def test_an_unknown_one_gets_a_suggestion(self, keyword: str, suggestion: str) -> None:
        with pytest.raises(InvalidModel, match=f"did you mean {suggestion!r}") as caught:
            type("Odd", (Document,), {}, **{keyword: True})
        assert caught.value.suggestions == (suggestion,)

    def test_an_unknown_one_that_is_like_no_other(self) -> None:
        with pytest.raises(InvalidModel, match="neither docmap nor pydantic knows") as caught:

            class Odd(Document, zzz=1):
                pass

        assert caught.value.suggestions == ()
        assert "did you mean" not in str(caught.value)

    def test_pydantic_has_none_of_these_names(self) -> None:
        assert not KEYWORDS & set(ConfigDict.__annotations__)

    def test_those_of_pydantic_reach_it(self) -> None:
        class Strict(Document, frozen=True, extra="forbid", str_strip_whitespace=True):
            name: str

        assert Strict.model_config["frozen"]
        assert Strict.model_config["extra"] == "forbid"
        assert Strict.model_config["validate_assignment"]  # docmap's own, kept
        assert Strict(name=" a ").name == "a"
        with pytest.raises(ValueError, match="frozen"):
            Strict(name="a").name = "b"  # type: ignore[misc]

    @pytest.mark.parametrize(("keyword", "value"), [("unknown", "ignore"), ("load", True)])
    def test_values_that_are_no_choice(self, keyword: str, value: object) -> None:
        with pytest.raises(InvalidModel, match=f"{keyword} is one of"):
            type("Odd", (Document,), {}, **{keyword: value})

    def test_every_error_of_a_class_is_a_type_error_too(self) -> None:
        with pytest.raises(TypeError) as caught:

            class Odd(Document, zzz=1):
                pass

        assert isinstance(caught.value, DocmapError)


class TestIndexes:
    @pytest.mark.parametrize(
        "given", ["status", Index("status"), 5, [5], [("a", 1)], {"a": 1}.values()]
    )
    def test_what_is_no_list_of_indexes(self, given: Any) -> None:
        with pytest.raises(InvalidModel, match="indexes takes"):

            class Odd(Document, indexes=given):
                status: str

    @pytest.mark.parametrize(
        "name", ["stauts", "customer", "customer.nme", "attrs", "tags.0.x", ""]
    )
    def test_one_that_cannot_work(self, name: str) -> None:
        with pytest.raises(InvalidModel):

            class Odd(Document, indexes=[Index(name)]):
                status: str
                customer: Customer
                attrs: dict[str, int]
                tags: list[str]

    def test_they_are_inherited_from_an_abstract_base(self, full: BaseStorageAdapter) -> None:
        full.ensure_indexes(Article, Comment)
        assert set(full.indexes(Article)["present"]) == {
            "(-changed)",
            "(author)",
            "unique (title)",
        }
        assert set(full.indexes(Comment)["present"]) == {"(-changed)", "(author)"}

    def test_indexed_and_index_of_one_field_are_one(self) -> None:
        class Once(Document, indexes=["name", Index("name")]):
            name: Annotated[str, Indexed()]

        assert [index.label for index in schema_of(Once).indexes] == ["(name)"]


class TestReserved:
    def test_the_list_is_what_document_takes(self) -> None:
        names = {name for name in dir(Document) if not name.startswith("_")}
        own = names - set(dir(BaseModel)) - {"id"}
        assert own == RESERVED

    @pytest.mark.parametrize("name", sorted(RESERVED | {"mro", "register"}))
    def test_a_field_of_such_a_name(self, name: str) -> None:
        with pytest.raises(InvalidModel) as caught:
            type("Odd", (Document,), {"__annotations__": {name: str}, "__module__": __name__})
        assert caught.value.field == name
        assert f'{name}_: Annotated[..., Stored("{name}")]' in str(caught.value)

    def test_the_way_out_works(self, db: BaseStorageAdapter) -> None:
        class Task(Document):
            save_: Annotated[str, Stored("save")] = ""

        db.save(Task(save_="yes"))
        assert db.find(Task, save_="yes").raw().one()["save"] == "yes"
        assert db.find(Task, Task.save_ == "yes").count() == 1

    def test_a_mixin_cannot_bring_one_in(self) -> None:
        class Mixin(BaseModel):
            delete: bool = False

        with pytest.raises(InvalidModel, match="delete"):

            class Odd(Mixin, Document):  # type: ignore[misc]
                pass

    def test_a_method_may_be_overridden(self, db: BaseStorageAdapter) -> None:
        saved: list[str] = []

        class Loud(Document):
            name: str = ""

            def save(self, storage: BaseStorageAdapter | None = None, /) -> Any:
                saved.append(self.name)
                return super().save(storage)

        Loud(name="a").save(db)
        assert saved == ["a"]
        assert len(db.collection(Loud)) == 1


class TestOverriding:
    """Neither a field nor the key's type warns when it is overridden (warnings are errors here)."""

    def test_fields_and_the_key(self, db: BaseStorageAdapter) -> None:
        class Base(Document, abstract=True):
            name: str = "base"
            total: Decimal | None = None

        class Blob(Base):
            id: ObjectId
            name: str = "blob"
            total: Decimal = Decimal(1)

        class Badge(Blob, collection="badges"):
            id: str  # type: ignore[assignment]  # of a key that another class has declared
            name: str

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            blob, badge = Blob(), Badge(name="x")  # type: ignore[call-arg]
        db.save_many([blob, badge])
        assert db.find(Blob, name="blob", total=1).one() == blob
        assert db.get(Badge, badge.id) == badge
        assert isinstance(blob.id, ObjectId)
        assert isinstance(badge.id, str)

    def test_a_field_named_like_a_lookup(self, db: BaseStorageAdapter) -> None:
        class Box(Document):
            size: int = 0
            any: int = 0
            contains: str = ""

        db.save(Box(size=5, any=1, contains="x"))
        assert db.find(Box, size=5, any=1, contains="x").count() == 1
        assert db.find(Box, size__gt=4, contains__startswith="x").count() == 1

    def test_class_variables_are_no_fields(self, db: BaseStorageAdapter) -> None:
        class Box(Document):
            limit: ClassVar[int] = 5
            size: int = 0

        assert Box.limit == 5
        assert set(Box.model_fields) == {"id", "size"}


class TestFamilies:
    def test_with_a_collection_it_starts_a_new_one(self, db: BaseStorageAdapter) -> None:
        class Memo(Note, collection="memos"):
            colour: str = "red"

        memo = Memo(text="x")
        db.save(memo)
        assert db.find(Memo, Note.text == "x").one() == memo
        assert db.find(Memo).order_by(Note.text, Memo.colour).one() == memo
        assert len(db.collection(Note)) == 0

    def test_from_an_abstract_base(self, db: BaseStorageAdapter) -> None:
        db.save_many([Article(title="a"), Comment(body="b")])
        assert db.collections() == ["article", "remarks"]
        assert db.find(Article, Timestamped.author == "").count() == 1

    def test_abstract_bases_in_a_row(self, db: BaseStorageAdapter) -> None:
        class Signed(Timestamped, abstract=True, indexes=["signature"]):
            signature: str = ""

        class Letter(Signed):
            text: str = ""

        db.save(Letter(signature="x"))
        assert {index.label for index in schema_of(Letter).indexes} == {
            "(-changed)",
            "(author)",
            "(signature)",
        }

    def test_the_key_is_inherited(self, db: BaseStorageAdapter) -> None:
        class Coded(Document, abstract=True, key="code", unknown="forbid"):
            code: str

        class Colour(Coded):
            name: str = ""

        assert set(Colour.model_fields) == {"code", "name"}
        assert db.save(Colour(code="r")) == "r"
        assert schema_of(Colour).unknown == "forbid"

    @pytest.mark.parametrize("cls", [Film, Book])
    def test_mixins_on_either_side(self, db: BaseStorageAdapter, cls: type[Film]) -> None:
        film = cls(title="up")
        db.save(film)
        assert db.find(cls, title="up").one() == film
        assert db.get(cls, film.id).shout() == "UP"


class TestGenerics:
    def test_they_share_their_origins_collection(self, db: BaseStorageAdapter) -> None:
        db.save(Page[int](id="a", item=1))
        db.save(Page[Customer](id="b", item=Customer(name="Ann")))
        assert db.collections() == ["pages"]
        assert {schema_of(cls).collection for cls in (Page, Page[int], Page[str])} == {"pages"}
        assert db.get(Page[int], "a").item == 1
        assert db.get(Page[Customer], "b").item == Customer(name="Ann")
        assert db.find(Page[Customer], item__name="Ann").one().id == "b"
        assert len(db.collection(Page)) == 2
        assert {page.id for page in db.find(Page)} == {"a", "b"}

    def test_their_fields_are_typed(self, db: BaseStorageAdapter) -> None:
        db.save(Page[Decimal](id="a", item=Decimal("1.10"), items=[Decimal(2)]))
        loaded = db.get(Page[Decimal], "a")
        assert (loaded.item, loaded.items) == (Decimal("1.10"), [Decimal(2)])
        page: Any = Page[Decimal]
        assert db.find(Page[Decimal], page.item > 1, col(page.items).contains(2)).count() == 1

    def test_a_model_of_another_generic(self, db: BaseStorageAdapter) -> None:
        class Inner(BaseModel, Generic[T]):
            value: T

        db.save(Page[Inner[int]](id="a", item=Inner[int](value=1)))
        assert db.find(Page[Inner[int]], item__value=1).one().item.value == 1

    def test_an_abstract_generic_base(self, db: BaseStorageAdapter) -> None:
        class Shelf(Document, Generic[T], abstract=True):
            content: list[T] = []

        class Books(Shelf[str]):
            pass

        class Films(Shelf[int], collection="reels"):
            pass

        db.save_many([Books(content=["a"]), Films(content=[1])])
        assert db.collections() == ["books", "reels"]


class TestForwardReferences:
    def test_to_itself_and_to_what_follows(self, db: BaseStorageAdapter) -> None:
        person = Person(name="a", boss=Person.Card(number=1), cards=[Later(number=2)])
        db.save(person)
        assert db.get(Person, person.id) == person
        assert db.find(Person, boss__number=1).count() == 1
        assert db.find(Person, cards__0__number=2).count() == 1

    def test_in_a_function(self, db: BaseStorageAdapter) -> None:
        class Tree(Document):
            root: Branch

        with pytest.raises(AttributeError, match="names a class that is not defined"):
            Tree.root.leaves  # noqa: B018

        class Branch(BaseModel):
            leaves: int = 0
            branches: list[Branch] = []

        tree = Tree(root=Branch(branches=[Branch(leaves=2)]))
        db.save(tree)
        assert db.get(Tree, tree.id) == tree
        assert db.find(Tree, Tree.root.leaves == 0).count() == 1
        assert db.find(Tree, root__branches__0__leaves=2).count() == 1

    def test_with_a_key_of_another_name(self, db: BaseStorageAdapter) -> None:
        class Tree(Document, key="name"):
            name: str
            root: Twig | None = None

        class Twig(BaseModel):
            leaves: int = 0

        tree = Tree(name="oak", root=Twig(leaves=1))
        db.save(tree)
        assert "id" not in Tree.model_fields
        assert db.get(Tree, "oak") == tree

    def test_with_a_counted_key(self, full: BaseStorageAdapter) -> None:
        class Tree(Document):
            id: int
            root: Bud | None = None

        class Bud(BaseModel):
            leaves: int = 0

        assert full.save(Tree(root=Bud())) == 1  # type: ignore[call-arg]

    def test_that_leads_nowhere(self, db: BaseStorageAdapter) -> None:
        class Lost(Document):
            other: Missing  # type: ignore[name-defined]  # noqa: F821

        with pytest.raises(Exception, match="Missing"):
            db.find(Lost)


class TestNested:
    def test_models_in_models(self, db: BaseStorageAdapter) -> None:
        order = Order(number="1", customer=Customer(name="A", address=Address(city="Rome")))
        db.save(order)
        assert db.find(Order, customer__address__city="Rome").one() == order

    def test_a_class_that_is_no_longer_used_is_freed(self) -> None:
        def made() -> weakref.ref[type]:
            class Short(Document):
                name: Annotated[str, Field(max_length=5)] = ""

            schema_of(Short)
            return weakref.ref(Short)

        reference = made()
        gc.collect()
        assert reference() is None
