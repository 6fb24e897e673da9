"""Writing documents and values as a table, as JSON or as JSON lines."""

from __future__ import annotations

import json
import shutil
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final, TextIO
from uuid import UUID

from docmap.cli.extended import to_extended
from docmap.values import MISSING, ObjectId


def plain(value: Any) -> Any:
    """The JSON form of a logical value for people and scripts; what JSON lacks is text.

    >>> plain({"total": Decimal("9.90"), "day": date(2024, 2, 29), "n": 3})
    {'total': '9.90', 'day': '2024-02-29', 'n': 3}
    """
    kind = type(value)
    if kind is dict:
        return {name: plain(item) for name, item in value.items()}
    if kind is list:
        return [plain(item) for item in value]
    writer = _PLAIN.get(kind)
    return value if writer is None else writer(value)


def _duration(value: timedelta) -> str:
    from pydantic_core import to_jsonable_python

    return str(to_jsonable_python(value, timedelta_mode="iso8601"))


_PLAIN: Final[dict[type, Callable[[Any], str]]] = {
    Decimal: str,
    datetime: lambda value: value.isoformat().replace("+00:00", "Z"),
    date: date.isoformat,
    time: time.isoformat,
    timedelta: _duration,
    UUID: str,
    ObjectId: str,
    bytes: bytes.hex,
}


def json_text(value: Any, out: TextIO, *, extended: bool = False, indent: int | None = None) -> str:
    """A logical value as JSON, in ASCII where `out` takes no more."""
    encoding = (getattr(out, "encoding", None) or "utf-8").lower().replace("-", "")
    return json.dumps(
        to_extended(value) if extended else plain(value),
        ensure_ascii=encoding != "utf8",
        indent=indent,
    )


def write_documents(
    documents: Iterable[Mapping[str, Any]], out: TextIO, *, form: str, extended: bool = False
) -> int:
    """Write documents as `json` (one array) or `jsonl`, one on a line; returns how many."""
    count = 0
    for document in documents:
        if form == "json":
            out.write(",\n" if count else "[\n")
        out.write(json_text(document, out, extended=extended))
        if form == "jsonl":
            out.write("\n")
        count += 1
    if form == "json":
        out.write("\n]\n" if count else "[]\n")
    return count


def write_table(
    rows: Iterable[Mapping[str, Any]], out: TextIO, names: Iterable[str] | None = None
) -> None:
    """Write rows in aligned columns: those of `names`, else every name in order of appearance.

    On a terminal lines are cut to its width; a file or a pipe gets them whole.
    """
    found = list(rows)
    columns = list(names) if names is not None else list(dict.fromkeys(n for r in found for n in r))
    if not columns:
        return
    width = shutil.get_terminal_size().columns if out.isatty() else None
    most = max(20, width // 3) if width and len(columns) > 1 else None
    cells = [[cut(cell(row.get(name, MISSING)), most) for name in columns] for row in found]
    titles = [cut(printable(name), most) for name in columns]
    sizes = [max(map(text_width, column)) for column in zip(titles, *cells, strict=True)]
    numeric = [
        all(isinstance(row.get(name), _NUMBERS) for row in found if row.get(name) is not None)
        for name in columns
    ]
    rule = ["-" * size for size in sizes]
    for line in (titles, rule, *cells):
        padded = (
            " " * (size - text_width(text)) + text
            if right
            else text + " " * (size - text_width(text))
            for text, size, right in zip(line, sizes, numeric, strict=True)
        )
        out.write(cut("  ".join(padded).rstrip(), width) + "\n")


_NUMBERS: Final = (int, float, Decimal)


def cell(value: Any) -> str:
    """A value in one line: text as it is, what is missing as nothing, all else as JSON."""
    if value is MISSING:
        return ""
    value = plain(value)
    return printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def printable(text: str) -> str:
    """`text` with what could move a terminal's cursor, or break a line, written as escapes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def text_width(text: str) -> int:
    """How many columns of a terminal `text` takes: wide characters two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(map(_char_width, text))


def _char_width(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def cut(text: str, width: int | None) -> str:
    """`text`, cut to `width` columns with an ellipsis where it is longer.

    >>> cut("restaurant", 6)
    'resta…'
    """
    if width is None or text_width(text) <= width:
        return text
    kept, used = [], 1
    for character in text:
        used += _char_width(character)
        if used > width:
            break
        kept.append(character)
    return "".join(kept) + "…"


def pick(documents: Iterable[Mapping[str, Any]], names: list[str]) -> Iterator[dict[str, Any]]:
    """The documents with only the fields `names`, each under the name that it was asked by."""
    for document in documents:
        found = ((name, at(document, name)) for name in names)
        yield {name: value for name, value in found if value is not MISSING}


def at(document: Mapping[str, Any], name: str) -> Any:
    """The value at a name, dots in it and all, else at a dotted path; MISSING if there is none."""
    if name in document:
        return document[name]
    value: Any = document
    for part in name.split("."):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isascii() and part.isdigit():
            value = value[int(part)] if int(part) < len(value) else MISSING
        else:
            return MISSING
    return value


def say(text: str) -> None:
    """One line for the person, on stderr, where piped output is not disturbed."""
    print(text, file=sys.stderr)
