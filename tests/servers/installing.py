"""Finding the programs that servers are made of, and installing what is missing where one may."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.servers.running import MissingServerError, locked, variable

CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "docmap-servers"


def program(
    name: str, package: str, kind: str, find: Callable[[str], str | None] = shutil.which
) -> str:
    """The path of a program; root on a Debian installs its package.

    Raises MissingServerError if it is not there, with the package's name.
    """
    found = find(name)
    if found is None and _may_install():
        _install(package, lambda: find(name) is not None)
        found = find(name)
    if found is None:
        raise MissingServerError(
            f"these tests need a server, and {name} is not installed: install the package "
            f"{package}, or name a server of your own with {variable(kind)}, or leave the engine "
            f"out: --engines memory,sqlite"
        )
    return found


def _may_install() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get") is not None


def _install(package: str, there: Callable[[], bool]) -> None:
    """Install a package of Debian's, unless another run just did; what fails is on stderr."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with locked(CACHE / "apt.lock"):
        if there():
            return
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update"], ["install", "--no-install-recommends", package]):
            subprocess.run(
                ["apt-get", "--yes", "--quiet", *command],  # noqa: S607 - the system's own
                env=quiet,
                check=False,
            )


def built(name: str, kind: str, make: Callable[[Path], None]) -> Path:
    """A folder of the user's cache that `make` filled; it is made once, whoever needs it first.

    Raises MissingServerError if a command of `make` fails.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    done = CACHE / name
    with locked(CACHE / f"{name}.lock"):
        if done.is_dir():
            return done
        trial = CACHE / f"{name}.part"
        shutil.rmtree(trial, ignore_errors=True)
        trial.mkdir()
        try:
            make(trial)
        except subprocess.CalledProcessError as error:
            raise MissingServerError(
                f"building the server {name} failed ({' '.join(map(str, error.cmd[:2]))} ended "
                f"with {error.returncode}): name a server of your own with {variable(kind)}, or "
                f"leave the engine out with --engines"
            ) from error
        trial.rename(done)
    return done
