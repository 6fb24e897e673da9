"""Fetching: one query per level and class referred to, on every engine and across storages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import pytest
from pydantic import BaseModel, Field, RootModel
from typing_extensions import TypedDict

from docmap import (
    BaseStorageAdapter,
    Command,
    Document,
    DocumentNotFound,
    InvalidQuery,
    NotFetched,
    Ref,
)


class Company(Document):
    name: str


class Customer(Document):
    name: str
    company: Ref[Company] | None = None
    friend: Ref[Customer] | None = None


class Product(Document):
    name: str
    maker: Ref[Company] | None = None


class Line(BaseModel):
    product: Ref[Product]


@dataclass
class Part:
    product: Ref[Product]


class Gift(BaseModel):
    gift: Ref[Product]


class Box(TypedDict):
    product: Ref[Product]


class Pair(NamedTuple):
    product: Ref[Product]
    customer: Ref[Customer]


class Lines(RootModel[list[Line]]):
    pass


class Order(Document):
    customer: Ref[Customer]
    items: list[Line] = Field(default_factory=list)
    part: Part | None = None
    box: Box | None = None
    pair: Pair | None = None
    both: tuple[Ref[Product], Ref[Customer]] | None = None
    named: dict[str, Ref[Product]] = Field(default_factory=dict)
    either: Line | Gift | None = None
    rows: list[list[Line]] = Field(default_factory=list)
    root: Lines | None = None


class Seen:
    """The commands of storages, by name and collection, in order."""

    def __init__(self, *storages: BaseStorageAdapter) -> None:
        self.commands: list[tuple[str, str]] = []
        self._ends = [storage.on_command(self._note) for storage in storages]

    def _note(self, command: Command) -> None:
        self.commands.append((command.name, command.collection))

    def take(self) -> list[tuple[str, str]]:
        """What was asked since the last time."""
        found, self.commands = self.commands, []
        return found


@pytest.fixture
def stored(db: BaseStorageAdapter) -> BaseStorageAdapter:
    """Two customers with orders, products and a company; one product is not there."""
    fill(db)
    return db


def fill(db: BaseStorageAdapter, *, customers: BaseStorageAdapter | None = None) -> None:
    """Store a small shop, the customers elsewhere if wanted."""
    acme = Company(id="acme", name="Acme")
    ann = Customer(id="ann", name="Ann", company=Ref(acme))
    bob = Customer(id="bob", name="Bob", friend=Ref(ann))
    nut, bolt = Product(id="nut", name="nut", maker=Ref(acme)), Product(id="bolt", name="bolt")
    (customers or db).insert_many([acme, ann, bob])
    db.insert_many([nut, bolt])
    for number in range(6):
        Order(
            id=str(number),
            customer=ann if number % 2 else bob,
            items=[Line(product=nut), Line(product="gone" if number == 5 else bolt)],
        ).save(db)


class TestQueries:
    def test_one_query_per_level_and_class(self, stored: BaseStorageAdapter) -> None:
        seen = Seen(stored)
        orders = stored.find(Order).fetch("customer.company", "items.product.maker").list()
        assert seen.take() == [
            ("find", "order"),
            ("get_many", "customer"),
            ("get_many", "product"),
            ("get_many", "company"),
        ]
        by_id = {order.id: order for order in orders}
        assert by_id["1"].customer.value.name == "Ann"
        company = by_id["1"].customer.value.company
        maker = by_id["0"].items[0].product.value.maker
        assert company is not None
        assert maker is not None
        assert company.value.name == "Acme"
        assert maker.value is company.value, "one document is one object"
        assert by_id["1"].customer.value is by_id["3"].customer.value
        assert seen.take() == []

    @pytest.mark.parametrize("count", [1, 3, 6])
    def test_the_number_of_documents_makes_no_difference(
        self, stored: BaseStorageAdapter, count: int
    ) -> None:
        seen = Seen(stored)
        for order in stored.find(Order).order_by("id").fetch("customer")[:count]:
            assert order.customer.is_fetched
        assert sorted(seen.take()) == [("find", "order"), ("get_many", "customer")]

    def test_a_stream_is_fetched_for_in_batches(self, db: BaseStorageAdapter) -> None:
        ann = Customer(name="Ann")
        db.insert(ann)
        db.insert_many([Order(customer=ann) for _ in range(1100)])
        seen = Seen(db)
        assert all(o.customer.value == ann for o in db.find(Order).fetch("customer"))
        assert seen.take().count(("get_many", "customer")) == 3
        assert len(db.find(Order).fetch("customer").list()) == 1100
        assert seen.take().count(("get_many", "customer")) == 1

    def test_first_one_get_and_index(self, stored: BaseStorageAdapter) -> None:
        query = stored.find(Order).fetch("customer").order_by("id")
        first = query.first()
        assert first is not None
        assert first.customer.value.name == "Bob"
        assert query.where(id="1").one().customer.value.name == "Ann"
        assert query.get(id="1").customer.value.name == "Ann"
        assert query[2].customer.value.name == "Bob"

    def test_what_is_not_there(self, stored: BaseStorageAdapter) -> None:
        order = stored.find(Order).fetch("items.product").get(id="5")
        gone = order.items[1].product
        assert gone.is_fetched
        assert gone.key == "gone"
        with pytest.raises(DocumentNotFound, match="product had no document"):
            _ = gone.value
        with pytest.raises(NotFetched):
            _ = order.customer.value

    def test_a_query_without_documents_reads_nothing_more(self, stored: BaseStorageAdapter) -> None:
        seen = Seen(stored)
        assert stored.find(Order, id="none").fetch("customer").list() == []
        assert seen.take() == [("find", "order")]

    def test_a_tree_level_by_level(self, stored: BaseStorageAdapter) -> None:
        bob = stored.find(Customer).fetch("friend.company").get(id="bob")
        assert bob.friend is not None
        assert bob.friend.value.company is not None
        assert bob.friend.value.company.value.name == "Acme"

    def test_what_was_read_is_not_read_again(self, stored: BaseStorageAdapter) -> None:
        seen = Seen(stored)
        orders = stored.find(Order).fetch("customer.friend").list()
        assert seen.take() == [("find", "order"), ("get_many", "customer")]
        people = {order.customer.value.name: order.customer.value for order in orders}
        friend = people["Bob"].friend
        assert friend is not None
        assert friend.value is people["Ann"]

    def test_an_expression_names_the_reference(self, stored: BaseStorageAdapter) -> None:
        for order in stored.find(Order).fetch(Order.customer):
            assert order.customer.is_fetched

    def test_fetching_twice_adds(self, stored: BaseStorageAdapter) -> None:
        for order in stored.find(Order).fetch("customer").fetch("items.product").where(id="0"):
            assert order.customer.is_fetched
            assert order.items[0].product.is_fetched

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("custmer", "did you mean 'customer'"),
            ("items", "no reference 'items': its references are .*items.product"),
            ("customer.compny", "Customer has no reference 'compny': did you mean 'company'"),
            ("customer.name", "Customer has no reference"),
            ("", "names of references"),
            (5, "not int"),
        ],
    )
    def test_what_is_no_reference_is_refused(
        self, db: BaseStorageAdapter, name: object, message: str
    ) -> None:
        with pytest.raises(InvalidQuery, match=message):
            db.find(Order).fetch(name)

    def test_without_documents_it_is_refused(self, stored: BaseStorageAdapter) -> None:
        with pytest.raises(InvalidQuery, match="needs documents"):
            list(stored.find(Order).fetch("customer").raw())
        with pytest.raises(InvalidQuery, match="takes names"):
            stored.find(Order).fetch()


class TestStorages:
    def test_another_storage(self, db: BaseStorageAdapter, second: BaseStorageAdapter) -> None:
        fill(db, customers=second)
        seen = Seen(db, second)
        orders = db.find(Order).fetch("customer.company", storage=second).list()
        assert {order.customer.value.name for order in orders} == {"Ann", "Bob"}
        assert len(seen.take()) == 3
        missing = db.find(Order).fetch("customer").list()
        with pytest.raises(DocumentNotFound):
            _ = missing[0].customer.value

    def test_a_mapping_of_classes(self, db: BaseStorageAdapter, second: BaseStorageAdapter) -> None:
        fill(db, customers=second)
        query = db.find(Order).fetch("customer", "items.product", storage={Customer: second})
        for order in query:
            assert order.customer.is_fetched
            assert order.items[0].product.value.name == "nut"

    def test_something_else_is_refused(self, db: BaseStorageAdapter) -> None:
        wrong: object = "archive"
        with pytest.raises(InvalidQuery, match="takes storage=, a storage or a mapping"):
            db.find(Order).fetch("customer", storage=wrong)  # type: ignore[arg-type]


class TestDocumentsAtHand:
    def test_many(self, stored: BaseStorageAdapter) -> None:
        orders = stored.find(Order).list()
        seen = Seen(stored)
        assert stored.fetch(orders, "customer") == orders
        assert seen.take() == [("get_many", "customer")]
        assert all(order.customer.is_fetched for order in orders)

    def test_of_several_classes(self, stored: BaseStorageAdapter) -> None:
        class Visit(Document):
            customer: Ref[Customer]

        seen = Seen(stored)
        order, visit = Order(customer="ann"), Visit(customer="ann")
        stored.fetch([order, visit], "customer")
        assert order.customer.value is visit.customer.value
        assert seen.take() == [("get_many", "customer")]

    def test_every_place(self, stored: BaseStorageAdapter) -> None:
        nut = Ref[Product]("nut")

        def made() -> Ref[Product]:
            return Ref[Product]("nut")

        order = Order(
            customer="ann",
            part=Part(made()),
            box={"product": made()},
            pair=Pair(made(), Ref[Customer]("bob")),
            both=(made(), Ref[Customer]("bob")),
            named={"a": made()},
            either=Gift(gift=made()),
            rows=[[Line(product=made())]],
            root=Lines([Line(product=made())]),
        )
        order.save(stored)
        loaded = stored.get(Order, order.id)
        assert loaded == order
        names = (
            "part.product",
            "box.product",
            "pair",
            "both",
            "named",
            "either.gift",
            "rows.product",
            "root.product",
        )
        seen = Seen(stored)
        stored.fetch([loaded], *names)
        assert sorted(seen.take()) == [("get_many", "customer"), ("get_many", "product")]
        assert loaded.part is not None
        assert loaded.box is not None
        assert loaded.pair is not None
        assert loaded.both is not None
        assert isinstance(loaded.either, Gift)
        assert loaded.root is not None
        found = [
            loaded.part.product,
            loaded.box["product"],
            loaded.pair.product,
            loaded.both[0],
            loaded.named["a"],
            loaded.either.gift,
            loaded.rows[0][0].product,
            loaded.root.root[0].product,
        ]
        assert all(one == nut and one.value.name == "nut" for one in found)
        assert loaded.pair.customer.value.name == loaded.both[1].value.name == "Bob"
