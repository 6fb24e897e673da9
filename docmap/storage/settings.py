"""Settings of named storages: read from a mapping, the environment, and the project's files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from docmap.errors import InvalidConfig, nearest
from docmap.storage.options import did_you_mean
from docmap.storage.url import URL

DEFAULT: Final = "default"
VARIABLE: Final = "DOCMAP_URL"
VARIABLES: Final = "DOCMAP_STORAGES__"
FILE: Final = "docmap.toml"
PROJECT_FILE: Final = "pyproject.toml"


@dataclass(frozen=True, slots=True)
class Setting:
    """One alias as it was configured, and where. Options can hold passwords and are not shown."""

    url: URL
    options: Mapping[str, Any] = field(repr=False)
    source: str = field(compare=False)


def read_setting(alias: Any, value: Any, source: str) -> Setting:
    """The setting of `alias`: a URL, or a mapping with `url` and the adapter's options.

    Raises InvalidConfig naming `source` for an alias, a URL or a key that cannot be.
    """
    if not isinstance(alias, str) or not re.fullmatch(r"[a-z][a-z0-9_]*", alias) or "__" in alias:
        raise InvalidConfig(
            f"{source}: {alias!r} cannot be an alias: it is of small letters, digits and single "
            "underscores and begins with a letter, so that the environment can name it, too"
        )
    options: Mapping[str, Any] = {}
    if isinstance(value, Mapping):
        if "url" not in value:
            near = nearest("url", map(str, value))
            hint = f" (is {near[0]!r} meant to be it?)" if near else ""
            raise InvalidConfig(
                f"{source}: the storage {alias!r} has no url{hint}", suggestions=("url",)
            )
        options = {name: _revealed(option) for name, option in value.items() if name != "url"}
        value = value["url"]
    try:
        return Setting(URL.parse(_revealed(value)), options, source)
    except InvalidConfig as error:
        failure = error
    raise InvalidConfig(f"{source}: the storage {alias!r}: {failure}", engine=failure.engine)


def _revealed(value: Any) -> Any:
    """The text of a pydantic SecretStr or another object that hides it the same way."""
    reveal = getattr(value, "get_secret_value", None)
    return value if reveal is None else reveal()


def environment() -> dict[str, Setting]:
    """What `DOCMAP_URL` and `DOCMAP_STORAGES__<ALIAS>` set; an empty variable sets nothing."""
    found: dict[str, Setting] = {}
    for name, value in os.environ.items():
        if not value.strip() or not (name == VARIABLE or name.startswith(VARIABLES)):
            continue
        alias = DEFAULT if name == VARIABLE else name.removeprefix(VARIABLES).lower()
        setting = read_setting(alias, value, f"the environment variable {name}")
        if found.setdefault(alias, setting) != setting:
            raise InvalidConfig(
                f"the environment variables {VARIABLE} and {VARIABLES}{DEFAULT.upper()} name "
                "different storages: keep one of them"
            )
    return found


def files() -> dict[str, Setting]:
    """What `docmap.toml` sets, else `[tool.docmap]` of `pyproject.toml`, alias by alias.

    They are looked for in the working directory and upwards; the first directory that holds either
    of them ends the search.
    """
    here = Path.cwd()
    for directory in (here, *here.parents):
        own, project = directory / FILE, directory / PROJECT_FILE
        if own.is_file() or project.is_file():
            return {**_project_file(project), **_own_file(own)}
    return {}


def _own_file(path: Path) -> dict[str, Setting]:
    return dict(_storages(_toml(path), path, "")) if path.is_file() else {}


def _project_file(path: Path) -> dict[str, Setting]:
    if not path.is_file():
        return {}
    tool = _toml(path).get("tool")
    table = tool.get("docmap", {}) if isinstance(tool, dict) else {}
    return dict(_storages(table, path, "tool.docmap."))


def _toml(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except UnicodeDecodeError:  # its repr holds the file's whole text
        problem, cause = "is not UTF-8", None
    except (tomllib.TOMLDecodeError, OSError) as error:
        problem, cause = f"cannot be read: {getattr(error, 'strerror', None) or error}", error
    raise InvalidConfig(f"{path} {problem}", path=str(path)) from cause


def _storages(table: Any, path: Path, prefix: str) -> Iterator[tuple[str, Setting]]:
    """The settings in `table`, which may hold the key `storages` and no other."""
    _check_table(table, path, prefix.rstrip("."))
    for name in table:
        if name != "storages":
            raise InvalidConfig(
                f"{path}: {prefix}{name} is not a setting of docmap"
                f"{did_you_mean(name, ['storages'])} Storages are set in [{prefix}storages]",
                path=str(path),
                suggestions=nearest(name, ["storages"]),
            )
    storages = table.get("storages", {})
    _check_table(storages, path, f"{prefix}storages")
    for alias, value in storages.items():
        yield alias, read_setting(alias, value, str(path))


def _check_table(value: Any, path: Path, name: str) -> None:
    if not isinstance(value, dict):
        raise InvalidConfig(
            f"{path}: {name} is a table, [{name}], not {type(value).__name__}", path=str(path)
        )
