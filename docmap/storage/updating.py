"""Updating on a query: natively where the engine can, else document by document in key order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from docmap.errors import DocmapError
from docmap.plan import execute
from docmap.plan.engine import Record
from docmap.plan.plan import Plan
from docmap.query.evaluate import matches, roots
from docmap.query.nodes import Node
from docmap.schema.rewrite import Rewriter
from docmap.storage.expiring import remove_expired
from docmap.storage.firing import hooked
from docmap.storage.loading import collection_suspended, load_record
from docmap.storage.update_hooks import Watch
from docmap.storage.upgrading import has_outdated
from docmap.storage.viewing import Viewing
from docmap.storage.writes import Write
from docmap.values import order_key

if TYPE_CHECKING:
    from docmap.storage.base import BaseStorageAdapter


def update_matching(
    storage: BaseStorageAdapter, plan: Plan, rewriter: Rewriter, watch: Watch
) -> int:
    """Update every match of a plan; how many there were.

    Called inside a transaction, or under the storage's lock where there are none.
    """
    request = plan.request
    if request.empty:
        return 0
    clear_the_way(storage, rewriter, watch)
    alike = not rewriter.narrow and not rewriter.overrides
    natively = alike and plan.residual is None and not watch.active
    if natively and not has_outdated(storage, request):
        done = storage._update_matching(request.schema, plan.native.condition, rewriter)
        if done is not None:
            return done
    with collection_suspended():
        found = execute.records(storage, plan)
        return _update(storage, rewriter, found, request.whole, watch)


def update_alone(
    storage: BaseStorageAdapter, plan: Plan, rewriter: Rewriter, watch: Watch
) -> int | None:
    """`update_matching` without a transaction, where the engine needs none; None if it does."""
    if not _alone(storage, plan, rewriter, watch):
        return None
    if plan.request.empty:
        return 0
    return storage._update_matching(plan.request.schema, plan.native.condition, rewriter)


def update_first_alone(
    storage: BaseStorageAdapter, plan: Plan, rewriter: Rewriter, watch: Watch, *, new: bool
) -> list[Record] | None:
    """`update_first` without a transaction, as a list of at most one; None if it needs one."""
    if not _alone(storage, plan, rewriter, watch) or not plan.exact:
        return None
    if plan.request.empty:
        return []
    return storage._update_first(plan.request.schema, plan.native, rewriter, new=new)


def _alone(storage: BaseStorageAdapter, plan: Plan, rewriter: Rewriter, watch: Watch) -> bool:
    """True if one statement of the engine may be all that there is to do."""
    if not storage.atomic_updates or watch.active or rewriter.schema.expiry is not None:
        return False
    if plan.residual is not None or rewriter.narrow or rewriter.overrides:
        return False
    return not has_outdated(storage, plan.request)


def clear_the_way(storage: BaseStorageAdapter, rewriter: Rewriter, watch: Watch) -> None:
    """Remove what has expired if an update could meet its unique values, as a save would."""
    if rewriter.schema.expiry is not None and (rewriter.unique or watch.active):
        remove_expired(storage, rewriter.schema)


def reason(storage: BaseStorageAdapter, plan: Plan, rewriter: Rewriter) -> str:
    """Why an update is done document by document; empty if the engine does it by itself."""
    if hooked(storage, rewriter.schema, "update"):
        return "hooks of the class or of the storage want the documents"
    if plan.residual is not None:
        return "docmap filters a part of the condition"
    if rewriter.narrow:
        return "the condition of the class is about what is changed"
    if rewriter.overrides:
        return "subclasses declare what is changed otherwise"
    if has_outdated(storage, plan.request):
        return "some records are of an older version, and are upgraded first"
    return storage._update_reason(rewriter.schema, rewriter)


def _update(
    storage: BaseStorageAdapter,
    rewriter: Rewriter,
    found: Iterable[Record],
    condition: Node,
    watch: Watch,
) -> int:
    done, writes, failure = 0, *_prepared(rewriter, found, watch)
    while writes or failure:
        changed = _written(storage, rewriter, writes, done, watch)
        done += len(writes) - len(changed)
        if failure is not None:
            failure.done = _done(storage, done)
            raise failure
        # Another process was faster: what it left is tried again, if it still matches.
        again = _again(storage, rewriter, changed, condition)
        writes, failure = _prepared(rewriter, again, watch)
    return done


def _prepared(
    rewriter: Rewriter, found: Iterable[Record], watch: Watch
) -> tuple[list[Write], DocmapError | None]:
    """The documents to write in the order of their keys, up to the first that cannot be."""
    read = [(rewriter.read(record[0]), record) for record in found]
    keyed = [(rewriter.key(wire), wire, record) for wire, record in read]
    keyed.sort(key=lambda one: order_key(one[0]))
    writes: list[Write] = []
    for key, wire, record in keyed:
        try:
            data = rewriter.change(wire)
            if watch.active:
                data = watch.before(key, record, data)
            writes.append(Write(key, data, record[1]))
        except DocmapError as error:
            error.key = key
            return writes, error
    return writes, None


def _written(
    storage: BaseStorageAdapter,
    rewriter: Rewriter,
    writes: list[Write],
    before: int,
    watch: Watch,
) -> list[Write]:
    try:
        # Hooks may change any field.
        names = None if watch.active else rewriter.names
        changed = storage._rewrite(rewriter.schema, writes, names) if writes else []
    except DocmapError as error:
        error.done = _done(storage, before + (error.done or 0))
        raise
    if watch.active:
        watch.forget(changed)
        watch.written(writes)
    return changed


def _done(storage: BaseStorageAdapter, done: int) -> int:
    """How many stay written after a failure."""
    return 0 if "transactions" in storage.abilities else done


def _again(
    storage: BaseStorageAdapter, rewriter: Rewriter, changed: list[Write], condition: Node
) -> Iterator[Record]:
    schema, names = rewriter.schema, roots(condition)
    for record in storage._get_many(schema, [write.key for write in changed]).values():
        if matches(condition, schema.codec.tree(record[0], names)):
            yield record


def update_first(
    storage: BaseStorageAdapter, plan: Plan, rewriter: Rewriter, watch: Watch, *, new: bool
) -> Record | None:
    """Update the first match of a plan; its record after the update, or before; None if empty."""
    clear_the_way(storage, rewriter, watch)
    while (record := next(iter(execute.records(storage, plan)), None)) is not None:
        writes, failure = _prepared(rewriter, [record], watch)
        if failure is not None:
            failure.done = 0
            raise failure
        if not _written(storage, rewriter, writes, 0, watch):
            return (writes[0].data, writes[0].expected + 1) if new else record
    return None


def loaded(
    storage: BaseStorageAdapter,
    plan: Plan,
    record: Record,
    *,
    raw: bool,
    view: Viewing | None = None,
) -> Any:
    """The document of a record, an instance of the class of a view, or its plain dict."""
    schema = plan.request.schema
    if view is not None and not raw:
        return view.one(storage, record)
    return schema.codec.tree(record[0]) if raw else load_record(schema, storage, record)
