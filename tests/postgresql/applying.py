"""Several programs that run `docmap indexes apply` on one database at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.servers.running import ROOT

PROCESSES: Final = 4


def applied_together(url: str, place: Path, module: str, name: str) -> None:
    """Let them apply the indexes of the class `name`, which the text of a module declares."""
    (place / "declared.py").write_text(module, encoding="utf-8")
    path = os.pathsep.join([str(place), str(ROOT)])
    command = [sys.executable, "-m", "docmap.cli", "indexes", "apply", url, f"declared:{name}"]
    running = [
        subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(PROCESSES)
    ]
    ended = [process.communicate(timeout=120)[0] for process in running]
    assert [process.returncode for process in running] == [0] * PROCESSES, ended
