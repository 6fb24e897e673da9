"""Each write fails once, in all its parts: the old state is there or the new one, and work goes on.

A file may not grow beyond a size, for many sizes: so each write of any library fails, or kills the
process, after any number of bytes. And each call of Python that writes fails by itself.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest

from docmap.testing.collecting import requires
from docmap.testing.faults import points
from docmap.testing.notes import Step
from docmap.testing.prepared import Prepared
from docmap.testing.processes import Forker

STEPS: Mapping[str, Step] = {
    "insert": [("new", 5)],
    "replace": [("k3", 999)],
    "delete": [("k4", None)],
    "bulk": [(f"n{number}", number * 11) for number in range(8)],
    "again": [],
    "close": [("new", 5)],
    "sync": [("new", 5)],
}
TOGETHER: Step = [("k5", 1), ("k6", None), ("new", 7), ("newer", 8)]
POINTS, MANY_POINTS = 8, 500
CALLS = 1000


def fail_at_sizes(
    prepared: Prepared, forker: Forker, kind: str, step: Step, sizes: list[int]
) -> set[str]:
    """Let a step fail at each size, and kill it there; how they ended."""
    ended = set()
    for size in sizes:
        for how in ("error", "kill"):
            prepared.again()
            lines = list(forker.run("at_size", kind, step, size, how))
            ended.add(prepared.judge(forker.status, kind, step, lines))
    return ended


def sizes_of(
    prepared: Prepared, forker: Forker, kind: str, step: Step, *, count: int, rng: random.Random
) -> list[int]:
    """The sizes at which a step is to fail."""
    before = prepared.sizes()
    forker.told("rehearse", kind, step)
    return points(before, prepared.sizes(), count, rng)


def fail_at_calls(prepared: Prepared, forker: Forker, kind: str, step: Step, how: str) -> None:
    """Let each call of a step fail once."""
    for number in range(1, CALLS):
        prepared.again()
        lines = list(forker.run("at_call", kind, step, number, how))
        prepared.judge(forker.status, kind, step, lines)
        if ["hit", False] in lines:
            return
    raise AssertionError(f"{kind} writes more than {CALLS} times")


@requires("file", "posix")
@pytest.mark.parametrize("kind", STEPS)
def test_a_write_that_fails_at_any_size_is_done_or_not(
    kind: str, prepared: Prepared, forker: Forker, rng: random.Random, *, long_run: bool
) -> None:
    count = MANY_POINTS if long_run else POINTS
    sizes = sizes_of(prepared, forker, kind, STEPS[kind], count=count, rng=rng)
    ended = fail_at_sizes(prepared, forker, kind, STEPS[kind], sizes)
    if kind == "insert":  # else the limit reaches no write of this engine
        assert {"failed", "killed"} <= ended


@requires("file", "posix", "transactions")
def test_a_transaction_that_fails_at_any_size_is_done_or_not(
    prepared: Prepared, forker: Forker, rng: random.Random, *, long_run: bool
) -> None:
    count = MANY_POINTS if long_run else POINTS
    sizes = sizes_of(prepared, forker, "several", TOGETHER, count=count, rng=rng)
    ended = fail_at_sizes(prepared, forker, "several", TOGETHER, sizes)
    assert {"failed", "killed"} <= ended


@requires("file", "posix")
@pytest.mark.parametrize("how", ["EIO", "ENOSPC", "kill"])
@pytest.mark.parametrize("kind", STEPS)
def test_each_call_that_fails_leaves_the_old_state_or_the_new(
    kind: str, how: str, prepared: Prepared, forker: Forker
) -> None:
    fail_at_calls(prepared, forker, kind, STEPS[kind], how)


@requires("file", "posix", "transactions")
@pytest.mark.parametrize("how", ["EIO", "ENOSPC", "kill"])
def test_each_call_that_fails_in_a_transaction_leaves_all_or_nothing(
    how: str, prepared: Prepared, forker: Forker
) -> None:
    fail_at_calls(prepared, forker, "several", TOGETHER, how)


@requires("file", "posix")
def test_recovery_that_fails_at_any_size_can_be_repeated(
    prepared: Prepared, forker: Forker, rng: random.Random, *, long_run: bool
) -> None:
    step = STEPS["bulk"]
    before = prepared.sizes()
    forker.told("rehearse", "bulk", step)  # which leaves the store open when it dies
    prepared.keep()
    with prepared.opened():
        after = prepared.sizes()
    for size in points(before, after, MANY_POINTS if long_run else POINTS, rng):
        for how in ("error", "kill"):
            prepared.again()
            lines = list(forker.run("open_at_size", size, how))
            prepared.judge(forker.status, "open", step, [["done"], *lines])


@requires("file", "posix")
@pytest.mark.parametrize("how", ["EIO", "ENOSPC", "kill"])
def test_each_call_of_recovery_that_fails_can_be_repeated(
    how: str, prepared: Prepared, forker: Forker
) -> None:
    step = STEPS["bulk"]
    forker.told("rehearse", "bulk", step)
    prepared.keep()
    for number in range(1, CALLS):
        prepared.again()
        lines = list(forker.run("open_at_call", number, how))
        prepared.judge(forker.status, "open", step, [["done"], *lines])
        if ["hit", False] in lines:
            return
    raise AssertionError(f"opening writes more than {CALLS} times")
