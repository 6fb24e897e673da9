"""Documents in a LevelDB database: a directory of sorted files, kept by plyvel."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import plyvel

from docmap.errors import InvalidConfig
from docmap_backends._keyvalue import KeyValueStorage
from docmap_backends._leveldb_files import sizes
from docmap_backends._leveldb_store import LevelDBStore

_MIB = 1 << 20
_BLOOM_BITS = 10  # a key: 1 % of the tables that do not have it are looked into


class LevelDBStorage(KeyValueStorage):
    """`leveldb:///path/directory`, which is made if it is not there.

    Options: `sync` (true: each write is on the disk before it is acknowledged; false: a failure of
    the machine, not of the program, may lose the last writes), `timeout` (seconds to wait for
    another thread's transaction, 5), `create` (true), `cache` and `write_buffer` (MiB of memory, 32
    and 16). One process at a time has the directory open.
    """

    scheme = "leveldb"
    settings: ClassVar[dict[str, type]] = {
        "sync": bool,
        "timeout": float,
        "create": bool,
        "cache": int,
        "write_buffer": int,
    }
    isolation = "serializable"
    checked_by_store: ClassVar[bool] = True
    _store: LevelDBStore

    def __init__(self, url: Any = None, **options: Any) -> None:
        try:
            super().__init__(url, **options)
        except InvalidConfig as error:
            if error.field != "read_only":
                raise
            raise InvalidConfig(
                "leveldb has no read_only: LevelDB writes into its directory whenever it is "
                "opened. Open a copy of the directory",
                engine="leveldb",
                field="read_only",
            ) from error
        path = (self.url.path if self.url else "") or ""
        if not path:
            raise InvalidConfig(
                "leveldb needs a directory: leveldb:///shop.leveldb is the relative path "
                "shop.leveldb",
                engine="leveldb",
            )
        self._directory = Path(path).absolute()  # the program may go to another directory
        for name in ("cache", "write_buffer"):
            if self._options.get(name, 1) < 1:
                raise InvalidConfig(
                    f"leveldb: {name} is a number of MiB from 1", engine="leveldb", field=name
                )

    def _open_store(self) -> LevelDBStore:
        options = self._options
        return LevelDBStore(
            self._directory,
            create=options.get("create", True),
            sync=options.get("sync", True),
            timeout=options.get("timeout", 5.0),
            lru_cache_size=options.get("cache", 32) * _MIB,
            write_buffer_size=options.get("write_buffer", 16) * _MIB,
            bloom_filter_bits=_BLOOM_BITS,
        )

    def _sync(self) -> None:
        self._store.sync()

    def _ping(self) -> None:
        self._store.get(b"\0")

    def _native(self) -> Any:
        return self._store.native

    def _info(self) -> dict[str, Any]:
        return {
            "version": plyvel.__leveldb_version__,
            "driver": f"plyvel {plyvel.__version__}",
            "file": str(self._directory),
            "size": sum(sizes(self._directory).values()),
        }
