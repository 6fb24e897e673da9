"""docmap: pydantic documents, one written meaning of every query, on any storage engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from docmap import errors as _errors
from docmap.config import configure, connect, default_storage, unconfigure
from docmap.config import storage as _storage
from docmap.errors import *  # noqa: F403 - the whole tree is public
from docmap.model.document import Document
from docmap.model.fields import Condition, FieldExpression, Mapped, Q, col, field, path
from docmap.query.lookups import LookupManager, reference
from docmap.schema.annotations import BigInt, Index, Indexed, Precision, Stored
from docmap.schema.converters import ConverterManager, converters
from docmap.storage import BaseQueryAdapter, BaseStorageAdapter, Query
from docmap.values import ObjectId, uuid7
