"""Pickled values: plain data comes out as it went in, and nothing else does anything at all."""

from __future__ import annotations

import collections
import pickle
import random
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docmap_backends._shelve_pickles import plain_data
from docmap_backends._shelve_plain import NotPlain

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
SHARED = UUID(int=7)
PLAIN: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    255,
    65_536,
    -(2**31),
    2**63,
    -(10**300),
    1.5,
    float("inf"),
    "",
    "é\n\\ \u20ac \U0001f600",
    b"",
    b"\x00\xff bytes",
    [],
    (),
    {},
    set(),
    frozenset(),
    [1, [2, [3]]],
    (1,),
    (1, 2),
    (1, 2, 3),
    (1, 2, 3, 4),
    {"a": {"b": [1]}, 2: (3,), (4, 5): None},
    {1, "a", (2, 3)},
    frozenset({frozenset({1})}),
    [[]] * 3,
    Decimal("1.10"),
    Decimal("-1E+20"),
    datetime(2024, 2, 29, 23, 59, 58, 999_999),  # noqa: DTZ001
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 1, 2, 3, 4, tzinfo=timezone(timedelta(hours=-5))),
    datetime(2024, 10, 27, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=1),
    date(2024, 2, 29),
    time(23, 59, 58, 7),
    time(1, 2, tzinfo=UTC),
    timedelta(days=-3, microseconds=5),
    UTC,
    UUID("12345678-1234-5678-1234-567812345678"),
    [SHARED, {"again": SHARED}, SHARED],
    list(range(2_000)),
    {str(number): number for number in range(2_000)},
]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("value", PLAIN, ids=[str(number) for number in range(len(PLAIN))])
def test_plain_data_comes_out_as_it_went_in(value: Any, protocol: int) -> None:
    pickled = pickle.dumps(value, protocol)
    found = plain_data(pickled)
    assert found == value
    # Some protocols write less than there is.
    assert repr(found) == repr(pickle.loads(pickled))  # noqa: S301 - it was made here


def test_what_is_built_costs_the_same_among_many() -> None:
    many = [UUID(int=number) for number in range(30_000)]
    assert plain_data(pickle.dumps([many, many[5], many])) == [many, many[5], many]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_relatives_of_dict_and_bytes_become_these(protocol: int) -> None:
    values = [
        collections.OrderedDict(a=1, b=[2]),
        collections.defaultdict(list, {"a": [1]}),
        bytearray(b"\x00\xff"),
    ]
    found = plain_data(pickle.dumps(values, protocol))
    assert found == [{"a": 1, "b": [2]}, {"a": [1]}, b"\x00\xff"]


def test_pickles_of_python_2_are_read() -> None:
    assert plain_data(b"(dp0\nS'name'\np1\nVAnn\np2\nsS'n'\nI5\nsS'ok'\nI01\ns.") == {
        "name": "Ann",
        "n": 5,
        "ok": True,
    }
    moment = b"cdatetime\ndatetime\n(U\x0a\x07\xe8\x02\x1d\x00\x00\x00\x00\x00\x00tR."
    assert plain_data(moment) == datetime(2024, 2, 29)  # noqa: DTZ001
    assert plain_data(b"U\x02\xff\xfe.") == b"\xff\xfe"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.text() | st.integers(), inner)
            | st.tuples(inner, inner)
        ),
        max_leaves=20,
    ),
    st.sampled_from(PROTOCOLS),
)
def test_any_plain_data_comes_out_as_it_went_in(value: Any, protocol: int) -> None:
    assert repr(plain_data(pickle.dumps(value, protocol))) == repr(value)


# -- planted


class Planted:
    """What its pickle calls when it is loaded."""

    def __init__(self, function: Any, *arguments: Any, state: Any = None) -> None:
        self.call = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self) -> Any:
        return self.call


def touching(place: Path) -> list[bytes]:
    """Pickles each of which would make the file `place` if it were loaded."""
    import builtins
    import os
    import subprocess

    command = f"touch {place}"
    code = f"open({str(place)!r}, 'w')"
    calls = [
        Planted(os.system, command),
        Planted(subprocess.call, ["touch", str(place)]),
        Planted(builtins.eval, code),
        Planted(builtins.exec, code),
        Planted(builtins.open, str(place), "w"),
        Planted(os.mkdir, str(place)),
        Planted(Path.touch, place),
        Planted(map, os.mkdir, [str(place)]),
    ]
    wrapped: list[Callable[[Any], Any]] = [
        lambda one: one,
        lambda one: {"a": one},
        lambda one: [one],
        lambda one: (1, {"b": [one]}),
        lambda one: Planted(set, [one]),
        lambda one: Planted(collections.OrderedDict, [(1, one)]),
    ]
    made = [
        pickle.dumps(wrap(call), protocol)
        for call in calls
        for wrap in wrapped
        for protocol in PROTOCOLS
    ]
    text = command.encode()
    written = [
        b"cos\nsystem\n(S'" + text + b"'\ntR.",
        b"(S'" + text + b"'\nios\nsystem\n.",
        b"(cos\nsystem\nS'" + text + b"'\no.",
        b"c__builtin__\neval\n(V" + code.encode() + b"\ntR.",
        b"cbuiltins\ngetattr\n(cos\nsystem\nS'__call__'\ntR(S'" + text + b"'\ntR.",
        b"cbuiltins\ngetattr\n(cuuid\nUUID\nS'__class__'\ntR.",
        b"cuuid\nUUID\n)\x81}S'__class__'\ncos\nsystem\nsb.",
        b"cuuid\nUUID\n)\x81(S'int'\ncos\nsystem\ndb.",
        b"cdatetime\ndatetime.__subclasses__\n)R.",
        b"cdecimal\nos.system\n(S'" + text + b"'\ntR.",
        b"ccollections\ndefaultdict\n(cos\nsystem\ntR.",
        b"ccopyreg\n_reconstructor\n(cos\nsystem\ncbuiltins\nobject\nNtR.",
        b"ccopyreg\n_reconstructor\n(cuuid\nUUID\ncbuiltins\nobject\nS'x'\ntR.",
        b"\x80\x02\x82\x01.",
        b"Pname\n.",
        b"S'name'\nQ.",
        b"\x80\x05\x97.",
        b"c_codecs\nencode\n(Vabc\nVrot13\ntR.",
    ]
    return made + written


def test_nothing_planted_is_ever_run(tmp_path: Path) -> None:
    place = tmp_path / "planted"
    payloads = touching(place)
    assert len(payloads) >= 200
    for payload in payloads:
        with pytest.raises(NotPlain):
            plain_data(payload)
        assert not place.exists()


def test_a_planted_pickle_would_run_where_it_is_loaded(tmp_path: Path) -> None:
    place = tmp_path / "planted"
    pickle.loads(touching(place)[0])  # noqa: S301 - that is what is shown
    assert place.exists()


def test_what_unfolds_without_end_is_refused() -> None:
    wide: Any = ["x"]
    for _ in range(60):
        wide = [wide, wide]
    deep: Any = []
    for _ in range(150):
        deep = [deep]
    keys: Any = (1,)
    for _ in range(60):
        keys = (keys, keys)
    long = ["x" * 1_000_000] * 50
    # Python itself would hash such tuples for ever: the instructions are written out.
    nested = b"K\x01" + b"2\x86" * 60
    for payload in (
        pickle.dumps(wide),
        pickle.dumps(deep),
        pickle.dumps(long),
        b"}" + nested + b"Ns.",
        b"\x8f(" + nested + b"\x90.",
        b"(" + nested + b"\x91.",
        b"c__builtin__\nset\n((" + nested + b"ltR.",
    ):
        with pytest.raises(NotPlain):
            plain_data(payload)
    looped: list[Any] = []
    looped.append(looped)
    with pytest.raises(NotPlain):
        plain_data(pickle.dumps(looped))


def test_damaged_pickles_are_refused_or_read(rng: random.Random) -> None:
    whole = pickle.dumps({"a": [1, 2.5, "text"], "b": {"c": b"bytes", "d": Decimal(5)}})
    for size in range(len(whole)):
        with pytest.raises(NotPlain):
            plain_data(whole[:size])
    for _ in range(3_000):
        torn = bytearray(whole)
        for _ in range(rng.randrange(1, 4)):
            torn[rng.randrange(len(torn))] = rng.randrange(256)
        try:
            plain_data(bytes(torn))
        except NotPlain:
            continue


@settings(max_examples=300)
@given(st.binary(max_size=60))
def test_any_bytes_are_refused_or_read(data: bytes) -> None:
    try:
        plain_data(data)
    except NotPlain:
        return
