"""Hostile input: operators, statements and paths in values are values, and names are checked."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, Final

import pytest

from docmap import BaseStorageAdapter, Count, InvalidQuery, InvalidValue, Q, path
from docmap.testing.models import Order

_OPERATORS: Final = (
    "$gt", "$gte", "$lt", "$ne", "$in", "$nin", "$exists", "$regex", "$where", "$expr", "$or",
    "$not", "$type", "$all", "$elemMatch", "$function", "$jsonSchema", "$mod", "$text", "$comment",
)  # fmt: skip
_OPERANDS: Final[tuple[Any, ...]] = ("", None, 1, True, [], ["a"], "return true", {"$gt": ""})
PAYLOADS: Final[tuple[Any, ...]] = (
    *({operator: operand} for operator, operand in itertools.product(_OPERATORS, _OPERANDS)),
    *(
        {"a": {operator: ""}} for operator in _OPERATORS
    ),
    "' OR '1'='1", "'; DROP TABLE orders; --", '" OR ""="', "1; DELETE FROM orders", "%' OR 1=1 --",
    "\\'; --", "a' UNION SELECT * FROM orders --", "*/ OR 1=1 /*", "?", ":1", "$1", "%s", "{0}",
    "${jndi:ldap://x}", "__import__('os')", "lambda: 1", "!!python/object/apply:os.system ['x']",
    "(?=a)*", "%", "_%", "*", ".*", "null", "true", "[]", "{}", "$where: 1",
    "cos\nsystem\n(S'x'\ntR.",
)  # fmt: skip
CORES: Final = (
    " ", "'", '"', "`", ";", "--", "/*", "a'b", 'a"b', "a;b", "$where", "$gt", "a.b.c", "..",
    "../a", "a/b", "\\", "a\\", "\0", "a\0b", "\n", "{}", "[]", "a[0]", "a)", "(a", "%s", "?", ":a",
    "1=1", "*", "a*", "é'", "\ud800", "__class__", "__dict__", "_private", "save", "delete",
    "x" * 300,
)  # fmt: skip
HOSTILE: Final = (
    "",
    *CORES,
    *(f"note{core}" for core in CORES),
    *(f"{core}note" for core in CORES),
    *(f"note__{core}" for core in CORES),
    *(f"address__{core}" for core in CORES),
    *(f"address.{core}" for core in CORES),
    *(f"{core}__equals" for core in CORES),
    *(f"note__{core}__equals" for core in CORES),
)
"""Names that no field of an order has, and no lookup."""


def test_payloads_are_compared_as_values(db: BaseStorageAdapter) -> None:
    """Each is stored, found by itself alone, and finds nothing else."""
    db.insert_many("loose", [{"id": f"{n:03}", "v": value} for n, value in enumerate(PAYLOADS)])
    db.insert_many("loose", [{"id": "plain", "v": "a"}, {"id": "none"}, {"id": "one", "v": 1}])
    place = path("v")
    wrong = []
    for number, payload in enumerate(PAYLOADS):
        key = f"{number:03}"
        for name, condition in (
            ("equals", place.lookup("equals", payload)),
            ("keyword", Q(v=payload)),
            ("in", place.lookup("in", [payload])),
        ):
            found = [row["id"] for row in db.find("loose", condition)]
            if found != [key]:
                wrong.append(f"{name} {payload!r}: {found!r}")
        if len(PAYLOADS) + 2 != db.find("loose").where_not(place.lookup("equals", payload)).count():
            wrong.append(f"not {payload!r}")
    assert wrong == []


def test_payloads_in_typed_fields(db: BaseStorageAdapter) -> None:
    """Text is compared as text; what is no text is refused before anything is read."""
    Order(id="a", number="a", note="x").save(db)
    for payload in PAYLOADS:
        if isinstance(payload, str):
            assert db.find(Order, note=payload).count() == 0
            for lookup in ("startswith", "endswith", "contains", "icontains", "iexact"):
                assert db.find(Order, **{f"note__{lookup}": payload}).count() == 0
            assert db.find(Order).where_not(note=payload).count() == 1
        else:
            for field in ("note", "lines", "total", "paid", "created", "number__in"):
                with pytest.raises((InvalidQuery, ValueError)):
                    db.find(Order, **{field: payload}).count()
    assert db.find(Order).count() == 1


def test_payloads_are_written_as_values(db: BaseStorageAdapter) -> None:
    db.insert_many("loose", [{"id": f"{n:03}", "v": 0} for n in range(len(PAYLOADS))])
    for number, payload in enumerate(PAYLOADS):
        assert db.find("loose", id=f"{number:03}").update(path("v").set(payload)) == (1, 1)
    for number, payload in enumerate(PAYLOADS):
        assert db.get("loose", f"{number:03}")["v"] == payload


def test_payloads_as_keys(db: BaseStorageAdapter) -> None:
    texts = [payload for payload in PAYLOADS if isinstance(payload, str)]
    db.insert_many([Order(id=text, number=str(n)) for n, text in enumerate(texts)])
    for number, text in enumerate(texts):
        assert db.get(Order, text).number == str(number)
        assert db.delete(Order, text) is True
    assert db.find(Order).count() == 0


def test_hostile_names_of_fields(db: BaseStorageAdapter) -> None:
    """On a class they are refused: in conditions, orders, values, groups and updates."""
    Order(id="a", number="a").save(db)
    taken = [
        f"{what} {name!r}"
        for name in HOSTILE
        for what, ask in _asks(db, name).items()
        if (name in CORES or what in {"keyword", "order"}) and not _refused(ask)
    ]
    assert taken == []
    assert [one.number for one in db.find(Order)] == ["a"]


def _asks(db: BaseStorageAdapter, name: str) -> dict[str, Callable[[], Any]]:
    return {
        "keyword": lambda: db.find(Order, **{name: "a"}).count(),
        "path": lambda: db.find(Order).where(path(name) == "a").count(),
        "order": lambda: db.find(Order).order_by(name).list(),
        "values": lambda: db.find(Order).values(name),
        "group": lambda: db.find(Order).group_by(name).aggregate(n=Count()).list(),
        "update": lambda: db.find(Order).update(**{name: "a"}),
        "change": lambda: db.find(Order).update(path(name).set("a")),
        "get or create": lambda: db.get_or_create(Order, None, **{name: "a"}),
    }


def _refused(ask: Callable[[], Any]) -> bool:
    try:
        ask()
    except (InvalidQuery, InvalidValue, AttributeError):
        return True
    return False


def test_patterns_end(db: BaseStorageAdapter) -> None:
    """A pattern that is exponential elsewhere is linear or refused."""
    Order(id="a", number="a" * 5000 + "!", note="x" * 5000).save(db)
    for pattern in ("(a+)+$", "(a|a)*$", "(a*)*b", "^(a|aa)+$", "(.*a){12}$", "a?" * 20 + "a" * 20):
        for lookup in ("matches", "matches_caseless"):
            try:
                found = db.find(Order, **{f"number__{lookup}": pattern}).count()
            except InvalidQuery:
                continue
            assert found in {0, 1}
