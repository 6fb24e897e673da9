"""What threads and child processes may come across: state that others change meanwhile."""

from __future__ import annotations

import gc
import os
import threading
from pathlib import Path
from typing import Annotated, Any

import pytest

from docmap import Document, DuplicateKey, Indexed, connect
from docmap.query.nodes import Compare
from docmap.schema.family import Family
from docmap.schema.schema import Schema
from docmap.storage.loading import collection_suspended
from docmap_backends.memory import MemoryStorage


class Member(Document, collection="members"):
    email: Annotated[str, Indexed(unique=True)]


class Cleared(MemoryStorage):
    """Another thread clears it between the making of a collection and the first write."""

    left = 1

    def _ensure(self, schema: Schema) -> None:
        super()._ensure(schema)
        if self.left:
            self.left -= 1
            self.clear()


def test_a_collection_cleared_before_the_first_write_keeps_its_indexes() -> None:
    with Cleared() as storage:
        storage.insert(Member(email="a"))
        with pytest.raises(DuplicateKey):
            storage.insert(Member(email="a"))


def test_a_clear_that_waits_for_a_transaction_holds_nobody_up(tmp_path: Path) -> None:
    with connect(f"sqlite:///{tmp_path}/file.db", timeout=60) as storage:
        storage.insert(Member(id="1", email="a"))
        waiting, found = threading.Thread(target=storage.clear), list[Member]()
        reading = threading.Thread(target=lambda: found.extend(storage.find(Member)), daemon=True)
        with storage.transaction():
            storage.insert(Member(email="b"))
            waiting.start()
            waiting.join(0.1)
            reading.start()
            reading.join(60)
            assert [member.id for member in found] == ["1"]
        waiting.join()
        assert storage.find(Member).count() == 0


class _Joining:
    """A class of a family; while it is looked at, another thread defines one more."""

    def __init__(self, family: Family, base: type, late: object) -> None:
        self._family = family
        self._base = base
        self._late: object | None = late

    @property
    def __mro__(self) -> tuple[Any, ...]:
        late, self._late = self._late, None
        if late is not None:
            self._family.join(late, "late")
        return (self._base,)


def test_a_class_defined_while_a_condition_is_made_is_in_the_next() -> None:
    class Base:
        pass

    class Late(Base):
        pass

    family = Family("_class")
    early = _Joining(family, Base, Late)
    family.join(early, "early")
    family.condition(Base)
    found = family.condition(Base)
    assert isinstance(found, Compare)
    assert found.value == ("early", "late")


if hasattr(os, "fork"):

    def test_a_child_forked_while_documents_are_made_collects_garbage() -> None:
        assert gc.isenabled()
        with collection_suspended():
            assert not gc.isenabled()
            child = os.fork()
            if child == 0:
                os._exit(0 if gc.isenabled() else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert gc.isenabled()
