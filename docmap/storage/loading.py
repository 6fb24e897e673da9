"""From records to documents: decoding, the storage state that a document carries, its schema."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, cast

from pydantic import ValidationError
from pydantic_core import SchemaValidator

from docmap.errors import InvalidModel, InvalidRecord
from docmap.plan.engine import Record
from docmap.schema.events import LOADED
from docmap.schema.schema import Schema, untyped
from docmap.storage.firing import fire, hooked
from docmap.storage.journal import Tally, decoding, running

if TYPE_CHECKING:
    from docmap.storage.base import BaseStorageAdapter

STATE = "__docmap_state__"
SCHEMA = "__docmap_made_schema__"
"""Where a document class has its schema once that was made."""


class State(NamedTuple):
    """Where a document stands: its storage, the revision it was loaded with, the bytes stored."""

    storage: BaseStorageAdapter | None
    revision: int
    data: bytes | str
    before: bytes | str | None = None
    """Of a document that was saved since, the bytes loaded: they hold what its class knows not."""

    @property
    def whole(self) -> bytes | str:
        """The bytes with the stored fields that the class of the document does not know."""
        return self.data if self.before is None else self.before


def schema_of(model: Any) -> Schema:
    """The schema of a document class, or of the untyped collection of that name.

    Raises InvalidModel for anything else.
    """
    if isinstance(model, type):
        made: Schema | None = model.__dict__.get(SCHEMA)
        if made is not None:
            return made
    if isinstance(model, str):
        return untyped(model)
    if isinstance(model, Schema):
        return model
    schema = getattr(model, "__docmap_schema__", None)
    if schema is None:
        name = getattr(model, "__name__", type(model).__name__)
        if isinstance(model, type) and issubclass(model, _NO_DOCUMENTS):
            what = "class" if issubclass(model, type) else name
            raise InvalidModel(
                f"a document is wanted here, not a {what}: with dicts and keys name their class or "
                "collection, as in save(Order, data), insert_many(Order, rows), delete(Order, key)"
            )
        raise InvalidModel(
            f"{name} has no collection: give a class that derives from Document (and is not "
            "abstract), or the name of an untyped collection"
        )
    return cast("Schema", schema)


_NO_DOCUMENTS: Final = (dict, list, tuple, set, str, int, type)
"""The types of what is given in the place of a document by mistake."""


def state_of(document: Any) -> State | None:
    """The storage state of a document; None if it was neither loaded nor saved."""
    return cast("State | None", getattr(document, STATE, None))


def attach(document: Any, storage: BaseStorageAdapter, revision: int, data: bytes | str) -> None:
    """Note on the document where it is stored. Plain dicts carry no state."""
    object.__setattr__(document, STATE, State(storage, revision, data))


def load_record(schema: Schema, storage: BaseStorageAdapter, record: Record) -> Any:
    """The document of a record, of its own class in the family and upgraded to its version.

    Raises InvalidRecord if it does not fit that class.
    """
    if running.tally is None:
        document = _made(schema, storage, record)
    else:
        with decoding():
            document = _made(schema, storage, record)
    other = type(document) is not schema.model and schema.model is not None
    if schema.events.names or storage.hooks.names or other:
        fire(storage, schema, "after", LOADED, document)
    return document


def _made(schema: Schema, storage: BaseStorageAdapter, record: Record) -> Any:
    data, revision = record
    try:
        member, current = schema.resolve(data)
        document = member.codec.decode(current)
        if member.validates:
            document = _validated(member, document)
    except InvalidRecord as error:
        locate(error, schema, storage, data)
        raise
    if schema.model is not None:
        attach(document, storage.home, revision, data)
    return document


def locate(
    error: InvalidRecord, schema: Schema, storage: BaseStorageAdapter, data: bytes | str
) -> None:
    """Note where the record is that does not fit: its key is in storage though not in a message."""
    error.engine = storage.scheme
    with suppress(InvalidRecord):  # it may not even be JSON
        error.key = schema.key_of(data)


def _validated(schema: Schema, document: Any) -> Any:
    """The document once more, through the validators of its class and of the models in it."""
    try:
        return _validator(schema.model).validate_python(document, by_name=True, by_alias=False)
    except ValidationError as error:
        raise schema.codec.unfit(error) from error


def _validator(model: Any) -> SchemaValidator:
    made: SchemaValidator | None = model.__dict__.get(_VALIDATOR)
    if made is None:
        # The prebuilt validators of nested models would take instances as they are.
        core = _asking_again(model.__pydantic_core_schema__)
        made = SchemaValidator(core, _use_prebuilt=False)
        setattr(model, _VALIDATOR, made)
    return made


def _asking_again(core: Any) -> Any:
    """A core schema in which models are validated although they come as instances."""
    if type(core) is list:
        return [_asking_again(item) for item in core]
    if type(core) is not dict:
        return core
    copied = {
        name: part if name in _NO_SCHEMA else _asking_again(part) for name, part in core.items()
    }
    if core.get("type") in {"model", "dataclass"}:
        copied["revalidate_instances"] = "always"
    return copied


_VALIDATOR = "__docmap_validator__"
_NO_SCHEMA = frozenset({"default", "expected", "members", "metadata"})


def load_records(
    schema: Schema,
    storage: BaseStorageAdapter,
    batches: Iterable[list[Record]],
    tally: Tally | None = None,
) -> Iterator[Any]:
    """The documents of records that come in batches, streamed."""
    decode, typed = schema.decode, schema.model is not None and not schema.validating
    set_state, state = object.__setattr__, State
    loaded, home = hooked(storage, schema, LOADED, family=True), storage.home
    for batch in batches:
        documents = []
        unfit: InvalidRecord | None = None
        with collection_suspended(), decoding(tally):
            try:
                if typed:
                    for data, revision in batch:
                        document = decode(data)
                        set_state(document, STATE, state(home, revision, data))
                        documents.append(document)
                else:
                    for record in batch:
                        documents.append(_made(schema, storage, record))  # noqa: PERF401
            except InvalidRecord as error:
                unfit = error
        if loaded:  # at its turn, so that what is never asked for is not announced
            for document in documents:
                fire(storage, schema, "after", LOADED, document)
                yield document
        else:
            yield from documents
        if unfit is not None:
            locate(unfit, schema, storage, batch[len(documents)][0])
            raise unfit


class collection_suspended:  # noqa: N801 - used as contextlib's own are
    """No cyclic garbage collection while many documents are made: it is most of their cost.

    Threads may overlap; what was disabled by the program stays disabled. An interrupt can keep a
    line of `__exit__` from running: what is not ended then is when the object goes.
    """

    _lock: ClassVar[threading.RLock] = threading.RLock()
    _running: ClassVar[set[int]] = set()
    _was_enabled: ClassVar[bool] = False

    def __enter__(self) -> None:
        kind = type(self)
        with kind._lock:
            if not kind._running:
                kind._was_enabled = gc.isenabled()
            kind._running.add(id(self))
            gc.disable()

    def __exit__(self, *exception: object) -> None:
        self._end()

    def __del__(self) -> None:
        self._end()

    def _end(self) -> None:
        kind = type(self)
        with kind._lock:
            if id(self) in kind._running:  # else ended, or this is a child that was forked inside
                if len(kind._running) == 1 and kind._was_enabled:
                    gc.enable()
                kind._running.discard(id(self))

    @classmethod
    def forked(cls) -> None:
        """In a child the threads that would end it are gone, and may have held the lock."""
        cls._lock = threading.RLock()
        if cls._running:
            cls._running.clear()
            if cls._was_enabled:
                gc.enable()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=collection_suspended.forked)
