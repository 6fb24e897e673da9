"""docmap: pydantic documents, one written meaning of every query, on any storage engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from docmap import config as _config
from docmap import storage as _storage
from docmap.config import configure, connect, default_storage, unconfigure
from docmap.errors import (
    AlreadyConnected,
    CorruptStore,
    DataProcessorDoesNotExist,
    DocmapError,
    DocumentNotFound,
    DuplicateKey,
    ForeignStore,
    InvalidConfig,
    InvalidModel,
    InvalidQuery,
    InvalidRecord,
    InvalidValue,
    LookupProcessorDoesNotExist,
    MultipleFound,
    NoStorage,
    NotConnected,
    ProcessorDoesNotExist,
    ScanRefused,
    StaleDocument,
    StorageError,
    StorageFull,
    StoreLocked,
    Unsupported,
)
from docmap.model.document import Document
from docmap.model.fields import Condition, FieldExpression, Mapped, Q, col, field, path
from docmap.query.lookups import LookupManager, reference
from docmap.schema.annotations import BigInt, Index, Indexed, Precision, Stored
from docmap.schema.converters import ConverterManager, converters
from docmap.storage import BaseQueryAdapter, BaseStorageAdapter, Query, wrap
from docmap.values import ObjectId, uuid7

__all__ = [
    "AlreadyConnected",
    "BaseQueryAdapter",
    "BaseStorageAdapter",
    "BigInt",
    "Condition",
    "ConverterManager",
    "CorruptStore",
    "DataProcessorDoesNotExist",
    "DocmapError",
    "Document",
    "DocumentNotFound",
    "DuplicateKey",
    "FieldExpression",
    "ForeignStore",
    "Index",
    "Indexed",
    "InvalidConfig",
    "InvalidModel",
    "InvalidQuery",
    "InvalidRecord",
    "InvalidValue",
    "LookupManager",
    "LookupProcessorDoesNotExist",
    "Mapped",
    "MultipleFound",
    "NoStorage",
    "NotConnected",
    "ObjectId",
    "Precision",
    "ProcessorDoesNotExist",
    "Q",
    "Query",
    "ScanRefused",
    "StaleDocument",
    "StorageError",
    "StorageFull",
    "StoreLocked",
    "Stored",
    "Unsupported",
    "col",
    "configure",
    "connect",
    "converters",
    "field",
    "path",
    "reference",
    "storage",
    "unconfigure",
    "uuid7",
]


class _Storages:
    """`docmap.storage("archive")`, a configured storage; and the package's names, as attributes."""

    wrap = staticmethod(wrap)

    def __call__(self, alias: str = "default", /) -> BaseStorageAdapter:
        """The storage configured as `alias`, opened when first asked for.

        Raises InvalidConfig for an alias that nothing configures.
        """
        return _config.storage(alias)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            return getattr(_storage, name)


# The package docmap.storage and the function have one name; modules import the package by its name.
storage = _Storages()

Document.__docmap_default__ = staticmethod(default_storage)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("docmap")
    raise AttributeError(f"module 'docmap' has no attribute {name!r}")
