"""Connecting by URL, and the storages that a program names once and uses everywhere."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Mapping
from typing import Any

from docmap.errors import InvalidConfig, NotConnected, nearest
from docmap.model.document import Document
from docmap.storage.base import BaseStorageAdapter
from docmap.storage.load import load
from docmap.storage.options import did_you_mean
from docmap.storage.settings import (
    DEFAULT,
    VARIABLE,
    VARIABLES,
    Setting,
    environment,
    files,
    read_setting,
)
from docmap.storage.url import URL


def connect(url: str | URL, **options: Any) -> BaseStorageAdapter:
    """The storage that `url` names, connected; used as a context manager, it disconnects.

    Options go to the adapter, as those of the URL's query do, and win over them.

    Raises InvalidConfig for a URL or an option that cannot be, StorageError if the engine cannot
    be reached or its file not be used.

    >>> with connect("memory://") as db:
    ...     db.insert_many("colours", [{"id": "red"}])
    ['red']
    """
    url = URL.parse(url)  # from here on no frame holds the password
    storage = load(url, **options)
    storage.connect()
    return storage


def configure(settings: Any) -> None:
    """Name the program's storages: `configure({"default": "sqlite:///app.db"})`.

    `settings` maps aliases to a URL, to a mapping with `url` and options, or to a storage that is
    already made. An object with such a mapping in its attribute `storages`, as a settings class
    has, does as well; SecretStr and the like are understood. It adds to what was configured before.

    Raises InvalidConfig if a setting cannot be, or for an alias that is already open under another
    one: call `unconfigure()` first.
    """
    _registry.configure(settings)


def storage(alias: str = DEFAULT) -> BaseStorageAdapter:
    """The storage named `alias`: opened when it is first asked for, and the same from then on.

    Settings come from `configure`, else from the environment (`DOCMAP_URL` is the default,
    `DOCMAP_STORAGES__ARCHIVE` the alias `archive`), else from `docmap.toml`, else from
    `[tool.docmap.storages]` in `pyproject.toml`. Both files are looked for in the working directory
    and then upwards, to the first directory that holds either. A relative path in a URL is relative
    to the working directory, wherever the URL comes from.

    Raises InvalidConfig for an unknown alias, and what `connect` raises.
    """
    return _registry.storage(alias)


def setting_of(alias: str) -> Setting:
    """What `alias` was configured as, for who opens it otherwise.

    Raises InvalidConfig for an unknown alias, and for a storage that the program has made itself.
    """
    return _registry.setting(alias)


def default_storage() -> BaseStorageAdapter | None:
    """The storage named `default`, or None if nothing configures one."""
    return _registry.default()


def disconnect_all() -> None:
    """Close every storage that `storage` has opened; it opens them anew when asked again.

    A storage that was made by the program and given to `configure` stays as it is.
    """
    _registry.disconnect_all()


def unconfigure() -> None:
    """Close every storage that `storage` has opened, and forget what `configure` was told."""
    _registry.disconnect_all()
    _registry.forget()


class _Registry:
    """The named storages of this process."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._settings: dict[str, Setting | BaseStorageAdapter] = {}
        self._open: dict[str, BaseStorageAdapter] = {}
        self._used: dict[str, Setting | BaseStorageAdapter] = {}
        self._inherited: list[BaseStorageAdapter] = []

    def configure(self, settings: Any) -> None:
        read = _configured(settings)
        with self._lock:
            for alias, setting in read.items():
                if alias in self._open and self._used[alias] != setting:
                    raise InvalidConfig(
                        f"the storage {alias!r} is already open with another setting: call "
                        "docmap.unconfigure() before configuring it anew"
                    )
            self._settings.update(read)

    def storage(self, alias: str) -> BaseStorageAdapter:
        opened = self._open.get(alias)
        if opened is None or not _is_open(opened):
            with self._lock:
                opened = self._open.get(alias)
                if opened is None:
                    opened = self._opened(alias)
                elif not _is_open(opened):  # it was used in a with block of its own
                    opened.connect()
        return opened

    def setting(self, alias: str) -> Setting:
        found = self._setting(alias)
        if found is None:
            raise _unknown(alias, {*self._settings, *environment(), *files()})
        if not isinstance(found, Setting):
            raise InvalidConfig(
                f"the storage {alias!r} was given to configure() as an object, which is not "
                f'awaited: name its URL, configure({{"{alias}": "sqlite:///app.db"}})'
            )
        return found

    def default(self) -> BaseStorageAdapter | None:
        if DEFAULT in self._open or self._setting(DEFAULT) is not None:
            return self.storage(DEFAULT)
        return None

    def disconnect_all(self) -> None:
        with self._lock:
            ours = [
                opened
                for alias, opened in self._open.items()
                if isinstance(self._used[alias], Setting)
            ]
            self._open.clear()
            self._used.clear()
        failures: list[Exception] = []
        for opened in ours:
            try:
                opened.disconnect()
            except Exception as error:  # noqa: BLE001 - the others are to be closed, too
                failures.append(error)
        if failures:
            raise failures[0]

    def forget(self) -> None:
        with self._lock:
            self._settings.clear()

    def after_fork(self) -> None:
        """A forked child opens storages of its own; the parent's must not be closed from here."""
        self._inherited.extend(self._open.values())
        self._lock = threading.RLock()
        self._open = {}
        self._used = {}

    def _opened(self, alias: str) -> BaseStorageAdapter:
        setting = self._setting(alias)
        if setting is None:
            raise _unknown(alias, {*self._settings, *environment(), *files()})
        if isinstance(setting, Setting):
            try:
                opened = connect(setting.url, **setting.options)
            except Exception as error:
                error.add_note(f"This is the storage {alias!r} of {setting.source}.")
                raise
            if not any(isinstance(used, Setting) for used in self._used.values()):
                atexit.unregister(self.disconnect_all)
                atexit.register(self.disconnect_all)
        else:
            opened = setting
            if not _is_open(opened):
                opened.connect()
        self._used[alias] = setting
        self._open[alias] = opened
        return opened

    def _setting(self, alias: str) -> Setting | BaseStorageAdapter | None:
        # One after the other: a broken file is no trouble to a program that does not need it.
        if alias in self._settings:
            return self._settings[alias]
        return environment().get(alias) or files().get(alias)


def _is_open(storage: BaseStorageAdapter) -> bool:
    try:
        storage.check_open()
    except NotConnected:
        return False
    return True


_registry = _Registry()
# A document that knows no storage is saved in the configured one.
Document.__docmap_default__ = staticmethod(default_storage)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_registry.after_fork)


def _configured(settings: Any) -> dict[str, Setting | BaseStorageAdapter]:
    mapping = settings if isinstance(settings, Mapping) else getattr(settings, "storages", None)
    if not isinstance(mapping, Mapping):
        raise InvalidConfig(
            "configure() takes a mapping of aliases to URLs, or an object with one in its "
            f"attribute storages, not {type(settings).__name__}: "
            'configure({"default": "sqlite:///app.db"})'
        )
    return {
        alias: value
        if isinstance(value, BaseStorageAdapter)
        else read_setting(alias, value, "configure()")
        for alias, value in mapping.items()
    }


def _unknown(alias: str, known: set[str]) -> InvalidConfig:
    variable = VARIABLE if alias == DEFAULT else f"{VARIABLES}{alias.upper()}"
    listed = f"Known are: {', '.join(sorted(known))}" if known else "None is"
    return InvalidConfig(
        f"no storage is configured as {alias!r}{did_you_mean(alias, known)} {listed}. Configure it "
        f'with docmap.configure({{"{alias}": "sqlite:///app.db"}}), with the environment variable '
        f"{variable}, or under [storages] in docmap.toml",
        suggestions=nearest(alias, known),
    )
