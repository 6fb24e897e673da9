"""Everything together on several engines: one model, whose features meet in random programs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule

from docmap import (
    BaseStorageAdapter,
    ChangeEvent,
    Collect,
    Count,
    DocmapError,
    InvalidRecord,
    Max,
    Q,
    Sum,
    connect,
    use_clock,
)
from docmap.storage import hooks as hooks_module
from tests.differential.combined import (
    CALLS,
    CLASSES,
    Item,
    Owner,
    Part,
    Ranked,
    Short,
    Tool,
    VetoError,
)
from tests.differential.programs import (
    CODES,
    CONDITIONS,
    HOW,
    ITEMS,
    KEYS,
    KINDS,
    NAMES,
    RANKS,
    SHARED,
    TAGS,
    UPDATES,
    Numbers,
    PlainMemory,
    failure,
    shown,
)
from tests.storage.bare import Bare


def readable(feed: Iterator[ChangeEvent[Any]]) -> Iterator[ChangeEvent[Any]]:
    """The changes that fit the class: the feed goes on behind one that does not."""
    while True:
        try:
            yield next(feed)
        except InvalidRecord:
            continue
        except StopIteration:
            return


class Abort(Exception):
    """Leaves a transaction so that it is undone."""


class Combined(RuleBasedStateMachine):
    """The same steps on each engine."""

    documents: Bundle[Any] = Bundle("documents")
    cursors: Bundle[Any] = Bundle("cursors")
    whole = True
    """With transactions, a feed and counters."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.now = datetime(2024, 5, 17, tzinfo=UTC)
        self.stack.enter_context(use_clock(lambda: self.now))
        patch = self.stack.enter_context(pytest.MonkeyPatch.context())
        numbers = Numbers()
        patch.setattr(hooks_module, "first_revision", lambda: numbers.getrandbits(48))
        self.storages = [self.stack.enter_context(one) for one in self.made()]
        self.feeds = []
        for storage in self.storages:
            if hasattr(storage, "_revisions"):
                patch.setattr(storage, "_revisions", numbers)
            CALLS.pop(id(storage.hooks), None)
            storage.ensure_indexes(*CLASSES, Owner)
            storage.insert_many([Owner(id=1, name="one"), Owner(id=2, name="two")])
            if self.whole:
                self.feeds.append((storage.watch("items", wait=0), storage.watch(Tool, wait=0)))
        self.open: list[tuple[list[Any], Any]] = []

    def made(self) -> list[BaseStorageAdapter]:
        directory = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        urls = ("memory://", "sqlite://", f"sqlite:///{directory / 'x.db'}?synchronous=normal")
        return [connect(url) for url in urls]

    def teardown(self) -> None:
        while self.open:
            self.leave(None)
        self.replay()
        self.stack.close()
        for storage in self.storages:
            CALLS.pop(id(storage.hooks), None)

    def replay(self) -> None:
        """What a feed tells is what has happened."""
        told = []
        for storage, (every, tools) in zip(self.storages, self.feeds, strict=False):
            copy: dict[Any, Any] = {}
            for change in every:
                assert (change.key in copy) is (change.kind != "insert")
                copy[change.key] = change.document
                if change.kind == "delete":
                    del copy[change.key]
            assert copy == {one["id"]: one for one in storage.find("items").raw()}
            seen: dict[Any, Any] = {}
            for one in readable(tools):  # what one statement deletes is told in any order
                seen.setdefault(one.key, []).append((one.kind, shown(one.document)))
            told.append(seen)
        for other in told[1:]:
            assert other == told[0]

    def alike(self, action: Callable[[int, BaseStorageAdapter], Any]) -> list[Any]:
        """What the action gives on each storage, or raises: it must be the same on all."""
        results: list[Any] = []
        seen: list[Any] = []
        for number, storage in enumerate(self.storages):
            before = len(CALLS[id(storage.hooks)])
            try:
                results.append(action(number, storage))
                seen.append(shown(results[-1]))
            except (DocmapError, VetoError) as error:
                results.append(None)
                seen.append(failure(error))
            seen[-1] = (seen[-1], CALLS[id(storage.hooks)][before:])
        for other in seen[1:]:
            assert other == seen[0]
        return results

    def build(self, kind: type[Item], values: dict[str, Any]) -> list[Any]:
        values = {name: v for name, v in values.items() if name in kind.model_fields}
        return [kind.model_validate(values) for _ in self.storages]

    # -- writes

    @rule(target=documents, kind=KINDS, values=ITEMS, how=HOW)
    def store(self, kind: Any, values: dict[str, Any], how: str) -> Any:
        made = self.build(kind, values)
        self.alike(lambda number, storage: getattr(storage, how)(made[number]))
        self.alike(lambda number, _: made[number])
        return made

    @rule(
        key=KEYS,
        name=NAMES,
        kind=st.sampled_from([None, "Tool", "Toy", "Odd"]),
        version=st.sampled_from([None, 1, 2, 3]),
    )
    def store_raw(self, key: int, name: str, kind: str | None, version: int | None) -> None:
        """What other programs and older versions leave behind."""
        row = {"id": key, "name" if version == 2 else "label": name, "extra": {"kept": key}}
        row |= {"_class": kind} if kind else {}
        row |= {"_version": version} if version else {}
        self.alike(lambda _, storage: storage.insert_many("items", [dict(row)]))

    @rule(target=documents, kind=st.sampled_from([*CLASSES, Part, Ranked]), key=KEYS)
    def load(self, kind: Any, key: int) -> Any:
        return self.alike(lambda _, storage: storage.get(kind, key))

    @rule(things=documents, rank=RANKS, name=NAMES, tags=TAGS, how=HOW)
    def save(self, things: Any, rank: int, name: str, tags: Any, how: str) -> None:
        if things[0] is None:
            return
        for thing in things:
            thing.rank, thing.tags = rank, tags
            if isinstance(thing, Item):
                thing.name = name
        self.alike(lambda number, storage: getattr(storage, how)(things[number]))
        self.alike(lambda number, _: things[number])

    @rule(things=documents)
    def delete(self, things: Any) -> None:
        if things[0] is not None:
            self.alike(lambda number, storage: storage.delete(things[number]))
            self.alike(lambda number, _: things[number])

    @rule(things=documents)
    def reload(self, things: Any) -> None:
        if things[0] is not None:
            self.alike(lambda number, storage: storage.reload(things[number]))
            self.alike(lambda number, _: (things[number], sorted(things[number].changed_fields)))

    @rule(kind=st.sampled_from([*CLASSES, Part, Ranked, "items"]), key=KEYS)
    def delete_key(self, kind: Any, key: int) -> None:
        self.alike(lambda _, storage: storage.delete(kind, key))

    @rule(key=st.integers(1, 2), name=st.sampled_from(["one", "kept"]))
    def put_owner(self, key: int, name: str) -> None:
        self.alike(lambda _, storage: storage.upsert(Owner(id=key, name=name)))

    @rule(key=st.integers(1, 2), by=st.sampled_from(["key", "query", "many"]))
    def delete_owner(self, key: int, by: str) -> None:
        def go(_: int, storage: BaseStorageAdapter) -> Any:
            if by == "key":
                return storage.delete(Owner, key)
            if by == "query":
                return storage.find(Owner, id__gte=key).delete()
            return storage.delete_many(storage.find(Owner).order_by("id").list(), ordered=False)

        self.alike(go)

    @rule(
        rows=st.lists(st.tuples(KINDS, ITEMS), min_size=1, max_size=4),
        ordered=st.booleans(),
        how=st.sampled_from(["insert_many", "save_many"]),
        size=st.sampled_from([1, 2, 500]),
    )
    def store_many(self, rows: Any, how: str, size: int, *, ordered: bool) -> None:
        made = [self.build(kind, values) for kind, values in rows]

        def go(number: int, storage: BaseStorageAdapter) -> Any:
            many = [one[number] for one in made]
            return getattr(storage, how)(many, ordered=ordered, batch_size=size)

        self.alike(go)
        self.alike(lambda number, _: [one[number] for one in made])

    @rule(
        kind=KINDS, conditions=CONDITIONS, ordered=st.booleans(), rank=RANKS, remove=st.booleans()
    )
    def change_many(
        self, kind: Any, conditions: Any, rank: int, *, ordered: bool, remove: bool
    ) -> None:
        def go(_: int, storage: BaseStorageAdapter) -> Any:
            found = storage.find(kind, **conditions).on_invalid("skip").order_by("id").list()
            for one in found:
                one.__dict__["rank"] = rank
            if remove:
                return storage.delete_many(found, ordered=ordered)
            return storage.save_many(found, ordered=ordered)

        self.alike(go)

    @rule(kind=KINDS, name=st.sampled_from("abn"), code=CODES, key=KEYS, by=st.booleans())
    def get_or_create(self, kind: Any, name: str, code: str | None, key: int, *, by: bool) -> None:
        given = {"box__code": code} if by and code else {}
        values = {"id": key, "box": {"code": code}}
        self.alike(
            lambda _, storage: storage.get_or_create(kind, name=name, **given, defaults=values)
        )

    @rule(kind=st.sampled_from([*CLASSES, Ranked, Part]), conditions=CONDITIONS, changes=UPDATES)
    def update(self, kind: Any, conditions: Any, changes: Any) -> None:
        self.alike(lambda _, storage: storage.find(kind, **conditions).update(**changes))

    @rule(kind=KINDS, conditions=CONDITIONS, changes=UPDATES, new=st.booleans())
    def find_one(self, kind: Any, conditions: Any, changes: Any, *, new: bool) -> None:
        self.alike(
            lambda _, storage: (
                storage.find(kind, **conditions)
                .order_by("-rank")
                .find_one_and_update(return_new=new, **changes)
            )
        )

    @rule(kind=st.sampled_from([*CLASSES, Ranked]), conditions=CONDITIONS.filter(bool))
    def delete_matching(self, kind: Any, conditions: Any) -> None:
        self.alike(lambda _, storage: storage.find(kind, **conditions).delete())

    @rule(key=KEYS, rank=RANKS)
    def save_part(self, key: int, rank: int) -> None:
        def go(_: int, storage: BaseStorageAdapter) -> Any:
            part = storage.find(Item, id=key).view(Part).one()
            part.rank = rank
            part.save()
            return part, part.convert_to(Item), part.convert_to(Short)

        self.alike(go)

    # -- time and versions

    @rule(hours=st.integers(1, 6))
    def pass_time(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @rule()
    def remove_expired(self) -> None:
        self.alike(lambda _, storage: storage.remove_expired(Item, Tool))

    @rule(kind=KINDS, dry=st.booleans())
    def upgrade(self, kind: Any, *, dry: bool) -> None:
        def go(_: int, storage: BaseStorageAdapter) -> Any:
            found = storage.upgrade(kind, dry_run=dry)
            return found.outdated, found.upgraded, found.failed, [e.key for e in found.errors]

        self.alike(go)

    # -- transactions

    @precondition(lambda self: self.whole and len(self.open) < 3)
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
    @rule()
    def abort(self) -> None:
        _, before = self.open[-1]
        self.leave(Abort())
        assert self.everything() == before

    def leave(self, error: BaseException | None) -> None:
        entered, _ = self.open.pop()
        for block in entered:
            try:
                block.__exit__(type(error) if error else None, error, None)
            except Abort as raised:
                assert raised is error

    # -- reads

    def everything(self) -> Any:
        def go(_: int, storage: BaseStorageAdapter) -> Any:
            return (
                storage.find("items").order_by("id").raw().list(),
                storage.find("owners").order_by("id").raw().list(),
            )

        return self.alike(go)[0]

    @rule(
        kind=st.sampled_from([*CLASSES, Part, Ranked]),
        conditions=SHARED,
    )
    def query(self, kind: Any, conditions: Any) -> None:
        def ask(_: int, storage: BaseStorageAdapter) -> Any:
            query = storage.find(kind, **conditions).on_invalid("skip")
            ordered = query.order_by("-rank")
            return (
                ordered.list(),
                query.count(),
                ordered[1:3].list(),
                query.values("rank", nulls=True),
                query.values("id"),
                list(ordered.batches(2)),
                list(query.group_by("rank").aggregate(n=Count(), ids=Collect("id"))),
                query.aggregate(n=Count("rank"), top=Max("rank"), all=Sum("rank")),
                len(storage.collection(kind)),
                [key in storage.collection(kind) for key in range(1, 6)],
                ordered.view(Part).list(),
            )

        self.alike(ask)

    @rule(kind=KINDS, conditions=CONDITIONS)
    def read(self, kind: Any, conditions: Any) -> None:
        def ask(_: int, storage: BaseStorageAdapter) -> Any:
            query = storage.find(kind, **conditions).order_by("name", "-rank")
            found = query.fetch("friend", "boss").list()
            held = [one.friend and one.friend.is_fetched for one in found]
            short = [one.model_dump() for one in query.view(Short)]
            return found, held, short, query.where(Q(rank=1) | Q(box__code=None)).count()

        self.alike(ask)

    @rule(target=cursors, kind=KINDS, conditions=CONDITIONS, size=st.integers(1, 2))
    def first_page(self, kind: Any, conditions: Any, size: int) -> Any:
        pages = self.alike(
            lambda _, storage: storage.find(kind, **conditions).order_by("-rank").page(size)
        )
        return None if pages[0] is None else pages[0].next

    @rule(cursor=cursors, kind=KINDS, conditions=CONDITIONS, size=st.integers(1, 2))
    def next_page(self, cursor: Any, kind: Any, conditions: Any, size: int) -> None:
        if cursor is not None:
            self.alike(
                lambda _, storage: (
                    storage.find(kind, **conditions).order_by("-rank").page(size, after=cursor)
                )
            )

    @invariant()
    def all_hold_the_same(self) -> None:
        if self.storages[0].is_open:
            self.everything()


class Plain(Combined):
    """The same without transactions, on the smallest adapter there can be."""

    whole = False

    def made(self) -> list[BaseStorageAdapter]:
        return [PlainMemory(), Bare()]


# A program that fails is shown as it was found: to make a long one shorter takes minutes.
FOUND = settings(phases=(Phase.generate,), stateful_step_count=40, max_examples=25)
Combined.TestCase.settings = FOUND
Plain.TestCase.settings = FOUND
TestCombined = Combined.TestCase
TestPlain = Plain.TestCase
