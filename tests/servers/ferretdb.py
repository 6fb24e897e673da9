"""FerretDB over SQLite: a second server that speaks MongoDB's protocol, and keeps its data."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from functools import cache
from pathlib import Path
from typing import Any, Final

from tests.servers import running
from tests.servers.installing import built, program
from tests.servers.mongo import dropped, spawned

KIND: Final = "ferretdb"
VERSION: Final = "1.24.0"
SOURCES: Final = Path(__file__).parent / "go"


@cache
def url(database: str, instance: str = "") -> str:
    """The URL of an empty database of this process's own; `instance` is a server of its own."""
    name = running.database(KIND, database)
    server = (not instance and running.from_environment(KIND)) or str(
        running.address(KIND, instance)["url"]
    )
    return running.with_database(server, name)


def drop(databases: list[str]) -> None:
    """Remove databases from the server that the environment names."""
    dropped(running.from_environment(KIND), databases)


def launch(place: Path) -> dict[str, Any]:
    """Start the server on a folder's data; on the port that it had there before."""
    server = built(f"ferretdb-{VERSION}", KIND, _build)
    data = place / "data"
    data.mkdir(exist_ok=True)
    port = spawned(place, [str(server / "ferretdb"), str(data)])
    return {"url": f"mongodb://127.0.0.1:{port}/", "port": port}


def stop(place: Path) -> None:
    """End the server as a crash would."""
    pid, port = (int((place / name).read_text(encoding="utf-8")) for name in ("pid", "port"))
    running.killed(pid, signal.SIGKILL, port)


def _build(place: Path) -> None:
    """Compile it, which takes a minute or two; the modules are those of go.sum."""
    go = program("go", "golang (1.22 or later)", KIND)
    sources = place / "sources"
    shutil.copytree(SOURCES, sources)
    subprocess.run(
        [go, "build", "-mod=readonly", "-trimpath", "-o", place / "ferretdb", "."],
        cwd=sources,
        env={
            "HOME": str(Path.home()),
            **os.environ,
            "CGO_ENABLED": "0",
            "GOFLAGS": "-buildvcs=false",
        },
        check=True,
    )
    shutil.rmtree(sources)
