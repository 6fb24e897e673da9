"""`python -m benchmarks`: docmap beside hand-written code and beside others, as one table."""

from __future__ import annotations

import argparse
import json
import logging
import platform
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import pydantic

from benchmarks import report
from benchmarks.awaited import AwaitedOnMongoDB, AwaitedOnPostgreSQL
from benchmarks.by_hand import MemoryByHand, SQLiteByHand
from benchmarks.by_hand_files import LevelDBByHand, LevelDBByHandUnsynced, ShelveByHand
from benchmarks.by_hand_servers import MongoDBByHand, PostgreSQLByHand
from benchmarks.contestant import Contestant
from benchmarks.measure import AnswersDifferError, Line, measure
from benchmarks.others import PeeweeJSON, SQLAlchemyJSON, TinyDBFile
from benchmarks.others_files import MontyDBFile, TinyDBCached, TinyMongoFile
from benchmarks.others_servers import Beanie, MongoEngine, SQLAlchemyAsync
from benchmarks.ours import (
    DocmapInMemory,
    DocmapOnLevelDB,
    DocmapOnLevelDBUnsynced,
    DocmapOnMongoDB,
    DocmapOnPostgreSQL,
    DocmapOnShelve,
    DocmapOnSQLite,
    DocmapOnTinyDB,
)
from benchmarks.servers import server_url
from benchmarks.startup import import_seconds, plan_seconds

_URLS = {
    "postgresql": "",
    "mongodb": "",
    "sqlite": "sqlite:///{}.db",
    "memory": "memory://",
    "leveldb": "leveldb:///{}.level",
    "leveldb-unsynced": "leveldb:///{}.level",
    "tinydb": "tinydb:///{}.json",
    "shelve": "shelve:///{}.shelf",
}
_OURS: dict[str, tuple[type[Contestant], ...]] = {
    "sqlite": (DocmapOnSQLite, SQLiteByHand),
    "memory": (DocmapInMemory, MemoryByHand),
    "leveldb": (DocmapOnLevelDB, LevelDBByHand),
    "leveldb-unsynced": (DocmapOnLevelDBUnsynced, LevelDBByHandUnsynced),
    "tinydb": (DocmapOnTinyDB,),
    "shelve": (DocmapOnShelve, ShelveByHand),
    "postgresql": (DocmapOnPostgreSQL, PostgreSQLByHand),
    "mongodb": (DocmapOnMongoDB, MongoDBByHand),
}
_OTHERS: dict[str, dict[str, tuple[type[Contestant], ...]]] = {
    "sqlite": {
        "sqlalchemy": (SQLAlchemyJSON,),
        "peewee": (PeeweeJSON,),
        "tinydb": (TinyDBFile,),
    },
    "tinydb": {"tinydb": (TinyDBFile, TinyDBCached), "montydb": (MontyDBFile,)},
    "postgresql": {"greenlet": (AwaitedOnPostgreSQL,), "sqlalchemy": (SQLAlchemyAsync,)},
    "mongodb": {
        "greenlet": (AwaitedOnMongoDB,),
        "mongoengine": (MongoEngine,),
        "beanie": (Beanie,),
    },
}
_LARGEST_FOR_SLOW = 10_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return 1 if two contestants gave different answers."""
    options = _parser().parse_args(arguments)
    TinyMongoFile.place = options.tinymongo
    tell = _teller()
    # Nothing that docmap logs (slow operations, large scans) belongs between the lines here.
    logging.getLogger("docmap").addHandler(logging.NullHandler())
    try:
        with tempfile.TemporaryDirectory(prefix="docmap-bench-", dir=options.directory) as held:
            directory = Path(held)
            lines: list[Line] = []
            for engine in options.engine:
                for documents in options.documents:
                    contestants = _contestants(
                        engine, documents, directory, others=not options.without_others
                    )
                    lines += measure(engine, contestants, documents, options.repeat, tell)
            imported = import_seconds(directory, max(options.repeat, 5), tell)
            planned = {
                engine: plan_seconds(_url(engine, directory), options.repeat)
                for engine in options.engine
            }
    except AnswersDifferError as error:
        tell("")
        print(f"the answers differ: {error}", file=sys.stderr)
        return 1
    tell("")
    print(_machine(options.repeat))
    for part in (
        report.table(lines),
        report.faster(lines),
        report.growth(lines),
        report.startup(imported, planned),
    ):
        print("\n".join(part))
    if options.json is not None:
        figures = {"lines": report.data(lines), "import": imported, "plan": planned}
        options.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return 0


def _url(engine: str, directory: Path) -> str:
    """Where to plan queries: an empty store, or an empty database of a server."""
    return _URLS[engine].format(directory / "plan") if _URLS[engine] else server_url(engine)


def _contestants(engine: str, documents: int, directory: Path, *, others: bool) -> list[Contestant]:
    kinds = list(_OURS[engine])
    if others:
        packages = _OTHERS.get(engine, {})
        kinds += [kind for name in packages if find_spec(name) for kind in packages[name]]
        kinds += [TinyMongoFile] if engine == "tinydb" and TinyMongoFile.place else []
    able = (kind for kind in kinds if not kind.slow or documents <= _LARGEST_FOR_SLOW)
    return [kind(directory) for kind in able]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--documents", type=_numbers, default=[1_000, 10_000], help="sizes: 1000,10000,100000"
    )
    parser.add_argument(
        "--engine", type=_engines, default=["sqlite", "memory"], help=",".join(_URLS)
    )
    parser.add_argument(
        "--without-others", action="store_true", help="only docmap and hand-written code"
    )
    parser.add_argument(
        "--tinymongo",
        type=Path,
        metavar="DIRECTORY",
        help="where pip install --target put TinyMongo, which needs an older TinyDB than docmap",
    )
    parser.add_argument("--repeat", type=int, default=7, help="timings of each operation")
    parser.add_argument("--json", type=Path, help="write every sample to this file")
    parser.add_argument(
        "--directory", type=Path, default=_disk(), help="where files are made, on a real disk"
    )
    return parser


def _numbers(text: str) -> list[int]:
    return [int(part.replace("_", "")) for part in text.split(",")]


def _engines(text: str) -> list[str]:
    chosen = text.split(",")
    unknown = [name for name in chosen if name not in _URLS]
    if unknown:
        raise argparse.ArgumentTypeError(f"no engine {unknown[0]!r}: {', '.join(_URLS)}")
    return chosen


def _disk() -> Path | None:
    """A directory for files that is no memory: `/tmp` often is, `/var/tmp` is not."""
    lasting = Path("/var/tmp")  # noqa: S108 - only a parent; the directory in it is made safely
    return lasting if lasting.is_dir() else None


def _teller() -> Callable[[str], None]:
    """A progress line on stderr: rewritten where a person looks, else one for each operation."""
    if sys.stderr.isatty():
        return lambda text: print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
    said: list[str] = []

    def tell(text: str) -> None:
        step = text.rpartition(" ")[0]
        if step and step not in said[-1:]:
            said.append(step)
            print(step, file=sys.stderr, flush=True)

    return tell


def _machine(repeat: int) -> str:
    return (
        f"Python {platform.python_version()}, pydantic {pydantic.VERSION}, "
        f"SQLite {sqlite3.sqlite_version}, {platform.machine()}; medians of {repeat}"
    )


if __name__ == "__main__":
    sys.exit(main())
