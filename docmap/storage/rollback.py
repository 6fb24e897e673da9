"""What a transaction takes back on documents when it is undone: their state, and counted keys."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import ref

from docmap.storage.bridge import Local
from docmap.storage.loading import STATE, State, state_of

if TYPE_CHECKING:
    from docmap.storage.lifecycle import Lifecycle


class _Note(NamedTuple):
    """A document as it was before it was stored inside a transaction."""

    document: ref[Any]
    state: State | None
    counted_key: str | None
    """The key field, if the storage gave the key."""


class _Open(Local):
    """The transactions that are open in a thread or task, the innermost last, with their notes."""

    stack: tuple[tuple[Lifecycle, list[_Note]], ...] = ()


_open = _Open()


@contextmanager
def taking_back(storage: Lifecycle) -> Iterator[None]:
    """Give documents the state that they had before the block, if an exception leaves it."""
    notes: list[_Note] = []
    try:  # twice, as an interrupt can keep one line from running
        try:
            _open.stack = (*_open.stack, (storage, notes))
            yield
        except BaseException:
            for note in reversed(notes):
                _take_back(note)
            raise
        else:
            for outer, kept in reversed(_open.stack):
                if kept is not notes and outer.same(storage):
                    kept.extend(notes)
                    break
        finally:
            _forget(notes)
    finally:
        _forget(notes)


def _forget(notes: list[_Note]) -> None:
    _open.stack = tuple(one for one in _open.stack if one[1] is not notes)


def note(storage: Lifecycle, document: Any, counted_key: str | None = None) -> None:
    """Remember how a document is before it is noted as stored, while a transaction is open."""
    for outer, notes in reversed(_open.stack):
        if outer.same(storage):
            notes.append(_Note(ref(document), state_of(document), counted_key))
            break


def _take_back(note: _Note) -> None:
    document = note.document()
    if document is None:
        return
    if note.state is not None:
        object.__setattr__(document, STATE, note.state)
    elif state_of(document) is not None:
        object.__delattr__(document, STATE)
    if note.counted_key is not None:
        document.__dict__[note.counted_key] = None
