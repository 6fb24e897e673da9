"""From records to documents: decoding, the storage state that a document carries, its schema."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from pydantic import ValidationError

from docmap.errors import InvalidModel
from docmap.plan.engine import Record
from docmap.schema.schema import Schema, untyped

if TYPE_CHECKING:
    from docmap.storage.base import BaseStorageAdapter

STATE = "__docmap_state__"


class State(NamedTuple):
    """Where a document stands: its storage, the revision it was loaded with, the bytes stored."""

    storage: BaseStorageAdapter | None
    revision: int
    data: bytes | str


def schema_of(model: Any) -> Schema:
    """The schema of a document class, or of the untyped collection of that name.

    Raises InvalidModel for anything else.
    """
    if isinstance(model, str):
        return untyped(model)
    schema = getattr(model, "__docmap_schema__", None)
    if schema is None:
        name = getattr(model, "__name__", type(model).__name__)
        raise InvalidModel(
            f"{name} has no collection: give a class that derives from Document (and is not "
            "abstract), or the name of an untyped collection"
        )
    return cast("Schema", schema)


def state_of(document: Any) -> State | None:
    """The storage state of a document; None if it was neither loaded nor saved."""
    return cast("State | None", getattr(document, STATE, None))


def attach(document: Any, storage: BaseStorageAdapter, revision: int, data: bytes | str) -> None:
    """Note on the document where it is stored. Plain dicts carry no state."""
    object.__setattr__(document, STATE, State(storage, revision, data))


def load_record(schema: Schema, storage: BaseStorageAdapter, record: Record) -> Any:
    """The document of a record. Raises InvalidRecord if it does not fit its class."""
    data, revision = record
    document = schema.codec.decode(data)
    if schema.model is None:
        return document
    if schema.validates:
        document = _validated(schema, document)
    attach(document, storage, revision, data)
    return document


def _validated(schema: Schema, document: Any) -> Any:
    """The document once more, through the model's own validators."""
    try:
        return schema.model.model_validate(dict(document.__dict__), by_name=True, by_alias=False)
    except ValidationError as error:
        raise schema.codec.unfit(error) from error


_FIRST, _BATCH = 32, 512


def load_records(
    schema: Schema, storage: BaseStorageAdapter, records: Iterable[Record]
) -> Iterator[Any]:
    """The documents of records, decoded in batches, streamed."""
    found = iter(records)
    decode, typed = schema.codec.decode, schema.model is not None and not schema.validates
    size = _FIRST
    set_state, state = object.__setattr__, State
    while batch := list(islice(found, size)):
        documents = []
        with collection_suspended():
            if typed:
                for data, revision in batch:
                    document = decode(data)
                    set_state(document, STATE, state(storage, revision, data))
                    documents.append(document)
            else:
                documents = [load_record(schema, storage, record) for record in batch]
        yield from documents
        size = _BATCH


_suspension_lock = threading.Lock()
_suspended = 0
_was_enabled = False


@contextmanager
def collection_suspended() -> Iterator[None]:
    """No cyclic garbage collection while many documents are made: it is most of their cost.

    Counted, so that threads may overlap; what was disabled by the program stays disabled.
    """
    global _suspended, _was_enabled  # noqa: PLW0603 - the collector is global itself
    with _suspension_lock:
        if _suspended == 0:
            _was_enabled = gc.isenabled()
            gc.disable()
        _suspended += 1
    try:
        yield
    finally:
        with _suspension_lock:
            _suspended -= 1
            if _suspended == 0 and _was_enabled:
                gc.enable()
