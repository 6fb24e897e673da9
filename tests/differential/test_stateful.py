"""One program on several engines: whatever it does, all of them answer alike, step by step.

Hypothesis writes the programs: documents that are inserted, saved over what others saved, counted,
updated and deleted, in transactions inside transactions, some of them undone, with pages that go on
from cursors made long before.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from docmap import BaseStorageAdapter, DocmapError, Document, Index, Indexed, connect

KEYS: Final = st.integers(1, 6)
NAMES: Final = st.one_of(st.none(), st.sampled_from(["a", "b", "c", "é"]))
RANKS: Final = st.one_of(st.none(), st.integers(0, 3))
TAGS: Final = st.lists(st.sampled_from("xyz"), max_size=2)
ORDERS: Final = st.sampled_from([("rank",), ("-rank",), ("name", "-rank"), ("-name",), ("-id",)])
CONDITIONS: Final = st.sampled_from(
    [{}, {"rank__gte": 1}, {"name": "a"}, {"name": None}, {"tags__contains": "x"}, {"id__lte": 3}]
)


class Thing(Document, collection="things", indexes=[Index("rank"), Index("name", "-rank")]):
    id: int = None  # type: ignore[assignment]
    code: Annotated[str | None, Indexed(unique=True)] = None
    name: str | None = None
    rank: int | None = None
    tags: list[str] = []  # noqa: RUF012 - pydantic copies it


class Abort(Exception):
    """Leaves a transaction so that it is undone."""


STEP: Final[dict[str, Callable[[BaseStorageAdapter, int, int | None], Any]]] = {
    "put": lambda db, key, rank: db.upsert(Thing(id=key, rank=rank, code=f"{rank}")),
    "delete": lambda db, key, _: db.delete(Thing, key),
    "count": lambda db, _, rank: db.insert(Thing.model_validate({"rank": rank})),
    "update": lambda db, key, rank: db.find(Thing, id__lte=key).update(rank=rank),
    "remove": lambda db, key, _: db.find(Thing, id__gte=key).delete(),
}
STEPS: Final = st.lists(st.tuples(st.sampled_from(list(STEP)), KEYS, RANKS), max_size=5)


class Engines(RuleBasedStateMachine):
    """The same steps on each engine."""

    loaded: Bundle[Any] = Bundle("loaded")
    cursors: Bundle[Any] = Bundle("cursors")

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        directory = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        urls = ("memory://", "sqlite://", f"sqlite:///{directory / 'x.db'}?synchronous=normal")
        self.storages = [self.stack.enter_context(connect(url)) for url in urls]
        self.open: list[tuple[list[Any], Any]] = []
        """The transactions: on each storage, and what was there when they began."""

    def teardown(self) -> None:
        while self.open:
            self.leave(None)
        self.stack.close()

    @initialize()
    def prepare(self) -> None:
        for storage in self.storages:
            storage.ensure_indexes(Thing)

    def alike(self, action: Callable[[int, BaseStorageAdapter], Any]) -> list[Any]:
        """What the action gives on each storage, or raises: it must be the same on all."""
        results: list[Any] = []
        shown: list[Any] = []
        for number, storage in enumerate(self.storages):
            try:
                result = action(number, storage)
                results.append(result)
                shown.append(result)
            except DocmapError as error:
                results.append(None)
                # Where the key and a unique value are taken, either may be named.
                shown.append((type(error), error.done))
        for other in shown[1:]:
            assert other == shown[0]
        return results

    # -- writes

    @rule(
        target=loaded,
        key=st.one_of(st.none(), KEYS),
        code=st.one_of(st.none(), st.sampled_from("pq")),
        name=NAMES,
        rank=RANKS,
        tags=TAGS,
        how=st.sampled_from(["insert", "upsert"]),
    )
    def store(self, how: str, **values: Any) -> Any:
        key = values.pop("key")
        values |= {} if key is None else {"id": key}
        things = [Thing.model_validate(values) for _ in self.storages]
        self.alike(lambda number, storage: getattr(storage, how)(things[number]))
        assert len({thing.id for thing in things}) == 1
        assert len({thing.is_new for thing in things}) == 1
        return things

    @rule(target=loaded, key=KEYS)
    def load(self, key: int) -> Any:
        return self.alike(lambda _, storage: storage.find(Thing, id=key).first())

    @rule(things=loaded, rank=RANKS, code=st.sampled_from([None, "p", "q"]))
    def save(self, things: Any, rank: int | None, code: str | None) -> None:
        """Perhaps over what was saved since it was loaded, or with a value that is taken."""
        if things[0] is None:
            return
        for thing in things:
            thing.rank, thing.code = rank, code
        self.alike(lambda number, storage: storage.save(things[number]))

    @rule(things=loaded)
    def delete(self, things: Any) -> None:
        if things[0] is not None:
            self.alike(lambda number, storage: storage.delete(things[number]))

    @rule(key=KEYS)
    def delete_key(self, key: int) -> None:
        self.alike(lambda _, storage: storage.delete(Thing, key))

    @rule(rows=st.lists(st.tuples(KEYS, NAMES, RANKS), min_size=1, max_size=4))
    def insert_many(self, rows: list[Any]) -> None:
        many = [{"id": key, "name": name, "rank": rank} for key, name, rank in rows]
        self.alike(lambda _, storage: storage.insert_many(Thing, many))

    @rule(name=st.sampled_from(["a", "b", "n"]), rank=RANKS)
    def get_or_create(self, name: str, rank: int | None) -> None:
        self.alike(
            lambda _, storage: storage.get_or_create(Thing, name=name, defaults={"rank": rank})
        )

    @rule(conditions=CONDITIONS, by=st.integers(-1, 2))
    def update(self, conditions: dict[str, Any], by: int) -> None:
        self.alike(lambda _, storage: storage.find(Thing, **conditions).update(rank__inc=by))

    @rule(conditions=CONDITIONS.filter(bool), tag=st.sampled_from("xyz"))
    def push(self, conditions: dict[str, Any], tag: str) -> None:
        self.alike(lambda _, storage: storage.find(Thing, **conditions).update(tags__push=tag))

    @rule(conditions=CONDITIONS.filter(bool))
    def delete_matching(self, conditions: dict[str, Any]) -> None:
        self.alike(lambda _, storage: storage.find(Thing, **conditions).delete())

    # -- transactions

    @precondition(lambda self: len(self.open) < 3)
    @rule()
    def begin(self) -> None:
        before = self.everything()
        entered = []
        for storage in self.storages:
            block = storage.transaction()
            block.__enter__()
            entered.append(block)
        self.open.append((entered, before))

    @precondition(lambda self: self.open)
    @rule()
    def commit(self) -> None:
        before = self.everything()
        self.leave(None)
        assert self.everything() == before

    @precondition(lambda self: self.open)
    @rule(interrupted=st.booleans())
    def abort(self, *, interrupted: bool) -> None:
        _, before = self.open[-1]
        self.leave(KeyboardInterrupt() if interrupted else Abort())
        assert self.everything() == before

    @rule(first=STEPS, second=STEPS, inner=st.booleans(), outer=st.booleans())
    def transact(self, first: Any, second: Any, *, inner: bool, outer: bool) -> None:
        """A whole transaction with one inside it, of which either or both are undone."""
        before = self.everything()
        self.begin()
        self.write(first)
        between = self.everything()
        self.begin()
        self.write(second)
        self.leave(Abort() if inner else None)
        if inner:
            assert self.everything() == between
        self.leave(Abort() if outer else None)
        if outer:
            assert self.everything() == before

    def write(self, steps: Any) -> None:
        for what, key, rank in steps:
            self.alike(lambda _, storage: STEP[what](storage, key, rank))  # noqa: B023

    def leave(self, error: BaseException | None) -> None:
        entered, _ = self.open.pop()
        for block in entered:
            try:
                block.__exit__(type(error) if error else None, error, None)
            except (Abort, KeyboardInterrupt) as raised:
                assert raised is error

    # -- reads

    def everything(self) -> Any:
        return self.alike(lambda _, storage: storage.find(Thing).order_by("id").raw().list())[0]

    @rule(conditions=CONDITIONS, names=ORDERS, start=st.integers(0, 3), count=st.integers(0, 4))
    def query(
        self, conditions: dict[str, Any], names: tuple[str, ...], start: int, count: int
    ) -> None:
        def ask(_: int, storage: BaseStorageAdapter) -> Any:
            query = storage.find(Thing, **conditions).order_by(*names)
            part = query[start : start + count]
            return part.list(), query.count(), part.exists(), query.values("rank", nulls=True)

        self.alike(ask)

    @rule(target=cursors, conditions=CONDITIONS, names=ORDERS, size=st.integers(1, 3))
    def first_page(self, conditions: dict[str, Any], names: tuple[str, ...], size: int) -> Any:
        pages = self.alike(
            lambda _, storage: storage.find(Thing, **conditions).order_by(*names).page(size)
        )
        return names, pages[0].next

    @rule(target=cursors, cursor=cursors, conditions=CONDITIONS, size=st.integers(1, 3))
    def next_page(self, cursor: Any, conditions: dict[str, Any], size: int) -> Any:
        names, after = cursor

        def ask(_: int, storage: BaseStorageAdapter) -> Any:
            query = storage.find(Thing, **conditions).order_by(*names)
            page = query.page(size, after=after)
            every = [thing for batch in query.after(after).batches(2) for thing in batch]
            assert every[:size] == page.items
            assert every == query.after(after).list()
            return page

        return names, self.alike(ask)[0].next

    @invariant()
    def all_hold_the_same(self) -> None:
        if self.storages[0].is_open:
            self.everything()


Engines.TestCase.settings = settings(stateful_step_count=40, max_examples=40)
TestEngines = Engines.TestCase
