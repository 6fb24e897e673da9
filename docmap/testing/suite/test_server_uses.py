"""What is hard on servers' clients: forks, documents of many megabytes, secrets in their URLs."""

from __future__ import annotations

import json
import pickle
import traceback
from typing import Any

import pytest

from docmap import DocmapError, NotConnected
from docmap.storage.load import adapter
from docmap.testing.collecting import requires
from docmap.testing.disturbed import BEFORE, SOON, Disturbed, state
from docmap.testing.notes import Counter, Note, note
from docmap.testing.processes import Forker

SECRET = "hunter2-correct-horse"  # noqa: S105 - what must not be shown
LARGE = 17 * 2**20
"""Characters of a text: more than MongoDB keeps in a document."""


@requires("server", "posix")
def test_a_forked_child_leaves_the_parents_connections_alone(forker: Forker) -> None:
    told = {word: rest for word, *rest in forker.told("fork_on_a_server")}
    uses, (stream,) = told["child"]
    assert set(uses) <= {"NotConnected", "worked"}
    assert stream in {"NotConnected", "worked"}  # what was read ahead may still come
    assert told["status"] == [0]
    assert told["stream"] == [2999]
    assert told["parent"] == [["worked", "worked"]]


@requires("server")
def test_a_document_of_many_megabytes_is_kept_or_refused(disturbed: Disturbed) -> None:
    db = disturbed.open()
    large = Note(id="large", number=1, words=[], ratio=0.5, text="x" * LARGE)
    try:
        db.insert(large)
    except DocmapError as error:
        assert "x" * 100 not in f"{error} {error!r}"
        assert db.find(Note).count() == 0
    else:
        assert db.get(Note, "large") == large
    db.upsert(note("small", 1))
    assert disturbed.direct.get(Note, "small") == note("small", 1)
    assert state(db) == BEFORE


@requires("server")
def test_a_password_of_a_server_is_shown_nowhere(disturbed: Disturbed) -> None:
    scheme, _, rest = disturbed.url.partition("://")
    place = rest.rpartition("@")[2]
    url = f"{scheme}://ann:{SECRET}@{place}"
    shown: list[Any] = []
    storage = adapter(scheme)(url)
    shown += [repr(storage), str(storage), repr(storage.url), str(storage.url), vars(storage)]
    shown += [error_of(lambda: storage.get(Counter, "a")), error_of(lambda: pickle.dumps(storage))]
    here = f"127.0.0.1:{disturbed.proxy.port}"
    urls = [url, url.replace(here, f"nowhere.invalid:{disturbed.proxy.port}")]
    urls += [url.replace(here, "127.0.0.1:x"), f"{url}{'&' if '?' in url else '?'}timeot=3"]
    shown += [error_of(lambda one=one: disturbed.open(one, timeout=SOON)) for one in urls]
    for harm in ("freeze", "refuse"):
        getattr(disturbed.proxy, harm)()
        shown.append(error_of(lambda: disturbed.open(url, timeout=SOON)))
        disturbed.melt()
    assert [one for one in map(str, shown) if SECRET in one] == []


def error_of(use: Any) -> str:
    """All that an error shows, with those that caused it; what it attaches is in it too."""
    try:
        use()
    except Exception as error:  # noqa: BLE001 - of any kind
        chain: list[BaseException] = []
        one: BaseException | None = error
        while one is not None and one not in chain:
            chain.append(one)
            one = one.__cause__ or one.__context__
        told = [f"{one} {one!r} {one.args} {vars(one)}" for one in chain]
        return "\n".join([*told, *traceback.format_exception(error)])
    return ""


@requires("server")
def test_the_password_in_use_is_shown_nowhere(disturbed: Disturbed) -> None:
    user, _, _ = disturbed.url.partition("://")[2].rpartition("@")
    password = user.partition(":")[2]
    db = disturbed.open(timeout=4 * SOON)
    soon = db.options(timeout=SOON)
    shown: list[Any] = [repr(db), str(db), repr(db.url), str(db.url), vars(db)]
    shown += [json.dumps(db.info(), default=str), db.find(Counter).explain()]
    for harm in ("cut", "freeze", "refuse"):
        getattr(disturbed.proxy, harm)()
        shown += [error_of(lambda: state(soon)), error_of(lambda: soon.upsert(Counter(id="a")))]
        shown.append(error_of(db.reconnect))
        disturbed.melt()
        if not db.is_open:
            db.connect()
    assert not password or [one for one in map(str, shown) if password in one] == []


@requires("server")
def test_a_storage_does_not_travel_to_another_process(disturbed: Disturbed) -> None:
    db = disturbed.open()
    with pytest.raises((DocmapError, TypeError, pickle.PicklingError)) as caught:
        pickle.dumps(db)
    assert not isinstance(caught.value, NotConnected)
    assert state(db) == BEFORE
