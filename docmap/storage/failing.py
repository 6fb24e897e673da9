"""The error of a call on many documents of which some failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from docmap.errors import BulkError, Failure


def bulk_error(name: str, taken: int, written: Sequence[Any], failed: list[Failure]) -> BulkError:
    """The error of the call `name`, which took so many documents; sorts what failed."""
    failed.sort(key=lambda failure: failure.position)
    counts = Counter(type(failure.error).__name__ for failure in failed)
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in counts.most_common())
    first = failed[0]
    what = "deleted" if name == "delete_many" else "written"
    message = (
        f"{len(failed):,} of {taken:,} documents were not {what}: {kinds}; all others were. "
        f"The first, at position {first.position}: {first.error}"
    )
    return BulkError(
        message,
        collection=getattr(first.error, "collection", None),
        done=len(written),
        written=tuple(written),
        failed=tuple(failed),
    )
