"""The updates of a query: `update`, `find_one_and_update`, and how an update would run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

from docmap.errors import DocmapError
from docmap.plan.explain import Explanation, explain
from docmap.plan.plan import Plan, Request, make
from docmap.query.changes import Change, Updated
from docmap.schema.bind_updates import bind_update
from docmap.schema.moments import touched
from docmap.schema.rewrite import Rewriter
from docmap.schema.sharding import check_update
from docmap.storage.chain import BaseQueryAdapter
from docmap.storage.deadlines import in_time
from docmap.storage.transactions import undisturbed
from docmap.storage.update_hooks import Watch
from docmap.storage.updating import (
    loaded,
    reason,
    update_alone,
    update_first,
    update_first_alone,
    update_matching,
)

SLICED: Final = (
    "would be unclear: call it on the query without one; for the documents of a slice, on a query "
    "of their keys, where(pk__in=[document.pk for document in query])"
)
FIRST: Final = "is not possible: it changes the first document in the query's order by itself"
T = TypeVar("T")
R = TypeVar("R")


class UpdatingQuery(BaseQueryAdapter[T]):
    """The part of a query that changes documents without loading them."""

    __slots__ = ()

    def update(self, /, *changes: Change, **fields: Any) -> Updated:
        """Change every match in storage, each document atomically; how many were matched.

        `status="shipped"` sets a field, `total__inc=5` and the other operators work on what is
        stored; `Order.total.inc(5)` is the same as an expression. Raises InvalidQuery or
        InvalidValue before anything is read; UpdateTypeError, InvalidValue or DuplicateKey for the
        first document, in the order of keys, that cannot be changed so. Then nothing has changed on
        an engine with transactions; on others the error's `done` says how many were written.
        """
        self._unsliced("update", SLICED)
        rewriter = self._rewriter(changes, fields)
        storage = self._storage
        storage.check_open()
        storage.prepare_collection(rewriter.schema)
        watch = Watch(storage, rewriter.schema)
        query = self._with(order=())

        def action(_: Any, plan: Plan) -> int:
            done = update_alone(storage, plan, rewriter, watch)
            if done is not None:
                return done
            return undisturbed(
                storage,
                lambda: update_matching(storage, query._plan(), rewriter, watch),
                again=not watch.active,
            )

        with in_time(storage):
            if storage.atomic_updates:
                matched = query._run("update", action)
            else:
                with storage.all_or_nothing():
                    matched = query._run(
                        "update", lambda _, plan: update_matching(storage, plan, rewriter, watch)
                    )
        watch.after()
        return Updated(matched, matched)

    def find_one_and_update(
        self, /, *changes: Change, return_new: bool = True, **fields: Any
    ) -> T | None:
        """Change the first match in storage and return it; None if there is none.

        The first is meant in the query's order, else in the order of keys. The document is as it
        is after the update, or before with `return_new=False`. Raises as `update` does.
        """
        self._unsliced("find_one_and_update", FIRST)
        rewriter = self._rewriter(changes, fields)
        storage = self._storage
        storage.check_open()
        storage.prepare_collection(rewriter.schema)
        watch = Watch(storage, rewriter.schema)
        found: list[T] = []

        def action(_: Any, plan: Plan) -> int:
            record = update_first(storage, plan, rewriter, watch, new=return_new)
            found.clear()  # of an attempt that came to nothing
            if record is not None:
                found.append(loaded(storage, plan, record, raw=self._raw, view=self._view))
            return len(found)

        def action_alone(_: Any, plan: Plan) -> int:
            records = update_first_alone(storage, plan, rewriter, watch, new=return_new)
            if records is None:
                return undisturbed(
                    storage, lambda: action(_, query._plan()), again=not watch.active
                )
            found.extend(
                loaded(storage, plan, one, raw=self._raw, view=self._view) for one in records
            )
            return len(found)

        query = self._sliced(0, 1)
        with in_time(storage):
            if storage.atomic_updates:
                query._run("find_one_and_update", action_alone)
            else:
                with storage.all_or_nothing():
                    query._run("find_one_and_update", action)
        watch.after()
        return found[0] if found else None

    def explain_update(self, /, *changes: Change, **fields: Any) -> Explanation:
        """How an update would run: natively, or document by document and why. Changes nothing."""
        self._unsliced("explain_update", SLICED)
        rewriter = self._rewriter(changes, fields)
        self._storage.check_open()
        plan = make(self._storage, self._with(order=())._scoped())
        found = explain(self._storage, plan)
        why = reason(self._storage, plan, rewriter)
        found.data.update(update=rewriter.text, update_native=not why, update_why=why)
        return found

    def _rewriter(self, changes: tuple[Change, ...], fields: dict[str, Any]) -> Rewriter:
        """A bound update. Raises InvalidQuery and InvalidValue before any I/O."""
        schema = self._request.schema
        fixed = frozenset({schema.key_field.stored}) | schema.class_field
        try:
            given = cast("tuple[object, ...]", changes)
            owners = (change.owner for change in given if isinstance(change, Change))
            self._check_owners(frozenset(owner for owner in owners if owner is not None))
            bound = bind_update(changes, fields, schema.names, fixed)
            check_update(schema, bound)
            return Rewriter(schema, touched(schema.moments, bound))
        except DocmapError as error:
            self._about(error)
            raise

    def _scoped(self) -> Request:
        """The request within what the class sees at all."""
        raise NotImplementedError

    def _plan(self) -> Plan:
        """The plan of the query as it is now."""
        raise NotImplementedError

    def _run(self, name: str, action: Callable[[Any, Plan], R]) -> R:
        """Plan the query, run it, and note in the journal that it ran."""
        raise NotImplementedError
