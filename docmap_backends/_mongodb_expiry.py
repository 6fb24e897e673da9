"""What has expired, removed by the server: the TTL index of a collection whose class says when.

docmap leaves what has expired out of every answer by a condition of its own, to the moment and by
the clock of the program that asks. The server only clears away, an hour later, so that clocks that
differ a little take nothing from anybody.
"""

from __future__ import annotations

from functools import partial
from math import ceil
from typing import TYPE_CHECKING, Final

from pymongo import IndexModel

from docmap.errors import StorageError, Unavailable, Unsupported
from docmap.schema.schema import Schema
from docmap.values.clock import is_systems
from docmap_backends._mongodb_catalogue import Expires
from docmap_backends._mongodb_names import EXPIRY
from docmap_backends._mongodb_queries import field_name

if TYPE_CHECKING:
    from docmap_backends._mongodb_indexes import MongoIndexes

_GRACE: Final = 3_600  # seconds
_LONGEST: Final = 2**31 - 1  # seconds, what MongoDB takes


def expires(schema: Schema) -> Expires | None:
    """The field that a TTL index of the collection counts from, and after how many seconds.

    None if no class says it, or not all that share the collection say the same, or the moment is no
    date in MongoDB.
    """
    found = schema.expiry
    if found is None or found.type.microseconds:
        return None
    for one in schema.relatives:
        other = one.expiry
        if other is None or (other.path, other.after) != (found.path, found.after):
            return None
    seconds = ceil(found.after.total_seconds()) + _GRACE
    return Expires(field_name(schema, found.path), seconds) if seconds <= _LONGEST else None


def ensure_expiry(storage: MongoIndexes, schema: Schema) -> None:
    """Let the collection have the TTL index that its classes say; none where nothing expires.

    So a class that says another time than before loses no documents to the old one. In a collection
    that docmap did not make, and by another clock than the system's, nothing is removed.
    """
    catalogue = storage._catalogue
    held, wanted = catalogue.expires(schema.collection), expires(schema)
    if held == wanted or (wanted is not None and not is_systems()):
        return
    if wanted is not None and schema.collection in catalogue.known.foreign:
        return
    collection, run = storage._collection(schema), storage._run
    if held is not None:
        try:
            run(partial(collection.drop_index, EXPIRY), writes="many")
        except StorageError as error:
            if getattr(error.__cause__, "code", None) not in _GONE:
                raise
        catalogue.note_expires(run, schema.collection, None)
    if wanted is None:
        return
    model = IndexModel([(wanted.field, 1)], name=EXPIRY, expireAfterSeconds=wanted.seconds)
    try:
        run(lambda: collection.create_indexes([model]), writes="many")
    except (StorageError, Unsupported) as error:
        if isinstance(error, Unavailable) or getattr(error.__cause__, "code", None) is None:
            raise
        return  # a server without them, or another program's index: docmap removes by itself
    catalogue.note_expires(run, schema.collection, wanted)


_GONE: Final = frozenset({26, 27})  # no such collection, no such index
