"""Shelves that docmap did not make, for the tests: files of Python's other dbm modules."""

from __future__ import annotations

import dbm.dumb
import pickle
import sqlite3
import zlib
from base64 import b64decode
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

# Made by GDBM_File of Perl: 59 documents as JSON, k0 to k59 without k7.
_GNU: Final = (
    b"eNrt2F+IlFUUAPDDtmxqIouFspTmDGvJajL3nHu+mdlscaykEkpJSpZaXFsjO7pgWbKpC7MPPvQQJcsWm/gQET30By"
    b"NCSqJ56I9CWwb54EOwLwUGCwn9ZaG++50BmYMPE241G/fAx2G+M3zc++PcMx/z1eTD10MnQHaB5oX1/EbIG/X2LMSI"
    b"ESNGjBgxYsSIESNGjBgx5m2sijnmmGOOOeaYY4455phjjjnmmP/vua3+saue3y1ofmGh5qeSufur4fb0+jONK9X+7v"
    b"1K57eJsIezrJ+vqe9hdu3kA4IAWLi8v+XpNd03gOIdDPjG78/Veubq/unPbqtIusYhs/5WW2ctmdomrgy/uEbPw4M1"
    b"lLRnJlp8/dVzg3cKleEW0w8bZrd3SwngC7P+HPzYJ5jAh9hc/9TWH+gVR3C/+2f6rbL3Zy9choeS5p4/PTlaEJ/AxS"
    b"b7v3rm2nVCBKPU+P3pTdeNivfwnnlO7rcXb5X00C01PtX94yNCDjbTv3vuKkOvrhAmeIeb9DnW3SW+AJvMviqL14iw"
    b"g2e5NebGTeO/jki6liOtPh+eHy+JK8GFK/S/FC//zrTsfFi9pkeoBItMPxw/s/JRKaf9YufD9pOrBRlO2P7/8v2DQg"
    b"l8Y/q/NtabE4eAxic3e8fTggSPm+fUej4fFleAPwrmPJ5Ye1h8GfpMf1Y++ehG4RL0NjsfZu5aLp5hyvb/E/fsEU6g"
    b"zTynumJqqRDCLjsfJs4NiSeYMM+pftq/U6gAPdQa56hyarBdGOFYk+e6snNmm3AB+ltkDsz3+7Xv+m8WV4SPbf/vGN"
    b"gvWIJLtv+P/rBXHMNR1xr+1ZGZTqEizNj+v/TTLvElyJs+yb15cLGghzE7H3KHBoQYPrDz4TwsEOdgmfXZ2t4viHAf"
    b"Xp1D5YaxNuEirGxyPlROL9kqzPC92dfxga+XSbrGLvu+ffHlLeIRnmvx9+1Hfn9sgaT2W1r892i+38+1v7JIsAxLmp"
    b"z/Ncx1iEvgNdv/b3XvECzCeTsfLrz9oDgPT7bIfJjefOpe8UXoaPL3ovpM5W4hD5PGZ8NLHQMSetO+b7x+dqOkLw/r"
    b"r3IOSOFQfjjfW1iXHx7ctzvfm99zYPe+VYX8EXFZwTUWXFrArICNBUwLlBWosUBpwWcF31jwaYGzAjcWOC0kWSFpLC"
    b"RpoZgVio2FYlooZYVSY6GUFspZodxYKIcN6tad2bvLNl/fvd1+2L9TAGcEXCBwauAMggsKThmccXABwqmEMxQuWDjF"
    b"cEbDBQ6nHs6AuCDilMQZExdQnKo4w+KCC6oLGhcMLqguaFww64t6Y9jOCC6oLmhcMLiguqBxweCC6oLGBYMLqgsaFw"
    b"wuqC5oXDC4oLqgccHgguqCxgWDC6kLGRcKLqQuZFwouJC6kHGh7MjUz4w9NMGF1IWMCwUXUhcyLhRcSF3IuFBwIXUh"
    b"40LBhdSFjAsFF1IXMi4UXLy6eOPig4tXF29cfHDx6uKNiw8uXl28cfHZNKmPEztPgotXF29cfHDx6uKNiw8uXl28cf"
    b"HBxauLNy4+uHh18cbFBxdWFzYuHFxYXdi4cHBhdWHjwsGF1YWNCwcXVhc2LpwN2vqktaM2uLC6sHHh4MLqwsaFgwur"
    b"CxsXDi6sLmxcOHWBGDFixIgRI0aMGP9h/AUlQIkZ"
)
# Made by dbm.ndbm of a Python over Berkeley DB: 3 pickled documents, k0 to k2.
_NDBM: Final = (
    b"eNrt2b8KglAUx/FzRaSGsKUhXBqdQn2N3iGQEIrQqXAKegDb7C18mQiae5Ei/wVaDg1BDd8P3MvhcLj77x4RESUVf2"
    b"RIvyiG+elVPU3e6dd84C4SyyK2xlVPNd6xi5n8nA7LebMPAAAAAAB+5zWja3IxZXAz8xsAAAAAAPxvot/rR6uud6md"
    b"qCidqUSP/DBIE2O1CcKJm26nau0+839zz69LVuf/s5l1/AF8sv8vavb/AAAAAAB8J9Vr7VTvlane65qU9qRTTjoPNk"
    b"Y11A=="
)


def make_gnu(path: Path) -> None:
    """A shelf of dbm.gnu."""
    path.write_bytes(zlib.decompress(b64decode(_GNU)))


def make_ndbm(path: Path) -> None:
    """A shelf of dbm.ndbm, whose file has an ending of its own."""
    Path(f"{path}.db").write_bytes(zlib.decompress(b64decode(_NDBM)))


def make_dumb(path: Path, values: Mapping[str, Any], protocol: int | None = None) -> None:
    """A shelf of dbm.dumb with pickled values; bytes are taken for pickles."""
    with dbm.dumb.open(str(path), "c") as shelf:
        for key, value in values.items():
            shelf[key] = value if type(value) is bytes else pickle.dumps(value, protocol)


def make_sqlite(path: Path, values: Mapping[str, Any]) -> None:
    """A shelf of dbm.sqlite3, made by the statements of that module."""
    with plain_sqlite(path) as connection:
        connection.execute("PRAGMA journal_mode = wal")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS Dict (key BLOB UNIQUE NOT NULL, value BLOB NOT NULL)"
        )
        for key, value in values.items():
            store(connection, key, value if type(value) is bytes else pickle.dumps(value))


def plain_sqlite(path: Path) -> closing[sqlite3.Connection]:
    """A connection as dbm.sqlite3 opens it."""
    return closing(sqlite3.connect(path, isolation_level=None))


def store(connection: sqlite3.Connection, key: str | bytes, value: str | bytes) -> None:
    """What dbm.sqlite3 does for `shelf[key] = value`."""
    connection.execute(
        "REPLACE INTO Dict (key, value) VALUES (CAST(? AS BLOB), CAST(? AS BLOB))", (key, value)
    )


def remove(connection: sqlite3.Connection, key: str) -> None:
    """What dbm.sqlite3 does for `del shelf[key]`."""
    connection.execute("DELETE FROM Dict WHERE key = CAST(? AS BLOB)", (key,))


def held(connection: sqlite3.Connection) -> dict[bytes, bytes]:
    """What dbm.sqlite3 finds in the file."""
    keys = [key for (key,) in connection.execute("SELECT key FROM Dict")]
    lookup = "SELECT value FROM Dict WHERE key = CAST(? AS BLOB)"
    return {key: connection.execute(lookup, (key,)).fetchone()[0] for key in keys}
