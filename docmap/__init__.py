"""docmap: pydantic documents, one written meaning of every query, on any storage engine.

The names below are loaded when they are first used, so that importing docmap costs next to nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docmap.config import configure, connect, unconfigure
    from docmap.errors import (
        AlreadyConnected,
        BulkError,
        ChangesLost,
        CorruptStore,
        DataProcessorDoesNotExist,
        DocmapError,
        DocumentNotFound,
        DuplicateKey,
        Failure,
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
        NotFetched,
        OutcomeUnknown,
        ProcessorDoesNotExist,
        ReferencedDocument,
        ScanRefused,
        StaleDocument,
        StorageError,
        StorageFull,
        StoreLocked,
        TransactionConflict,
        Unavailable,
        Unsupported,
        UpdateTypeError,
        UseAsyncStorage,
    )
    from docmap.model.back_references import BackReference, back_reference
    from docmap.model.document import Document
    from docmap.model.fields import Condition, FieldExpression, Mapped, Q, col, field, path
    from docmap.model.hooks import after, before
    from docmap.model.upgrades import upgrade
    from docmap.plan.explain import Explanation
    from docmap.query.aggregates import Aggregate, Avg, Collect, Count, First, Last, Max, Min, Sum
    from docmap.query.changes import Change, Push, Updated
    from docmap.query.lookups import LookupManager, reference
    from docmap.query.rows import AggregateRow
    from docmap.schema.annotations import BigInt, Index, Indexed, OnDelete, Precision, Stored
    from docmap.schema.converters import ConverterManager, converters
    from docmap.schema.moments import CreatedAt, UpdatedAt
    from docmap.schema.references import Ref
    from docmap.storage import BaseQueryAdapter, BaseStorageAdapter, GroupedQuery, Query
    from docmap.storage.journal import Command, on_command
    from docmap.storage.paging import Page
    from docmap.storage.upgrading import UpgradeReport
    from docmap.storage.watching import ChangeEvent, Watch
    from docmap.values import ObjectId, uuid7
    from docmap.values.clock import use_clock

__all__ = [
    "Aggregate",
    "AggregateRow",
    "AlreadyConnected",
    "Avg",
    "BackReference",
    "BaseQueryAdapter",
    "BaseStorageAdapter",
    "BigInt",
    "BulkError",
    "Change",
    "ChangeEvent",
    "ChangesLost",
    "Collect",
    "Command",
    "Condition",
    "ConverterManager",
    "CorruptStore",
    "Count",
    "CreatedAt",
    "DataProcessorDoesNotExist",
    "DocmapError",
    "Document",
    "DocumentNotFound",
    "DuplicateKey",
    "Explanation",
    "Failure",
    "FieldExpression",
    "First",
    "ForeignStore",
    "GroupedQuery",
    "Index",
    "Indexed",
    "InvalidConfig",
    "InvalidModel",
    "InvalidQuery",
    "InvalidRecord",
    "InvalidValue",
    "Last",
    "LookupManager",
    "LookupProcessorDoesNotExist",
    "Mapped",
    "Max",
    "Min",
    "MultipleFound",
    "NoStorage",
    "NotConnected",
    "NotFetched",
    "ObjectId",
    "OnDelete",
    "OutcomeUnknown",
    "Page",
    "Precision",
    "ProcessorDoesNotExist",
    "Push",
    "Q",
    "Query",
    "Ref",
    "ReferencedDocument",
    "ScanRefused",
    "StaleDocument",
    "StorageError",
    "StorageFull",
    "StoreLocked",
    "Stored",
    "Sum",
    "TransactionConflict",
    "Unavailable",
    "Unsupported",
    "UpdateTypeError",
    "Updated",
    "UpdatedAt",
    "UpgradeReport",
    "UseAsyncStorage",
    "Watch",
    "after",
    "back_reference",
    "before",
    "col",
    "configure",
    "connect",
    "converters",
    "field",
    "on_command",
    "path",
    "reference",
    "storage",
    "unconfigure",
    "upgrade",
    "use_clock",
    "uuid7",
]

_HOMES = {
    "docmap.config": ("configure", "connect", "unconfigure"),
    "docmap.model.document": ("Document",),
    "docmap.model.fields": ("Condition", "FieldExpression", "Mapped", "Q", "col", "field", "path"),
    "docmap.model.upgrades": ("upgrade",),
    "docmap.plan.explain": ("Explanation",),
    "docmap.query.aggregates": (
        "Aggregate",
        "Avg",
        "Collect",
        "Count",
        "First",
        "Last",
        "Max",
        "Min",
        "Sum",
    ),
    "docmap.model.hooks": ("after", "before"),
    "docmap.model.back_references": ("BackReference", "back_reference"),
    "docmap.query.lookups": ("LookupManager", "reference"),
    "docmap.query.rows": ("AggregateRow",),
    "docmap.query.changes": ("Change", "Push", "Updated"),
    "docmap.schema.annotations": ("BigInt", "Index", "Indexed", "OnDelete", "Precision", "Stored"),
    "docmap.schema.converters": ("ConverterManager", "converters"),
    "docmap.schema.references": ("Ref",),
    "docmap.schema.moments": ("CreatedAt", "UpdatedAt"),
    "docmap.storage": ("BaseQueryAdapter", "BaseStorageAdapter", "GroupedQuery", "Query"),
    "docmap.storage.journal": ("Command", "on_command"),
    "docmap.storage.paging": ("Page",),
    "docmap.storage.watching": ("ChangeEvent", "Watch"),
    "docmap.storage.upgrading": ("UpgradeReport",),
    "docmap.values": ("ObjectId", "uuid7"),
    "docmap.values.clock": ("use_clock",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}


class Storages:
    """`docmap.storage("archive")` is a configured storage; the package's names are attributes."""

    def __call__(self, alias: str = "default", /) -> BaseStorageAdapter:
        """The storage configured as `alias`, opened when first asked for.

        Raises InvalidConfig for an alias that nothing configures.
        """
        return _module("docmap.config").storage(alias)  # type: ignore[no-any-return]

    if TYPE_CHECKING:

        @staticmethod
        def wrap(backend: Any) -> BaseStorageAdapter:
            """A storage over an object that follows the public names."""

    else:

        def __getattr__(self, name: str) -> Any:
            return getattr(_module("docmap.storage"), name)

    def __repr__(self) -> str:
        return "docmap.storage"


class _Facade(ModuleType):
    """The package, on which `storage` is both a function and the package `docmap.storage`."""

    _storages = Storages()

    @property
    def storage(self) -> Storages:
        return self._storages

    @storage.setter
    def storage(self, module: ModuleType) -> None:
        """Importing the package docmap.storage sets it here; the function stays."""


sys.modules[__name__].__class__ = _Facade
if TYPE_CHECKING:
    storage = Storages()


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _module("importlib.metadata").version("docmap")
    home = _HOME.get(name)
    if home is None and name in __all__:
        home = "docmap.errors"
    if home is None:
        raise AttributeError(f"module 'docmap' has no attribute {name!r}")
    if name == "Document":
        _module("docmap.config")  # a document without a storage is saved in the configured one
    value = globals()[name] = getattr(_module(home), name)
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])


def _module(name: str) -> Any:
    return import_module(name)
