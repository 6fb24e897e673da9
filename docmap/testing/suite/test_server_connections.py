"""Connections that are lost, and servers that are away: a named error, and then it works again."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from docmap import OutcomeUnknown, StorageError, Unavailable
from docmap.testing.collecting import requires
from docmap.testing.disturbed import (
    BEFORE,
    NAME,
    READS,
    SOON,
    WRITES,
    Disturbed,
    allowed,
    state,
    tried,
)
from docmap.testing.notes import Counter, Note, note
from docmap.testing.unreachable import silent_port


@requires("server")
@pytest.mark.parametrize("name", READS)
def test_a_read_after_idle_connections_were_lost_works(name: str, disturbed: Disturbed) -> None:
    read, expected = READS[name]
    db = disturbed.open()
    for _ in range(3):
        assert read(db) == expected
        disturbed.proxy.cut()
    assert read(db) == expected


@requires("server")
@pytest.mark.parametrize("name", WRITES)
def test_a_write_after_idle_connections_were_lost_is_told_truly(
    name: str, disturbed: Disturbed
) -> None:
    db, write = disturbed.open(), WRITES[name]
    use = write.make(db)
    disturbed.proxy.cut()
    error = tried(use)
    assert state(disturbed.direct) in allowed(error, write.after)
    assert state(db) == state(disturbed.direct)


@requires("server")
@pytest.mark.parametrize("name", WRITES)
def test_a_write_that_did_not_arrive_is_told_truly(name: str, disturbed: Disturbed) -> None:
    db, write = disturbed.open(), WRITES[name]
    use = write.make(db)
    disturbed.proxy.lose_request(NAME)
    error = tried(use)
    assert disturbed.proxy.lost.is_set()
    assert state(disturbed.direct) in allowed(error, write.after)
    assert state(db) == state(disturbed.direct)
    db.upsert(Counter(id="z", value=9))
    assert disturbed.direct.get(Counter, "z").value == 9


@requires("server")
@pytest.mark.parametrize("name", WRITES)
def test_a_write_whose_reply_was_lost_is_told_truly(name: str, disturbed: Disturbed) -> None:
    """It is done: nobody may say that it is not, and nobody may do it again."""
    db, write = disturbed.open(), WRITES[name]
    use = write.make(db)
    disturbed.proxy.lose_reply(NAME)
    error = tried(use)
    assert disturbed.proxy.lost.is_set()
    assert state(disturbed.direct) in allowed(error, write.after)
    if isinstance(error, OutcomeUnknown):
        assert "get" in str(error)  # what to look at
    assert state(db) == state(disturbed.direct)
    db.upsert(Counter(id="z", value=9))
    assert disturbed.direct.get(Counter, "z").value == 9


@requires("server")
@pytest.mark.parametrize("name", READS)
@pytest.mark.parametrize("what", ["request", "reply"])
def test_a_read_that_is_cut_works_or_is_unavailable(
    name: str, what: str, disturbed: Disturbed
) -> None:
    read, expected = READS[name]
    db = disturbed.open()
    assert read(db) == expected
    lose = disturbed.proxy.lose_reply if what == "reply" else disturbed.proxy.lose_request
    lose(b"")
    try:
        assert read(db) == expected
    except Unavailable as error:
        assert error.engine == db.scheme
    assert disturbed.proxy.lost.is_set()
    assert read(db) == expected


@requires("server")
@pytest.mark.parametrize("after", [1, 20_000, 1_000_000, 4_000_000])
def test_a_stream_that_is_cut_never_ends_early(after: int, disturbed: Disturbed) -> None:
    count = 2000  # of three kilobytes
    disturbed.direct.insert_many([note(f"{number}", number) for number in range(count)])
    db = disturbed.open()
    db.ping()
    disturbed.proxy.cut_reply(after)
    seen: list[str] = []
    try:
        seen.extend(one.id for one in db.find(Note))
    except Unavailable:
        assert len(seen) < count
    else:
        assert len(seen) == count
    assert disturbed.proxy.lost.is_set()
    assert len({one.id for one in db.find(Note)}) == count


@requires("server")
def test_a_connection_that_was_half_closed_is_not_used_again(disturbed: Disturbed) -> None:
    db = disturbed.open()
    assert state(db) == BEFORE
    disturbed.proxy.half_close()
    assert state(db) == BEFORE
    disturbed.proxy.half_close()
    error = tried(lambda: db.upsert(Counter(id="a", value=5)))
    assert state(disturbed.direct) in allowed(error, {"a": 5, "b": 2})
    db.upsert(Counter(id="a", value=7))
    assert state(db) == {"a": 7, "b": 2}


@requires("server")
def test_lost_connections_leave_their_places_in_the_pool(disturbed: Disturbed) -> None:
    db = disturbed.open(pool_size=1, timeout=20 * SOON)
    for number in range(3):
        before = state(db)
        disturbed.proxy.lose_reply(NAME)
        error = tried(partial(db.upsert, Counter(id="z", value=number)))
        assert disturbed.proxy.lost.is_set()
        assert state(db) in allowed(error, {**BEFORE, "z": number}, before)
    db.upsert(Counter(id="z", value=9))
    assert state(db) == {**BEFORE, "z": 9}


@requires("server")
def test_a_server_that_is_away_is_unavailable_until_it_is_back(disturbed: Disturbed) -> None:
    db = disturbed.open()
    loaded = db.get(Counter, "a")
    soon = db.options(timeout=SOON)
    disturbed.proxy.refuse()
    loaded.value = 6
    uses: list[Callable[[], Any]] = [
        lambda: state(soon),
        lambda: soon.find(Counter).count(),
        lambda: soon.save(loaded),
        lambda: soon.insert(Counter(id="c")),
        lambda: soon.delete(Counter, "a"),
        soon.collections,
    ]
    for use in uses:
        with disturbed.in_time(), pytest.raises((Unavailable, OutcomeUnknown)) as caught:
            use()
        assert caught.value.engine == db.scheme
    with pytest.raises(Unavailable, match=f"127.0.0.1.*{disturbed.proxy.port}"):
        state(soon)
    disturbed.proxy.heal()
    assert state(db) == BEFORE
    loaded.save()
    assert state(disturbed.direct) == {"a": 6, "b": 2}


@requires("server", "restart")
def test_a_server_that_was_restarted_is_used_again(disturbed: Disturbed) -> None:
    db = disturbed.open()
    for number in range(2):
        before = state(db)
        disturbed.restart()
        found = state(db)
        assert found in (before, {})  # a stand-in may keep its data in memory
        db.upsert(Counter(id="z", value=number))
        assert state(db) == {**found, "z": number}


@requires("server")
def test_a_server_that_refuses_connections_is_named(disturbed: Disturbed) -> None:
    disturbed.proxy.refuse()
    with (
        disturbed.in_time(),
        pytest.raises(Unavailable, match=f"127.0.0.1.*{disturbed.proxy.port}"),
    ):
        disturbed.open(timeout=SOON)


@requires("server")
def test_a_server_that_takes_connections_and_says_nothing_is_named(disturbed: Disturbed) -> None:
    disturbed.proxy.freeze()
    with (
        disturbed.in_time(),
        pytest.raises(Unavailable, match=f"127.0.0.1.*{disturbed.proxy.port}"),
    ):
        disturbed.open(timeout=SOON)


@requires("server")
def test_a_server_that_cannot_be_reached_is_named(disturbed: Disturbed) -> None:
    with silent_port() as port:
        url = disturbed.url.replace(f":{disturbed.proxy.port}", f":{port}")
        with disturbed.in_time(), pytest.raises(Unavailable, match=f"127.0.0.1.*{port}"):
            disturbed.open(url, timeout=SOON)


@requires("server")
def test_a_host_without_an_address_is_named(disturbed: Disturbed) -> None:
    url = disturbed.url.replace("127.0.0.1", "nowhere.invalid")
    with disturbed.in_time(), pytest.raises(StorageError, match="nowhere.invalid"):
        disturbed.open(url, timeout=SOON)
