"""Storages named by a call, the environment and the files: opened once, closed, forgotten."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import SecretStr

from docmap import config
from docmap.config import (
    configure,
    connect,
    default_storage,
    disconnect_all,
    storage,
    unconfigure,
)
from docmap.errors import InvalidConfig, StorageError
from tests.adapters import install
from tests.unit.fake import Fake

HUNTER = "hunter2"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working directory, an environment that sets nothing, no storage open."""
    install(monkeypatch, {"fake": "tests.unit.fake:Fake"})
    for name in os.environ:
        if name.startswith("DOCMAP_"):
            monkeypatch.delenv(name)
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    Fake.made.clear()
    Fake.slow = None
    yield work
    unconfigure()


def test_connect_opens_and_a_with_block_closes() -> None:
    with connect("fake://h", timeout=1) as db:
        assert isinstance(db, Fake)
        assert (db.opened, db.closed) == (1, 0)
    assert db.closed == 1


# -- named storages


def url_of(alias: str = "default") -> str:
    return str(storage(alias).url)


def test_a_configured_storage_is_opened_once_when_asked_for() -> None:
    configure({"default": "fake://a", "archive": {"url": "fake://b", "timeout": 2.0}})
    assert Fake.made == []
    first = storage()
    assert storage() is first
    assert default_storage() is first
    assert storage("archive") is not first
    assert [one.opened for one in Fake.made] == [1, 1]
    assert url_of("archive") == "fake://b"


def test_many_threads_get_one_storage() -> None:
    Fake.slow = threading.Event()
    configure({"default": "fake://a"})
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(storage())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(Fake.made) == 1
    assert len(found) == 8
    assert set(map(id, found)) == {id(Fake.made[0])}


def test_a_storage_used_in_a_with_block_opens_again() -> None:
    configure({"default": "fake://a"})
    with storage() as db:
        pass
    assert storage() is db
    assert Fake.made[0].opened == 2


def test_disconnect_all_closes_and_keeps_the_settings() -> None:
    configure({"default": "fake://a"})
    first = storage()
    disconnect_all()
    assert Fake.made[0].closed == 1
    assert storage() is not first
    unconfigure()
    assert [one.closed for one in Fake.made] == [1, 1]
    assert default_storage() is None


def test_disconnect_all_closes_the_others_if_one_fails() -> None:
    configure({"a": "fake://h/sticky", "b": "fake://b"})
    storage("a")
    storage("b")
    with pytest.raises(StorageError, match="does not close"):
        disconnect_all()
    assert [one.closed for one in Fake.made] == [1, 1]


def test_a_storage_of_the_program_is_used_as_it_is() -> None:
    mine = Fake(None)
    configure({"default": mine})
    assert storage() is mine
    assert mine.opened == 1
    disconnect_all()
    assert mine.closed == 0


def test_configuring_again_adds_and_replaces_what_is_not_open() -> None:
    configure({"a": "fake://a", "b": "fake://b"})
    configure({"a": "fake://a2"})
    assert (url_of("a"), url_of("b")) == ("fake://a2", "fake://b")
    configure({"a": "fake://a2"})  # the same again
    with pytest.raises(InvalidConfig, match=r"'a' is already open.*docmap\.unconfigure\(\)"):
        configure({"a": "fake://a3", "c": "fake://c"})
    with pytest.raises(InvalidConfig, match="no storage is configured as 'c'"):
        storage("c")


def test_settings_objects_and_hidden_texts() -> None:
    secret = SecretStr(f"fake://ann:{HUNTER}@h")
    configure(SimpleNamespace(storages={"default": secret}))
    configure({"archive": {"url": secret, "password": SecretStr(HUNTER)}})
    assert url_of() == url_of("archive") == "fake://ann:***@h"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("fake://a", "takes a mapping of aliases to URLs"),
        (SimpleNamespace(storage={}), "takes a mapping of aliases to URLs"),
        ({"Archive": "fake://a"}, "'Archive' cannot be an alias"),
        ({"a__b": "fake://a"}, "'a__b' cannot be an alias"),
        ({5: "fake://a"}, "5 cannot be an alias"),
        ({"default": 5}, r"configure\(\): the storage 'default': a storage's URL is text, not int"),
        ({"default": "app.db"}, r"configure\(\): the storage 'default': this is not a storage's"),
        ({"default": {"uri": "x"}}, r"'default' has no url \(is 'uri' meant to be it\?\)"),
        ({"default": {"timeout": 1}}, "'default' has no url$"),
    ],
)
def test_settings_that_cannot_be(settings: Any, message: str) -> None:
    with pytest.raises(InvalidConfig, match=message):
        configure(settings)


def test_an_unknown_alias_lists_the_known_ones() -> None:
    with pytest.raises(
        InvalidConfig,
        match="no storage is configured as 'default'. None is. Configure it with docmap.configure"
        r'\(\{"default": "sqlite:///app.db"\}\), with the environment variable DOCMAP_URL',
    ):
        storage()
    configure({"default": "fake://a", "archive": "fake://b"})
    with pytest.raises(
        InvalidConfig,
        match=r"'archiv'; did you mean 'archive'\? Known are: archive, default\. "
        r".*DOCMAP_STORAGES__ARCHIV,",
    ) as caught:
        storage("archiv")
    assert caught.value.suggestions == ("archive",)


def test_a_failure_to_open_names_the_setting_and_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DOCMAP_URL", "fake://h/broken")
    with pytest.raises(StorageError, match="the fake is broken") as caught:
        storage()
    assert caught.value.__notes__ == [
        "This is the storage 'default' of the environment variable DOCMAP_URL."
    ]
    monkeypatch.setenv("DOCMAP_URL", "fake://h/whole")
    assert url_of() == "fake://h/whole"


def in_a_child(queue: Any) -> None:
    inherited = Fake.made[0]
    own = storage()
    # It is kept, since collecting it would close what the parent uses.
    kept = config._registry._inherited == [inherited]
    queue.put((own is inherited, len(Fake.made), inherited.closed, kept))


if hasattr(os, "fork"):

    def test_a_forked_child_opens_its_own() -> None:
        configure({"default": "fake://a"})
        parent = storage()
        context = multiprocessing.get_context("fork")
        queue = context.SimpleQueue()
        child = context.Process(target=in_a_child, args=(queue,))
        child.start()
        assert queue.get() == (False, 2, 0, True)
        child.join()
        assert storage() is parent


# -- environment and files


def write(place: Path, text: str, name: str = "docmap.toml") -> None:
    (place / name).write_text(text)


def test_the_environment_names_storages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCMAP_URL", " fake://env ")
    monkeypatch.setenv("DOCMAP_STORAGES__ARCHIVE", "fake://old")
    monkeypatch.setenv("DOCMAP_STORAGES__EMPTY", "")
    monkeypatch.setenv("DOCMAP_DEBUG", "1")
    assert (url_of(), url_of("archive")) == ("fake://env", "fake://old")
    with pytest.raises(InvalidConfig, match="Known are: archive, default"):
        storage("empty")


@pytest.mark.parametrize("name", ["DOCMAP_STORAGES__", "DOCMAP_STORAGES__A__B"])
def test_a_variable_that_names_no_alias(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "fake://a")
    with pytest.raises(InvalidConfig, match=f"the environment variable {name}: .* cannot be an"):
        storage()


def test_two_variables_for_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCMAP_URL", "fake://a")
    monkeypatch.setenv("DOCMAP_STORAGES__DEFAULT", "fake://a")
    assert url_of() == "fake://a"
    disconnect_all()
    monkeypatch.setenv("DOCMAP_STORAGES__DEFAULT", "fake://b")
    with pytest.raises(InvalidConfig, match="name different storages"):
        storage()


def test_a_file_names_storages_in_both_forms(place: Path) -> None:
    write(
        place,
        '[storages]\ndefault = "fake://a"\n[storages.archive]\nurl = "fake://b"\ntimeout = 5\n',
    )
    assert (url_of(), url_of("archive")) == ("fake://a", "fake://b")


def test_pyproject_names_storages(place: Path) -> None:
    write(place, '[tool.docmap.storages]\ndefault = "fake://p"\n', "pyproject.toml")
    assert url_of() == "fake://p"


def test_the_nearest_directory_with_either_file_counts(place: Path) -> None:
    write(place.parent, '[storages]\ndefault = "fake://up"\n')
    assert url_of() == "fake://up"
    disconnect_all()
    write(place, "[project]\n", "pyproject.toml")
    assert default_storage() is None


def test_what_comes_first_wins(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = "abcd"
    write(place, "[tool.docmap.storages]\n" + lines("p", names), "pyproject.toml")
    write(place, "[storages]\n" + lines("f", names[:3]))
    for name in names[:2]:
        monkeypatch.setenv(f"DOCMAP_STORAGES__{name.upper()}", f"fake://e{name}")
    configure({"a": "fake://ca"})
    assert [url_of(name) for name in names] == ["fake://ca", "fake://eb", "fake://fc", "fake://pd"]


def lines(prefix: str, names: str) -> str:
    return "".join(f'{name} = "fake://{prefix}{name}"\n' for name in names)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("docmap.toml", "[storages\n", r"docmap\.toml cannot be read: .*line 1"),
        (
            "docmap.toml",
            "[storage]\nx = 1\n",
            "storage is not a setting.*; did you mean 'storages'",
        ),
        ("docmap.toml", "storages = 5\n", r"storages is a table, \[storages\], not int"),
        ("docmap.toml", "[storages]\ndefault = 5\n", "'default': a storage's URL is text, not int"),
        ("docmap.toml", '[storages]\nDefault = "fake://a"\n', "'Default' cannot be an alias"),
        ("docmap.toml", '[storages.default]\nurll = "x"\n', r"is 'urll' meant to be it"),
        ("docmap.toml", "[other]\n", r"other is not a setting of docmap\. Storages are set in \["),
        ("pyproject.toml", "[tool.docmap]\nurl = 'x'\n", r"tool\.docmap\.url is not a setting"),
        ("pyproject.toml", "[tool]\ndocmap = 'x'\n", r"tool\.docmap is a table"),
        ("pyproject.toml", "[tool.docmap]\nstorages = []\n", r"tool\.docmap\.storages is a table"),
        ("pyproject.toml", "tool = 5", "None is"),
    ],
)
def test_files_that_cannot_be(place: Path, name: str, text: str, message: str) -> None:
    write(place, text, name)
    with pytest.raises(InvalidConfig, match=message) as caught:
        storage()
    assert caught.value.path in {None, str(place / name)}


def test_an_unknown_option_in_a_file_is_refused(place: Path) -> None:
    write(place, '[storages.default]\nurl = "fake://a"\ntimeuot = 5\n')
    with pytest.raises(InvalidConfig, match="did you mean 'timeout'") as caught:
        storage()
    assert caught.value.__notes__ == [f"This is the storage 'default' of {place / 'docmap.toml'}."]


def test_a_file_that_is_not_utf8(place: Path) -> None:
    (place / "docmap.toml").write_bytes(f'a = "{HUNTER}\xff"'.encode("latin-1"))
    with pytest.raises(InvalidConfig, match=r"docmap\.toml is not UTF-8") as caught:
        storage()
    assert caught.value.__cause__ is None


def test_a_broken_file_is_no_trouble_to_a_program_that_does_not_need_it(place: Path) -> None:
    write(place, "[storages")
    configure({"default": "fake://a"})
    assert url_of() == "fake://a"


def test_passwords_show_in_no_message(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    login = f"fake://ann:{HUNTER}@h"
    shown: list[str] = []

    def fails(settings: Mapping[str, Any]) -> None:
        with pytest.raises(InvalidConfig) as caught:
            configure(settings)
        shown.append(repr(caught.value) + str(caught.value) + str(pickle.dumps(caught.value)))

    fails({"default": f"{login}:bad"})
    fails({"default": {"url": f"fake://h?password={HUNTER}&x", "password": HUNTER}})
    fails({"default": [login]})
    monkeypatch.setenv("DOCMAP_URL", f"{login}:bad")
    with pytest.raises(InvalidConfig) as caught:
        storage()
    shown.append(str(caught.value))
    monkeypatch.delenv("DOCMAP_URL")
    write(place, f'[storages]\ndefault = "{login}\n')
    with pytest.raises(InvalidConfig) as caught:
        storage()
    shown.append(str(caught.value))
    configure({"default": {"url": login, "password": HUNTER}})
    shown.append(f"{config._registry._settings} {storage()!r}")
    assert [text for text in shown if HUNTER in text] == []
