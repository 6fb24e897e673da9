"""Field expressions: what `Order.total` gives, the nodes it makes, and what it refuses."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

import pytest
from pydantic import BaseModel, Field, PrivateAttr, ValidationError, computed_field

from docmap.errors import InvalidQuery
from docmap.model.document import Document
from docmap.model.fields import (
    Condition,
    FieldExpression,
    Mapped,
    Q,
    as_node,
    as_path,
    col,
    field,
    owners,
    path,
)
from docmap.model.metaclass import DocumentMeta
from docmap.query.nodes import TRUE, And, Compare, Element, Keyword, Node, Not, Or
from docmap.query.order import OrderTerm
from docmap.query.paths import EACH, Path

T = TypeVar("T")


class Size(StrEnum):
    SMALL = "small"


class Number(Enum):
    ONE = 1


class Box(BaseModel):
    """A nested model whose fields are called like lookups and like attributes of expressions."""

    size: int
    any: str
    year: int
    owner: str = ""
    path: str = ""


class Customer(BaseModel):
    name: str
    country: str
    tags: list[str] = Field(default_factory=list)
    friends: list[Customer] = Field(default_factory=list)


class Company(BaseModel):
    title: str
    country: str


class Loose(BaseModel, extra="allow"):
    name: str


class Item(BaseModel):
    sku: str
    qty: int


class Order(Document):
    number: str
    total: Decimal
    limit: Decimal = Decimal(10)
    count: int = 0
    flag: bool = False
    maybe: bool | None = None
    created_at: datetime
    day: date | None = None
    customer: Customer
    buyer: Customer | None = None
    party: Customer | Company | None = None
    items: list[Item] = Field(default_factory=list)
    pair: tuple[int, Item] | None = None
    by_name: dict[str, Item] = Field(default_factory=dict)
    by_number: dict[int, str] = Field(default_factory=dict)
    tags: list[str] = Field(default_factory=list)
    labels: set[str] = Field(default_factory=set)
    box: Box | None = None
    loose: Loose | None = None
    note: str | None = None
    anything: Any = None
    mapped: Mapped[list[str]] = field(default_factory=list)
    old: int = Field(default=0, deprecated="gone soon")
    _secret: int = PrivateAttr(default=3)
    constant: ClassVar[int] = 7

    @computed_field
    def doubled(self) -> Decimal:
        return self.total * 2


class Other(Document):
    total: Decimal


def compare(place: str | tuple[Any, ...], lookup: str, value: Any) -> Compare:
    segments = (place,) if isinstance(place, str) else place
    return Compare(Path(segments), lookup, value)


NOW = datetime(2024, 5, 6, tzinfo=UTC)

CONDITIONS: list[tuple[Callable[[], Any], Node]] = [
    (lambda: Order.total == 5, compare("total", "equals", 5)),
    (lambda: Order.total != 5, Not(compare("total", "equals", 5))),
    (lambda: Order.note == None, compare("note", "equals", None)),  # noqa: E711
    (lambda: Order.note != None, Not(compare("note", "equals", None))),  # noqa: E711
    (lambda: Order.total > 5, compare("total", "gt", 5)),
    (lambda: Order.total >= 5, compare("total", "gte", 5)),
    (lambda: Order.total < 5, compare("total", "lt", 5)),
    (lambda: Order.total <= 5, compare("total", "lte", 5)),
    (lambda: 5 < Order.total, compare("total", "gt", 5)),  # noqa: SIM300
    (lambda: Decimal(5) >= Order.total, compare("total", "lte", Decimal(5))),
    (lambda: Order.number == "x", compare("number", "equals", "x")),
    (lambda: "x" == Order.number, compare("number", "equals", "x")),  # noqa: SIM300
    (lambda: col(Order.total).between(1, 2), compare("total", "between", (1, 2))),
    (lambda: col(Order.total).in_([1, None]), compare("total", "in", (1, None))),
    (lambda: col(Order.total).in_(n for n in (1, 2)), compare("total", "in", (1, 2))),
    (lambda: col(Order.total).not_in([1]), Not(compare("total", "in", (1,)))),
    (lambda: col(Order.total).exists(), compare("total", "exists", True)),
    (lambda: col(Order.total).exists(False), compare("total", "exists", False)),
    (lambda: col(Order.total).is_null(), compare("total", "is_null", True)),
    (lambda: col(Order.total).is_null(False), compare("total", "is_null", False)),
    (lambda: col(Order.number).contains("a"), compare("number", "contains", "a")),
    (lambda: col(Order.number).icontains("a"), compare("number", "icontains", "a")),
    (lambda: Order.number.startswith("a"), compare("number", "startswith", "a")),
    (lambda: col(Order.number).istartswith("a"), compare("number", "istartswith", "a")),
    (lambda: Order.number.endswith("a"), compare("number", "endswith", "a")),
    (lambda: col(Order.number).iendswith("a"), compare("number", "iendswith", "a")),
    (lambda: col(Order.number).iexact("a"), compare("number", "iexact", "a")),
    (lambda: col(Order.number).matches("a+"), compare("number", "matches", "a+")),
    (
        lambda: col(Order.number).matches_caseless("a+"),
        compare("number", "matches_caseless", "a+"),
    ),
    (lambda: col(Order.number).like("a%"), compare("number", "like", "a%")),
    (lambda: col(Order.number).lookup("soundex", "x"), compare("number", "soundex", "x")),
    (lambda: col(Order.tags).contains("a"), compare("tags", "contains", "a")),
    (lambda: col(Order.tags).contains_any(["a"]), compare("tags", "contains_any", ("a",))),
    (lambda: col(Order.tags).contains_all(("a", "b")), compare("tags", "contains_all", ("a", "b"))),
    (lambda: col(Order.tags).size(2), compare("tags", "size", 2)),
    (lambda: Order.tags == ["a"], compare("tags", "equals", ["a"])),
    (lambda: col(Order.created_at).year(2024), compare("created_at", "year", 2024)),
    (lambda: col(Order.created_at).month(5), compare("created_at", "month", 5)),
    (lambda: col(Order.created_at).day(6), compare("created_at", "day", 6)),
    (lambda: col(Order.created_at).hour(0), compare("created_at", "hour", 0)),
    (lambda: col(Order.day).weekday(1), compare("day", "weekday", 1)),
    # Python's own dates have these parts, so checkers let them pass.
    (lambda: Order.created_at.year == 2024, compare("created_at", "year", 2024)),
    (lambda: Order.created_at.hour != 3, Not(compare("created_at", "hour", 3))),
    (lambda: Order.created_at.weekday() == 0, compare("created_at", "weekday", 0)),
    (lambda: Order.customer.country == "DE", compare(("customer", "country"), "equals", "DE")),
    (lambda: Order.items[0].sku == "x", compare(("items", 0, "sku"), "equals", "x")),
    (lambda: Order.flag, compare("flag", "equals", True)),
    (lambda: ~col(Order.flag), Not(compare("flag", "equals", True))),
    (lambda: ~col(Order.total > 5), Not(compare("total", "gt", 5))),
    (
        lambda: Order.flag & (Order.total > 5),
        And((compare("flag", "equals", True), compare("total", "gt", 5))),
    ),
    (
        lambda: (Order.total > 5) | Order.flag,
        Or((compare("total", "gt", 5), compare("flag", "equals", True))),
    ),
    (
        lambda: (Order.total > 5) & (Order.count < 3) & (Order.count > 1),
        And((compare("total", "gt", 5), compare("count", "lt", 3), compare("count", "gt", 1))),
    ),
    (lambda: Q(status="new"), Keyword("status", "new")),
    (Q, TRUE),
    (lambda: Q(a=1, b__gt=2), And((Keyword("a", 1), Keyword("b__gt", 2)))),
    (lambda: Q(a=1) | ~Q(b=2), Or((Keyword("a", 1), Not(Keyword("b", 2))))),
    (lambda: Q(Order.total > 5, a=1), And((compare("total", "gt", 5), Keyword("a", 1)))),
    (lambda: Q(items__any=Q(sku="x")), Keyword("items__any", Keyword("sku", "x"))),
    (lambda: ~~Q(a=1), Keyword("a", 1)),
    (
        lambda: col(Order.items).any(sku="x", qty__gt=2),
        Element(Path(("items",)), "any", And((Keyword("sku", "x"), Keyword("qty__gt", 2)))),
    ),
    (
        lambda: col(Order.items).all(Q(sku="x") | Q(qty=1)),
        Element(Path(("items",)), "all", Or((Keyword("sku", "x"), Keyword("qty", 1)))),
    ),
    (
        lambda: col(Order.items).any(path("sku") == "x"),
        Element(Path(("items",)), "any", compare("sku", "equals", "x")),
    ),
    (lambda: col(Order.tags).any(gt="a"), Element(Path(("tags",)), "any", Keyword("gt", "a"))),
    (lambda: path("a.b", "c") == 1, compare(("a.b", "c"), "equals", 1)),
    (lambda: path("a", 0)["b"][1] == 1, compare(("a", 0, "b", 1), "equals", 1)),
    (lambda: ~path("flag"), Not(compare("flag", "equals", True))),
]


@pytest.mark.parametrize(("make", "node"), CONDITIONS, ids=map(str, range(len(CONDITIONS))))
def test_expressions_make_nodes(make: Callable[[], object], node: Node) -> None:
    assert as_node(make()) == node


@pytest.mark.parametrize(
    ("make", "segments"),
    [
        (lambda: Order.number, ("number",)),  # no default
        (lambda: Order.count, ("count",)),  # a default
        (lambda: Order.items, ("items",)),  # a default factory
        (lambda: Order.mapped, ("mapped",)),
        (lambda: Order.old, ("old",)),  # deprecated
        (lambda: Order.id, ("id",)),  # inherited
        (lambda: Order.customer.friends[2].friends[0].name,
         ("customer", "friends", 2, "friends", 0, "name")),
        (lambda: Order.customer["country"], ("customer", "country")),  # type: ignore[index]
        (lambda: Order.buyer.country, ("buyer", "country")),  # type: ignore[union-attr]
        (lambda: Order.party.country, ("party", "country")),  # type: ignore[union-attr]
        (lambda: Order.party.title, ("party", "title")),  # type: ignore[union-attr]
        (lambda: Order.pair[1].sku, ("pair", 1, "sku")),  # type: ignore[index]
        (lambda: Order.by_name["x"].sku, ("by_name", "x", "sku")),
        (lambda: Order.by_name["size"], ("by_name", "size")),
        (lambda: Order.by_name[Size.SMALL], ("by_name", "small")),
        (lambda: Order.by_number[5], ("by_number", 5)),
        (lambda: Order.by_number[Number.ONE], ("by_number", 1)),  # type: ignore[index]
        (lambda: Order.by_name[UUID(int=1)],  # type: ignore[index]
         ("by_name", "00000000-0000-0000-0000-000000000001")),
        (lambda: Order.loose["more"], ("loose", "more")),  # type: ignore[index]
        (lambda: Order.anything.deep["x"][0], ("anything", "deep", "x", 0)),
        (lambda: col(Order.items).each().sku, ("items", EACH, "sku")),
        (lambda: col(Order.tags).each(), ("tags", EACH)),
        (lambda: path("a.b"), ("a.b",)),
        (lambda: path("a", 3, "b").each(), ("a", 3, "b", EACH)),
    ],
)  # fmt: skip
def test_expressions_name_places(make: Callable[[], Any], segments: tuple[Any, ...]) -> None:
    assert as_path(make()).segments == segments


def test_a_nested_field_comes_before_a_lookup_of_its_name() -> None:
    box: Any = Order.box
    assert as_path(box.size).segments == ("box", "size")
    assert as_path(box.any).segments == ("box", "any")
    assert as_path(box.owner).segments == ("box", "owner")
    assert as_path(box.path).segments == ("box", "path")
    assert as_node(box.year == 5) == compare(("box", "year"), "equals", 5)
    assert as_node(box["size"] > 5) == compare(("box", "size"), "gt", 5)
    assert as_node(box.exists()) == compare("box", "exists", True)
    assert as_node(box.size > 5) == compare(("box", "size"), "gt", 5)


REFUSED: list[tuple[Callable[[], object], str]] = [
    (lambda: Order.customer.contry, "Order.customer has no field .*'contry'.*'country'"),  # type: ignore[attr-defined]
    (lambda: Order.customer["contry"], "'contry': did you mean 'country'"),  # type: ignore[index]
    (lambda: Order.party.titel, "'titel': did you mean 'title'"),  # type: ignore[union-attr]
    (lambda: Order.total.foo, "Order.total has no field or lookup 'foo'"),  # type: ignore[attr-defined]
    (lambda: Order.total.betwen(1, 2), "did you mean 'between'"),  # type: ignore[attr-defined]
    (lambda: Order.total[0], "is decimal, not a list"),  # type: ignore[index]
    (lambda: Order.number["x"], "Order.number is text and has no fields"),  # type: ignore[index]
    (lambda: Order.items.sku, r"Order.items\[0\].sku .* Order.items.any\(sku="),  # type: ignore[attr-defined]
    (lambda: Order.items["sku"], "does not walk into lists"),  # type: ignore[call-overload]
    (lambda: Order.items[-1], "index from 0"),
    (lambda: Order.items[0:2], "index from 0"),
    (lambda: Order.items[True], "index from 0"),
    (lambda: Order.pair[2], "there is no element 2"),  # type: ignore[index, misc]
    (lambda: Order.by_name.sku, r"Order.by_name\['sku'\]"),  # type: ignore[attr-defined]
    (lambda: Order.customer[0], "Customer, not a list"),  # type: ignore[index]
    (lambda: col(Order.total).each(), "goes through lists only"),  # type: ignore[attr-defined]
    (lambda: path("a").b, "no field or lookup 'b'"),  # type: ignore[attr-defined]
    (lambda: path("a").contain("x"), "did you mean 'contains'"),  # type: ignore[attr-defined]
    (lambda: path(True), "<bool> is no place"),
    (lambda: path(1.5), "<float> is no place"),  # type: ignore[arg-type]
    (lambda: path("a", -1), "<int> is no place"),
    # Python would decide by itself
    (lambda: bool(Order.total > 5), r"\(total > \?\) has no truth value.*& *, .*between.*in_"),
    (lambda: Order.total > 5 and Order.count > 1, "no truth value"),
    (lambda: Order.total > 5 or Order.count > 1, "no truth value"),
    (lambda: not (Order.total > 5), "no truth value"),
    (lambda: 1 < Order.total < 5, "no truth value"),
    (lambda: 1 if Order.total > 5 else 2, "no truth value"),
    (lambda: Order.flag and Order.maybe, "Order.flag has no truth value"),
    (lambda: not Order.flag, "Order.flag has no truth value"),
    (lambda: bool(Order.created_at.year), "created_at.year has no truth value"),
    (lambda: Order.number in ("a", "b"), "no truth value"),
    (lambda: "a" in Order.tags, r"Order.tags.contains\(value\)"),
    (lambda: list(Order.tags), "cannot be iterated"),
    (lambda: [*Order.items], "cannot be iterated"),
    (lambda: len(Order.tags), r"Order.tags.size\(n\)"),
    # operands
    (lambda: Order.total > Order.limit, "not with another field .*Order.limit"),
    (lambda: Order.total == Order.limit, "not with another field"),
    (lambda: col(Order.total).in_([Order.limit]), "not with another field"),
    (lambda: col(Order.total).between(1, Order.limit), "not with another field"),
    (lambda: Order.flag == (Order.total > 5), "not with another field or condition"),
    (lambda: Q(total=Order.limit), "not with another field"),
    (lambda: col(Order.number).in_("abc"), "in_ takes a list of values, not <str>"),
    (lambda: col(Order.number).not_in("abc"), "not_in takes a list"),
    (lambda: col(Order.number).contains_any("abc"), "contains_any takes a list"),
    (lambda: col(Order.total).in_(5), "in_ takes a list of values, not <int>"),  # type: ignore[arg-type]
    (lambda: col(Order.total).in_(Order.tags), "in_ takes a list"),  # type: ignore[arg-type]
    (lambda: Order.created_at.year > 2020, "compared with == and != only"),
    # conditions
    (lambda: as_node(True), "Python made the comparison itself"),
    (lambda: as_node(Order.note is None), "write == None for is None"),
    (lambda: as_node(5), "cannot be <int>"),
    (lambda: as_node("total > 5"), "cannot be <str>"),
    (lambda: as_node(None), "cannot be <NoneType>"),
    (lambda: as_node(Order.total), "Order.total is a field, not a condition"),
    (lambda: as_node(Order.created_at.year), r"created_at.year\(number\)"),
    (lambda: as_node(col(Order.total).desc()), "cannot be <OrderTerm>"),
    (lambda: (Order.total > 5) & True, "Python made the comparison itself"),
    (lambda: True & (Order.total > 5), "Python made the comparison itself"),
    (lambda: False | Order.flag, "Python made the comparison itself"),
    (lambda: Order.flag | False, "Python made the comparison itself"),
    (lambda: ~Order.total, "Order.total is a field, not a condition"),  # type: ignore[operator]
    (lambda: Q(5), "cannot be <int>"),  # type: ignore[arg-type]
    (lambda: col(Order.items).any(), "asks nothing of the elements"),
    (lambda: col(Order.items).any(True), "Python made the comparison itself"),
    (lambda: col(Order.items).any(Order.total > 5), r"a field of Order stands in Order.items.any"),
    (lambda: Q(items__any=Order.total > 5), r"items__any= takes a condition on the elements"),
    (lambda: col(5 > 3), "Python made the comparison itself"),  # noqa: PLR0133
    (lambda: col("tags"), r"path\('tags'\)"),
    (lambda: as_path("total"), "not by <str>"),
]


@pytest.mark.parametrize(("make", "message"), REFUSED, ids=map(str, range(len(REFUSED))))
def test_what_has_no_meaning_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(InvalidQuery, match=message):
        make()


def test_a_refusal_has_attributes() -> None:
    with pytest.raises(InvalidQuery) as caught:
        Order.customer.contry  # type: ignore[attr-defined]  # noqa: B018
    assert caught.value.field == "contry"
    assert caught.value.suggestions == ("country",)


def test_elements_that_are_documents_have_expressions_of_their_own() -> None:
    class Line(Document):
        sku: str

    class Bill(Document):
        lines: list[Line]

    assert as_node(col(Bill.lines).any(Line.sku == "x")) == Element(
        Path(("lines",)), "any", compare("sku", "equals", "x")
    )
    assert owners(col(Bill.lines).any(Line.sku == "x")) == {Bill}


def test_conditions_know_the_classes_they_name() -> None:
    both: Any = (Order.total > 5) & (Other.total > 5) & Q(total=5) & (path("total") > 5)
    assert owners(both) == {Order, Other}
    assert owners(~both | Q(a=1)) == {Order, Other}
    assert owners(Q(both)) == {Order, Other}
    assert owners(col(Order.customer.name).contains("x")) == {Order}
    assert owners(col(Order.items).any(sku="x")) == {Order}
    assert owners(col(Order.created_at).year(5)) == {Order}
    assert owners(Q(a=1)) == frozenset()
    expression: Any = Order.customer.name
    assert owners(expression) == {Order}
    assert owners(path("total")) == frozenset()


def test_order_terms() -> None:
    assert col(Order.total).desc() == OrderTerm(Path(("total",)), descending=True)
    assert col(Order.customer.name).asc() == OrderTerm(Path(("customer", "name")))


def test_col_and_mapped_are_nothing_at_run_time() -> None:
    expression, condition = Order.total, Order.total > 5
    assert col(expression) is expression  # type: ignore[comparison-overlap]
    assert col(condition) is condition  # type: ignore[comparison-overlap]
    assert Mapped[Item] is Item  # type: ignore[comparison-overlap]
    assert Order.model_fields["mapped"].annotation == list[str]


def test_field_takes_the_arguments_of_pydantic() -> None:
    class Limited(Document):
        code: Mapped[str] = field(default="a", max_length=2)

    assert Limited().code == "a"
    with pytest.raises(ValidationError, match="at most 2"):
        Limited(code="abc")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Order.items[0].sku, "Order.items[0].sku"),
        (Order.by_name["x y"].sku, "Order.by_name['x y'].sku"),
        (Order.by_name["size"], "Order.by_name['size']"),
        (col(Order.tags).each(), "Order.tags.each()"),
        (path("a.b", "c", 0), "path('a.b').c[0]"),
        (Order.created_at.year, "created_at.year"),
        ((Order.total > 5) & ~Q(note="x"), "Condition(total > ? and not note=?)"),
        (Q(a=1), "Condition(a=?)"),
    ],
)
def test_repr_is_the_code_without_operands(value: object, text: str) -> None:
    assert repr(value) == text


def test_copies() -> None:
    for original in (Order.customer.name, Order.box):
        assert as_path(copy.copy(original)) == as_path(original)
    condition: Any = (Order.total > 5) & Q(a=1)
    again = pickle.loads(pickle.dumps(condition))  # noqa: S301
    assert again.node == condition.node
    assert again.owners == {Order}


def test_expressions_are_not_hashable_and_hold_no_new_attributes() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(Order.total)
    with pytest.raises(TypeError, match="unhashable"):
        hash(Order.created_at.year)
    with pytest.raises(AttributeError):
        Order.customer.name = "x"


def test_private_names_are_never_fields() -> None:
    assert not hasattr(Order.total, "_repr_html_")
    assert not hasattr(Order.total, "__array__")


# The class attribute


def test_a_misspelt_field_of_the_class_is_an_attribute_error() -> None:
    with pytest.raises(
        AttributeError, match="type object 'Order' has no attribute 'totl'"
    ) as caught:
        Order.totl  # type: ignore[attr-defined]  # noqa: B018
    assert (caught.value.name, caught.value.obj) == ("totl", Order)
    assert not hasattr(Order, "totl")
    assert "total" in dir(Order)


def test_other_attributes_of_the_class_stay_what_they_are() -> None:
    assert Order.constant == 7
    assert Order._secret.get_default() == 3  # type: ignore[attr-defined]
    assert isinstance(Order.doubled, property)
    assert not isinstance(Order.model_fields, FieldExpression)
    assert not hasattr(Customer, "name")  # nested models are pydantic's


def test_instances_are_not_touched() -> None:
    order = Order(
        number="1", total=Decimal(2), created_at=NOW, customer=Customer(name="a", country="b")
    )
    order.total = Decimal(3)
    order.number += "x"
    assert (order.total, order.number) == (Decimal(3), "1x")
    assert (order.count, order.constant) == (0, 7)
    assert order._secret == 3
    with pytest.deprecated_call():
        assert order.old == 0
    empty = Order.model_construct()
    with pytest.raises(AttributeError, match="'Order' object has no attribute 'total'"):
        empty.total  # noqa: B018
    assert "total" in inspect.signature(Order).parameters


def test_overriding_a_field_neither_warns_nor_takes_an_expression_for_a_default() -> None:
    class Base(Document, abstract=True):
        name: str = "new"
        size: int = 0

    class Derived(Base):
        id: int  # type: ignore[assignment, unused-ignore]
        name: str
        size: int = 5

    assert Derived.model_fields["name"].is_required()
    assert Derived.model_fields["size"].default == 5
    assert as_path(Derived.id).segments == ("id",)
    assert owners(Derived.name == "x") == {Derived}  # type: ignore[arg-type]
    assert owners(Base.name == "x") == {Base}  # type: ignore[arg-type]


def test_expressions_exist_only_on_finished_classes() -> None:
    seen: list[bool] = []

    class Watched(Document, abstract=True):
        name: str

        def __init_subclass__(cls, **keywords: Any) -> None:
            super().__init_subclass__(**keywords)
            seen.append(hasattr(cls, "extra"))
            seen.append(hasattr(cls, "name"))

    class Finished(Watched, collection="finished"):
        extra: str

    assert seen == [False, False]
    assert hasattr(Finished, "extra")
    assert hasattr(Finished, "name")


def test_a_class_is_finished_once_the_classes_it_names_are_there() -> None:
    class Early(Document):
        later: Later | None = None

    with pytest.raises(AttributeError, match="Early.later cannot be an expression yet"):
        Early.later  # noqa: B018
    assert not hasattr(Early, "later")

    class Later(BaseModel):
        name: str

    assert as_path(Early.later.name).segments == ("later", "name")  # type: ignore[union-attr]


def test_building_again_keeps_the_expressions() -> None:
    class Rebuilt(Document):
        name: str = "x"

    Rebuilt.model_rebuild(force=True)
    assert Rebuilt().name == "x"
    assert as_path(Rebuilt.name).segments == ("name",)


def test_a_class_built_when_it_is_needed() -> None:
    class Deferred(Document, defer_build=True):
        name: str = "x"

    assert as_path(Deferred.name).segments == ("name",)
    assert Deferred().name == "x"


def test_generic_classes() -> None:
    class Page(BaseModel, Generic[T], metaclass=DocumentMeta):
        content: T
        number: int = 0

    page: Any = Page
    assert as_path(page[Customer].content.name).segments == ("content", "name")
    assert as_path(page[int].number).segments == ("number",)
    assert as_path(page.content.anything).segments == ("content", "anything")
    with pytest.raises(InvalidQuery, match="Page.int..content has no field or lookup 'name'"):
        page[int].content.name  # noqa: B018


def test_abstract_classes() -> None:
    class Base(Document, abstract=True):
        customer: Customer

    assert as_path(Base.customer.name).segments == ("customer", "name")


def test_a_condition_is_one_whatever_made_it() -> None:
    for condition in (Order.total > 5, Q(a=1), col(Order.tags).size(1), ~col(Order.flag)):
        assert isinstance(condition, Condition)
    assert as_node(Keyword("a", 1)) == Keyword("a", 1)
