"""The conformance suite on FerretDB, which speaks the protocol of MongoDB."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

import pytest

from docmap import DuplicateKey, StorageError
from docmap.schema.wire import TAGS
from docmap.testing import corpus, pools
from docmap.testing.profile import BackendProfile, Gap
from docmap.testing.suite import *  # noqa: F403 - the suite's tests and fixtures are this file's
from tests.servers import ferretdb, running

OWN: Final = f"faults{os.getpid()}"  # a server of this process's own, which may be stopped


@pytest.fixture(autouse=True, scope="module")
def without_lists_in_lists() -> Iterator[None]:
    """It refuses a list in a list: what is stored as one is left out of what all tests store."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(pools.POOLS, "thing", tuple(filter(_is_kept, pools.POOLS["thing"])))
        kept = tuple(
            {name: value for name, value in row.items() if _is_kept(value)}
            for row in corpus._FOREIGN
        )
        patch.setattr(corpus, "_FOREIGN", kept)
        yield


def _is_kept(value: Any, *, inside: bool = False) -> bool:
    if isinstance(value, dict):  # one that looks like a tag of docmap's is stored as a list of two
        return len(value) != 1 or TAGS.isdisjoint(value)
    if not isinstance(value, list | tuple | set):
        return True
    return not inside and all(_is_kept(one, inside=True) for one in value)


SHORT: Final = frozenset(
    {
        *("test_create", "test_delete", "test_keys", "test_read", "test_unique"),
        *("test_server_connections", "test_server_deadlines", "test_server_uses"),
    }
)
"""The modules of the suite that every run runs: it is slow, and the others take minutes."""
_LISTS: Final = (
    "it refuses a list in a list, in which docmap keeps what looks like a tag of its own"
)
_NAMES: Final = "it puts JSON together of names, and does not escape them"
_RACES: Final = "writes of several connections are not atomic in it: some are lost"
GAPS: Final = (
    Gap("test_untyped_values_come_back", reason=_LISTS, raises=StorageError, kind="standin"),
    Gap(
        "test_without_indexes_a_plan_names_none",
        reason="its explain does not tell a scan of all documents",
        raises=AssertionError,
        kind="standin",
    ),
    Gap(
        "test_keys_of_untyped_collections",
        reason="keys of two types that look alike in JSON are one key to it",
        raises=DuplicateKey,
        kind="standin",
    ),
    Gap("test_fields_stored_under_odd_names", reason=_NAMES, raises=StorageError, kind="standin"),
    *(
        Gap(
            f"test_names_in_untyped_collections[{name}]",
            reason=_NAMES,
            raises=StorageError,
            kind="standin",
        )
        for name in ("'\"'", r"'\\\\'", r"'a\\nb'", r"'\\x01'")
    ),
    *(
        Gap(name, reason=_RACES, raises=raises, kind="standin", sometimes=True)
        for name, raises in (
            ("test_a_newer_revision_of_another_process_refuses_the_save", AssertionError),
            ("test_processes_are_given_different_keys", AssertionError),
            ("test_threads_raise_one_counter", AssertionError),
            ("test_of_threads_that_insert_one_unique_value_one_does", AssertionError),
            ("test_bulk_writes_of_threads_do_not_mix", StorageError),
        )
    ),
)

profile = BackendProfile(
    name="ferretdb",
    url=partial(ferretdb.url, "conformance"),
    kind="server",
    abilities=frozenset({"counters", "indexes"}),
    second="shares",
    gaps=GAPS,
    faults=partial(ferretdb.url, "faults", OWN),
    restart=partial(running.restart, ferretdb.KIND, OWN),
)
