"""A progress bar on stderr, where there is a person to see it and tqdm to draw it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from docmap.cli.output import say


class Progress:
    """What a long command tells while it works; without a bar only its lines."""

    def __init__(self, bar: Any = None) -> None:
        self._bar = bar

    def advance(self, count: int) -> None:
        """So many more are done."""
        if self._bar is not None:
            self._bar.update(count)

    def say(self, text: str) -> None:
        """One line on stderr, above the bar."""
        if self._bar is None:
            say(text)
        else:
            self._bar.write(text, file=sys.stderr)


@contextmanager
def progress(label: str, total: int, *, quiet: bool, unit: str = "B") -> Iterator[Progress]:
    """The progress to `total`, in bytes or another unit.

    It is a bar if stderr is a terminal and tqdm is installed.
    """
    if quiet or not sys.stderr.isatty():
        yield Progress()
        return
    try:
        from tqdm import tqdm
    except ModuleNotFoundError:
        yield Progress()
        return
    with tqdm(
        total=total, desc=label, unit=unit, unit_scale=True, leave=False, file=sys.stderr
    ) as bar:
        yield Progress(bar)
