"""The shelf as users of the standard library know it: a mapping of bytes, one of JSON values."""

from __future__ import annotations

import shelve
from collections.abc import Iterator, MutableMapping
from typing import Any, Final

from pydantic_core import PydanticSerializationError, from_json, to_json

from docmap.errors import CorruptStore, InvalidValue, StorageError, Unsupported
from docmap_backends._sqlfile_connections import Connections

_SIZE: Final = "SELECT count(*) FROM Dict"
_LOOKUP: Final = "SELECT value FROM Dict WHERE key=?"
_STORE: Final = "REPLACE INTO Dict (key, value) VALUES (?,?)"
_DELETE: Final = "DELETE FROM Dict WHERE key=?"
_KEYS: Final = "SELECT key FROM Dict"


class ShelfMapping(MutableMapping[bytes, bytes]):
    """Bytes under bytes, as `dbm.sqlite3` gives them: the same file, the same statements.

    What is written here is taken for another program's: docmap looks at it before its next read.
    Keys may be text too, which stands for its UTF-8.
    """

    def __init__(self, connections: Connections, *, read_only: bool = False) -> None:
        self._connections = connections
        self._read_only = read_only

    def __len__(self) -> int:
        return int(self._connections.rows(_SIZE)[0][0])

    def __iter__(self) -> Iterator[bytes]:
        return iter([key for (key,) in self._connections.rows(_KEYS)])

    def __getitem__(self, key: bytes | str) -> bytes:
        rows = self._connections.rows(_LOOKUP, (_raw(key),))
        if not rows:
            raise KeyError(key)
        value: bytes = rows[0][0]
        return value

    def __contains__(self, key: object) -> bool:
        return isinstance(key, bytes | str) and bool(self._connections.rows(_LOOKUP, (_raw(key),)))

    def __setitem__(self, key: bytes | str, value: bytes | str) -> None:
        with self._writing() as connection:
            connection.execute(_STORE, (_raw(key), _raw(value)))

    def __delitem__(self, key: bytes | str) -> None:
        with self._writing() as connection:
            if not connection.execute(_DELETE, (_raw(key),)).rowcount:
                raise KeyError(key)

    def _writing(self) -> Any:
        if self._read_only:
            raise StorageError(
                "this shelf was opened for reading",
                engine="shelve",
                path=self._connections.file.path or None,
            )
        if self._connections.in_transaction:
            raise Unsupported(
                "this thread is in a transaction of the storage, which would not see what is "
                "written to its shelf: write before it, or after",
                engine="shelve",
            )
        return self._connections.writing()

    def sync(self) -> None:
        """What was written is on the disk already."""

    def close(self) -> None:
        """The storage has the file open, and closes it."""


class JSONShelf(shelve.Shelf[Any]):
    """A `shelve.Shelf` whose values are JSON instead of pickles: `db.native` of a shelve storage.

    Documents are under keys such as `orders:A-1`, as dicts in their stored form. Other keys and
    values docmap leaves alone.
    """

    def __init__(self, mapping: ShelfMapping) -> None:
        super().__init__(mapping)
        self.dict = mapping

    def __getitem__(self, key: str) -> Any:
        try:
            return from_json(self.dict[key.encode()])
        except ValueError as error:
            raise CorruptStore(
                "a value of the shelf is no JSON: another program wrote it, and `.dict` has it",
                engine="shelve",
                key=key,
            ) from error

    def __setitem__(self, key: str, value: Any) -> None:
        try:
            data = to_json(value, inf_nan_mode="constants")
        except PydanticSerializationError as error:
            raise InvalidValue(
                f"a value of the shelf must have a form in JSON: {type(value).__name__} has none"
            ) from error
        self.dict[key.encode()] = data


def _raw(text: bytes | str) -> bytes:
    return text if isinstance(text, bytes) else text.encode()
