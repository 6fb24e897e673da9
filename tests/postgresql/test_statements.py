"""How often PostgreSQL is asked: one statement for each operation, and one reply waited for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import pytest

from docmap import BaseStorageAdapter, Document, Indexed, connect
from tests.servers import postgresql
from tests.servers.asking import OPERATIONS, TURNS, Sale, fill, repeated
from tests.servers.tap import Tap


@pytest.fixture(scope="module")
def tap() -> Iterator[Tap]:
    tap = Tap(postgresql.url("statements"))
    yield tap
    tap.close()


@pytest.fixture
def tapped(tap: Tap) -> Iterator[BaseStorageAdapter]:
    with connect(tap.url) as storage:
        yield storage


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_one_statement(name: str, tapped: BaseStorageAdapter, tap: Tap) -> None:
    operation, loaded = OPERATIONS[name], fill(tapped)
    repeated(tapped, operation, loaded)
    with tap.counting():
        operation(tapped, TURNS, loaded)
    assert (len(tap.asked), tap.trips) == (1, 1), tap.asked


class Member(Document, collection="asked_members"):
    email: Annotated[str, Indexed(unique=True)]


def test_a_unique_index_costs_no_other(tapped: BaseStorageAdapter, tap: Tap) -> None:
    tapped.insert_many([Member(email=f"{n}@example.com") for n in range(20)])
    member = tapped.find(Member, email="1@example.com").one()
    member.email = "one@example.com"
    with tap.counting():
        tapped.insert(Member(email="20@example.com"))
        tapped.save(member)
        tapped.insert_many([Member(email=f"{n}@example.com") for n in range(30, 60)])
    assert (len(tap.asked), tap.trips) == (3, 3), tap.asked


def test_a_transaction_adds_its_begin_and_its_end(tapped: BaseStorageAdapter, tap: Tap) -> None:
    fill(tapped)

    def both() -> None:
        with tapped.transaction():
            sale = tapped.get(Sale, "01")
            sale.total += 1
            sale.save()

    both()
    with tap.counting():
        both()
    # A write has a savepoint of its own: what it refuses must not end the transaction.
    assert len(tap.asked) <= 6, tap.asked


def test_many_documents_are_few_statements(tapped: BaseStorageAdapter, tap: Tap) -> None:
    fill(tapped)
    with tap.counting():
        tapped.insert_many([Sale(number=n) for n in range(2000, 4500)])
    assert len(tap.asked) <= 10, tap.asked
    with tap.counting():
        assert len(tapped.find(Sale).list()) == 2530
    assert len(tap.asked) <= 14, tap.asked
