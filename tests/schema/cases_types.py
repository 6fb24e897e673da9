"""Documents that use every type that can be declared, each with values that are hard to keep."""

from __future__ import annotations

import dataclasses
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Mapping, MutableSequence, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag, IntEnum, IntFlag, StrEnum, auto
from ipaddress import IPv4Address, IPv6Network
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Generic, Literal, NamedTuple, NotRequired, TypeVar
from uuid import UUID

from pydantic import (
    AwareDatetime,
    BaseModel,
    ByteSize,
    Field,
    HttpUrl,
    JsonValue,
    PastDate,
    RootModel,
    Secret,
)
from typing_extensions import TypeAliasType, TypedDict

from docmap import BigInt, Document, ObjectId, Precision, Stored, converters

T = TypeVar("T")
MS = datetime(2026, 3, 1, 12, 30, 15, 123000, tzinfo=UTC)
US = datetime(1, 1, 1, 0, 0, 0, 1, tzinfo=UTC)
LAST = datetime(9999, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)
ID = UUID("12345678-1234-5678-1234-567812345678")
OID = ObjectId("55f14312c7447c3da7051b26")


class Scalars(Document):
    flag: bool
    whole: int
    big: BigInt
    number: float
    exact: Decimal
    text: str
    data: bytes
    at: datetime
    fine: Annotated[datetime, Precision("us")]
    day: date
    clock: time
    span: timedelta
    uid: UUID
    oid: ObjectId
    anything: Any = None


LOW = Scalars(
    flag=False,
    whole=-(2**63),
    big=-(10**3999),
    number=-1.7976931348623157e308,
    exact=Decimal("-9.999999999999999999999999999999999E+6143"),
    text="",
    data=b"",
    at=datetime(1, 1, 1, tzinfo=UTC),
    fine=US,
    day=date.min,
    clock=time.min,
    span=timedelta(microseconds=-(2**63)),
    uid=UUID(int=0),
    oid=ObjectId(bytes(12)),
)
HIGH = Scalars(
    flag=True,
    whole=2**63 - 1,
    big=10**3999,
    number=5e-324,
    exact=Decimal("1E-6176"),
    text="é\U0001f600 \u2028 \\u0000 $.\"'`\x01\x7f",
    data=bytes(range(256)),
    at=LAST,
    fine=LAST.replace(microsecond=999999),
    day=date.max,
    clock=time.max,
    span=timedelta(microseconds=2**63 - 1),
    uid=UUID(int=2**128 - 1),
    oid=OID,
)
NUMBERS = ["0", "1.10", "1E+5", "0E-10", "0.000001", "1E-7", "-1.0", "123456789.123456789012345"]


class Lists(Document):
    ints: list[int]
    floats: list[float]
    texts: list[str]
    decimals: list[Decimal]
    optional: list[int | None]
    nested: list[list[datetime]]
    sequence: Sequence[int]
    mutable: MutableSequence[Decimal]
    queue: deque[int]
    bounded: Annotated[deque[UUID], Field(max_length=2)]
    bare: list  # type: ignore[type-arg]


class Tuples(Document):
    pair: tuple[int, Decimal]
    many: tuple[UUID, ...]
    nothing: tuple[()]
    bare: tuple  # type: ignore[type-arg]


class Sets(Document):
    texts: set[str]
    frozen: frozenset[int]
    decimals: set[Decimal]
    dates: set[datetime]
    optional: set[int | None]
    floats: set[float]
    abstract: AbstractSet[UUID]
    bare: set  # type: ignore[type-arg]


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Mixed(str, Enum):
    A = "a"


class Odd(Enum):
    MONEY = Decimal("1.10")
    WHEN = US
    PAIR = (1, "a")
    NOTHING = None


class Rates(Enum):
    LOW = Decimal("0.10")
    HIGH = Decimal("1E+2")


class Rights(Flag):
    READ = auto()
    WRITE = auto()


class Bits(IntFlag):
    ONE = 1
    TWO = 2


class Enums(Document):
    level: Level
    colour: Colour
    mixed: Mixed
    odd: list[Odd]
    rate: Rates
    rights: Rights
    bits: Bits
    keys: dict[Colour, int]
    members: set[Colour]
    rates: frozenset[Rates]
    status: Literal["new", "old"] = "new"
    number: Literal[1, 2] = 1
    some: Literal["a", 1, True, None, Colour.RED, b"x"] = None


class Dicts(Document):
    texts: dict[str, int]
    ints: dict[int, str]
    uuids: dict[UUID, Decimal]
    levels: dict[Level, int]
    days: dict[date, int]
    moments: dict[datetime, int]
    spans: dict[timedelta, int]
    floats: dict[float, int]
    flags: dict[bool, int]
    decimals: dict[Decimal, int]
    data: dict[bytes, int]
    nested: dict[str, dict[str, list[Decimal]]]
    abstract: Mapping[str, int]
    defaults: defaultdict[str, list[int]]
    ordered: OrderedDict[str, int]
    counted: Counter[str]
    bare: dict  # type: ignore[type-arg]


ODD_KEYS = {"": 1, ".": 2, "$set": 3, "a.b": 4, '"': 5, "\\": 6, "é": 7, "\x01": 8, "1": 9}


class Point(NamedTuple):
    x: int
    y: Decimal = Decimal(0)


@dataclasses.dataclass
class Plain:
    a: int
    b: Annotated[Decimal, Stored("bee")] = Decimal("1.0")
    made: list[int] = dataclasses.field(default_factory=list, init=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    when: datetime


@dataclasses.dataclass
class Pair(Generic[T]):
    left: T
    right: list[T]


class Options(TypedDict, total=False):
    size: int
    price: Annotated[Decimal, Stored("p")]


class Needed(Options):
    name: str
    more: NotRequired[date]


class Address(BaseModel):
    street: Annotated[str, Stored("s")]
    since: date | None = None


class FrozenAddress(BaseModel, frozen=True):
    street: str
    number: Decimal


class Roots(RootModel[list[Decimal]]):
    pass


class RootOfModel(RootModel[Address]):
    pass


class Nested(Document):
    address: Address
    many: list[Address]
    maybe: Address | None
    by_name: dict[str, Address]
    pair: tuple[Address, int]
    unique: set[FrozenAddress]
    point: Point
    plain: Plain
    frozen: Frozen
    generic: Pair[Decimal]
    options: Options
    needed: Needed
    roots: Roots
    root_of_model: RootOfModel


ADDRESS = Address(street="Main", since=date(2020, 1, 2))


class Node(BaseModel):
    value: Decimal
    children: list[Node] = []
    parent: Node | None = None


class Tree(RootModel[dict[str, "Tree"]]):
    pass


@dataclasses.dataclass
class Chain:
    value: Decimal
    following: Chain | None = None


class Link(TypedDict):
    value: Decimal
    following: NotRequired[Link]


class Leaf(NamedTuple):
    value: Decimal
    below: list[Leaf]


Json = TypeAliasType("Json", "dict[str, Json] | list[Json] | Decimal | str | None")  # type: ignore[misc]
Pairs = TypeAliasType("Pairs", dict[str, tuple[T, T]], type_params=(T,))


class Recursive(Document):
    node: Node
    tree: Tree
    chain: Chain
    link: Link
    leaf: Leaf
    json_value: JsonValue
    alias: Json
    generic: Pairs[Decimal]
    itself: Recursive | None = None
    all: list[Recursive] = []


class Money:
    def __init__(self, cents: int, currency: str) -> None:
        self.cents, self.currency = cents, currency

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((self.cents, self.currency))


@converters.register(Money)
class MoneyConverter:
    def to_db(self, value: Money) -> dict[str, Decimal]:
        return {value.currency: Decimal(value.cents).scaleb(-2)}

    def from_db(self, value: dict[str, Decimal]) -> Money:
        ((currency, amount),) = value.items()
        return Money(int(amount.scaleb(2)), currency)


class Name(str):
    __slots__ = ()


@converters.register(Name)
class NameConverter:
    def to_db(self, value: Name) -> str:
        return str(value)

    def from_db(self, value: str) -> Name:
        return Name(value)


class SecretDate(Secret[date]):
    pass


class Others(Document, arbitrary_types_allowed=True):
    price: Money
    prices: dict[str, list[Money]]
    unique: set[Money]
    name: Name
    maybe: Money | None = None
    names: dict[Name, int]
    url: HttpUrl
    path: Path
    pure: PurePosixPath
    address: IPv4Address
    network: IPv6Network
    size: ByteSize
    past: PastDate
    aware: AwareDatetime
    hidden: Secret[Decimal]
    hidden_date: SecretDate
    urls: list[HttpUrl]
    by_address: dict[IPv4Address, int]


class Anything(Document):
    it: Any
    many: list[Any]
    table: dict[str, Any]


ANYTHING: dict[str, Any] = {
    "numbers": [1, 1.0, -0.5, Decimal("1.0"), True, None],
    "moments": [MS, date(2026, 3, 1), time(1, 2, 3), timedelta(days=1)],
    "others": [ID, b"\x00", OID, "text", ""],
    "looks like a tag": [{"$decimal": "1"}, {"$dict": [["$date", 1]]}, {"$oid": {}}, {"$x": 1}],
    "two": {"$decimal": "1", "$date": 2},
    "deep": [[[{"a": [{}]}]]],
}

INNER = Recursive(
    node=Node(value=Decimal(1)),
    tree=Tree({}),
    chain=Chain(Decimal(1)),
    link={"value": Decimal(1)},
    leaf=Leaf(Decimal(1), []),
    json_value=None,
    alias=None,
    generic={},
)
SCALARS: dict[str, Any] = dict(HIGH) | {"id": "x"}
DOCUMENTS: list[Document] = [
    LOW,
    HIGH,
    *(Scalars(**{**SCALARS, "id": f"x{text}", "exact": Decimal(text)}) for text in NUMBERS),
    Lists(
        ints=[1, -(2**63)],
        floats=[0.0, 1.0, 1e22, 1e-7, 0.1],
        texts=["a", "\x7f"],
        decimals=[Decimal("1.0"), Decimal("1.00")],
        optional=[None, 1],
        nested=[[MS], []],
        sequence=[1],
        mutable=[Decimal(1)],
        queue=deque([3, 1]),
        bounded=deque([ID], 2),
        bare=[1, Decimal(2)],
    ),
    Tuples(
        pair=(1, Decimal("1.0")),
        many=(ID, UUID(int=1)),
        nothing=(),
        bare=(1, "a"),
    ),
    Sets(
        texts={"b", "a"},
        frozen=frozenset({3, -1}),
        decimals={Decimal("1.0"), Decimal(-2)},
        dates={MS, LAST},
        optional={None, 2},
        floats={1.5, -1.0, 0.0},
        abstract={ID},
        bare={1, "a", Decimal(2), MS},
    ),
    Enums(
        level=Level.HIGH,
        colour=Colour.RED,
        mixed=Mixed.A,
        odd=list(Odd),
        rate=Rates.HIGH,
        rights=Rights.READ | Rights.WRITE,
        bits=Bits.ONE | Bits.TWO,
        keys={Colour.BLUE: 1},
        members={Colour.BLUE, Colour.RED},
        rates=frozenset(Rates),
    ),
    *(
        Enums(
            level=Level.LOW,
            colour=Colour.BLUE,
            mixed=Mixed.A,
            odd=[],
            rate=Rates.LOW,
            rights=Rights(0),
            bits=Bits(0),
            keys={},
            members=set(),
            rates=frozenset(),
            status="old",
            number=2,
            some=some,
        )
        for some in ("a", 1, True, None, Colour.RED, b"x")
    ),
    Dicts(
        texts=ODD_KEYS,
        ints={-1: "a", 2**63 - 1: "b"},
        uuids={ID: Decimal("1.0")},
        levels={Level.LOW: 1},
        days={date.min: 1, date.max: 2},
        moments={MS: 1, LAST: 2},
        spans={timedelta(microseconds=-1): 1, timedelta(days=2): 2},
        floats={1.0: 1, 1e22: 2, -0.5: 3},
        flags={True: 1, False: 0},
        decimals={Decimal("1.0"): 1, Decimal("1E+3"): 2},
        data={b"": 1, b"\x00\xff": 2},
        nested={"a": {"b": [Decimal("1.0")]}, "": {}},
        abstract={"a": 1},
        defaults=defaultdict(list, {"a": [1]}),
        ordered=OrderedDict(b=1, a=2),
        counted=Counter("abba"),
        bare={"a": [MS]},
    ),
    Nested(
        address=ADDRESS,
        many=[ADDRESS, Address(street="Side")],
        maybe=None,
        by_name={"home": ADDRESS},
        pair=(ADDRESS, 1),
        unique={
            FrozenAddress(street="a", number=Decimal(10)),
            FrozenAddress(street="a", number=Decimal(9)),
        },
        point=Point(1, Decimal("2.0")),
        plain=Plain(1),
        frozen=Frozen(MS),
        generic=Pair(Decimal("1.0"), [Decimal(2)]),
        options={"price": Decimal("1.0")},
        needed={"name": "n", "size": 1, "more": date(2020, 1, 1)},
        roots=Roots([Decimal("1.0")]),
        root_of_model=RootOfModel(ADDRESS),
    ),
    Recursive(
        node=Node(
            value=Decimal("1.0"),
            children=[Node(value=Decimal(2), parent=Node(value=Decimal(3)))],
        ),
        tree=Tree({"a": Tree({"b": Tree({})})}),
        chain=Chain(Decimal("1.0"), Chain(Decimal(2))),
        link={"value": Decimal("1.0"), "following": {"value": Decimal(2)}},
        leaf=Leaf(Decimal("1.0"), [Leaf(Decimal(2), [])]),
        json_value={"a": [1, 2.5, None, {"b": "c"}]},
        alias={"a": [Decimal("1.0"), {"b": Decimal(2)}], "c": None},
        generic={"a": (Decimal("1.0"), Decimal(2))},
        itself=INNER,
        all=[INNER],
    ),
    Others(
        price=Money(1050, "EUR"),
        prices={"a": [Money(1, "USD")]},
        unique={Money(1, "USD"), Money(2, "USD")},
        name=Name("n"),
        names={Name("a"): 1},
        url=HttpUrl("https://ann:pw@example.com/a?b=c#d"),
        path=Path("/tmp/x"),  # noqa: S108 - nothing is written there
        pure=PurePosixPath("a/b"),
        address=IPv4Address("10.0.0.1"),
        network=IPv6Network("2001:db8::/32"),
        size=ByteSize(1024),
        past=date(2020, 1, 1),
        aware=MS.astimezone(timezone(timedelta(hours=5))).astimezone(UTC),
        hidden=Secret[Decimal](Decimal("1.0")),
        hidden_date=SecretDate(date(2020, 1, 1)),
        urls=[HttpUrl("https://example.com/")],
        by_address={IPv4Address("10.0.0.1"): 1},
    ),
    *(Anything(it=it, many=[it], table={"a": it}) for it in ANYTHING.values()),
    Anything(it=None, many=[], table={}),
]
