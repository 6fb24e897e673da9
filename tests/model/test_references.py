"""References: what they take, what is stored, what they are equal to, how they are asked for."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

import pytest
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from docmap import (
    BaseStorageAdapter,
    Document,
    DocumentNotFound,
    DuplicateKey,
    Indexed,
    InvalidModel,
    InvalidQuery,
    InvalidValue,
    NotFetched,
    ObjectId,
    Ref,
    Stored,
)


class Order(Document, collection="orders", indexes=["customer"]):
    customer: Ref[Customer]
    helper: Ref["Customer"] | None = None  # noqa: UP037
    items: list[Line] = Field(default_factory=list)
    prices: dict[str, Ref[Product]] = Field(default_factory=dict)
    extras: list[Ref[Product]] = Field(default_factory=list)
    seen: set[Ref["Customer"]] = Field(default_factory=set)  # noqa: UP037
    billed: Annotated[Ref["Customer"] | None, Stored("billed_to")] = None  # noqa: UP037


class Line(BaseModel):
    product: Ref[Product]


class Product(Document, key="sku"):
    sku: int
    name: str = ""


class Customer(Document):
    id: UUID = Field(default_factory=uuid4)
    name: str
    boss: Ref[Customer] | None = None


class Login(Document):
    customer: Annotated[Ref[Customer], Indexed(unique=True)]


@pytest.fixture
def ann(db: BaseStorageAdapter) -> Customer:
    customer = Customer(name="Ann")
    customer.save(db)
    return customer


@pytest.fixture
def nut(db: BaseStorageAdapter) -> Product:
    product = Product(sku=17, name="nut")
    product.save(db)
    return product


def unsaved() -> Product:
    """A product whose key is not counted yet."""
    return Product.model_validate({"name": "nut"})


def same(one: Any, other: Any) -> bool:
    """`one == other`, out of the sight of type checkers that know better."""
    return bool(one == other)


class TestValues:
    def test_it_takes_a_document_a_reference_or_a_key(self) -> None:
        ann = Customer(name="Ann")
        by_document = Order(customer=ann)
        by_reference = Order(customer=by_document.customer)
        by_key = Order(customer=ann.id)
        by_text = Order(customer=str(ann.id))
        for order in (by_document, by_reference, by_key, by_text):
            assert order.customer.key == ann.id
            assert order.customer == Ref(ann)
        assert by_document.customer.value is ann
        assert by_reference.customer.value is ann
        assert not by_key.customer.is_fetched

    def test_assignment_makes_a_reference(self) -> None:
        order = Order(customer=uuid4())
        bob = Customer(name="Bob")
        order.customer = bob
        assert order.customer == Ref(bob)

    @pytest.mark.parametrize("wrong", [None, "x", 1.5, {}, ObjectId()])
    def test_what_is_no_customer_is_refused(self, wrong: Any) -> None:
        with pytest.raises(ValidationError, match="customer"):
            Order(customer=wrong)

    def test_equality_and_hash_are_by_class_and_key(self) -> None:
        key = uuid4()
        assert Ref[Customer](key) == Ref[Customer](key) == Order(customer=key).customer
        assert len({Ref[Customer](key), Order(customer=key).customer}) == 1
        assert Ref[Customer](key) != Ref[Customer](uuid4())
        assert not same(Ref[Product](1), Ref[Line2](1))
        assert not same(Ref[Product](1), 1)

    def test_repr_names_class_and_key(self) -> None:
        assert repr(Ref[Product](7)) == "Ref[Product](7)"

    def test_without_key_it_is_equal_to_itself_only(self) -> None:
        nut = unsaved()
        assert Ref(nut) == Ref(nut)
        assert Ref(nut) != Ref(unsaved())
        with pytest.raises(TypeError, match="has no key yet"):
            hash(Ref(nut))

    def test_value_before_fetching_is_refused(self) -> None:
        with pytest.raises(NotFetched, match=r"Ref\[Product\] was not fetched.*fetch"):
            _ = Ref[Product](7).value

    def test_get_reads_the_document(self, db: BaseStorageAdapter, ann: Customer) -> None:
        order = Order(customer=ann.id)
        assert order.customer.get(db) == ann
        assert not order.customer.is_fetched
        with pytest.raises(DocumentNotFound):
            Ref[Product](7).get(db)
        with pytest.raises(InvalidValue, match="no key yet"):
            Ref(unsaved()).get(db)

    def test_it_is_a_key(self, db: BaseStorageAdapter, ann: Customer) -> None:
        order = Order(customer=ann.id)
        assert db.get(Customer, order.customer) == ann
        assert db.get_many(Customer, [order.customer]) == [ann]
        assert order.customer in db.collection(Customer)
        with pytest.raises(InvalidValue, match="a reference to Product is no key of Customer"):
            db.get(Customer, Ref[Product](1))
        with pytest.raises(InvalidValue, match="is the key"):
            db.get(Product, Ref(unsaved()))

    def test_copies_and_pickles_keep_what_is_there(self, ann: Customer) -> None:
        order = Order(customer=ann, helper=Ref[Customer](uuid4()))
        for copied in (copy.deepcopy(order), pickle.loads(pickle.dumps(order))):  # noqa: S301
            assert copied == order
            assert copied.customer.value == ann
            assert copied.customer.value is not ann
            assert copied.helper is not None
            assert not copied.helper.is_fetched
        assert copy.copy(order).customer is order.customer


class Line2(Document, key="sku"):
    sku: int


class TestSchemas:
    def test_dumps_give_the_key(self) -> None:
        ann = Customer(name="Ann")
        order = Order(customer=ann, extras=[Ref[Product](3)], items=[Line(product=4)])
        assert order.model_dump()["customer"] == ann.id
        assert order.model_dump(mode="json")["customer"] == str(ann.id)
        assert order.model_dump()["items"] == [{"product": 4}]
        assert Order.model_validate_json(order.model_dump_json()) == order

    def test_the_json_schema_shows_the_type_of_the_key(self) -> None:
        modes: list[Literal["validation", "serialization"]] = ["validation", "serialization"]
        for mode in modes:
            schema = TypeAdapter(Order).json_schema(mode=mode)
            properties = schema["properties"]
            assert properties["customer"]["format"] == "uuid"
            assert properties["extras"]["items"] == {"type": "integer"}

    @pytest.mark.parametrize(
        ("key_type", "key"),
        [
            (str, "ü-1"),
            (int, 7),
            (UUID, uuid4()),
            (ObjectId, ObjectId()),
            (date, date(2024, 2, 29)),
            (datetime, datetime(2024, 2, 29, 1, 2, 3, 4000, tzinfo=UTC)),
        ],
        ids=lambda value: getattr(value, "__name__", ""),
    )
    def test_every_type_of_key(self, db: BaseStorageAdapter, key_type: Any, key: Any) -> None:
        class Target(Document):
            id: key_type

        class Holder(Document):
            one: Ref[Target]
            many: list[Ref[Target]] = Field(default_factory=list)

        target = Target(id=key)
        target.save(db)
        holder = Holder(one=target, many=[key])
        holder.save(db)
        loaded = db.get(Holder, holder.id)
        assert loaded == holder
        assert type(loaded.one.key) is type(key)
        assert loaded.one.get(db) == target
        assert db.find(Holder, one=target, many__contains=key).one() == holder
        assert Holder.model_validate_json(holder.model_dump_json()) == holder
        assert TypeAdapter(Holder).json_schema()["properties"]["one"]["type"] in {
            "string",
            "integer",
        }


class TestDeclaring:
    def test_a_name_without_a_class_is_refused_when_used(self) -> None:
        class Waiting(Document):
            other: Ref["Nowhere"]  # type: ignore[name-defined]  # noqa: F821, UP037

        with pytest.raises(InvalidModel, match='Ref\\["Nowhere"\\] names no document class'):
            Waiting(other="k")
        with pytest.raises(InvalidModel, match="Nowhere"):
            _ = Waiting.__docmap_schema__

    def test_a_name_is_resolved_once_the_class_is_there(self, db: BaseStorageAdapter) -> None:
        # Of another module, and no less a class of this name: that of the own module is meant.
        elsewhere = type("Late", (Document,), {"__module__": "elsewhere"}, collection="elsewhere")
        assert elsewhere.__module__ == "elsewhere"

        class Early(Document):
            other: Ref["Late"] | None = None  # noqa: UP037

        class Late(Document):
            early: Ref[Early] | None = None

        late = Late()
        early = Early(other=Ref(late))
        late.early = Ref(early)
        db.insert_many([late, early])
        assert db.find(Early, other=late).one() == early
        assert db.get(Late, late.id).early == Ref(early)

    def test_the_class_of_the_own_module_comes_first(self) -> None:
        assert Ref["Customer"](uuid4()).target is Customer
        dotted: Any = "test_references.Customer"
        assert Ref[dotted](uuid4()).target is Customer

    def test_a_tree(self, db: BaseStorageAdapter) -> None:
        root = Customer(name="root")
        leaf = Customer(name="leaf", boss=Ref(root))
        db.insert_many([root, leaf])
        assert db.find(Customer, boss=root).one() == leaf
        assert db.find(Customer, boss=None).one() == root

    @pytest.mark.parametrize("what", [int, BaseModel, "", 5])
    def test_only_document_classes(self, what: Any) -> None:
        with pytest.raises(InvalidModel):
            Ref[what]("k")

    def test_a_bare_ref_is_refused(self) -> None:
        with pytest.raises(InvalidModel, match="Ref needs the class"):

            class Bare(Document):
                other: Ref  # type: ignore[type-arg]

    def test_an_abstract_class_is_refused(self) -> None:
        class Base(Document, abstract=True):
            name: str

        with pytest.raises(InvalidModel, match="Base is abstract"):

            class Holder(Document):
                base: Ref[Base]

    def test_a_union_with_a_reference_is_refused(self) -> None:
        with pytest.raises(InvalidModel, match="does not say which"):

            class Holder(Document):
                owner: Ref[Customer] | Ref[Product]

    def test_a_subclass_with_its_own_collection_is_another_kind(self) -> None:
        class Former(Customer, collection="former"):
            pass

        with pytest.raises(ValidationError, match="Former, where Customer is wanted"):
            Order(customer=Former(name="x"))


class TestStoring:
    def test_the_key_is_stored(self, db: BaseStorageAdapter, ann: Customer, nut: Product) -> None:
        order = Order(
            customer=ann,
            items=[Line(product=nut)],
            prices={"a": Ref(nut)},
            extras=[Ref(nut), Ref[Product](99)],
            seen={Ref(ann)},
            billed=Ref(ann),
        )
        order.save(db)
        raw = db.find(Order).raw().one()
        assert raw["customer"] == raw["billed_to"] == ann.id
        assert raw["items"] == [{"product": nut.sku}]
        assert raw["prices"] == {"a": nut.sku}
        assert raw["extras"] == [nut.sku, 99]
        loaded = db.get(Order, order.id)
        assert loaded == order
        assert not loaded.customer.is_fetched
        assert loaded.changed_fields == frozenset()

    def test_without_key_it_is_not_saved(self, db: BaseStorageAdapter, ann: Customer) -> None:
        nut = unsaved()
        order = Order(customer=ann, items=[Line(product=nut)])
        with pytest.raises(InvalidValue, match=r"items\.0\.product refers to a Product.*no key"):
            order.save(db)
        assert order.is_new
        nut.sku = 17  # as saving it does where keys are counted; the reference knows it
        order.save(db)
        assert db.get(Order, order.id).items[0].product.key == nut.sku

    def test_a_document_put_past_validation_becomes_a_reference(
        self, db: BaseStorageAdapter, ann: Customer, nut: Product
    ) -> None:
        order = Order(customer=ann, items=[Line(product=1)])
        order.items[0].product = nut  # a plain model does not validate assignments
        order.save(db)
        assert order.items[0].product == Ref(nut)
        order.items[0].product = "x"
        with pytest.raises(InvalidValue, match="product"):
            order.save(db)

    def test_a_save_keeps_what_was_fetched(self, db: BaseStorageAdapter, ann: Customer) -> None:
        order = Order(customer=ann, items=[Line(product=1)])
        order.items[0].product = 2
        order.save(db)
        assert order.customer.value is ann

    def test_unique(self, db: BaseStorageAdapter, ann: Customer) -> None:
        Login(customer=ann).save(db)
        with pytest.raises(DuplicateKey):
            Login(customer=ann.id).save(db)

    def test_get_or_create(self, db: BaseStorageAdapter, ann: Customer) -> None:
        order, created = db.get_or_create(Order, customer=ann)
        assert created
        assert db.get_or_create(Order, customer=ann.id) == (order, False)


class TestAsking:
    @pytest.fixture
    def order(self, db: BaseStorageAdapter, ann: Customer, nut: Product) -> Order:
        order = Order(
            customer=ann, items=[Line(product=nut)], extras=[Ref(nut)], prices={"a": Ref(nut)}
        )
        order.save(db)
        Order(customer=uuid4()).save(db)
        return order

    def test_keywords(
        self, db: BaseStorageAdapter, order: Order, ann: Customer, nut: Product
    ) -> None:
        bob = Customer(name="Bob")
        for lookups in (
            {"customer": ann},
            {"customer": ann.id},
            {"customer": order.customer},
            {"customer__in": [ann, bob]},
            {"customer__in": db.find(Customer, name="Ann")},
            {"customer__in": db.find(Customer, name="Ann").values("pk")},
            {"extras__contains": nut},
            {"extras__contains_any": [nut, 77]},
            {"extras": [nut]},
            {"items__any": {"product": nut}},
            {"items__0__product": nut},
            {"prices__a": nut.sku},
        ):
            assert db.find(Order, **lookups).list() == [order], lookups
        assert db.find(Order, customer=bob).count() == 0
        assert db.find(Order, customer__not_in=[ann]).count() == 1
        assert db.find(Order, helper=None).count() == 2
        assert db.find(Order, helper__exists=True).count() == 2
        assert db.find(Order, customer__is_null=True).count() == 0

    def test_expressions(self, db: BaseStorageAdapter, order: Order, ann: Customer) -> None:
        assert db.find(Order, Order.customer == ann).one() == order
        assert db.find(Order, Order.customer.in_([ann.id])).one() == order
        assert db.find(Order, Order.customer != ann).count() == 1
        assert db.find(Order, Order.helper == None).count() == 2  # noqa: E711

    @pytest.mark.parametrize(
        "lookup", ["gt", "gte", "lt", "lte", "startswith", "like", "year", "size", "contains"]
    )
    def test_other_lookups_are_refused(self, db: BaseStorageAdapter, lookup: str) -> None:
        with pytest.raises(InvalidQuery, match="a reference to Customer: it takes"):
            db.find(Order, **{f"customer__{lookup}": "x"})

    def test_another_class_is_refused(self, db: BaseStorageAdapter, nut: Product) -> None:
        with pytest.raises(InvalidQuery, match="Product, where Customer is wanted"):
            db.find(Order, customer=nut)
        with pytest.raises(InvalidQuery, match="a reference to Customer, whose key is UUID"):
            db.find(Order, customer="x")
        with pytest.raises(InvalidQuery, match="no key yet"):
            db.find(Order, extras__contains=unsaved())

    def test_a_name_behind_it_names_the_two_queries(
        self, db: BaseStorageAdapter, order: Order, nut: Product
    ) -> None:
        for name, value in (("customer__name", "Ann"), ("extras__name", "nut")):
            with pytest.raises(InvalidQuery, match="ask in two") as caught:
                db.find(Order, **{name: value})
            program = str(caught.value).partition("ask in two, ")[2].partition(";")[0]
            names = {"db": db, "Order": Order, "Customer": Customer, "Product": Product}
            assert eval(program, {**names, "value": value}).one() == order  # noqa: S307
        with pytest.raises(InvalidQuery, match="ask in two"):
            _ = Order.customer.name  # type: ignore[attr-defined]

    def test_order_and_values_are_by_key(self, db: BaseStorageAdapter, order: Order) -> None:
        keys = [one.customer.key for one in db.find(Order).order_by("customer")]
        assert keys == sorted(keys, key=str)
        assert db.find(Order).values("customer") == keys
        assert (
            db.find(Order).order_by("-customer").first()
            == db.find(Order, customer=keys[-1]).first()
        )

    def test_the_index_is_used(self, full: BaseStorageAdapter) -> None:
        Order(customer=uuid4()).save(full)
        assert "uses" in str(full.find(Order, customer=uuid4()).explain())
