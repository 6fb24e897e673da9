"""The proxy of the fault tests does to connections what it says, and heals."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from time import monotonic, sleep

import pytest

from docmap.testing.proxy import Proxy
from tests.servers import running

PATIENCE = 30.0  # seconds for what must come
SILENCE = 0.3  # seconds in which nothing may come


@pytest.fixture
def arrived() -> list[bytes]:
    """What the server of this test was told; threads of an earlier test's have a list of theirs."""
    return []


@pytest.fixture
def echo(arrived: list[bytes]) -> Iterator[str]:
    """The URL of a server that gives back what it is told."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_serve, args=(server, arrived), daemon=True).start()
        yield f"echo://ann:s%40@127.0.0.1:{server.getsockname()[1]}/name?x=1"
        server.shutdown(socket.SHUT_RDWR)


def _serve(server: socket.socket, arrived: list[bytes]) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=_answer, args=(connection, arrived), daemon=True).start()


def _answer(connection: socket.socket, arrived: list[bytes]) -> None:
    with connection:
        try:
            while data := connection.recv(1000):
                arrived.append(data)
                connection.sendall(data)
        except ConnectionError:
            arrived.append(b"reset")


@pytest.fixture
def proxy(echo: str) -> Iterator[Proxy]:
    with Proxy(echo) as proxy:
        yield proxy


@pytest.fixture
def connected(proxy: Proxy) -> Iterator[Callable[[], socket.socket]]:
    """Makes clients that wait longer than a busy machine needs."""
    made: list[socket.socket] = []

    def connect() -> socket.socket:
        made.append(socket.create_connection(("127.0.0.1", proxy.port), timeout=PATIENCE))
        return made[-1]

    yield connect
    for one in made:
        one.close()


Connected = Callable[[], socket.socket]


def said(client: socket.socket, data: bytes) -> bytes:
    client.sendall(data)
    return client.recv(1000)


def was_told(arrived: list[bytes], data: bytes) -> bool:
    """True once the server has heard it, whose thread may have to wait for its turn."""
    end = monotonic() + PATIENCE
    while data not in arrived and monotonic() < end:
        sleep(0.01)
    return data in arrived


def heard_nothing(client: socket.socket, data: bytes) -> bool:
    """True if nothing comes back for a while."""
    client.settimeout(SILENCE)
    try:
        said(client, data)
    except TimeoutError:
        return True
    finally:
        client.settimeout(PATIENCE)
    return False


def test_the_url_of_the_proxy_is_the_servers_but_for_the_place(proxy: Proxy) -> None:
    assert proxy.url == f"echo://ann:s%40@127.0.0.1:{proxy.port}/name?x=1"


@pytest.mark.parametrize("url", ["echo://host/name", "echo://one:1,two:2/name", "host:1"])
def test_a_url_that_names_no_one_server_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="one host and its port"):
        Proxy(url)


def test_data_passes_in_both_directions(proxy: Proxy, connected: Connected) -> None:
    one, two = connected(), connected()
    assert (said(one, b"a"), said(two, b"b"), said(one, b"c")) == (b"a", b"b", b"c")
    assert proxy.connections == 2


def test_a_cut_ends_what_is_there_and_no_more(proxy: Proxy, connected: Connected) -> None:
    one = connected()
    assert said(one, b"a") == b"a"
    proxy.cut()
    with pytest.raises(ConnectionError):
        said(one, b"b")
    assert said(connected(), b"c") == b"c"


def test_a_refused_connection_is_taken_again_when_healed(
    proxy: Proxy, connected: Connected
) -> None:
    one = connected()
    assert said(one, b"a") == b"a"
    proxy.refuse()
    with pytest.raises(ConnectionError):
        said(one, b"b")
    with pytest.raises(ConnectionRefusedError):
        connected()
    proxy.heal()
    assert said(connected(), b"c") == b"c"


def test_nothing_is_lost_in_the_frost(
    proxy: Proxy, connected: Connected, arrived: list[bytes]
) -> None:
    one = connected()
    assert said(one, b"a") == b"a"
    proxy.freeze()
    assert heard_nothing(one, b"b")
    two = connected()
    assert heard_nothing(two, b"c")
    assert arrived == [b"a"]
    proxy.heal()
    assert (one.recv(10), two.recv(10)) == (b"b", b"c")


def test_a_delay_comes_before_each_piece(proxy: Proxy, connected: Connected) -> None:
    one = connected()
    proxy.delay(SILENCE)  # there, and back once more
    assert heard_nothing(one, b"a")
    assert one.recv(10) == b"a"


def test_swallowed_replies_never_come(
    proxy: Proxy, connected: Connected, arrived: list[bytes]
) -> None:
    one = connected()
    proxy.swallow()
    assert heard_nothing(one, b"a")
    assert was_told(arrived, b"a")
    proxy.heal()
    with pytest.raises(ConnectionError):
        said(one, b"b")
    assert said(connected(), b"c") == b"c"


def test_a_lost_request_does_not_arrive(
    proxy: Proxy, connected: Connected, arrived: list[bytes]
) -> None:
    one, two = connected(), connected()
    proxy.lose_request(b"CoMMit")
    assert said(one, b"a") == b"a"
    assert not proxy.lost.is_set()
    with pytest.raises(ConnectionError):
        said(two, b"please commit")
    assert proxy.lost.is_set()
    assert b"please commit" not in arrived
    assert said(one, b"please commit") == b"please commit"  # once


def test_a_lost_reply_is_to_what_was_done(
    proxy: Proxy, connected: Connected, arrived: list[bytes]
) -> None:
    one, two = connected(), connected()
    proxy.lose_reply(b"commit")
    with pytest.raises(ConnectionError):
        said(two, b"COMMIT")
    assert proxy.lost.is_set()
    assert arrived[0] == b"COMMIT"
    assert said(one, b"commit") == b"commit"


def test_a_reply_can_be_cut_in_its_middle(proxy: Proxy, connected: Connected) -> None:
    one = connected()
    assert said(one, b"abc") == b"abc"
    proxy.cut_reply(5)
    assert said(one, b"abc") == b"abc"
    one.sendall(b"defg")
    assert one.recv(10) == b"de"
    with pytest.raises(ConnectionError):
        one.recv(10)
    assert proxy.lost.is_set()


def test_a_half_closed_connection_still_takes_what_is_said(
    proxy: Proxy, connected: Connected
) -> None:
    one = connected()
    assert said(one, b"a") == b"a"
    proxy.half_close()
    assert said(one, b"b") == b""


def test_a_proxy_before_nothing_resets() -> None:
    with (
        Proxy(f"echo://127.0.0.1:{running.free_port()}") as proxy,
        pytest.raises(ConnectionError),
        socket.create_connection(("127.0.0.1", proxy.port), timeout=PATIENCE) as client,
    ):
        said(client, b"a")
