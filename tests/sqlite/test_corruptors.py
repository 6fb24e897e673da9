"""The silent corruptors: what SQLite, asked naively, answers wrongly without a word.

Each test shows the naive statement's answer beside docmap's, which is that of the reference.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Final

import pytest
from pydantic import Field

from docmap import (
    BaseStorageAdapter,
    BigInt,
    Document,
    Index,
    InvalidValue,
    Q,
    Stored,
    connect,
    path,
)


class Sample(
    Document,
    collection="samples",
    indexes=[Index("number"), Index("flag"), Index("text"), Index("price"), Index("big")],
):
    number: int | None = None
    flag: bool | None = None
    ratio: float | None = None
    price: Decimal | None = None
    big: BigInt | None = None
    text: str | None = None
    anything: Any = None
    items: list[Any] = Field(default_factory=list)


@dataclass
class Trap:
    """A storage, and what SQLite says of its table if asked as one would at first."""

    db: BaseStorageAdapter

    def naive(self, condition: str, *parameters: Any, table: str = "samples") -> list[str]:
        """The keys of the rows for which the condition holds."""
        statement = f'SELECT key FROM "{table}" WHERE {condition} ORDER BY key'  # noqa: S608
        return [key.decode() for (key,) in self.db.native.execute(statement, parameters)]

    def ids(self, *conditions: Any, **lookups: Any) -> list[str]:
        """The keys that docmap finds; the reference, and the complement, are asked too."""
        found = [one["id"] for one in self.db.find(Sample, *conditions, **lookups).raw()]
        rest = self.db.find(Sample).where_not(*conditions, **lookups)
        left = [one["id"] for one in rest.raw()]
        with connect("memory://") as memory:
            memory.insert_many("samples", self.db.find("samples"))
            expected = [one["id"] for one in memory.find(Sample, *conditions, **lookups).raw()]
            everything = [one["id"] for one in memory.find("samples").raw()]
        assert sorted(found) == sorted(expected)
        assert sorted(found + left) == sorted(everything)
        assert self.db.find(Sample, *conditions, **lookups).count() == len(found)
        return sorted(found)


@pytest.fixture(params=["typed", "mixed"])
def trap(request: pytest.FixtureRequest) -> Iterator[Trap]:
    """A collection of which docmap knows the types, and one in which it cannot trust them."""
    with connect("sqlite://") as db:
        if request.param == "mixed":
            odd = {"number": "x", "flag": 0, "ratio": "x", "price": 1, "big": 1, "text": 1}
            db.insert_many("samples", [{"id": "~", **odd}])
            db.ensure_indexes(Sample)
            db.delete("samples", "~")
        yield Trap(db)


def test_true_is_not_one(trap: Trap) -> None:
    trap.db.insert_many([Sample(id="t", flag=True, anything=True, items=[True])])
    trap.db.insert_many([Sample(id="one", anything=1, items=[1]), Sample(id="f", anything=False)])
    trap.db.insert_many("samples", [{"id": "u", "flag": 1, "number": True}])
    assert trap.naive("json_extract(doc,'$.anything')=1") == ["one", "t"]
    assert trap.ids(anything=True) == ["t"]
    assert trap.ids(anything=1) == ["one"]
    assert trap.ids(anything__in=[1, 5]) == ["one"]
    assert trap.ids(anything__gte=0) == ["one"]
    assert trap.ids(items__contains=True) == ["t"]
    assert trap.ids(items__contains=1) == ["one"]
    assert trap.naive("json_extract(doc,'$.flag')=1") == ["t", "u"]
    assert trap.ids(flag=True) == ["t"]
    assert trap.ids(number=1) == []
    assert trap.ids(number__gt=0) == []
    values = trap.db.find(Sample).values("anything")
    assert [(type(value), value) for value in values] == [(int, 1), (bool, False), (bool, True)]


def test_rows_without_a_value_are_not_dropped_by_not_equals(trap: Trap) -> None:
    trap.db.insert_many([Sample(id="five", number=5), Sample(id="six", number=6), Sample(id="n")])
    trap.db.insert_many("samples", [{"id": "missing"}])
    assert trap.naive("json_extract(doc,'$.number')<>5") == ["six"]
    assert trap.ids(number__not_equals=5) == ["missing", "n", "six"]
    assert trap.ids(~Q(number=5)) == ["missing", "n", "six"]
    assert trap.naive("json_extract(doc,'$.number') NOT IN (5, NULL)") == []
    assert trap.ids(number__not_in=[5, None]) == ["six"]
    assert trap.naive("NOT (json_extract(doc,'$.number')>5)") == ["five"]
    assert trap.ids(~Q(number__gt=5)) == ["five", "missing", "n"]
    assert trap.ids(~(Q(number__gt=5) | Q(text="x"))) == ["five", "missing", "n"]
    assert trap.ids(~(Q(number__lt=5) & Q(text="x"))) == ["five", "missing", "n", "six"]
    assert trap.naive("json_extract(doc,'$.number')=NULL") == []
    assert trap.ids(number=None) == ["missing", "n"]
    assert trap.ids(number__exists=False) == ["missing"]


def test_floats_are_compared_by_their_own_value(trap: Trap) -> None:
    # Whether SQLite reads all of these from text as what they are depends on version and machine.
    ratios = [0.1, 0.2, 0.30000000000000004, 1 / 3, 5e-324, 1.7976931348623157e308, 2.2e-308]
    ratios += [123456789.12345679, 9007199254740993.0, 8.41e21, 1e23, 6.02214076e23]
    ratios += [math.nextafter(value, math.inf) for value in ratios if value < 1e308]
    trap.db.insert_many([Sample(id=f"{n:02d}", ratio=r) for n, r in enumerate(ratios)])
    for number, ratio in enumerate(ratios):
        key = f"{number:02d}"
        assert trap.ids(ratio=ratio) == [key]
        above = [f"{n:02d}" for n, other in enumerate(ratios) if other > ratio]
        assert trap.ids(ratio__gt=ratio) == above
        assert trap.ids(ratio__in=[ratio, 7.0]) == [key]
    ordered = [one.ratio for one in trap.db.find(Sample).order_by("ratio")]
    assert ordered == sorted(ratios)
    assert trap.db.find(Sample).values("ratio") == sorted(ratios)
    assert [repr(one.ratio) for one in trap.db.find(Sample).order_by("id")] == list(
        map(repr, ratios)
    )


def test_minus_zero_is_zero(trap: Trap) -> None:
    trap.db.insert_many([Sample(id="a", ratio=-0.0, anything=-0.0, price=Decimal("-0.0"))])
    assert trap.ids(ratio=0.0) == ["a"]
    assert str(trap.db.get(Sample, "a").ratio) == "0.0"
    assert str(trap.db.get(Sample, "a").anything) == "0.0"
    assert str(trap.db.get(Sample, "a").price) == "0.0"
    assert trap.naive("doc LIKE '%-0%'") == []


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_refused(trap: Trap, value: float) -> None:
    # SQLite would store NaN as null.
    assert trap.db.native.execute("SELECT ? IS NULL", (math.nan,)).fetchone() == (1,)
    for fields in ({"ratio": value}, {"anything": value}, {"items": [[value]]}):
        with pytest.raises(InvalidValue, match=next(iter(fields))):
            trap.db.insert(Sample.model_construct(id="a", **fields))
    with pytest.raises(InvalidValue):
        trap.db.insert_many("samples", [{"id": "a", "ratio": value}])
    assert trap.ids() == []


def test_text_is_not_cut_at_nul(trap: Trap) -> None:
    cut = trap.db.native.execute("SELECT json_extract(?,'$.a')", (json.dumps({"a": "x\0y"}),))
    assert cut.fetchone() == (b"x",)
    for fields in ({"text": "x\0y"}, {"anything": {"a\0b": 1}}, {"items": ["\0"]}, {"id": "\0"}):
        with pytest.raises(InvalidValue, match="NUL"):
            trap.db.insert(Sample(**fields))
    assert trap.ids() == []


def test_integers_beyond_a_double_are_exact(trap: Trap) -> None:
    near = [2**53, 2**53 + 1, 2**63 - 1, 2**63 - 2, -(2**63), -(2**63) + 1]
    trap.db.insert_many([Sample(id=f"{n}", number=i, anything=i) for n, i in enumerate(near)])
    trap.db.insert_many([Sample(id="f", anything=2.0**53)])
    for number, value in enumerate(near):
        assert trap.ids(number=value) == [str(number)]
        assert trap.ids(anything=value) == [str(number), *(["f"] if value == 2**53 else [])]
    assert trap.naive("json_extract(doc,'$.number')>9007199254740992.0+0") == ["1", "2", "3"]
    assert trap.ids(number__gt=float(2**53)) == ["1", "2", "3"]
    assert trap.ids(anything__gt=Decimal("9007199254740992.5")) == ["1", "2", "3"]
    assert [one.number for one in trap.db.find(Sample, number__exists=True).order_by("number")][
        1:
    ] == sorted(near)
    with pytest.raises(InvalidValue, match="BigInt"):
        trap.db.insert(Sample(number=2**63))
    overflow = trap.db.native.execute("SELECT typeof(json_extract('[9223372036854775808]','$[0]'))")
    assert overflow.fetchone() == (b"real",)


def test_big_integers_and_decimals_compare_by_value(trap: Trap) -> None:
    bigs = [10**40, 10**40 + 1, -(10**40), 2**64, 9, 10, 0, -9, -10]
    prices = ["1.10", "1.1", "10", "9", "1E+1", "-1.1", "-10", "0.00", "0.3000000000000000000001"]
    trap.db.insert_many(
        [
            Sample(id=str(n), big=big, price=Decimal(price), anything=Decimal(price))
            for n, (big, price) in enumerate(zip(bigs, prices, strict=True))
        ]
    )
    assert trap.naive("json_extract(doc,'$.price')='1.1'") == ["1"]
    assert trap.ids(price=Decimal("1.100")) == ["0", "1"]
    assert trap.ids(anything=Decimal("1.100")) == ["0", "1"]
    assert trap.ids(anything=10) == ["2", "4"]
    assert trap.naive("json_extract(doc,'$.price')>'9'") == []
    assert trap.ids(price__gt=9) == ["2", "4"]
    assert trap.ids(price__lt=0) == ["5", "6"]
    assert trap.ids(big__gt=10) == ["0", "1", "3"]
    assert trap.ids(big=10**40) == ["0"]
    everything = trap.db.find(Sample)
    assert [one.big for one in everything.order_by("big")] == sorted(bigs)
    assert [one.price for one in everything.order_by("-price", "id")] == [
        Decimal(price) for price in ("10", "10", "9", "1.1", "1.1", "0.3000000000000000000001",
                                     "0", "-1.1", "-10")
    ]  # fmt: skip
    assert list(map(str, everything.values("price"))) == [
        "-10", "-1.1", "0", "0.3000000000000000000001", "1.1", "9", "10",
    ]  # fmt: skip


def test_an_integer_equals_the_float_and_the_decimal(trap: Trap) -> None:
    trap.db.insert_many(
        [
            Sample(id=name, anything=value)
            for name, value in (
                ("i", 1),
                ("f", 1.0),
                ("d", Decimal("1.0")),
                ("t", "1"),
                ("b", True),
            )
        ]
    )
    assert trap.ids(anything=1) == trap.ids(anything=1.0) == ["d", "f", "i"]
    assert trap.ids(anything=Decimal(1)) == ["d", "f", "i"]
    assert trap.ids(anything="1") == ["t"]
    assert [type(v) for v in trap.db.find(Sample).values("anything")] == [int, str, bool]
    trap.db.insert(Sample(id="tenth", anything=Decimal("0.1")))
    assert trap.ids(anything=0.1) == []


def test_text_is_not_a_number_and_numbers_no_text(trap: Trap) -> None:
    trap.db.insert_many([Sample(id="n", anything=5), Sample(id="t", anything="5")])
    trap.db.insert_many("samples", [{"id": "u", "number": "7", "text": 7}])
    assert trap.naive("json_extract(doc,'$.number')>5") == ["u"]  # any text, to SQLite
    assert trap.ids(number__gt=5) == []
    assert trap.ids(anything__gt=4) == ["n"]
    assert trap.ids(anything__gt="4") == ["t"]
    assert trap.ids(text__contains="7") == []
    assert trap.naive("json_extract(doc,'$.text') LIKE '%7%'") == ["u"]
    assert trap.ids(text__gte="") == []


WORDS: Final = ("a", "A", "é", "É", "e\u0301", "ß", "ss", "İ", "i", "a%b", "a_b", "axb", "a\\b", "")


def test_text_is_compared_by_code_point(trap: Trap) -> None:
    trap.db.insert_many([Sample(id=f"{n:02d}", text=word) for n, word in enumerate(WORDS)])

    def words(**lookup: Any) -> list[str]:
        return [WORDS[int(key)] for key in trap.ids(**lookup)]

    assert trap.naive("json_extract(doc,'$.text') LIKE 'a'") == ["00", "01"]
    assert words(text="a") == ["a"]
    assert words(text__like="a") == ["a"]
    assert words(text__startswith="a") == ["a", "a%b", "a_b", "axb", "a\\b"]
    assert trap.naive("json_extract(doc,'$.text') LIKE 'a_b'") == ["09", "10", "11", "12"]
    assert words(text__contains="_") == ["a_b"]
    assert words(text__like="a\\_b") == ["a_b"]
    assert words(text__like="a\\\\b") == ["a\\b"]
    assert words(text__contains="%") == ["a%b"]
    assert words(text__endswith="b") == ["a%b", "a_b", "axb", "a\\b"]
    assert words(text__contains="") == list(WORDS)
    assert words(text__endswith="") == words(text__startswith="") == list(WORDS)
    assert trap.naive("lower(json_extract(doc,'$.text'))=lower('É')") == ["03"]
    assert words(text__iexact="É") == ["é", "É"]
    assert words(text__iexact="SS") == ["ß", "ss"]
    assert words(text__icontains="E\u0301") == ["e\u0301"]
    assert [one.text for one in trap.db.find(Sample).order_by("text")] == sorted(WORDS)
    assert trap.db.find(Sample).values("text") == sorted(WORDS)


NAMES: Final = (
    'a"b', "a\\b", "a\\u0062", "a\nb", "\x01", "\x7f", "a'b", "a.b", "a[0]", "$", "$.a", "", " ",
    "0", "-1", "é", "e\u0301", "😀", "A", "a", "#", "a b", "json", "[*]", "%", "_", '"', "\\", "''",
)  # fmt: skip


def test_any_text_may_be_the_name_of_a_field(trap: Trap) -> None:
    trap.db.insert_many(
        [
            Sample(id=f"{number:02d}", anything={name: number, "other": -1})
            for number, name in enumerate(NAMES)
        ]
    )
    assert trap.naive("json_extract(doc,'$.anything.a.b')=7") == []
    for number, name in enumerate(NAMES):
        place = path("anything", name)
        key = f"{number:02d}"
        assert trap.ids(place == number) == [key], name
        assert trap.ids(place.exists(True)) == [key], name
        assert trap.ids(place > number - 1) == [key], name
        assert trap.ids(place == number + 1) == [], name
        ordered = trap.db.find(Sample).order_by(place.desc())[:2].raw()
        assert next(one["id"] for one in ordered) == key
    assert trap.db.find(Sample).values(path("anything", 'a"b')) == [0]


@pytest.mark.parametrize("name", [name for name in NAMES if name])
def test_any_text_may_be_the_storage_name_of_a_field(name: str) -> None:
    class Inner(Document, collection="named"):
        value: Annotated[str | None, Stored(name)] = None
        amount: Annotated[float | None, Stored(f"{name}f")] = None

    with connect("sqlite://") as db:
        db.insert_many([Inner(id=text, value=text, amount=len(text) / 3) for text in ("a", "bb")])
        db.insert(Inner(id="none"))
        assert db.find(Inner, value="bb").one().id == "bb"
        assert [one.id for one in db.find(Inner).where_not(value="bb").order_by("id")] == [
            "a",
            "none",
        ]
        assert db.find(Inner, amount__gt=0.5).one().id == "bb"
        assert db.find(Inner, value__startswith="b", amount=2 / 3).one().value == "bb"
        assert [one.id for one in db.find(Inner).order_by("-value")] == ["bb", "a", "none"]
        assert db.find(Inner).values("amount") == [1 / 3, 2 / 3]
        assert db.get("named", "bb")[name] == "bb"


def test_names_that_are_equal_but_for_case_or_normal_form_are_two(trap: Trap) -> None:
    trap.db.insert_many([Sample(id="x", anything={"a": 1, "A": 2, "é": 3, "e\u0301": 4})])
    for name, value in (("a", 1), ("A", 2), ("é", 3), ("e\u0301", 4)):
        assert trap.ids(path("anything", name) == value) == ["x"]
        assert trap.ids(path("anything", name) == value + 1) == []


def test_collections_that_are_equal_but_for_case_are_two(trap: Trap) -> None:
    names = ["orders", "Orders", "ORDERS", "ordeRS", "o.rders", "sqlite_master", "docmap_x", "ix_a"]
    trap.db.clear()
    for name in names:
        trap.db.insert_many(name, [{"id": "same", "name": name}])
    assert trap.db.collections() == sorted(names)
    for name in names:
        assert trap.db.get(name, "same") == {"id": "same", "name": name}
        assert trap.db.find(name).count() == 1
    # Without an encoding of the names, SQLite takes the second for the first.
    trap.db.native.execute("CREATE TABLE IF NOT EXISTS Twin(a)")
    trap.db.native.execute("CREATE TABLE IF NOT EXISTS twin(b)")
    columns = trap.db.native.execute("SELECT name FROM pragma_table_info('TWIN')").fetchall()
    assert columns == [(b"a",)]


def test_escaped_names_of_other_tools_are_the_same_names(trap: Trap) -> None:
    trap.db.ensure_indexes(Sample)
    trap.db.native.execute(
        "INSERT INTO samples(key, doc) VALUES('x', ?)",
        (r'{"id":"x","t\u0065xt":"\u00e9","anything":{"caf\u00e9":1},"pr\u0069ce":"1.50"}',),
    )
    assert trap.naive("json_extract(doc,'$.text')='é'") == []
    assert trap.naive("json_extract(doc,'$.anything.café')=1") == []
    assert trap.ids(text="é") == ["x"]
    assert trap.ids(path("anything", "café") == 1) == ["x"]
    assert trap.ids(price=Decimal("1.5")) == ["x"]


def test_of_repeated_names_the_last_counts_everywhere(trap: Trap) -> None:
    trap.db.ensure_indexes(Sample)
    trap.db.native.execute(
        "INSERT INTO samples(key, doc) VALUES('x', ?)",
        ('{"id":"x","number":1,"number":2,"anything":{"a":1,"a":2}}',),
    )
    assert trap.naive("json_extract(doc,'$.number')=1") == ["x"]
    assert trap.ids(number=1) == []
    assert trap.ids(number=2) == ["x"]
    assert trap.ids(anything__a=2) == ["x"]
    assert trap.db.get(Sample, "x").number == 2


def test_lists_and_objects_are_not_compared_as_their_text(trap: Trap) -> None:
    trap.db.insert_many(
        [
            Sample(id="object", anything={"a": 1, "b": 2}),
            Sample(id="turned", anything={"b": 2, "a": 1}),
            Sample(id="list", anything=[1, 2]),
            Sample(id="text", anything='{"a":1,"b":2}'),
            Sample(id="text list", anything="[1,2]"),
        ]
    )
    assert trap.naive("json_extract(doc,'$.anything')='{\"a\":1,\"b\":2}'") == ["object", "text"]
    assert trap.ids(anything={"a": 1, "b": 2}) == ["object", "turned"]
    assert trap.ids(anything='{"a":1,"b":2}') == ["text"]
    assert trap.ids(anything=[1, 2]) == trap.ids(anything=[1.0, 2]) == ["list"]
    assert trap.ids(anything="[1,2]") == ["text list"]
    assert trap.ids(anything__startswith="{") == ["text"]
    assert trap.ids(anything__gt="[") == ["text", "text list"]


def test_paths_do_not_walk_into_text_that_looks_like_json(trap: Trap) -> None:
    trap.db.insert_many(
        [
            Sample(id="text", anything='{"a":1}', items=['{"a":1}', "[1]"]),
            Sample(id="object", anything={"a": 1}, items=[{"a": 1}]),
        ]
    )
    assert trap.ids(anything__a=1) == ["object"]
    assert trap.ids(items__any=path("a") == 1) == ["object"]
    assert trap.ids(path("items", 0, "a") == 1) == ["object"]
    assert trap.ids(items__any=Q(contains=1)) == []


def test_tagged_values_are_values_and_no_objects(trap: Trap) -> None:
    trap.db.insert_many(
        [
            Sample(id="decimal", anything=Decimal("1.10")),
            Sample(id="theirs", anything={"$decimal": "1.10"}),
            Sample(id="below", anything={"a": {"$decimal": "1.10"}}),
        ]
    )
    assert trap.naive("json_extract(doc,'$.anything.\"$decimal\"')='1.10'") == ["decimal"]
    assert trap.ids(path("anything", "$decimal") == "1.10") == ["theirs"]
    assert trap.ids(path("anything", "$decimal").exists(True)) == ["theirs"]
    assert trap.ids(path("anything", "a", "$decimal") == "1.10") == ["below"]
    assert trap.ids(anything=Decimal("1.1")) == ["decimal"]
    assert trap.db.get(Sample, "theirs").anything == {"$decimal": "1.10"}


def test_null_is_an_element_like_others(trap: Trap) -> None:
    trap.db.insert_many(
        [
            Sample(id="null", items=[None]),
            Sample(id="empty", items=[]),
            Sample(id="zero", items=[0, "", False]),
        ]
    )
    assert trap.naive("NULL IN (SELECT value FROM json_each(doc,'$.items'))") == []
    assert trap.ids(items__contains=None) == ["null"]
    assert trap.ids(items__any=Q(equals=None)) == ["null"]
    assert trap.ids(items__all=Q(equals=None)) == ["empty", "null"]
    assert trap.ids(items__contains="") == ["zero"]
    assert trap.ids(items__contains_all=[0, False]) == ["zero"]
    assert trap.ids(items__size=0) == ["empty"]


def test_an_index_far_beyond_a_list_is_nothing(trap: Trap) -> None:
    trap.db.insert_many([Sample(id="a", items=["x"])])
    for index in (1, 2**31, 2**32, 2**32 + 0, 10**9, 10**20):
        assert trap.ids(path("items", index) == "x") == [], index
    assert trap.ids(path("items", 0) == "x") == ["a"]
