"""Documents that use pydantic's options for fields and models: none may touch what is stored."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum, StrEnum
from functools import cached_property
from typing import Annotated, Any, ClassVar, Generic, Literal, NewType, TypeVar

from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasGenerator,
    AliasPath,
    Base64Bytes,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Json,
    PlainSerializer,
    PlainValidator,
    PrivateAttr,
    SecretBytes,
    SecretStr,
    SerializeAsAny,
    StringConstraints,
    Tag,
    WrapSerializer,
    WrapValidator,
    computed_field,
    conint,
    conlist,
    constr,
    field_serializer,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.dataclasses import dataclass as pydantic_dataclass

from docmap import Document, Stored

T = TypeVar("T")
NOW = datetime(2026, 3, 1, 12, 30, 15, 123000, tzinfo=UTC)


class Aliases(Document):
    model_config = ConfigDict(populate_by_name=True)
    one: str = Field(alias="uno")
    two: str = Field(validation_alias="dos", serialization_alias="zwei")
    three: str = Field(validation_alias=AliasChoices("tres", "drei"))
    four: str = Field(validation_alias=AliasPath("quattro", 0), default="x")
    five: Annotated[str, Field(alias="cinque"), Stored("fuenf")]


class Generated(Document):
    model_config = ConfigDict(
        alias_generator=AliasGenerator(validation_alias=to_camel, serialization_alias=str.upper),
        populate_by_name=True,
    )
    first_name: str
    zip_code: int


class Hidden(Document):
    seen: str
    secret: str = Field(exclude=True)
    maybe: str = Field(default="x", exclude=True, repr=False)
    always: int = Field(default=1, frozen=True)
    made: list[int] = Field(default_factory=lambda: [1, 2])
    from_others: str = Field(default_factory=lambda data: data["seen"] + "!")


class Printed(Document):
    model_config = ConfigDict(ser_json_bytes="base64", ser_json_timedelta="float")
    total: Decimal
    at: datetime
    data: bytes
    note: Annotated[str, PlainSerializer(lambda _: "printed")]
    wrapped: Annotated[int, WrapSerializer(lambda value, handler: str(handler(value)))]

    @field_serializer("total")
    def _total(self, value: Decimal) -> str:
        return f"{value} EUR"

    @field_serializer("at", when_used="json")
    def _at(self, value: datetime) -> float:
        return value.timestamp()


class Shown(BaseModel):
    left: int
    right: int

    @model_serializer
    def _show(self) -> str:
        return f"{self.left}|{self.right}"


class PrintedWhole(Document):
    shown: Shown
    many: list[Shown]

    @model_serializer(mode="wrap")
    def _hide(self, handler: Any) -> dict[str, Any]:
        return {"hidden": bool(handler(self))}


class Computed(Document):
    width: int
    _count: int = PrivateAttr(default=0)
    _cache: dict[str, int] = PrivateAttr(default_factory=dict)
    kinds: ClassVar[tuple[str, ...]] = ("a",)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def area(self) -> int:
        return self.width**2

    @computed_field(alias="cubed")  # type: ignore[prop-decorator]
    @cached_property
    def cube(self) -> int:
        return self.width**3


class Secrets(Document):
    password: SecretStr
    token: SecretBytes
    limited: SecretStr = Field(min_length=3, max_length=8)
    optional: SecretStr | None = None
    many: list[SecretStr] = []


def _hashed(value: str) -> str:
    return f"hash of {value}"


class Hashed(Document):
    """Validators that must not run a second time; most results break the limits before them."""

    after: Annotated[str, Field(max_length=6), AfterValidator(_hashed)]
    before: Annotated[str, BeforeValidator(_hashed)]
    wrapped: Annotated[str, Field(max_length=6), WrapValidator(lambda v, h: _hashed(h(v)))]
    plain: Annotated[str, PlainValidator(_hashed)]
    decorated: Annotated[str, Field(max_length=6)]
    parts: Annotated[list[Annotated[int, Field(gt=0)]], AfterValidator(lambda v: [-x for x in v])]
    inside: list[Annotated[str, AfterValidator(_hashed)]]
    either: Annotated[str, AfterValidator(_hashed)] | int
    lower: Annotated[str, StringConstraints(to_lower=True, pattern="^[A-Z]+$")]
    nothing: None = None

    @field_validator("decorated")
    @classmethod
    def _hash(cls, value: str) -> str:
        return _hashed(value)

    @model_validator(mode="before")
    @classmethod
    def _count(cls, data: Any) -> Any:
        return data


class Whole(BaseModel):
    text: str

    @model_validator(mode="after")
    def _mark(self) -> Whole:
        object.__setattr__(self, "text", self.text + "!")
        return self


class ValidatedWhole(Document):
    whole: Whole


class Strict(Document, strict=True):
    number: int
    amount: float
    at: datetime
    total: Decimal
    data: bytes
    pair: tuple[int, str]
    tags: set[str]
    inner: Whole


class Extra(Document, extra="allow"):
    name: str


class TypedExtra(Document, extra="allow"):
    __pydantic_extra__: dict[str, Decimal]
    name: str


class OpenInside(BaseModel):
    model_config = ConfigDict(extra="allow")
    x: int


class ExtraInside(Document):
    inner: OpenInside
    many: list[OpenInside]


class Limited(Document):
    number: conint(ge=1, le=10, multiple_of=2)  # type: ignore[valid-type]
    text: constr(min_length=2, max_length=5, pattern="^[a-z]+$")  # type: ignore[valid-type]
    few: conlist(int, min_length=1, max_length=3)  # type: ignore[valid-type]
    amount: Decimal = Field(max_digits=6, decimal_places=2, gt=0)
    share: float = Field(ge=0, lt=1)
    late: datetime = Field(gt=datetime(2000, 1, 1, tzinfo=UTC))
    maybe: Annotated[int, Field(gt=0)] | None = None
    table: dict[str, Annotated[int, Field(lt=5)]] = Field(default={}, max_length=2)


class Configured(Document):
    model_config = ConfigDict(
        str_max_length=8, str_strip_whitespace=True, regex_engine="python-re", frozen=True
    )
    text: str
    coded: str = Field(default="ab", pattern=r"^(?=a)\w+$")


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Size(StrEnum):
    SMALL = "s"
    LARGE = "l"


class Values(Document):
    model_config = ConfigDict(use_enum_values=True)
    colour: Colour
    sizes: list[Size]
    only: Literal[Colour.RED, "x"] = "x"


class Encoded(Document):
    data: Base64Bytes
    parsed: Json[list[int]]


class Base(BaseModel):
    x: int


class AsAny(Document):
    base: SerializeAsAny[Base]


class Cat(BaseModel):
    kind: Literal["cat", "lion"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    weight: Decimal


def _tag_of(value: Any) -> str:
    return "dog" if getattr(value, "kind", "dog") == "dog" else "cat"


class Pets(Document):
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]
    called: Annotated[
        Annotated[Cat, Tag("cat")] | Annotated[Dog, Tag("dog")], Discriminator(_tag_of)
    ]
    many: list[Annotated[Cat | Dog, Field(discriminator="kind")]]
    maybe: Annotated[Cat | Dog | None, Discriminator("kind")] = None
    loose: Cat | Dog


class StoredKind(BaseModel):
    kind: Annotated[Literal["a"], Stored("k")] = "a"
    x: int


class OtherKind(BaseModel):
    kind: Annotated[Literal["b"], Stored("k")] = "b"
    x: int


class RenamedDiscriminator(Document):
    one: Annotated[StoredKind | OtherKind, Field(discriminator="kind")]


UserName = NewType("UserName", str)


class Page(Document, Generic[T]):
    items: list[T]
    total: int
    first: T | None = None


class Box(BaseModel, Generic[T]):
    content: T


@pydantic_dataclass
class Validated:
    a: int = Field(gt=0, alias="A")
    b: Annotated[str, AfterValidator(_hashed)] = "x"


class Generics(Document):
    name: UserName
    box: Box[int]
    boxes: list[Box[Decimal]]
    open: Box[Any]
    validated: Validated


class NoneByDefault(Document):
    number: int = None  # type: ignore[assignment]
    when: datetime = None  # type: ignore[assignment]


_HASHED: dict[str, Any] = dict.fromkeys(
    ("after", "before", "wrapped", "plain", "decorated", "either"), "a"
) | {"parts": [1, 2], "inside": ["a", "b"], "lower": "ABC"}

DOCUMENTS: list[Document] = [
    Aliases(one="1", two="2", three="3", five="5"),
    Generated(firstName="Ann", zipCode=5),  # type: ignore[call-arg]
    Hidden(seen="a", secret="s3"),
    Hidden(seen="a", secret="s3", maybe="y", always=2, made=[], from_others="z"),
    Printed(total=Decimal("1.10"), at=NOW, data=b"\x00\xff", note="n", wrapped=5),
    PrintedWhole(shown=Shown(left=1, right=2), many=[Shown(left=3, right=4)]),
    Computed(width=3),
    Secrets(
        password="p",
        token=b"t\x00",
        limited="abc",
        optional="o",
        many=["x", "y"],  # type: ignore[arg-type, list-item]
    ),
    Hashed(**_HASHED),
    Hashed(**{**_HASHED, "either": 5}),
    ValidatedWhole(whole=Whole(text="a")),
    Strict(
        number=1,
        amount=1.5,
        at=NOW,
        total=Decimal("0.10"),
        data=b"x",
        pair=(1, "a"),
        tags={"b", "a"},
        inner=Whole(text="a"),
    ),
    Extra(name="n", other=[1, {"deep": Decimal("1.5")}], at=NOW),  # type: ignore[call-arg]
    TypedExtra(name="n", price=Decimal("1.50")),  # type: ignore[call-arg]
    ExtraInside(inner=OpenInside(x=1, y=b"b"), many=[OpenInside(x=2), OpenInside(x=3, z=None)]),  # type: ignore[call-arg]
    Limited(
        number=4,
        text="abc",
        few=[1],
        amount=Decimal("12.50"),
        share=0.5,
        late=NOW,
        maybe=1,
        table={"a": 4},
    ),
    Configured(text=" abc ", coded="abc"),
    Values(colour=Colour.RED, sizes=[Size.SMALL]),  # type: ignore[arg-type]
    Encoded(data=b"aGVsbG8=", parsed="[1, 2]"),  # type: ignore[arg-type]
    AsAny(base=Base(x=1)),
    Pets(
        pet=Cat(kind="lion", lives=1),
        called=Dog(weight=Decimal("1.0")),
        many=[Cat(kind="cat", lives=9), Dog(weight=Decimal(5))],
        loose=Dog(weight=Decimal("2.50")),
    ),
    RenamedDiscriminator(one=OtherKind(x=1)),
    Page[int](items=[1, 2], total=2, first=1),
    Page[Box[int]](items=[Box[int](content=1)], total=1),
    Generics(
        name=UserName("u"),
        box=Box[int](content=1),
        boxes=[Box[Decimal](content=Decimal("1.0"))],
        open=Box[Any](content=[1, NOW]),
        validated=Validated(A=1, b="y"),  # type: ignore[call-arg]
    ),
    NoneByDefault(),
    NoneByDefault(number=1, when=NOW),
]
