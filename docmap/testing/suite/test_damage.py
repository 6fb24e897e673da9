"""Damaged files: an error that names the store, or exactly what was there; never fewer documents.

The store was closed in good order before, so that nothing of it is just unfinished.
"""

from __future__ import annotations

import random
from pathlib import Path

from docmap.testing.collecting import requires
from docmap.testing.faults import damaged
from docmap.testing.prepared import BEFORE, Prepared
from docmap.testing.processes import Forker

CASES, MANY_CASES = 40, 2000
LOUD = {"CorruptStore", "ForeignStore", "InvalidRecord"}


@requires("file", "posix")
def test_damaged_bytes_are_noticed_or_do_not_matter(
    prepared: Prepared, forker: Forker, rng: random.Random, *, long_run: bool
) -> None:
    found = []
    for number in range(MANY_CASES if long_run else CASES):
        prepared.again()
        file = rng.choice([one for one in prepared.files() if one.stat().st_size])
        kind, data = damaged(file.read_bytes(), rng)
        file.write_bytes(data)
        what = f"case {number}: {file.name} {kind}"
        found.append(judged(prepared, forker, what))
    assert "exact" in found or LOUD & set(found)
    assert LOUD & set(found), "no damage was ever noticed"


@requires("file", "posix")
def test_a_file_that_is_gone_is_noticed_or_does_not_matter(
    prepared: Prepared, forker: Forker
) -> None:
    """One that is gone, of several: what is left is no smaller store."""
    held = prepared.sizes()
    for name, size in held.items():
        if sum(held.values()) - size < size // 4:
            continue  # that is the store itself: without it there is none
        prepared.again()
        Path(name).unlink()
        judged(prepared, forker, f"without {name}")


def judged(prepared: Prepared, forker: Forker, what: str) -> str:
    """What a damaged store gave: `exact`, or the name of the error."""
    lines = list(forker.run("inspect"))
    assert forker.status == 0, f"{what}: the process ended with {forker.status}"
    for word, *rest in lines:
        if word == "held":
            assert rest == [BEFORE], f"{what}: {len(BEFORE)} notes have become {len(rest[0])}"
        else:
            error, path, text = rest
            assert error in LOUD, f"{what}: {error}: {text}"
            if error == "CorruptStore":
                assert path, f"{what}: {text} has no path"
                assert Path(path).is_relative_to(prepared.directory), what
                assert Path(path).name in text, what
    return "exact" if all(word == "held" for word, *_ in lines) else lines[-1][1]
