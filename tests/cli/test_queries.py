"""`docmap find`, `count`, `values` and `explain`, on both engines."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from docmap.cli.conditions import condition
from docmap.values import ObjectId
from tests.cli.conftest import Docmap, Result

OID = "55f14312c7447c3da7051b26"

CITIES: list[dict[str, Any]] = [
    {
        "id": "BRN",
        "name": "Bern",
        "region": "Europe",
        "area": 51.6,
        "code": "5",
        "geo": {"lat": 46},
    },
    {"id": "OSL", "name": "Oslo", "region": "Europe", "area": 454, "code": 5, "geo": {"lat": 59}},
    {"id": "LIM", "name": "Lima", "region": "Americas", "area": 2672, "geo": {"lat": -12}},
    {
        "id": "ULN",
        "name": "Ulan Bator",
        "region": None,
        "address line 2": "Sükhbaatar",
        "area": 4704,
    },
]


@pytest.fixture
def ask(docmap: Docmap, fill: Callable[..., None], url: str) -> Callable[..., Result]:
    """Run a command on a store that holds CITIES."""
    fill(url, "cities", CITIES)

    def run(command: str, *arguments: str) -> Result:
        return docmap(command, url, "cities", *arguments)

    return run


Ask = Callable[..., Result]


def ids(ask: Ask, *arguments: str) -> list[str]:
    done = ask("find", *arguments, "--format", "jsonl", "--fields", "id")
    assert (done.status, done.err) == (0, "")
    return [row["id"] for row in done.rows]


@pytest.mark.parametrize(
    ("conditions", "found"),
    [
        (["region=Europe"], ["BRN", "OSL"]),
        (["region=null"], ["ULN"]),
        (["area__gte=454"], ["LIM", "OSL", "ULN"]),
        (["area__gte=100", "area__lt=3000"], ["LIM", "OSL"]),
        (["area__between=[400, 2672]"], ["LIM", "OSL"]),
        (['region__in=["Americas", null]'], ["LIM", "ULN"]),
        (["code=5"], ["OSL"]),
        (['code="5"'], ["BRN"]),
        (["code__exists=false"], ["LIM", "ULN"]),
        (["geo__lat__lt=0"], ["LIM"]),
        (["address line 2__startswith=Sü"], ["ULN"]),
        (["name=Ulan Bator"], ["ULN"]),
        (["name__contains=s", "--not", "region=Americas"], ["OSL"]),
        (["--not", "region=Europe", "--not", "name=Lima"], ["ULN"]),
        (["name=a=b"], []),
        (["--limit", "9", "region=Europe", "--not", "id=BRN", "area__gt=1"], ["OSL"]),
    ],
)
def test_conditions(ask: Ask, conditions: list[str], found: list[str]) -> None:
    assert sorted(ids(ask, *conditions)) == found
    conditions = [text for text in conditions if text not in {"--limit", "9"}]
    assert ask("count", *conditions).out == f"{len(found)}\n"


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--order-by", "area"], ["BRN", "OSL", "LIM", "ULN"]),
        (["--order-by", "-area"], ["ULN", "LIM", "OSL", "BRN"]),
        (["--order-by=-area", "--limit", "2"], ["ULN", "LIM"]),
        (["--order-by", "region,-name", "--offset", "1", "--limit", "2"], ["LIM", "OSL"]),
        (["--order-by", "geo.lat"], ["ULN", "LIM", "BRN", "OSL"]),
        (["--limit", "0"], []),
        (["--offset", "3"], ["ULN"]),
        (["--limit", "2"], ["BRN", "LIM"]),
    ],
)
def test_order_and_slices(ask: Ask, options: list[str], found: list[str]) -> None:
    assert ids(ask, *options) == found


def test_a_table(ask: Ask) -> None:
    done = ask("find", "region=Europe", "--order-by", "id", "--fields", "name,area,geo.lat,none")
    assert done.lines == [
        "name  area  geo.lat  none",
        "----  ----  -------  ----",
        "Bern  51.6       46",
        "Oslo   454       59",
    ]


def test_json_forms(ask: Ask) -> None:
    done = ask("find", "id=LIM", "--format", "json")
    assert json.loads(done.out) == [CITIES[2]]
    assert ask("find", "id=none", "--format", "json").out == "[]\n"
    assert ask("find", "id=none", "--format", "jsonl").out == ""
    assert ask("find", "id=none").out == ""


def test_extended_output(docmap: Docmap, fill: Callable[..., None], url: str) -> None:
    document = {"id": {"$oid": OID}, "total": {"$numberDecimal": "1.1"}}
    fill(url, "orders", [document])
    found = docmap(
        "find", url, "orders", f'id={{"$oid": "{OID}"}}', "--format", "jsonl", "--extended"
    )
    assert found.rows == [document]
    assert docmap("find", url, "orders", "--format", "jsonl").rows == [{"id": OID, "total": "1.1"}]
    assert docmap("values", url, "orders", "total").out == "1.1\n"
    assert docmap("values", url, "orders", "total", "--format", "jsonl", "--extended").rows == [
        {"$numberDecimal": "1.1"}
    ]


def test_values(ask: Ask) -> None:
    assert ask("values", "region").lines == ["Americas", "Europe"]
    assert ask("values", "geo.lat", "region=Europe").lines == ["46", "59"]
    assert ask("values", "code", "--format", "json").out == '[5, "5"]\n'
    assert ask("values", "code", "--format", "jsonl").lines == ["5", '"5"']
    assert ask("values", "address line 2").lines == ["Sükhbaatar"]


def test_explain(ask: Ask) -> None:
    done = ask("explain", "area__gte=100", "--order-by", "-area", "--limit", "2")
    assert done.status == 0
    assert "area" in done.out
    data = json.loads(ask("explain", "area__gte=100", "--json").out)
    assert data["collection"] == "cities"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["find", "area__gte=null"], "gte"),
        (["find", "area__between=5"], "between"),
        (["find", "name__matches=("], "Regular expression"),
        (["find", "--order-by", ""], "empty name"),
    ],
)
def test_queries_without_a_meaning(ask: Ask, arguments: list[str], message: str) -> None:
    done = ask(*arguments)
    assert done.status in {1, 2}
    assert done.out == ""
    assert done.err.startswith("docmap: error: ")
    assert done.err.count("\n") == 1
    assert message in done.err


def test_an_unknown_collection_is_an_error(ask: Ask, docmap: Docmap, url: str) -> None:
    for command in ("find", "count", "explain", "export"):
        done = docmap(command, url, "citys")
        assert done.status == 1
        assert "has no collection 'citys'; did you mean 'cities'? It has: cities" in done.err
    assert ask("count").out == "4\n"


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("total__gte=100", "total__gte", 100),
        ("x=1.50", "x", 1.5),
        ("x=1e3", "x", 1000.0),
        ("x=-5", "x", -5),
        ("x=007", "x", "007"),
        ("x=true", "x", True),
        ("x=True", "x", "True"),
        ("x=null", "x", None),
        ("x=", "x", ""),
        ('x=""', "x", ""),
        ("x=NaN", "x", "NaN"),
        ("x=a=b", "x", "a=b"),
        ("x= y", "x", " y"),
        ("x={", "x", "{"),
        ('x={"$gt": ""}', "x", {"$gt": ""}),
        (f'x={{"$oid": "{OID}"}}', "x", ObjectId(OID)),
        ('x={"$numberDecimal": "1.10"}', "x", Decimal("1.10")),
        ('x={"$date": "2024-02-29T00:00:00Z"}', "x", datetime(2024, 2, 29, tzinfo=UTC)),
        ("x=" + "[" * 100_000, "x", "[" * 100_000),
        ("address line 2__contains=Cardiff", "address line 2__contains", "Cardiff"),
        ("a.b=1", "a.b", 1),
    ],
)
def test_how_a_condition_is_read(text: str, name: str, value: Any) -> None:
    found = condition(text)
    assert (found.name, found.value) == (name, value)
    assert type(found.value) is type(value)


@pytest.mark.parametrize("text", ["x", "=1", " =1", 'x={"$oid": "1"}', 'x={"$minKey": 1}'])
def test_what_is_no_condition(text: str) -> None:
    with pytest.raises(ArgumentTypeError):
        condition(text)
