"""Measuring: contestants take turns within each repeat, medians count, answers must be alike."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter

from benchmarks.contestant import BY_HAND, OURS, Contestant
from benchmarks.operations import OPERATIONS, Answer, Operation, Sample, sample_of
from benchmarks.workload import Workload, workload

Tell = Callable[[str], None]
_SLOW_REPEATS = 2


class AnswersDifferError(Exception):
    """Two contestants did not return the same counts and sums: the figures mean nothing."""


@dataclass(slots=True)
class Line:
    """The seconds of one operation on one engine at one size, for each contestant."""

    engine: str
    documents: int
    operation: Operation
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def median(self, name: str) -> float | None:
        """The contestant's median in seconds; None if it did not take part."""
        return median(self.seconds[name]) if self.seconds.get(name) else None

    @property
    def ratio(self) -> float | None:
        """The time of docmap over that of hand-written code, as the median over the repeats.

        The two of one repeat were taken close together: what slows the machine slows both.
        """
        pairs = zip(self.seconds.get(OURS, ()), self.seconds.get(BY_HAND, ()), strict=False)
        ratios = [ours / by_hand for ours, by_hand in pairs]
        return median(ratios) if ratios else None

    @property
    def target(self) -> float | None:
        """The ratio that docmap may have at most."""
        if self.documents >= 100_000 and self.engine in self.operation.large:
            return self.operation.large[self.engine]
        return self.operation.targets.get(self.engine)

    @property
    def reached(self) -> bool | None:
        """Whether the target is reached; None where there is none."""
        if self.ratio is None or self.target is None:
            return None
        return self.ratio <= self.target


def measure(
    engine: str, contestants: Sequence[Contestant], documents: int, repeat: int, tell: Tell
) -> list[Line]:
    """All operations on one engine at one size. Raises AnswersDifferError."""
    work = workload(documents)
    opened: list[Contestant] = []
    try:
        lines = []
        for operation in OPERATIONS:
            line = Line(engine, documents, operation)
            for number in range(repeat):
                tell(f"{engine} {documents:,}: {operation.name} {number + 1}/{repeat}")
                _one_repeat(line, contestants, work, number, opened)
            lines.append(line)
        return lines
    finally:
        for contestant in opened:
            contestant.close()


def _one_repeat(
    line: Line,
    contestants: Sequence[Contestant],
    work: Workload,
    number: int,
    opened: list[Contestant],
) -> None:
    operation = line.operation
    answers: dict[int, dict[str, Answer]] = {}
    turn = number % len(contestants)
    for contestant in (*contestants[turn:], *contestants[:turn]):
        if contestant.slow and number >= _SLOW_REPEATS:
            continue
        if operation.alone and contestant.name not in {OURS, BY_HAND}:
            continue
        if operation.fresh:
            name = f"{line.engine}_{contestant.name}_{line.documents}_{number}"
            _reopen(contestant, name, opened)
        calls = 1 if contestant.slow else operation.calls
        sample = sample_of(operation, work, number, calls)
        seconds, answer = _timed(operation, contestant, sample)
        line.seconds.setdefault(contestant.name, []).append(seconds)
        answers.setdefault(calls, {})[contestant.name] = answer
    for calls, given in answers.items():
        if OURS not in given:  # it made more calls than the slow ones: docmap makes as few
            sample = sample_of(operation, work, number, calls)
            given[OURS] = _timed(operation, contestants[0], sample)[1]
        _compare(line, given)


def _reopen(contestant: Contestant, name: str, opened: list[Contestant]) -> None:
    if contestant in opened:
        contestant.close()
        opened.remove(contestant)
    contestant.open(name.replace(" ", "_"))
    opened.append(contestant)


def _timed(operation: Operation, contestant: Contestant, sample: Sample) -> tuple[float, Answer]:
    # What is alive is no part of any collection: each contestant pays for what it makes itself.
    gc.collect()
    gc.freeze()
    start = perf_counter()
    result = operation.act(contestant, sample)
    seconds = perf_counter() - start
    gc.unfreeze()
    answer = operation.answer(result)
    del result
    if operation.undo is not None:
        operation.undo(contestant, sample)
    each = len(sample.work.rows) if operation.per_document else sample.calls
    return seconds / each, answer


def _compare(line: Line, answers: dict[str, Answer]) -> None:
    if len(set(answers.values())) > 1:
        found = "; ".join(f"{name}: {str(answer)[:200]}" for name, answer in answers.items())
        raise AnswersDifferError(
            f"{line.engine} {line.documents:,}: {line.operation.name}: {found}"
        )


def named(lines: Iterable[Line], engine: str, documents: int) -> list[Line]:
    """The lines of one engine and size."""
    return [line for line in lines if (line.engine, line.documents) == (engine, documents)]
