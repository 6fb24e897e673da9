"""From a URL to its adapter, and what each failure on the way says to do."""

from __future__ import annotations

import pytest

from docmap.errors import InvalidConfig
from docmap.storage import load as loading
from docmap.storage.load import adapter, load, schemes
from docmap.storage.url import URL
from tests.adapters import install
from tests.unit.fake import Fake

FAKE = "tests.unit.fake:Fake"
INSTALLED = {
    "fake": FAKE,
    "mongodb": FAKE,
    "sqlite": FAKE,
    "tinydb": "a_driver_that_is_not_there.adapter:Adapter",
    "mine": "my_adapter_is_not_there:Adapter",
    "postgresql": "tests.unit.unusable:Adapter",
    "torn": "docmap_backends.not_there:Adapter",
}


@pytest.fixture(autouse=True)
def adapters(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The adapters that are installed, as name to value; a test may change them."""
    found = dict(INSTALLED)
    install(monkeypatch, found)
    return found


def test_an_adapter_is_found_by_its_entry_point() -> None:
    found = load("fake://host/x?timeout=2", timeout=3)
    assert type(found) is Fake
    assert found.opened == 0
    assert found.url == URL.parse("fake://host/x?timeout=2")
    assert adapter("mongodb+srv") is Fake
    assert load("mongodb+srv://host").url == URL.parse("mongodb+srv://host")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "fakee://",
            "no storage engine has the scheme 'fakee'; did you mean 'fake'.* Installed are: ",
        ),
        ("postgres://h", "did you mean 'postgresql'"),
        ("postgresql+psycopg://h", "did you mean 'postgresql'"),
        ("mongo://h", "did you mean 'mongodb'"),
        ("postgresql://h", r"cannot be loaded: .* is missing: pip install 'docmap\[postgresql\]'"),
        ("sqlite3://", "did you mean 'sqlite'"),
        ("zzzzzzz://", "the scheme 'zzzzzzz'. Installed are: fake, mine, mongodb"),
        ("leveldb:///x", r"leveldb:// has no adapter installed: pip install 'docmap\[leveldb\]'"),
        ("shelve:///x", "this version of docmap has no adapter for shelve://. Installed are: "),
        ("tinydb:///x", r"needs the module a_driver_that_is_not_there.*'docmap\[tinydb\]'"),
        ("mine://", "needs the module my_adapter_is_not_there.*: install what provides it"),
        ("sqlite://app.db", "takes no host, and .* three slashes: sqlite:///app.db"),
        ("memory://x", "memory:// takes no host"),
        ("fake://?timeuot=1", "fake has no option 'timeuot'; did you mean 'timeout'"),
    ],
)
def test_what_cannot_be_loaded_says_what_to_do(url: str, message: str) -> None:
    with pytest.raises(InvalidConfig, match=message):
        load(url)


def test_an_adapter_that_an_extra_brings_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("docmap.storage.load._extras", lambda: frozenset({"rqlite"}))
    with pytest.raises(
        InvalidConfig, match=r"no adapter installed: pip install 'docmap\[rqlite\]'"
    ):
        load("rqlite://h")


def test_the_missing_driver_is_the_cause() -> None:
    with pytest.raises(InvalidConfig) as caught:
        load("tinydb:///x")
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)
    assert caught.value.engine == "tinydb"


def test_a_driver_that_fails_is_the_cause() -> None:
    with pytest.raises(InvalidConfig) as caught:
        load("postgresql://ann:secret@h/db")
    assert type(caught.value.__cause__) is ImportError
    assert caught.value.engine == "postgresql"
    assert "secret" not in str(caught.value)


def test_a_broken_installation_of_docmap_is_not_blamed_on_a_driver() -> None:
    with pytest.raises(ModuleNotFoundError, match="docmap_backends"):
        load("torn://")


def test_an_adapter_installed_later_is_found(adapters: dict[str, str]) -> None:
    with pytest.raises(InvalidConfig):
        load("later://")
    adapters["later"] = FAKE
    assert type(load("later://")) is Fake
    assert "later" in schemes()


def test_two_adapters_for_a_scheme_are_refused(adapters: dict[str, str]) -> None:
    adapters["fake2"] = FAKE  # the same one twice is no trouble
    assert type(load("fake://")) is Fake
    adapters["fake2"] = "other:Adapter"
    loading._entry_points.cache_clear()
    with pytest.raises(InvalidConfig, match="two adapters are installed for fake://"):
        load("fake://")
