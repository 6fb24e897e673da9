"""The process that looks after a server: starts it, waits for the end of the run, and stops it."""

from __future__ import annotations

import json
import os
import shutil
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.servers.running import MissingServerError, locked


def main(task: str, kind: str, place: Path) -> None:
    """Do one of the tasks `keep`, `start` and `stop`; prints where the server listens."""
    server: Any = import_module(f"tests.servers.{kind}")
    if task == "keep":
        _keep(server, place)
    elif task == "start":
        sys.stdout.write(json.dumps(server.launch(place)))
    else:
        server.stop(place)


def _keep(server: Any, place: Path) -> None:
    """Print what a process of its own tells, which goes on after this one."""
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        with os.fdopen(reading, encoding="utf-8") as line:
            sys.stdout.write(line.read())
        return
    os.setsid()  # whoever interrupts the tests at a terminal does not mean the server
    os.close(reading)
    run = place.parent
    with locked(run / f"{place.name}.kept"):
        with (place / "keeper.log").open("ab") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        try:
            told = server.launch(place)
        except MissingServerError as error:
            told = {"missing": str(error)}
        with os.fdopen(writing, "w", encoding="utf-8") as out:
            json.dump(told, out)
        with locked(run / "run.lock", shared=True):
            if "missing" not in told:
                server.stop(place)
            for beside in place.glob("data"):
                shutil.rmtree(beside.resolve(), ignore_errors=True)
            shutil.rmtree(place, ignore_errors=True)
    _swept(run)


def _swept(run: Path) -> None:
    """Remove the folder of a run that was killed, once the last server's place is gone."""
    if run.is_dir() and not [path for path in run.iterdir() if (path / "keeper.log").exists()]:
        shutil.rmtree(run, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
