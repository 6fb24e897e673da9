"""The files of the repository, for the tests that look at all of them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = ("docmap", "docmap_backends")


def modules() -> dict[str, Path]:
    """Every module of the shipped packages by its dotted name."""
    files = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return {module_name(path.relative_to(ROOT)): path for path in files}


def module_name(path: Path) -> str:
    """`docmap/query/__init__.py` is `docmap.query`."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def tracked() -> list[Path]:
    """The files that belong to the project: git's, or outside of a checkout all that are there."""
    git = shutil.which("git")
    if git and (ROOT / ".git").exists():
        listing = subprocess.run(
            [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            check=True,
            capture_output=True,
        ).stdout
        files = [ROOT / name for name in listing.decode().split("\0") if name]
    else:
        files = [path for path in ROOT.rglob("*") if not _made_by_tools(path)]
    return sorted(path for path in files if path.is_file())


def _made_by_tools(path: Path) -> bool:
    """True for what .gitignore leaves out: environments, caches, builds."""
    parts = path.relative_to(ROOT).parts
    return any(
        part in {"__pycache__", "build", "dist"}
        or (part.startswith(".") and part not in {".ci", ".gitignore", ".gitattributes"})
        or part.endswith((".egg-info", ".pyc"))
        for part in parts
    )
