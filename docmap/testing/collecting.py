"""The rules of the suite at collection: what runs on a backend, what is a gap, what is missing.

A test file is one of the suite's if it has a BackendProfile called `profile`. It then gets one item
more, `profile`, which fails for modules of the suite that it did not take over and for gaps that
match no test.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from docmap.testing.profile import BackendProfile, Gap

SUITE: Final = "docmap.testing.suite"
REQUIRES: Final = "docmap_requires"
QUERIES: Final = frozenset(
    {
        "test_aggregates",
        "test_logic",
        "test_lookups",
        "test_nulls",
        "test_order",
        "test_paging",
        "test_random",
        "test_read",
        "test_values",
    }
)
"""The modules without gaps and requirements: what an engine cannot do, docmap does."""
APPLIED: Final = pytest.StashKey[bool]()
"""Set where the rules are in force, so that the suite can refuse to run without them."""


def requires(*features: str) -> pytest.MarkDecorator:
    """Run the test only on profiles with these features: abilities, a kind, how they share.

    "long" is one in the long run alone. On others the test is deselected, never skipped.
    """
    mark: pytest.MarkDecorator = getattr(pytest.mark, REQUIRES)(*features)
    return mark


def is_long(config: pytest.Config) -> bool:
    """True in the long run: with `--long`, where a conftest.py has it, or DOCMAP_TEST_LONG=1."""
    import os

    return bool(config.getoption("--long", False)) or os.environ.get("DOCMAP_TEST_LONG") == "1"


def apply_rules(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the gaps, deselect what profiles do not claim, add each profile's own item."""
    config.stash[APPLIED] = True
    left_out: list[pytest.Item] = []
    kept: list[pytest.Item] = []
    files: dict[pytest.Module, list[pytest.Item]] = {}
    long = {"long"} if is_long(config) else set()
    for item in items:
        module = item.getparent(pytest.Module)
        profile = None if module is None else profile_of(module)
        if module is None or profile is None:
            kept.append(item)
            continue
        own = files.setdefault(module, [])
        if suite_module(item):
            own.append(item)
            _mark_gaps(item, profile)
            if not _required(item) <= profile.features | long:
                left_out.append(item)
                continue
        kept.append(item)
    # What was named one by one is not meant to be all.
    whole = not any("::" in str(argument) for argument in config.args)
    if whole:
        kept += [
            ProfileItem.from_parent(module, name="profile", tests=own)
            for module, own in files.items()
        ]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
    items[:] = kept


def profile_of(module: pytest.Module) -> BackendProfile | None:
    """The profile of a test file, if it has one."""
    # Only who takes over the suite has imported this; all others need not wait for it.
    import sys

    known: Any = sys.modules.get("docmap.testing.profile")
    found: Any = getattr(module.obj, "profile", None)
    return found if known is not None and isinstance(found, known.BackendProfile) else None


def suite_module(item: pytest.Item) -> str:
    """The module of the suite that a test is from, such as `test_lookups`; empty for others."""
    home = str(getattr(getattr(item, "function", None), "__module__", ""))
    package, _, name = home.rpartition(".")
    return name if package == SUITE else ""


def _required(item: pytest.Item) -> set[str]:
    return {feature for mark in item.iter_markers(REQUIRES) for feature in mark.args}


def _mark_gaps(item: pytest.Item, profile: BackendProfile) -> None:
    for gap in profile.gaps:
        if matches(gap, item):
            reason = f"{profile.name}, {gap.kind}: {gap.reason}"
            strict = not gap.sometimes
            item.add_marker(pytest.mark.xfail(reason=reason, raises=gap.raises, strict=strict))


def matches(gap: Gap, item: pytest.Item) -> bool:
    """True if the gap names this test, all its parameters, or one of them."""
    plain = item.name.partition("[")[0]
    # Brackets are letters here: they hold the parameters.
    return fnmatchcase(plain, gap.test) or fnmatchcase(item.name, gap.test.replace("[", "[[]"))


class ProfileItem(pytest.Item):
    """The check of a profile: the whole suite is there, each gap is about a test of it."""

    def __init__(self, *, tests: list[pytest.Item], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._tests = tests

    def runtest(self) -> None:
        """Fail with all that is wrong with the test file."""
        module = self.getparent(pytest.Module)
        profile = None if module is None else profile_of(module)
        if module is None or profile is None:
            raise IncompleteProfileError("the test file has no profile any more")
        wrong = [*missing(module.obj), *stray_gaps(profile.gaps, self._tests)]
        if wrong:
            raise IncompleteProfileError("\n".join(wrong))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What is wrong, without a traceback through the kit."""
        if isinstance(excinfo.value, IncompleteProfileError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Any, int | None, str]:
        """The test file."""
        return self.path, None, f"profile of {self.path.name}"


class IncompleteProfileError(Exception):
    """A test file that does not take over the suite as it is."""


def missing(namespace: Any) -> Iterator[str]:
    """The modules of the suite of which a test file did not take over every test."""
    from docmap.testing import suite

    for name, tests in suite.TESTS.items():
        lacking = [test for test, found in tests.items() if getattr(namespace, test, None) != found]
        if lacking:
            yield (
                f"{SUITE}.{name} was not collected ({', '.join(lacking[:3])}"
                f"{', ...' if len(lacking) > 3 else ''}): from {SUITE} import *"
            )


def stray_gaps(gaps: Iterable[Gap], tests: list[pytest.Item]) -> Iterator[str]:
    """Gaps that are about nothing, and those that are about queries."""
    for gap in gaps:
        found = [item for item in tests if matches(gap, item)]
        if not found:
            yield f"the gap {gap.test!r} matches no test of the suite"
        queries = {suite_module(item) for item in found} & QUERIES
        if queries:
            yield (
                f"the gap {gap.test!r} is about {', '.join(sorted(queries))}: queries have no "
                "gaps, since docmap does what an engine cannot do"
            )
