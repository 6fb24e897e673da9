"""The public names of docmap with their signatures as text, one a line: a change is a diff.

`python -m tests.house.api_baseline --write` writes them to api.txt beside this file. Listed are
the names that users import, the methods of each class, and for the two classes that an adapter
derives from their hooks too.
"""

from __future__ import annotations

import importlib
import inspect
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, get_overloads

BASELINE: Final = Path(__file__).with_name("api.txt")
MODULES: Final = ("docmap", "docmap.aio", "docmap.storage", "docmap.query", "docmap.schema")
HOOKED: Final = ("BaseStorageAdapter", "BaseQueryAdapter")


def current() -> str:
    """The baseline as the code has it now."""
    modules = [importlib.import_module(name) for name in MODULES]
    return "".join(f"{line}\n" for module in modules for line in module_lines(module))


def module_lines(module: types.ModuleType) -> Iterator[str]:
    """The lines of one module's public names, in alphabetical order."""
    for name in public_names(module):
        value = getattr(module, name)
        full = f"{module.__name__}.{name}"
        if inspect.isclass(value):
            yield from _class_lines(full, value)
        elif callable(value) and not isinstance(value, types.ModuleType):
            yield from _function_lines(full, value)
        else:
            yield f"{full}: {type(value).__name__}"


def public_names(module: types.ModuleType) -> list[str]:
    """`__all__`, or what was defined in the module's package and has no underscore."""
    if (listed := getattr(module, "__all__", None)) is not None:
        return sorted(listed)
    return sorted(
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and not isinstance(value, types.ModuleType)
        and getattr(value, "__module__", module.__name__).startswith(module.__name__)
    )


def _class_lines(full: str, cls: type) -> Iterator[str]:
    bases = ", ".join(base.__name__ for base in cls.__bases__)
    yield f"class {full}({bases})"
    for name, member in sorted(_members(cls).items()):
        yield from _member_lines(f"{full}.{name}", member)


def _members(cls: type) -> dict[str, Any]:
    """What docmap's own classes among the bases define; hooks only where adapters override them."""
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if base.__module__.partition(".")[0] == cls.__module__.partition(".")[0]:
            found |= {name: member for name, member in vars(base).items() if _shown(cls, name)}
    return found


def _shown(cls: type, name: str) -> bool:
    if name.startswith("__"):
        return name == "__init__"
    return not name.startswith("_") or (cls.__name__ in HOOKED and not name.startswith("_abc_"))


def _member_lines(full: str, member: object) -> Iterator[str]:
    if isinstance(member, property):
        yield f"{full}: property{_returned(member.fget)}"
    elif isinstance(member, classmethod | staticmethod):
        yield from _function_lines(full, member.__func__, f"{type(member).__name__} ")
    elif inspect.isfunction(member):
        yield from _function_lines(full, member)
    elif not inspect.isclass(member):
        yield f"{full}: {type(member).__name__}"


def _function_lines(full: str, function: Any, prefix: str = "") -> Iterator[str]:
    for overload in get_overloads(function) if inspect.isfunction(function) else ():
        yield f"overload {prefix}{full}{signature(overload)}"
    yield f"{prefix}{full}{signature(function)}"


def _returned(getter: Any) -> str:
    returned = inspect.signature(getter).return_annotation
    return "" if returned is inspect.Signature.empty else f" -> {_plain(returned)}"


def signature(function: Any) -> str:
    """The signature, alike on every version of Python that docmap supports."""
    found = inspect.signature(function)
    parameters = [
        parameter.replace(
            annotation=_plain(parameter.annotation), default=_default(parameter.default)
        )
        for parameter in found.parameters.values()
    ]
    return str(
        found.replace(parameters=parameters, return_annotation=_plain(found.return_annotation))
    )


class _Text:
    """Shows as the text itself: annotations are text already, and would show quoted."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _plain(annotation: Any) -> Any:
    if annotation is inspect.Parameter.empty:
        return annotation
    return _Text(
        annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    )


def _default(value: Any) -> Any:
    """Plain values as they are; of others that there is one, since their repr may hold anything."""
    if value is inspect.Parameter.empty or isinstance(value, bool | int | float | str | None):
        return value
    return () if value == () else _Text("...")


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        BASELINE.write_text(current(), encoding="utf-8")
    else:
        sys.stdout.write(current())
