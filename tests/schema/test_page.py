"""The examples of the page that the backend API comes from, run as they stand there."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from docmap import (
    BaseQueryAdapter,
    BaseStorageAdapter,
    ConverterManager,
    DataProcessorDoesNotExist,
    Document,
    LookupManager,
    LookupProcessorDoesNotExist,
    ProcessorDoesNotExist,
    connect,
    converters,
)
from docmap.schema.converters import portable

QUERY_TEXT, QUERY_NUMBER = 0, 8


def page_manager() -> LookupManager:
    lookup_manager = LookupManager()

    @lookup_manager.register("equals", default=True)  # only one lookup can be default
    def exact_match(name: str, value: Any) -> tuple[tuple[str, int, Any], ...]:
        if isinstance(value, str):
            return ((name, QUERY_TEXT, value),)
        if isinstance(value, (int, float)):
            return ((name, QUERY_NUMBER, value),)
        raise ValueError(type(value).__name__)

    return lookup_manager


def test_a_lookup_yields_native_conditions() -> None:
    lookups = page_manager()
    assert lookups.resolve("age", "equals", 99) == (("age", QUERY_NUMBER, 99),)
    assert lookups.resolve("name", None, "Ann") == (("name", QUERY_TEXT, "Ann"),)
    with pytest.raises(ValueError, match="list"):
        lookups.resolve("age", "equals", [])


def test_one_lookup_may_yield_several_conditions() -> None:
    lookups = page_manager()

    @lookups.register("between")
    def between(name: str, value: tuple[int, int]) -> tuple[Any, ...]:
        return (name, "gte", value[0]), (name, "lte", value[1])

    assert lookups.resolve("age", "between", (1, 2)) == (("age", "gte", 1), ("age", "lte", 2))


def test_only_one_lookup_is_the_default() -> None:
    with pytest.raises(ValueError, match="is the default lookup already"):
        page_manager().register("gt", default=True)(lambda *_: None)


def test_an_unknown_lookup_raises_the_exception_of_the_manager() -> None:
    lookups = page_manager()
    assert lookups.exception_class is LookupProcessorDoesNotExist
    with pytest.raises(ProcessorDoesNotExist, match="'gt'"):
        lookups.resolve("age", "gt", 90)


def test_converters_encode_and_decode_by_type() -> None:
    assert converters.exception_class is DataProcessorDoesNotExist
    assert portable.to_db(Decimal("1.10"), None) == "1.10"
    assert portable.from_db(Decimal, "1.10") == Decimal("1.10")
    with pytest.raises(DataProcessorDoesNotExist, match="complex"):
        ConverterManager().to_db(1j)
    with pytest.raises(ProcessorDoesNotExist):
        ConverterManager().from_db(complex, 1)


class Person(Document, collection="people"):
    """The document of the page's adapter examples."""

    id: int
    name: str
    age: int = 0


@pytest.mark.parametrize("url", ["memory://", "sqlite://"])
def test_an_adapter_has_the_names_and_meaning_of_the_page(url: str) -> None:
    storage = connect(url)
    assert isinstance(storage, BaseStorageAdapter)
    with pytest.raises(RuntimeError):
        storage.connect()
    key = storage.save(Person, {"name": "Ann", "age": 90})
    assert key == 1
    assert storage.save(Person, {"name": "Ann", "age": 91}, primary_key=key) == key
    assert storage.get(Person, key).age == 91
    with pytest.raises(KeyError):
        storage.get(Person, 99)
    assert [one.name for one in storage.get_many(Person, [99, key])] == ["Ann"]
    assert storage.get_or_create(Person, name="Ann")[1] is False
    bob, created = storage.get_or_create(Person, name="Bob")
    assert created
    query = storage.get_query(Person)
    assert isinstance(query, BaseQueryAdapter)
    assert len(query) == query.count() == 2
    assert [one.name for one in query.order_by("-name")] == ["Bob", "Ann"]
    assert query.values("name") == ["Ann", "Bob"]
    assert query.where(age__gt=90).count() == query.where_not(age__gt=90).count() == 1
    assert storage.delete(Person, bob.id) is True
    assert query.where(name="Ann").delete() == 1
    storage.clear()
    assert storage.save(Person, {"name": "Eve"}) == 1
    storage.sync()
    storage.disconnect()
    storage.reconnect()
    storage.disconnect()
