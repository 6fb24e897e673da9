"""A server that speaks MongoDB's protocol: one of the environment's, or mongo-java-server.

The stand-in keeps its data in memory and knows no sessions, so no transactions and no change
streams; what it answers otherwise than MongoDB does is said in the profiles of its tests.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from functools import cache
from pathlib import Path
from typing import Any, Final

from tests.servers import running
from tests.servers.installing import built, program

KIND: Final = "mongo"
VERSION: Final = "1.47.0"
SOURCES: Final = Path(__file__).parent / "java"


def is_standin() -> bool:
    """False if the tests run on a server that the environment names."""
    return not running.from_environment(KIND)


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


def dropped(url: str, databases: list[str]) -> None:
    """Remove databases from a server that speaks the protocol."""
    from pymongo import MongoClient

    with MongoClient[Any](url) as client:
        for name in databases:
            client.drop_database(name)


def launch(place: Path) -> dict[str, Any]:
    """Start the stand-in; on the port that it had if it was started in this folder before."""
    server = built(f"mongo-java-server-{VERSION}", KIND, _build)
    # A small heap and the simple compiler: it starts in half a second.
    quick = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx1g"]
    java = [program("java", "default-jdk-headless", KIND), *quick]
    port = spawned(place, [*java, "-cp", f"{server}:{server}/*", "StandIn"])
    return {"url": f"mongodb://127.0.0.1:{port}/", "port": port}


def stop(place: Path) -> None:
    """End the stand-in as a crash would; what it held is gone."""
    pid, port = (int((place / name).read_text(encoding="utf-8")) for name in ("pid", "port"))
    running.killed(pid, signal.SIGKILL, port)


def spawned(place: Path, command: list[str]) -> int:
    """Start a server that takes its port as its last argument, and prints it; where it listens.

    The port is that of an earlier start in this folder, if there was one.
    """
    known = place / "port"
    port = known.read_text(encoding="utf-8") if known.exists() else str(running.free_port())
    told = place / "told.txt"
    with told.open("wb") as out, (place / "server.log").open("ab") as log:
        process = subprocess.Popen([*command, port], stdout=out, stderr=log, cwd=place)
    (place / "pid").write_text(str(process.pid), encoding="utf-8")
    while not (line := told.read_text(encoding="utf-8")).endswith("\n"):
        if process.poll() is not None:
            tail = (place / "server.log").read_text(encoding="utf-8", errors="replace")[-2000:]
            raise running.MissingServerError(f"{command[0]} ended at once: {tail}")
        time.sleep(0.02)
    found = line.split()[-1].rpartition(":")[2].strip("/")
    known.write_text(found, encoding="utf-8")
    return int(found)


def _build(place: Path) -> None:
    mvn = program("mvn", "maven", KIND)
    javac = program("javac", "default-jdk-headless", KIND)
    shutil.copy(SOURCES / "pom.xml", place)
    into = f"-DoutputDirectory={place}"
    subprocess.run(
        [mvn, "-q", "-B", "-f", place / "pom.xml", "dependency:copy-dependencies", into],
        cwd=place,
        check=True,
    )
    subprocess.run(
        [javac, "-cp", f"{place}/*", "-d", place, SOURCES / "StandIn.java"], cwd=place, check=True
    )
