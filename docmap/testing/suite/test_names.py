"""Names of collections and fields: any that is allowed works, no two fall together."""

from __future__ import annotations

from typing import Annotated, Any, Final

import pytest
from pydantic import create_model

from docmap import BaseStorageAdapter, Document, Index, InvalidModel, InvalidValue, Stored, path

_COLLECTIONS: Final = (
    "a", "A", "Orders", "orders", "a-b", "a_b", "a.b", "a1", "select", "table", "Index", "sqlite_x",
    "system.users", "x" * 48, "x" * 47, "X" * 48, "con", "nul.txt", "a..b", "pg_catalog",
)  # fmt: skip
_REFUSED: Final = (
    "", "1a", "_a", "-a", ".a", "a b", "a/b", "../a", "a\\b", "a\0", "é", "a'b", 'a"b', "a;b",
    "a$b", "x" * 49, "a\n", "a:b", "%41", "a*",
)  # fmt: skip
_FIELDS: Final = (
    "a", "A", "a b", "a.b", "$a", "$where", "é", "e\u0301", "'", '"', "`", "\\", "a\\.b", "[0]",
    "a[0]", "0", "-", "--", ";", "/*", "%", "?", ":a", "{}", "select", "x" * 100, "a\nb", "\x01",
    "__proto__", "_key", "rowid", "data", "revision", "*", "#", "@", "~", "^", "null", "true",
)  # fmt: skip


def _named(collection: str) -> Any:
    return create_model(
        "Named", __base__=Document, __cls_kwargs__={"collection": collection}, text=(str, "")
    )


def test_collections_do_not_fall_together(db: BaseStorageAdapter) -> None:
    models = {name: _named(name) for name in _COLLECTIONS}
    for name, model in models.items():
        model(id="same", text=name).save(db)
    for name, model in models.items():
        assert [one.text for one in db.find(model)] == [name]
        assert db.get(name, "same")["text"] == name
    assert set(db.collections()) == set(_COLLECTIONS)
    db.find(models["Orders"]).delete()
    assert db.find(models["orders"]).count() == 1


@pytest.mark.parametrize("name", _REFUSED, ids=ascii)
def test_names_that_are_refused(db: BaseStorageAdapter, name: str) -> None:
    db.insert_many("good", [{"a": 1}])
    with pytest.raises((InvalidModel, InvalidValue)):
        _named(name)
    with pytest.raises((InvalidModel, InvalidValue)):
        db.insert_many(name, [{"a": 1}])
    assert db.collections() == ["good"]


def test_fields_stored_under_odd_names(db: BaseStorageAdapter) -> None:
    """Indexed and not: found, ordered, grouped and updated by the field, whatever it is called."""
    for indexed in (False, True):
        fields: dict[str, Any] = {
            f"f{n}": (_annotated(name), None) for n, name in enumerate(_FIELDS)
        }
        model: Any = create_model(
            "Odd",
            __base__=Document,
            __cls_kwargs__={
                "collection": f"odd{int(indexed)}",
                "indexes": [Index(name) for name in fields] if indexed else [],
            },
            **fields,
        )
        db.insert_many(
            [
                model(id=f"{n:03}", **{name: (n + place) % 5 for place, name in enumerate(fields)})
                for n in range(10)
            ]
        )
        for place, name in enumerate(fields):
            assert db.find(model, **{name: 3}).count() == 2
            wanted = sorted(range(10), key=lambda n, place=place: ((n + place) % 5, n))  # type: ignore[misc]
            assert [int(one.id) for one in db.find(model).order_by(name)] == wanted
            assert db.find(model).values(name) == [0, 1, 2, 3, 4]
        assert db.find(model, f0=3).update(**dict.fromkeys(fields, 9)) == (2, 2)
        for name in fields:
            assert db.find(model, **{name: 9}).count() == 2


def _annotated(name: str) -> Any:
    return Annotated[int | None, Stored(name)]


@pytest.mark.parametrize("name", _FIELDS, ids=ascii)
def test_names_in_untyped_collections(db: BaseStorageAdapter, name: str) -> None:
    place = path(name)
    rows = [{"id": f"{n}", name: n % 3, "in": {name: n}} for n in range(6)]
    db.insert_many("loose", rows)
    assert sorted(row["id"] for row in db.find("loose").where(place == 1)) == ["1", "4"]
    found = db.find("loose").where(path("in", name) >= 4)
    assert sorted(row["id"] for row in found) == ["4", "5"]
    assert [row["id"] for row in db.find("loose").order_by(place.desc())][:2] == ["5", "2"]
    assert db.find("loose").values(place) == [0, 1, 2]
    db.find("loose", id="0").update(place.set(7))
    assert db.get("loose", "0")[name] == 7
