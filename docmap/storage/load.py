"""From a URL to an adapter: found by entry point, so that anyone's engine is an equal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal

from docmap.errors import InvalidConfig, nearest
from docmap.storage.options import did_you_mean
from docmap.storage.url import URL

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from docmap.storage.base import BaseStorageAdapter

GROUP: Final = "docmap.backends"


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that docmap knows of: the extra that installs its driver, and where data lives."""

    extra: str | None
    place: Literal["memory", "file", "server"]


ENGINES: Final[Mapping[str, Engine]] = {
    "memory": Engine(None, "memory"),
    "sqlite": Engine(None, "file"),
    "tinydb": Engine("tinydb", "file"),
    "shelve": Engine(None, "file"),
    "leveldb": Engine("leveldb", "file"),
    "mongodb": Engine("mongodb", "server"),
    "postgresql": Engine("postgresql", "server"),
    "rqlite": Engine("rqlite", "server"),
}
# A scheme that says more than which engine it is.
ALIASES: Final[Mapping[str, str]] = {"mongodb+srv": "mongodb"}


def load(url: str | URL, **options: Any) -> BaseStorageAdapter:
    """The storage that `url` names, not connected yet.

    Raises InvalidConfig for a malformed URL, an unknown scheme, an adapter or driver that is not
    installed, and an option that the adapter does not have.
    """
    url = URL.parse(url)
    engine = ENGINES.get(url.scheme)
    if engine is not None and engine.place != "server" and url.hosts:
        raise InvalidConfig(
            f"{url.scheme}:// takes no host, and a file's path comes after three slashes: "
            f"{url.scheme}:///{'app.db' if engine.place == 'file' else ''}",
            engine=url.scheme,
        )
    return adapter(url.scheme)(url=url, **options)


def adapter(scheme: str) -> type[BaseStorageAdapter]:
    """The adapter class of a URL's scheme. Raises InvalidConfig if there is none to be had."""
    name = ALIASES.get(scheme, scheme)
    found = _entry_points().get(name)
    if found is None:
        _entry_points.cache_clear()  # it may have been installed since
        found = _entry_points().get(name)
    if found is None:
        raise _not_found(scheme)
    try:
        loaded: type[BaseStorageAdapter] = found.load()
    except ModuleNotFoundError as error:
        missing = error.name or "its driver"
        if missing.partition(".")[0] in {"docmap", "docmap_backends"}:
            raise
        raise missing_driver(scheme, missing) from error
    except ImportError as error:
        # A driver whose own library is missing, as psycopg's without libpq.
        if (error.name or "").partition(".")[0] in {"docmap", "docmap_backends"}:
            raise
        raise unusable_driver(scheme) from error
    return loaded


def missing_driver(scheme: str, module: str) -> InvalidConfig:
    """The error of an adapter whose driver cannot be imported, to be raised from that failure."""
    return InvalidConfig(
        f"{scheme}:// needs the module {module}, which is not installed: {_installing(scheme)}",
        engine=scheme,
    )


def unusable_driver(scheme: str) -> InvalidConfig:
    """The error of an adapter whose driver is installed and fails on import."""
    return InvalidConfig(
        f"the driver of {scheme}:// is installed and cannot be loaded: a part of it or a library "
        f"is missing: {_installing(scheme)}",
        engine=scheme,
    )


def _installing(scheme: str) -> str:
    engine = ENGINES.get(ALIASES.get(scheme, scheme))
    if engine is None or engine.extra is None:
        return "install what provides it"
    return f"pip install 'docmap[{engine.extra}]'"


def schemes() -> tuple[str, ...]:
    """The schemes that docmap knows of, and those of all adapters installed."""
    return tuple(sorted({*ENGINES, *ALIASES, *_entry_points()}))


def engines_with(ability: str) -> tuple[str, ...]:
    """The schemes of the installed adapters that have an ability, sorted."""
    found = []
    for name in sorted(_entry_points()):
        try:
            loaded = adapter(name)
        except InvalidConfig:
            continue  # its driver is missing: it could not be used either
        if ability in loaded.abilities_of():
            found.append(name)
    return tuple(found)


@lru_cache(maxsize=1)
def _entry_points() -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points

    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUP):
        held = found.setdefault(point.name, point)
        # One distribution can be found twice, as installed and as its source tree.
        if held.value != point.value:
            raise InvalidConfig(
                f"two adapters are installed for {point.name}://, {held.value} and {point.value}: "
                "uninstall one of them",
                engine=point.name,
            )
    return found


def _not_found(scheme: str) -> InvalidConfig:
    engine = ENGINES.get(ALIASES.get(scheme, scheme))
    installed = ", ".join(sorted(_entry_points())) or "none"
    if engine is None:
        return InvalidConfig(
            f"no storage engine has the scheme {scheme!r}{did_you_mean(scheme, schemes())} "
            f"Installed are: {installed}",
            suggestions=nearest(scheme, schemes()),
        )
    if engine.extra in _extras():
        return InvalidConfig(
            f"{scheme}:// has no adapter installed: pip install 'docmap[{engine.extra}]'",
            engine=scheme,
        )
    return InvalidConfig(
        f"this version of docmap has no adapter for {scheme}://. Installed are: {installed}",
        engine=scheme,
    )


def _extras() -> frozenset[str]:
    from importlib.metadata import metadata

    return frozenset(metadata("docmap").get_all("Provides-Extra") or ())
