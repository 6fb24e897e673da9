"""Programs that the tests start as processes of their own: holders, openers, writers, children.

`python -m tests.leveldb.programs NAME DIRECTORY ARGUMENT...`; each says what it did on its output.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import plyvel

from docmap import DocmapError, connect
from docmap_backends._leveldb_store import LevelDBStore
from tests.sqlite.programs import change

ROOT: Final = Path(__file__).parents[2]


def start(name: str, directory: Path, *arguments: Any) -> subprocess.Popen[str]:
    """Start a program; what it prints can be read line by line."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "tests.leveldb.programs", name, str(directory)]
        + [str(argument) for argument in arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@contextmanager
def running(name: str, directory: Path, *arguments: Any) -> Iterator[subprocess.Popen[str]]:
    """A program that has printed its first line, ended when the block is left."""
    with start(name, directory, *arguments) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == '"ready"\n'
        try:
            yield process
        finally:
            process.communicate("\n")


def run(name: str, directory: Path, *arguments: Any) -> list[Any]:
    """What a program prints, each line read as JSON."""
    with start(name, directory, *arguments) as process:
        output = process.communicate()[0]
    assert process.returncode == 0
    return [json.loads(line) for line in output.splitlines()]


def tell(what: Any) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


# -- the programs


def hold(directory: str) -> None:
    """Hold the store until a line comes in."""
    with closing(LevelDBStore(Path(directory))) as store:
        store.write({b"held": b""}, ())
        tell("ready")
        sys.stdin.readline()
        store.write({b"still held": b""}, ())


def attempt(directory: str) -> None:
    """Try to open the store and to write; tell what became of it, and within what time."""
    began = time.monotonic()
    try:
        with closing(LevelDBStore(Path(directory))) as store:
            store.write({b"attempted": b""}, ())
        outcome = "opened"
    except DocmapError as error:
        outcome = type(error).__name__
    tell([outcome, time.monotonic() - began])


def plain(directory: str) -> None:
    """Try to open the directory as a program does that knows LevelDB alone."""
    try:
        plyvel.DB(directory).close()
        tell("opened")
    except plyvel.IOError:
        tell("IOError")


def fork(directory: str) -> None:
    """Fork with an open store; tell what the child could do with it, and the parent after."""
    store = LevelDBStore(Path(directory))
    store.write({b"%04d" % number: b"x" * 100 for number in range(1500)}, ())
    stream = store.keys(b"", None)
    next(stream)
    child = os.fork()
    if child == 0:
        uses: list[Callable[[], Any]] = [
            lambda: store.get(b"0001"),
            lambda: list(store.keys(b"", None)),
            lambda: store.write({b"child": b""}, ()),
            lambda: list(stream),
            lambda: LevelDBStore(Path(directory)),
        ]
        tell([outcome(use) for use in uses])
        store.close()
        sys.exit()  # with all that an interpreter does when it ends
    os.waitpid(child, 0)
    store.write({b"parent": b""}, ())
    tell([len([*store.keys(b"", None)]), len([*stream])])
    child = os.fork()
    store.close()
    if child == 0:
        while outcome(lambda: LevelDBStore(Path(directory)).close()) == "StoreLocked":
            time.sleep(0.01)
        with closing(LevelDBStore(Path(directory))) as own:
            own.write({b"child": b""}, ())
            tell(len([*own.keys(b"", None)]))
        os._exit(0)
    os.waitpid(child, 0)
    with closing(LevelDBStore(Path(directory))) as again:
        tell(len([*again.keys(b"", None)]))


def write(directory: str, seed: str) -> None:
    """Write documents for ever; each step is told before and after."""
    rng = random.Random(seed)
    with connect(f"leveldb:///{directory}?write_buffer=1") as db:
        held = {one["id"]: one["number"] for one in db.find("notes").raw()}
        while True:
            kind = rng.choice(["one", "one", "one", "bulk", "several"])
            step: list[tuple[str, int | None]]
            if kind == "bulk":
                step = [(f"{rng.random()}", rng.randrange(10**6)) for _ in range(8)]
            else:
                keys = [*rng.sample(sorted(held), min(len(held), 2)), f"{rng.random()}"]
                step = [
                    (key, None if key in held and rng.random() < 0.2 else rng.randrange(10**6))
                    for key in (rng.sample(keys, 1) if kind == "one" else keys)
                ]
            tell(["start", step])
            change(db, step, kind)
            tell(["done", step])
            held |= {key: number for key, number in step if number is not None}
            for key, number in step:
                if number is None:
                    del held[key]


def outcome(use: Callable[[], Any]) -> str:
    """What a call gives, or the name of the error that it raises."""
    try:
        return repr(use())
    except DocmapError as error:
        return type(error).__name__


PROGRAMS: Final[dict[str, Callable[..., None]]] = {
    program.__name__: program for program in (hold, attempt, plain, fork, write)
}

if __name__ == "__main__":
    PROGRAMS[sys.argv[1]](*sys.argv[2:])
