"""The profiles with which the sound adapters and the broken ones run the suite."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Final

from docmap import BaseStorageAdapter
from docmap.testing.profile import BackendProfile
from docmap_backends.postgresql import PostgreSQLStorage
from docmap_backends.sqlite import SQLiteStorage
from tests.conformance.broken.catalogue import BROKEN, Broken
from tests.conformance.broken.raising import CannotConnect, OnlyRaises
from tests.conformance.broken.sound import SoundStorage
from tests.conformance.broken.sound_file import SoundFile
from tests.servers import postgresql

_MODULES: Final = (
    *("conditions", "results", "writing", "together", "files", "feeds", "on_sqlite"),
    *("on_postgresql", "on_postgresql_blocks"),
)
for _name in _MODULES:
    import_module(f"tests.conformance.broken.{_name}")

SOUND: Final = {"SoundStorage": SoundStorage, "SoundFile": SoundFile}
RAISING: Final = {"CannotConnect": CannotConnect, "OnlyRaises": OnlyRaises}
_OWN: Final = frozenset({"transactions", "counters"})


def profile_of(name: str) -> BackendProfile:
    """The profile of an adapter of this package by its name. Raises KeyError if there is none."""
    known: dict[str, type[BaseStorageAdapter]] = {
        **{broken.name: broken.adapter for broken in BROKEN.values()},
        **SOUND,
        **RAISING,
    }
    adapter = known[name]
    if issubclass(adapter, PostgreSQLStorage):
        return BackendProfile(
            name=name,
            url=partial(postgresql.url, "broken"),
            adapter=adapter,
            options={"pool_size": 32},
            kind="server",
            abilities=_OWN | {"indexes", "watch"},
            second="shares",
        )
    if issubclass(adapter, SQLiteStorage):
        return BackendProfile(
            name=name,
            url="sqlite:///{directory}/store.db",
            adapter=adapter,
            kind="file",
            abilities=_OWN | {"indexes", "watch"},
            second="shares",
        )
    if issubclass(adapter, SoundFile):
        return BackendProfile(
            name=name,
            url="sound:///{directory}/store.json",
            adapter=adapter,
            kind="file",
            abilities=_OWN,
            second="locked",
        )
    abilities = _OWN if issubclass(adapter, SoundStorage) else adapter.abilities_of()
    url = f"{adapter.scheme}:///{{directory}}/store"
    return BackendProfile(name=name, url=url, adapter=adapter, abilities=abilities)


def shown_by(name: str) -> tuple[str, ...]:
    """What of the suite shows an adapter's fault: `module` or `module:part of a name`."""
    found: Broken | None = BROKEN.get(name)
    return () if found is None else tuple(f"test_{module}" for module in found.shown_by)
