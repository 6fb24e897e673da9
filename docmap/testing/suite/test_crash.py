"""Writers that are killed: every acknowledged write is there, at most one more, and each whole."""

from __future__ import annotations

import random
import signal
import time

from docmap.testing.collecting import requires
from docmap.testing.notes import Note, Step, applied, check_sound, held, outcomes
from docmap.testing.processes import Forker, Target, start
from docmap.testing.suite.fixtures import Opened

KILLS, MANY_KILLS = 10, 200


@requires("file", "durable")
def test_killed_writers_lose_and_tear_nothing(
    opened: Opened, forker: Forker, rng: random.Random, *, long_run: bool
) -> None:
    expected: dict[str, int] = {}
    with opened() as db:
        db.ensure_indexes(Note)
    for number in range(MANY_KILLS if long_run else KILLS):
        expected, kind, step = kill_a_writer(forker, rng, expected)
        with opened() as db:
            found = held(db)
            assert found in outcomes(expected, kind, step), f"after kill {number} in {kind}"
            expected = found
            if number % 5 == 4:
                assert check_sound(db) == expected
    assert expected


def kill_a_writer(
    forker: Forker, rng: random.Random, expected: dict[str, int]
) -> tuple[dict[str, int], str, Step]:
    """Kill a writer in some step, or right after it; what it had acknowledged, what it had begun.

    Half of the time it dies a moment after it has begun a step, so that it is in its middle.
    """
    done, kind = 0, ""
    begun: Step = []
    steps, inside, moment = rng.randrange(1, 30), rng.random() < 0.5, rng.random() ** 2 * 2e-3
    for word, kind_, step in forker.run("write", rng.random()):
        if word == "start":
            kind, begun = kind_, step
            if inside and done >= steps:
                time.sleep(moment)
                forker.kill()
        else:
            done += 1
            expected, begun = applied(expected, step), []
            if done == steps and not inside:
                forker.kill()
    assert forker.status == -signal.SIGKILL
    return expected, kind, begun


@requires("file", "durable", "posix")
def test_a_writer_that_is_asked_to_end_leaves_all_that_it_wrote(
    target: Target, opened: Opened, rng: random.Random
) -> None:
    for count in (1, rng.randrange(2, 30)):
        with opened() as db:
            db.clear()
        told = 0
        with start(target, "leave") as process:
            assert process.stdout is not None
            for _ in process.stdout:
                told += 1
                if told >= count:  # Python drops what a handler raises in a callback: ask again
                    process.terminate()
        assert process.returncode == 0
        with opened() as db:
            found = check_sound(db)
            # The last of them was in the middle of being told.
            assert len(found) in (told, told + 1)
            assert found == {f"{number}": number for number in range(len(found))}


@requires("file", "durable", "posix")
def test_a_signal_that_nobody_handles_is_a_kill(
    forker: Forker, opened: Opened, rng: random.Random
) -> None:
    expected: dict[str, int] = {}
    begun: Step = []
    kind, count = "", rng.randrange(5, 20)
    for word, kind_, step in forker.run("write", rng.random()):
        if word == "start":
            kind, begun = kind_, step
        else:
            expected, begun = applied(expected, step), []
            count -= 1
            if not count:
                forker.kill(signal.SIGTERM)
    assert forker.status == -signal.SIGTERM
    with opened() as db:
        assert held(db) in outcomes(expected, kind, begun)


@requires("file", "durable")
def test_what_was_just_acknowledged_survives(
    opened: Opened, forker: Forker, rng: random.Random
) -> None:
    count = rng.randrange(3, 12)
    told = []
    for (key,) in forker.run("insert", "a", 10**6):
        told.append(key)
        if len(told) == count:
            forker.kill()
    with opened() as db:
        assert held(db) in outcomes(
            {key: number for number, key in enumerate(told)}, "one", [(f"a-{len(told)}", len(told))]
        )
