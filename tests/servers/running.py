"""One server of a kind for each run: who asks first starts it, and it ends with the run.

A run is a pytest with all its workers, or any other program. It has a folder, named to its
processes by an environment variable, in which each server has a place. The process that made the
folder holds its lock; servers are kept by processes that wait for that lock, so that they end
with the run even if it is killed.
"""

from __future__ import annotations

import atexit
import fcntl
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
VARIABLE: Final = "DOCMAP_TEST_SERVERS"
PREFIX: Final = "docmap-servers-"
ROOM: Final = 2 * 2**30  # bytes that must be free
_PORTS: Final = range(15_000, 32_000)
_LOCK: Final = "run.lock"
_DATABASES: Final = "databases"


class MissingServerError(Exception):
    """A server that tests need is not there and cannot be started; the text says what to do."""


def folder() -> Path:
    """The folder of this run. The first process to ask makes it, and its end ends the servers."""
    known = os.environ.get(VARIABLE, "")
    if known and Path(known).is_dir():
        return Path(known)
    made = Path(tempfile.mkdtemp(prefix=PREFIX, dir=_quick_place()))
    made.chmod(0o755)  # servers that refuse root look into it as somebody else
    (made / _DATABASES).mkdir()
    handle = os.open(made / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX)
    os.environ[VARIABLE] = str(made)
    atexit.register(_end, made, handle, os.getpid())
    return made


def _quick_place() -> str | None:
    """Where files live in memory, if there is room: the tests' servers sync for nothing."""
    shared = Path("/dev/shm")  # noqa: S108 - the folder in it has a name of its own
    if shared.is_dir() and os.access(shared, os.W_OK):
        return str(shared) if shutil.disk_usage(shared).free > ROOM else None
    return None


def _end(run: Path, handle: int, pid: int) -> None:
    """Drop what the run made on servers of others, and let its own servers go."""
    if os.getpid() != pid:
        return  # a child by fork inherited the exit handler, not the run
    for listed in sorted((run / _DATABASES).iterdir()):
        import_module(f"tests.servers.{listed.stem}").drop(listed.read_text().split())
    os.close(handle)
    for place in sorted(run.glob("*.kept")):
        with suppress(FileNotFoundError), locked(place):  # its keeper has stopped the server
            continue  # and the last keeper may have swept the folder already
    shutil.rmtree(run, ignore_errors=True)


@contextmanager
def locked(path: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold the lock file; waits for others that do."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@cache
def address(kind: str, instance: str = "") -> dict[str, Any]:
    """Where the server of this run listens; it is started if it does not run yet.

    `kind` is a module of this package. `instance` names another server of the kind, for tests that
    stop it. Raises MissingServerError if it cannot be started, with what to do.
    """
    run = folder()
    place = _place(kind, instance)
    place.mkdir(exist_ok=True)
    told = place / "address.json"
    with locked(run / f"{place.name}.starting"):
        if not told.exists():
            told.write_text(_keeper("keep", kind, place), encoding="utf-8")
    found: dict[str, Any] = json.loads(told.read_text(encoding="utf-8"))
    if "missing" in found:
        raise MissingServerError(found["missing"])
    return found


def restart(kind: str, instance: str) -> None:
    """Stop a server without its saying goodbye, and start it again where it was."""
    stop(kind, instance)
    start(kind, instance)


def stop(kind: str, instance: str) -> None:
    """Stop a server without its saying goodbye; `start` brings it back to the same port."""
    address(kind, instance)
    _keeper("stop", kind, _place(kind, instance))


def start(kind: str, instance: str) -> None:
    """Start a server that was stopped."""
    told = json.loads(_keeper("start", kind, _place(kind, instance)))
    if told != address(kind, instance):
        raise MissingServerError(f"{kind} came back somewhere else: {told}")


def _place(kind: str, instance: str) -> Path:
    return folder() / (f"{kind}-{instance}" if instance else kind)


def _keeper(task: str, kind: str, place: Path) -> str:
    """What the process that looks after a server tells: a line."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.servers.keeper", task, kind, str(place)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return run.stdout


@cache
def database(kind: str, name: str) -> str:
    """The name of a database for this process alone, noted so that the run can drop it."""
    run = folder()
    given = run.name.removeprefix(PREFIX)
    made = f"docmap_{given}_{os.getpid()}_{name}".lower()
    if len(made) > 63:
        raise ValueError(f"the name of the database {name} is too long for some server")
    if from_environment(kind):
        with (run / _DATABASES / f"{kind}.txt").open("a", encoding="utf-8") as listed:
            listed.write(f"{made}\n")
    return made


def variable(kind: str) -> str:
    """The environment variable that names a server of somebody's own."""
    return f"DOCMAP_TEST_{'MONGODB' if kind == 'mongo' else kind.upper()}_URL"


def from_environment(kind: str) -> str:
    """The URL of a server that the environment names; empty if it names none."""
    return os.environ.get(variable(kind), "")


def with_database(url: str, name: str) -> str:
    """The same server's URL for another database."""
    head, mark, options = url.partition("?")
    scheme, _, rest = head.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}/{name}{mark}{options}"


def killed(pid: int, number: int, port: int) -> None:
    """Signal a process and wait until it is gone, or a zombie of somebody else's.

    The last of its threads may hold its port a moment longer: that is waited for too.
    """
    with suppress(ProcessLookupError, ChildProcessError):
        os.kill(pid, number)
        while _runs(pid):
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
            _pause()
    while _listens(port):
        _pause()


def free_port() -> int:
    """A port on which nothing listens, below those that the system gives to whoever wants any.

    A server that is stopped finds it free when it starts again.
    """
    while True:
        port = secrets.choice(_PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        stat = Path(f"/proc/{pid}/stat")
        return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")
    except (ProcessLookupError, FileNotFoundError):
        return False


def _pause() -> None:
    import time

    time.sleep(0.02)
