"""URLs of storages: their parts, what is refused, and that a password never shows."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
import traceback
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docmap.errors import InvalidConfig
from docmap.storage.options import read_options
from docmap.storage.url import URL, Host, Secret, hide_passwords

HUNTER = "hunter2"

PARTS: list[tuple[str, URL]] = [
    ("memory://", URL("memory")),
    ("sqlite://", URL("sqlite")),
    ("sqlite:///app.db", URL("sqlite", path="app.db")),
    ("sqlite:///data/app.db", URL("sqlite", path="data/app.db")),
    ("sqlite:////srv/app.db", URL("sqlite", path="/srv/app.db")),
    ("sqlite:///C:/data/app.db", URL("sqlite", path="C:/data/app.db")),
    (
        "sqlite:///a%20b%25%3F.db?timeout=2",
        URL("sqlite", path="a b%?.db", options={"timeout": "2"}),
    ),
    ("sqlite:///ann@home#1.db", URL("sqlite", path="ann@home#1.db")),
    ("sqlite:///é.db", URL("sqlite", path="é.db")),
    (" SQLite:///app.db\n", URL("sqlite", path="app.db")),
    ("mongodb://db.example", URL("mongodb", hosts=(Host("db.example"),))),
    (
        "mongodb://ann:s%40%2F%3A@a:27017,b,[::1]:27018/shop?w=2&appName=x+y",
        URL(
            "mongodb",
            "ann",
            Secret("s@/:"),
            (Host("a", 27017), Host("b"), Host("::1", 27018)),
            "shop",
            {"w": "2", "appName": "x y"},
        ),
    ),
    ("mongodb+srv://a.example/x", URL("mongodb+srv", hosts=(Host("a.example"),), path="x")),
    ("rqlite://h:4001,i:4001", URL("rqlite", hosts=(Host("h", 4001), Host("i", 4001)))),
    ("postgresql:///shop", URL("postgresql", path="shop")),
    ("postgresql://%2Fvar%2Frun/shop", URL("postgresql", hosts=(Host("/var/run"),), path="shop")),
    ("postgresql://ann@h/shop", URL("postgresql", "ann", None, (Host("h"),), "shop")),
    ("postgresql://ann:p@ss@h", URL("postgresql", "ann", Secret("p@ss"), (Host("h"),))),
    ("redis-like.x://h?a=", URL("redis-like.x", hosts=(Host("h"),), options={"a": ""})),
]


@pytest.mark.parametrize(("text", "url"), PARTS, ids=[text for text, _ in PARTS])
def test_parts(text: str, url: URL) -> None:
    assert URL.parse(text) == url
    assert URL.parse(url) is url
    assert URL.parse(url.reveal()) == url


REFUSED: list[tuple[Any, str]] = [
    (None, "is text, not NoneType"),
    ("", "begins with the engine: write sqlite:///app.db"),
    ("app.db", "begins with the engine"),
    ("sqlite:app.db", "begins with the engine"),
    ("://h", "begins with the engine"),
    ("4x://h", "begins with the engine"),
    ("rqlite://h:x", "port that is not a number"),
    ("rqlite://h:0", "port that is not a number"),
    ("rqlite://h:65536", "port that is not a number"),
    ("rqlite://h:٣", "port that is not a number"),
    ("rqlite://a,,b", "an empty host"),
    ("rqlite://:4001", "an empty host"),
    ("rqlite://ann@", "an empty host"),
    ("rqlite://[::1", r"a \[ that begins no IPv6 address"),
    ("rqlite://[::1]4001", r"a \[ that begins no IPv6 address"),
    ("sqlite:///100%.db", "the path in the sqlite URL has a % that begins no escape"),
    ("sqlite:///a%00.db", "control characters"),
    ("sqlite:///a\nb.db", "control characters"),
    ("sqlite:///a%ff.db", "not UTF-8"),
    ("sqlite:///a.db?timeout", "an option without a value"),
    ("sqlite:///a.db?=1", "an option without a value"),
    ("sqlite:///a.db?x=1&x=2", "gives x twice"),
    ("mongodb://h/db?appName=a@b", "an @ after its host"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_refuses(text: Any, message: str) -> None:
    with pytest.raises(InvalidConfig, match=message):
        URL.parse(text)


MISWRITTEN = [
    f"mongodb://ann:{HUNTER}/x@h/db",
    f"mongodb://ann:x/{HUNTER}@h/db",
    f"mongodb://ann:1/{HUNTER}@h/db",
    f"mongodb://ann:1?{HUNTER}@h/db",
    f"mongodb://ann:%zz{HUNTER}@h/db",
    f"mongodb://ann:{HUNTER}@h:port/db",
    f"mongodb://ann:{HUNTER}@h,,i/db",
    f"mongodb://ann:{HUNTER}@[h/db",
    f"mongodb://ann:{HUNTER}@h/db?x",
    f"mongodb://ann:{HUNTER}%00@h/db",
    f"mongodb//ann:{HUNTER}@h",
    f"ann:{HUNTER}://h",
]


@pytest.mark.parametrize("text", MISWRITTEN)
def test_a_miswritten_url_does_not_show_its_password(text: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        URL.parse(text)
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    # The caller's own variables are the caller's.
    inside = [frame for frame in shown.stack if frame.filename != __file__]
    assert inside
    shown.stack = traceback.StackSummary.from_list(inside)
    assert HUNTER not in "".join(shown.format())
    assert HUNTER not in repr(caught.value) + str(caught.value.__dict__)


LOGIN = f"mongodb://ann:{HUNTER}@h/db?w=1&authMechanismProperties=AWS:{HUNTER}&sslPassword={HUNTER}"


@pytest.mark.parametrize(
    "surface",
    [
        str,
        repr,
        lambda url: url.safe,
        lambda url: f"{url} {url!r} {[url]} {url.password} {url.options}",
        lambda url: str(vars_of(url)),
        lambda url: str(dataclasses.asdict(url)),
        lambda url: str(dataclasses.astuple(url)),
        lambda url: json.dumps(dataclasses.asdict(url), default=str),
        lambda url: pickle.dumps(url).decode("latin-1"),
        lambda url: pickle.dumps(copy.deepcopy(url)).decode("latin-1"),
        lambda url: str(url.password.__reduce__()),
        lambda url: hide_passwords(f"--tos {LOGIN} {url}"),
    ],
)
def test_a_password_shows_nowhere(surface: Any) -> None:
    shown = surface(URL.parse(LOGIN))
    assert isinstance(shown, str)
    assert HUNTER not in shown


def vars_of(url: Any) -> Any:
    return {name: getattr(url, name) for name in dir(url) if not name.startswith("__")}


def test_the_password_is_there_for_the_driver() -> None:
    url = URL.parse(LOGIN)
    assert str(url) == "mongodb://ann:***@h/db?w=1&authMechanismProperties=***&sslPassword=***"
    assert url.password == Secret(HUNTER)
    assert hash(url) == hash(copy.deepcopy(url)) == hash(copy.copy(url))
    assert copy.deepcopy(url).reveal() == url.reveal()
    assert url.reveal() == LOGIN.replace("AWS:", "AWS%3A")
    assert url != URL.parse(LOGIN.replace("ann", "bob"))
    assert url.password != HUNTER


def test_a_pickled_password_is_forgotten_and_says_so() -> None:
    again = pickle.loads(pickle.dumps(URL.parse(LOGIN)))  # noqa: S301 - our own bytes
    assert again.hosts == (Host("h"),)
    with pytest.raises(InvalidConfig, match="a password is not pickled"):
        again.reveal()


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1)


@given(TEXT, TEXT, TEXT, st.dictionaries(TEXT, TEXT))
def test_what_is_revealed_parses_as_the_same(
    user: str, password: str, path: str, options: dict[str, str]
) -> None:
    url = URL("x", user, Secret(password), (Host("h", 1),), path, options)
    again = URL.parse(url.reveal())
    assert again.reveal() == url.reveal()
    assert (again.user, again.password, again.hosts) == (user, Secret(password), url.hosts)
    assert again.path == path


TABLE = {"timeout": float, "retries": int, "readonly": bool, "journal": str}


def options_of(url: str, **given: Any) -> dict[str, Any]:
    return read_options(TABLE, URL.parse(url), given, engine="sqlite")


def test_options_have_the_types_of_the_table() -> None:
    assert options_of("x://?timeout=2.5&retries=3&readonly=Yes&journal=wal") == {
        "timeout": 2.5,
        "retries": 3,
        "readonly": True,
        "journal": "wal",
    }
    assert options_of("x://?readonly=off&retries=1", retries=4, timeout=2) == {
        "readonly": False,
        "retries": 4,
        "timeout": 2.0,
    }
    assert type(options_of("x://", timeout=2)["timeout"]) is float
    assert read_options({}, None, {}, engine="memory") == {}


@pytest.mark.parametrize(
    ("url", "given", "message"),
    [
        ("x://?timeuot=2", {}, "sqlite has no option 'timeuot'; did you mean 'timeout'"),
        ("x://", {"speed": 1}, "sqlite has no option 'speed'. Its options are: journal, readonly"),
        ("x://?timeout=soon", {}, "sqlite takes a number for the option timeout"),
        ("x://?retries=1.5", {}, "sqlite takes a whole number for the option retries"),
        ("x://?readonly=maybe", {}, "sqlite takes true or false for the option readonly"),
        ("x://", {"timeout": "2"}, "a number for the option timeout, not str"),
        ("x://", {"timeout": True}, "a number for the option timeout, not bool"),
        ("x://", {"retries": True}, "a whole number for the option retries, not bool"),
        ("x://", {"readonly": 1}, "true or false for the option readonly, not int"),
        ("x://", {"journal": None}, "text for the option journal, not NoneType"),
    ],
)
def test_options_that_cannot_be(url: str, given: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidConfig, match=message) as caught:
        options_of(url, **given)
    assert caught.value.engine == "sqlite"


def test_a_wrong_option_does_not_show_its_value() -> None:
    with pytest.raises(InvalidConfig) as caught:
        options_of(f"x://?timeout={HUNTER}")
    assert HUNTER not in "".join(traceback.format_exception(caught.value))
