"""`wrap`: a storage from an object that follows the public names without deriving from anything.

The object has `get(model, key)`, `save(model, data, primary_key)`, `delete(model, key)` and
`get_query(model)`; the query can be iterated, and may have `where(**conditions)`, `order_by(name)`,
`values(name)`, `count()` and `delete()`. Records are dicts under their storage names, in JSON's own
types, with the revision under `_revision`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pydantic_core import from_json, to_json

from docmap.errors import DocmapError, InvalidConfig, InvalidRecord, StorageError
from docmap.plan.engine import Record
from docmap.schema.schema import Schema
from docmap.storage.base import BaseStorageAdapter

REVISION = "_revision"
_NEEDED = ("get", "save", "delete", "get_query")


def wrap(backend: Any) -> BaseStorageAdapter:
    """A connected storage over `backend`, with every query of docmap.

    Conditions, order and slices are run by docmap's reference functions over what the backend's
    query gives, so they mean what they mean everywhere.

    Raises InvalidConfig if the object lacks one of the public names.
    """
    missing = [name for name in _NEEDED if not callable(getattr(backend, name, None))]
    if missing:
        raise InvalidConfig(
            f"{type(backend).__name__} cannot be wrapped as a storage: it has no "
            f"{', no '.join(missing)}"
        )
    storage = WrappedStorage(backend)
    storage.connect()
    return storage


class WrappedStorage(BaseStorageAdapter):
    """The hooks over an object's public names. `native` is the object."""

    scheme = "wrapped"

    def __init__(self, backend: Any) -> None:
        super().__init__()
        self._backend = backend
        self._written: set[str] = set()

    def _connect(self) -> None:
        try:
            self._optional("connect")
        except StorageError as error:
            # By its contract connect() raises RuntimeError for what is open already.
            if not isinstance(error.__cause__, RuntimeError):
                raise

    def _disconnect(self) -> None:
        self._optional("disconnect")

    def _sync(self) -> None:
        self._optional("sync")

    def _optional(self, name: str) -> None:
        method = getattr(self._backend, name, None)
        if callable(method):
            with self._failures(name):
                method()

    @contextmanager
    def _failures(self, name: str) -> Iterator[None]:
        """What the backend raises by itself, as the cause of a StorageError."""
        try:
            yield
        except DocmapError:
            raise
        except Exception as error:
            raise StorageError(
                f"{type(self._backend).__name__}.{name} failed with {type(error).__name__}",
                engine=self.scheme,
            ) from error

    def _clear(self) -> None:
        if not callable(getattr(self._backend, "clear", None)):
            raise self._lacks("clearing")
        self._optional("clear")

    def _native(self) -> Any:
        return self._backend

    def _collections(self) -> list[str]:
        return list(self._written)  # the public names have no way to ask for others

    def _get(self, schema: Schema, key: Any) -> Record | None:
        with self._failures("get"):
            try:
                found = self._backend.get(_model(schema), key)
            except KeyError:
                return None
        return None if found is None else _record(schema, found)

    def _put(self, schema: Schema, key: Any, record: Record) -> None:
        data = {**from_json(record[0]), REVISION: record[1]}
        self._written.add(schema.collection)
        with self._failures("save"):
            answered = self._backend.save(_model(schema), data, primary_key=key)
        if answered is not None and answered != key:
            raise StorageError(
                f"{type(self._backend).__name__}.save stored the document under another key than "
                "the one it was given",
                engine=self.scheme,
                collection=schema.collection,
            )

    def _remove(self, schema: Schema, key: Any) -> bool:
        if self._get(schema, key) is None:
            return False
        with self._failures("delete"):
            self._backend.delete(_model(schema), key)
        return True

    def _scan(self, schema: Schema) -> Iterator[Record]:
        # A list: the backend's own iteration may see writes that are made meanwhile.
        with self._failures("get_query"):
            records = [_record(schema, found) for found in self._backend.get_query(_model(schema))]
        return iter(records)


def _model(schema: Schema) -> Any:
    return schema.model or schema.collection


def _record(schema: Schema, found: Any) -> Record:
    """What a backend gave, as bytes and revision: a dict, or a document of the class."""
    if isinstance(found, Mapping):
        data = dict(found)
        revision = data.pop(REVISION, 0)
        return to_json(data), int(revision)
    if schema.model is not None and isinstance(found, schema.model):
        return schema.codec.dump(found), 0
    raise InvalidRecord(
        f"a wrapped backend gives dicts or {schema.name}, not {type(found).__name__}",
        collection=schema.collection,
    )
