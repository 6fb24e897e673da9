"""Extended JSON: each form of both versions read, all that is malformed refused, round trips."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docmap.cli.extended import from_extended, to_extended
from docmap.errors import InvalidValue
from docmap.values import MAX_DEPTH, ObjectId

OID = "55f14312c7447c3da7051b26"
SOME_UUID = UUID("f47ac10b-58cc-4372-a567-0e02b2c3d479")
MOMENT = datetime(2012, 12, 24, 12, 15, 30, 501000, tzinfo=UTC)

READ: list[tuple[Any, Any]] = [
    ({"$oid": OID}, ObjectId(OID)),
    ({"$oid": OID.upper()}, ObjectId(OID)),
    ({"$numberInt": "1000"}, 1000),
    ({"$numberInt": "-7"}, -7),
    ({"$numberLong": "9223372036854775807"}, 2**63 - 1),
    ({"$numberLong": 5}, 5),
    ({"$numberDouble": "-93.24565"}, -93.24565),
    ({"$numberDouble": "1e3"}, 1000.0),
    ({"$numberDouble": "5"}, 5.0),
    ({"$numberDecimal": "1.10"}, Decimal("1.10")),
    ({"$numberDecimal": "1E+3"}, Decimal("1E+3")),
    ({"$date": "2012-12-24T12:15:30.501Z"}, MOMENT),
    ({"$date": "2012-12-24T12:15:30.501"}, MOMENT),
    ({"$date": "2012-12-24T13:15:30.501+0100"}, MOMENT),
    ({"$date": "2012-12-24T13:15:30.501+01:00"}, MOMENT),
    ({"$date": "2012-12-24T12:15:30Z"}, MOMENT.replace(microsecond=0)),
    ({"$date": "2012-12-24T12:15Z"}, MOMENT.replace(second=0, microsecond=0)),
    ({"$date": "2012-12-24T12:15:30.123456789Z"}, MOMENT.replace(microsecond=123456)),
    ({"$date": {"$numberLong": "1356351330501"}}, MOMENT),
    ({"$date": 1356351330501}, MOMENT),
    ({"$date": {"$numberLong": "-1"}}, datetime(1969, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)),
    ({"$date": "0001-01-01T00:00:00Z"}, datetime(1, 1, 1, tzinfo=UTC)),
    ({"$binary": {"base64": "AAEC", "subType": "00"}}, b"\0\1\2"),
    ({"$binary": "AAEC", "$type": "0"}, b"\0\1\2"),
    ({"$binary": "AAEC", "$type": 2}, b"\0\1\2"),
    ({"$binary": {"base64": "9HrBC1jMQ3KlZw4CssPUeQ==", "subType": "04"}}, SOME_UUID),
    ({"$uuid": str(SOME_UUID)}, SOME_UUID),
    ({"$uuid": SOME_UUID.hex}, SOME_UUID),
    ({"$undefined": True}, None),
    ({"$day": "2024-02-29"}, date(2024, 2, 29)),
    ({"$time": "12:30:00.000001"}, time(12, 30, 0, 1)),
    ({"$duration": 90_000_000}, timedelta(seconds=90)),
    ({"$dict": [["$oid", 1], ["x", {"$oid": OID}]]}, {"$oid": 1, "x": ObjectId(OID)}),
    # plain data, whatever it looks like
    ({"$ref": "users", "$id": {"$oid": OID}}, {"$ref": "users", "$id": ObjectId(OID)}),
    ({"$type": "00", "$options": "i"}, {"$type": "00", "$options": "i"}),
    ({"$decimal": "1"}, {"$decimal": "1"}),
    ({"a": [1, 1.5, True, None, "x", {"b": []}]}, {"a": [1, 1.5, True, None, "x", {"b": []}]}),
    ({"\ufeffISO": 0}, {"\ufeffISO": 0}),
]


@pytest.mark.parametrize(("tree", "value"), READ, ids=lambda item: json.dumps(item, default=str))
def test_reads(tree: Any, value: Any) -> None:
    found = from_extended(tree)
    assert found == value
    assert type(found) is type(value)
    assert from_extended([{"deep": tree}]) == [{"deep": value}]


def test_dates_are_in_utc() -> None:
    found = from_extended({"$date": "2012-12-24T13:15:30+01:00"})
    assert found.tzinfo is UTC


MALFORMED: list[Any] = [
    {"$oid": "55f1"},
    {"$oid": 5},
    {"$oid": OID, "more": 1},
    {"$numberInt": "1.5"},
    {"$numberInt": "1_000"},
    {"$numberInt": True},
    {"$numberLong": "٣"},
    {"$numberLong": "9" * 5000},
    {"$numberDouble": "NaN"},
    {"$numberDouble": "-Infinity"},
    {"$numberDouble": "1e999"},
    {"$numberDouble": ""},
    {"$numberDouble": float("nan")},
    {"$numberDecimal": "Infinity"},
    {"$numberDecimal": "1_0"},
    {"$numberDecimal": 1},
    {"$date": "2012-12-24"},
    {"$date": "2012-13-24T12:15:30Z"},
    {"$date": "yesterday"},
    {"$date": "20121224T121530Z"},
    {"$date": None},
    {"$date": {"$numberLong": "1", "x": 2}},
    {"$date": {"$numberLong": "999999999999999"}},
    {"$date": 10**30},
    {"$date": "0001-01-01T00:00:00+01:00"},
    {"$binary": "AAEC"},
    {"$binary": "A", "$type": "00"},
    {"$binary": "AA*EC", "$type": "00"},
    {"$binary": {"base64": "AAEC"}},
    {"$binary": {"base64": "AAEC", "subType": "04"}},
    {"$binary": {"base64": "AAEC", "subType": "80"}},
    {"$binary": {"base64": "9HrBC1jMQ3KlZw4CssPUeQ==", "subType": "03"}},
    {"$binary": {"base64": "AAEC", "subType": "00"}, "$type": "00"},
    {"$uuid": "f47ac10b"},
    {"$uuid": "{f47ac10b-58cc-4372-a567-0e02b2c3d479}"},
    {"$undefined": False},
    {"$day": "29.2.2024"},
    {"$time": "12:30"},
    {"$duration": "1.5"},
    {"$duration": 10**25},
    {"$dict": {"a": 1}},
    {"$dict": [["a"]]},
    {"$dict": [], "x": 1},
]


@pytest.mark.parametrize("tree", MALFORMED, ids=lambda item: repr(item)[:60])
def test_refuses_what_is_malformed_and_names_its_place(tree: Any) -> None:
    with pytest.raises(InvalidValue, match=r"^order\.lines\.1 is not a well-formed \$") as caught:
        from_extended({"order": {"lines": [0, tree]}})
    assert caught.value.field == "order.lines.1"


WITHOUT_VALUE: list[Any] = [
    {"$timestamp": {"t": 1, "i": 2}},
    {"$regularExpression": {"pattern": "a", "options": ""}},
    {"$regex": "a", "$options": "i"},
    {"$symbol": "a"},
    {"$code": "x"},
    {"$code": "x", "$scope": {}},
    {"$dbPointer": {"$ref": "a", "$id": {"$oid": OID}}},
    {"$minKey": 1},
    {"$maxKey": 1},
]


@pytest.mark.parametrize("tree", WITHOUT_VALUE, ids=lambda item: next(iter(item)))
def test_refuses_what_docmap_has_no_value_for(tree: Any) -> None:
    with pytest.raises(InvalidValue, match=r"^a\.0 is .+ which docmap has no value for"):
        from_extended({"a": [tree]})


@pytest.mark.parametrize("tree", [*MALFORMED, *WITHOUT_VALUE], ids=lambda item: repr(item)[:60])
def test_messages_hold_no_values(tree: Any) -> None:
    with pytest.raises(InvalidValue) as caught:
        from_extended(tree)
    texts = [text for text in _texts(tree) if len(text) > 3 and not text.startswith("$")]
    assert not [text for text in texts if text in str(caught.value)]


def _texts(tree: Any) -> list[str]:
    if isinstance(tree, dict):
        return [text for item in tree.values() for text in _texts(item)]
    if isinstance(tree, list):
        return [text for item in tree for text in _texts(item)]
    return [str(tree)]


def test_refuses_what_is_nested_too_deeply() -> None:
    tree: Any = {}
    for _ in range(MAX_DEPTH - 1):
        tree = {"a": tree}
    assert from_extended(tree) == tree
    with pytest.raises(InvalidValue, match="deeper than 100 levels"):
        from_extended({"a": tree})


WRITTEN: list[tuple[Any, Any]] = [
    (ObjectId(OID), {"$oid": OID}),
    (Decimal("1.10"), {"$numberDecimal": "1.10"}),
    (MOMENT, {"$date": "2012-12-24T12:15:30.501Z"}),
    (MOMENT.replace(microsecond=0), {"$date": "2012-12-24T12:15:30Z"}),
    (MOMENT.replace(microsecond=1), {"$date": "2012-12-24T12:15:30.000001Z"}),
    (datetime(1969, 12, 31, tzinfo=UTC), {"$date": {"$numberLong": "-86400000"}}),
    (b"\0\1\2", {"$binary": {"base64": "AAEC", "subType": "00"}}),
    (SOME_UUID, {"$binary": {"base64": "9HrBC1jMQ3KlZw4CssPUeQ==", "subType": "04"}}),
    (date(2024, 2, 29), {"$day": "2024-02-29"}),
    (time(12, 30), {"$time": "12:30:00.000000"}),
    (timedelta(seconds=90), {"$duration": 90_000_000}),
    ({"$oid": 1, "x": b""}, {"$dict": [["$oid", 1], ["x", to_extended(b"")]]}),
    ({"$ref": "users", "$id": 1}, {"$ref": "users", "$id": 1}),
    ([1, 1.0, True, None, "x"], [1, 1.0, True, None, "x"]),
]


@pytest.mark.parametrize(("value", "tree"), WRITTEN, ids=lambda item: repr(item)[:60])
def test_writes(value: Any, tree: Any) -> None:
    assert to_extended(value) == tree


NAMES = st.text(max_size=5) | st.sampled_from(["$oid", "$date", "$dict", "$type", "$ref", "$uuid"])
MOMENTS = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5))]))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.binary()
    | MOMENTS.filter(lambda m: 1 < m.year < 9999).map(lambda m: m.astimezone(UTC))
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.uuids()
    | st.binary(min_size=12, max_size=12).map(ObjectId)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=20
)


@given(VALUES)
def test_what_is_written_reads_as_the_same_value_through_json(value: Any) -> None:
    again = from_extended(json.loads(json.dumps(to_extended(value))))
    assert again == value
    assert _types(again) == _types(value)


def _types(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _types(item) for name, item in value.items()}
    return [_types(item) for item in value] if isinstance(value, list) else type(value)
