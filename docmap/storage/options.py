"""Options of a storage: what its URL and `connect(...)` give, by the adapter's own table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from docmap.errors import InvalidConfig, nearest
from docmap.storage.url import URL, Secret

_BOOLEANS: Final = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


def read_options(
    table: Mapping[str, type], url: URL | None, given: Mapping[str, Any], *, engine: str
) -> dict[str, Any]:
    """The options of the URL's query and of the call, each of the type that `table` says.

    A URL's options are text and are converted: bool, int, float and str. Those of the call must
    have the type already (an int will do for a float), and win over the URL's.

    Raises InvalidConfig for an option that is not in the table, with the nearest that are, and for
    one that does not fit its type; the message never holds the value.
    """
    options: dict[str, Any] = {}
    for name, text in (url.options if url else {}).items():
        kind = _kind(table, name, engine)
        try:
            options[name] = _from_text(kind, text.reveal() if isinstance(text, Secret) else text)
        except (KeyError, ValueError, TypeError):
            raise InvalidConfig(
                f"{engine} takes {_TYPE_NAMES.get(kind, kind.__name__)} for the option {name}, "
                "and its URL gives something else",
                engine=engine,
                field=name,
            ) from None
    for name, value in given.items():
        kind = _kind(table, name, engine)
        fits = type(value) is int if kind is float else False
        if not fits and (not isinstance(value, kind) or (type(value) is bool and kind is not bool)):
            raise InvalidConfig(
                f"{engine} takes {_TYPE_NAMES.get(kind, kind.__name__)} for the option {name}, "
                f"not {type(value).__name__}",
                engine=engine,
                field=name,
            )
        options[name] = float(value) if fits else value
    return options


_TYPE_NAMES: Final[dict[type, str]] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    object: "an object of the program",
}


def _kind(table: Mapping[str, type], name: str, engine: str) -> type:
    if name in table:
        return table[name]
    raise InvalidConfig(
        f"{engine} has no option {name!r}{did_you_mean(name, table)} Its options are: "
        f"{', '.join(sorted(table)) or 'none'}",
        engine=engine,
        field=name,
        suggestions=nearest(name, table),
    )


def _from_text(kind: type, text: str) -> Any:
    reader: Callable[[str], Any] = kind
    return _BOOLEANS[text.lower()] if kind is bool else reader(text)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """How a message about the unknown `name` goes on: a question, or a full stop."""
    close = nearest(name, known)
    return f"; did you mean {' or '.join(map(repr, close))}?" if close else "."
