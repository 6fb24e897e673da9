"""Document classes named on the command line: `shop.models:Order`."""

from __future__ import annotations

import importlib
import sys
from argparse import ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from docmap.errors import DocmapError, InvalidModel, nearest
from docmap.schema.schema import Schema
from docmap.storage.loading import schema_of
from docmap.storage.options import did_you_mean


def model_name(text: str) -> tuple[str, str]:
    """The module and the class in `module:Class`, for argparse."""
    module, colon, name = text.partition(":")
    parts = [*module.split("."), *name.split(".")]
    if not colon or not all(part.isidentifier() for part in parts):
        raise ArgumentTypeError(f"{text!r} is not module:Class, for example shop.models:Order")
    return module, name


def find_model(module: str, name: str) -> Any:
    """The document class; modules in the working directory are found too.

    Raises DocmapError for a module that cannot be imported or has no such document class.
    """
    with _working_directory():
        try:
            found: Any = importlib.import_module(module)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise DocmapError(f"the module {module} cannot be imported: {reason}") from error
    for part in name.split("."):
        if not hasattr(found, part):
            known = _documents(found)
            raise DocmapError(
                f"{module} has no class {name!r}{did_you_mean(name, known)} Its document classes "
                f"are: {', '.join(known) or 'none'}",
                suggestions=nearest(name, known),
            )
        found = getattr(found, part)
    _schema(module, name, found)
    return found


def schemas(models: list[tuple[str, str]]) -> list[Schema]:
    """The schemas of named document classes."""
    return [schema_of(find_model(module, name)) for module, name in models]


def _schema(module: str, name: str, found: Any) -> None:
    try:
        if isinstance(found, type):
            schema_of(found)
            return
    except InvalidModel as error:
        raise DocmapError(f"{module}:{name}: {error}") from error
    raise DocmapError(f"{module}:{name} is no document class")


def _documents(module: Any) -> list[str]:
    """The names of the document classes that a module has."""
    return [
        name
        for name, value in vars(module).items()
        if isinstance(value, type) and getattr(value, "__docmap_schema__", None) is not None
    ]


@contextmanager
def _working_directory() -> Iterator[None]:
    """Modules of the working directory can be imported, as `python -m` finds them."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)
