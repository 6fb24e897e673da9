"""Whose a transaction is, what undoes it, and running a function until others let it succeed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from contextlib import ExitStack
from typing import Annotated, Any

import pytest

from docmap import (
    BaseStorageAdapter,
    Document,
    DuplicateKey,
    Indexed,
    InvalidValue,
    StaleDocument,
    StoreLocked,
    TransactionConflict,
    Unsupported,
)
from docmap.schema.schema import Schema
from docmap.storage import transactions
from docmap.storage.load import engines_with
from docmap.storage.writes import Write
from tests.storage.bare import Bare
from tests.storage.engines import undone


class Account(Document, collection="accounts"):
    id: int = None  # type: ignore[assignment]
    owner: Annotated[str, Indexed(unique=True)]
    balance: int = 0


class Plain(Document, collection="plain"):
    name: str
    note: str = ""


@pytest.fixture
def bank(full: BaseStorageAdapter) -> BaseStorageAdapter:
    """A storage with two accounts."""
    full.insert_many([Account(id=1, owner="ann", balance=10), Account(id=2, owner="bo")])
    return full


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "_FIRST_PAUSE", 0.0)


# -- what undoes


def test_a_generator_that_is_closed_undoes(bank: BaseStorageAdapter) -> None:
    def steps() -> Generator[int, None, None]:
        with bank.transaction():
            yield bank.insert(Account(id=3, owner="cy"))
            yield bank.insert(Account(id=4, owner="di"))

    running = steps()
    assert next(running) == 3
    assert bank.find(Account).count() == 3
    running.close()
    assert bank.find(Account).count() == 2
    assert list(steps()) == [3, 4]
    assert bank.find(Account).count() == 4


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit, ValueError])
def test_every_exception_undoes(bank: BaseStorageAdapter, error: type[BaseException]) -> None:
    def write_and_stop() -> None:
        bank.find(Account).delete()
        raise error

    with pytest.raises(error), bank.transaction():
        write_and_stop()
    assert bank.find(Account).count() == 2


def test_counted_keys_of_what_was_undone_are_given_again(full: BaseStorageAdapter) -> None:
    """As nothing was committed under them. What was committed is never given again."""
    assert Account(owner="a").save(full) == 1
    with undone(full):
        assert Account(owner="b").save(full) == 2
        full.insert(Account(id=50, owner="c"))
        assert Account(owner="d").save(full) == 51
    assert Account(owner="e").save(full) == 2
    with full.transaction():
        assert Account(owner="f").save(full) == 3
        with undone(full):
            assert Account(owner="g").save(full) == 4
        assert Account(owner="h").save(full) == 4
    full.delete(Account, 4)
    assert Account(owner="i").save(full) == 5


def test_transactions_that_end_in_the_wrong_order(bank: BaseStorageAdapter) -> None:
    def held(key: int) -> Generator[None, None, None]:
        with bank.transaction():
            bank.insert(Account(id=key, owner=f"held {key}"))
            yield

    outer, inner = held(10), held(11)
    next(outer)
    next(inner)
    with pytest.raises(Unsupported, match="ends while one inside it is open"):
        next(outer, None)
    inner.close()
    assert bank.find(Account).count() == 2
    with bank.transaction(), bank.transaction():
        bank.insert(Account(id=12, owner="later"))
    assert bank.find(Account).count() == 3
    with undone(bank):
        bank.find(Account).delete()
    assert bank.find(Account).count() == 3


# -- whose it is


def test_another_task_of_the_thread_is_refused(bank: BaseStorageAdapter) -> None:
    async def other() -> list[str]:
        said = []
        for action in (
            lambda: bank.get(Account, 1),
            lambda: bank.find(Account).count(),
            lambda: Account(owner="x").save(bank),
            lambda: bank.transaction().__enter__(),
        ):
            try:
                action()
            except Unsupported as error:
                said.append(str(error))
        return said

    async def main() -> None:
        with bank.transaction():
            bank.insert(Account(id=3, owner="cy"))
            said = await asyncio.create_task(other())
            assert len(said) == 4
            assert all("another asyncio task of this thread has a transaction" in s for s in said)
            assert bank.find(Account).count() == 3
        assert await asyncio.create_task(other()) == []  # after the end it works

    asyncio.run(main())


def test_tasks_may_run_inside_one_that_no_task_opened(bank: BaseStorageAdapter) -> None:
    """Around a whole event loop it was meant for all that runs there, one after the other."""

    async def write() -> None:
        bank.insert(Account(id=3, owner="cy"))
        with bank.transaction():
            bank.insert(Account(id=4, owner="di"))
            with pytest.raises(Unsupported):
                await asyncio.create_task(read())

    async def read() -> int:
        return bank.find(Account).count()

    with undone(bank):
        asyncio.run(write())
        assert asyncio.run(read()) == 4
    assert asyncio.run(read()) == 2


def test_a_worker_thread_does_not_wait_for_its_own_caller(bank: BaseStorageAdapter) -> None:
    async def main() -> None:
        with (
            bank.transaction(),
            pytest.raises(Unsupported, match="another thread has a transaction open"),
        ):
            await asyncio.to_thread(bank.get, Account, 1)
        assert (await asyncio.to_thread(bank.get, Account, 1)).owner == "ann"

    asyncio.run(main())


def test_other_threads_work_beside_it(full: BaseStorageAdapter) -> None:
    """They see nothing of it, and write when it has ended."""
    full.ensure_indexes(Account)
    done: list[Any] = []

    def work() -> None:
        done.append(full.insert(Account(id=2, owner="bo")))

    thread = threading.Thread(target=work)
    with full.transaction():
        full.insert(Account(id=1, owner="ann"))
        thread.start()
        thread.join(timeout=0.05)
        assert done == []
    thread.join(timeout=30)
    assert done == [2]


def test_transactions_of_two_storages(bank: BaseStorageAdapter, second: BaseStorageAdapter) -> None:
    with bank.transaction(), second.transaction():
        second.insert(Account(id=1, owner="x"))
        with undone(bank):
            bank.delete(Account, 1)
        bank.insert(Account(id=3, owner="cy"))
    assert (bank.find(Account).count(), second.find(Account).count()) == (3, 1)


# -- engines without


def test_an_engine_without_transactions_names_those_that_have() -> None:
    with Bare() as storage:
        with pytest.raises(Unsupported) as caught, storage.transaction():
            pass
        with pytest.raises(Unsupported):
            storage.retrying(lambda: 1)
        assert storage.info().get("isolation") is None
    having = engines_with("transactions")
    assert set(having) >= {"leveldb", "memory", "shelve", "sqlite", "tinydb"}
    assert str(caught.value) == "bare has no transactions. Engines that have: " + ", ".join(having)
    assert engines_with("flying") == ()


def test_the_isolation_is_told(full: BaseStorageAdapter) -> None:
    assert full.info()["isolation"] == "serializable"


# -- retrying


def test_a_conflict_is_retried(bank: BaseStorageAdapter) -> None:
    early = bank.get(Account, 1)
    runs: list[int] = []

    def pay() -> int:
        runs.append(bank.find(Account).count())
        bank.insert(Account(owner=f"run {len(runs)}"))
        account = early if len(runs) < 3 else bank.get(Account, 1)
        account.balance -= 1
        account.save()
        return account.balance

    bank.find(Account, id=1).update(balance=5)
    assert bank.retrying(pay) == 4
    assert runs == [2, 2, 2]  # what a run wrote is undone before the next
    assert sorted(bank.find(Account).values("owner")) == ["ann", "bo", "run 3"]


def test_documents_are_as_before_in_each_attempt(bank: BaseStorageAdapter) -> None:
    fresh = Account(owner="fresh")
    known = bank.get(Account, 1)
    seen: list[Any] = []

    def write() -> None:
        seen.append((fresh.is_new, fresh.id))
        fresh.save(bank)
        known.save()
        if len(seen) < 3:
            raise StaleDocument("somebody was faster")

    bank.retrying(write)
    assert seen == [(True, None)] * 3
    assert bank.get(Account, fresh.id) == fresh
    known.balance = 99
    known.save()


@pytest.mark.parametrize("error", [StaleDocument, StoreLocked, TransactionConflict])
def test_attempts_come_to_an_end(
    bank: BaseStorageAdapter, error: type[StaleDocument | StoreLocked | TransactionConflict]
) -> None:
    runs: list[int] = []

    def fail() -> None:
        runs.append(bank.insert(Account(owner="never")))
        raise error(f"number {len(runs)}")

    with pytest.raises(error, match="number 4"):
        bank.retrying(fail, attempts=4)
    assert len(runs) == 4
    assert bank.find(Account).count() == 2


@pytest.mark.parametrize("error", [DuplicateKey, KeyboardInterrupt, ValueError])
def test_other_errors_are_not_retried(bank: BaseStorageAdapter, error: type[BaseException]) -> None:
    runs: list[int] = []

    def fail() -> None:
        runs.append(bank.insert(Account(owner="never")))
        raise error("no")

    with pytest.raises(error):
        bank.retrying(fail)
    assert len(runs) == 1
    assert bank.find(Account).count() == 2


def test_inside_a_transaction_it_runs_once(bank: BaseStorageAdapter) -> None:
    runs: list[int] = []

    def fail() -> None:
        runs.append(1)
        raise StaleDocument("no")

    with pytest.raises(StaleDocument), bank.transaction():
        bank.retrying(fail)
    assert runs == [1]


@pytest.mark.parametrize("attempts", [0, -1, True])
def test_attempts_are_a_number(bank: BaseStorageAdapter, attempts: int) -> None:
    with pytest.raises(InvalidValue, match="at least 1"):
        bank.retrying(lambda: 1, attempts=attempts)


def test_threads_that_retry_lose_nothing(full: BaseStorageAdapter) -> None:
    full.insert(Account(id=1, owner="ann"))

    def add() -> int:
        account = full.get(Account, 1)
        account.balance += 1
        account.save()
        return account.balance

    got: list[int] = []

    def work() -> None:
        got.extend(full.retrying(add, attempts=100) for _ in range(20))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(got) == list(range(1, 161))


# -- get_or_create


class Raced(Bare):
    """Somebody else, whom no lock holds, writes just before each insert."""

    before: Any = None

    def _save(self, schema: Schema, write: Write) -> int:
        if self.before is not None:
            record, self.before = self.before, None
            super()._save(schema, record(schema))
        return super()._save(schema, write)


def test_without_transactions_a_unique_index_decides_a_race() -> None:
    def faster(schema: Schema) -> Write:
        return Write(7, b'{"id":7,"owner":"ann","balance":70}')

    with Raced() as storage:
        storage.before = faster
        found, created = storage.get_or_create(Account, owner="ann", defaults={"id": 8})
        assert (found.id, found.balance, created) == (7, 70, False)
        storage.before = lambda _: Write(9, b'{"id":9,"owner":"bo","balance":70}')
        with pytest.raises(DuplicateKey):  # taken, but not by a match
            storage.get_or_create(Account, owner="bo", balance=5, defaults={"id": 10})


def test_get_or_create_in_a_transaction_is_undone_with_it(bank: BaseStorageAdapter) -> None:
    with undone(bank):
        assert bank.get_or_create(Account, owner="cy")[1]
        assert not bank.get_or_create(Account, owner="cy")[1]
    assert bank.get_or_create(Account, owner="cy")[1]


def test_many_transactions_after_one_another(full: BaseStorageAdapter) -> None:
    with ExitStack() as stack:
        for number in range(20):
            stack.enter_context(full.transaction())
            full.insert(Plain(name=str(number)))
    assert full.find(Plain).count() == 20
