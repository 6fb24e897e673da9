"""Reading a file of documents, one at a time: a JSON array or JSON lines, found by looking."""

from __future__ import annotations

import codecs
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO, Final

from docmap.errors import DocmapError, InvalidValue

Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Row:
    """One document of a file as parsed JSON, or the fault for which it cannot be one."""

    where: str
    value: Any = None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """A file of documents that can be read more than once."""

    name: str
    file: BinaryIO
    size: int
    start: int
    is_array: bool

    def rows(self, advance: Advance) -> Iterator[Row]:
        """The documents from the first on; `advance` is told how many bytes were read.

        Raises InvalidValue where an array is so broken that what follows cannot be read either.
        """
        self.file.seek(self.start)
        return (_Array(self, advance) if self.is_array else _Lines(self, advance)).rows()


@contextmanager
def opened(name: str) -> Iterator[Source]:
    """The source at a path; `-` is standard input, of which a copy is kept while it is read.

    Raises DocmapError if it cannot be read, or is neither UTF-8 nor JSON by its first bytes.
    """
    try:
        file: BinaryIO = sys.stdin.buffer if name == "-" else Path(name).open("rb")  # noqa: SIM115
    except OSError as error:
        raise DocmapError(f"cannot read {name}: {error.strerror}", path=name) from error
    with file:
        if name != "-" and file.seekable():
            yield _source(name, file)
            return
        with TemporaryFile() as copy:
            shutil.copyfileobj(file, copy)
            yield _source("standard input" if name == "-" else name, copy)


_FOREIGN: Final = {
    b"\xff\xfe": "is UTF-16: convert it to UTF-8",
    b"\xfe\xff": "is UTF-16: convert it to UTF-8",
    b"\x1f\x8b": "is compressed: unpack it first, gunzip -c FILE | docmap import - …",
    b"PK": "is an archive: unpack it first",
}


def _source(name: str, file: BinaryIO) -> Source:
    file.seek(0, 2)
    size = file.tell()
    file.seek(0)
    head = file.read(3)
    for mark, problem in _FOREIGN.items():
        if head.startswith(mark):
            raise DocmapError(f"{name} {problem}", path=name)
    start = 3 if head == codecs.BOM_UTF8 else 0
    file.seek(start)
    first = b""
    while not first and (block := file.read(_BLOCK)):
        first = block.lstrip()[:1]
    return Source(name, file, size, start, is_array=first == b"[")


_BLOCK: Final = 1 << 16


class _Decoder:
    """JSON as RFC 8259 has it, and no name twice in an object."""

    def __init__(self) -> None:
        self.repeated: str | None = None
        self._decoder = json.JSONDecoder(object_pairs_hook=self._object, parse_int=_integer)

    def decode(self, text: str, at: int) -> tuple[Any, int]:
        """The value that begins at `at`, and where it ends. Raises JSONDecodeError."""
        self.repeated = None
        return self._decoder.raw_decode(text, at)

    def row(self, where: str, value: Any) -> Row:
        """The row of a value that `decode` has just returned."""
        if self.repeated is not None:
            return Row(where, fault=f"the name {self.repeated!r} stands twice in one object")
        if not isinstance(value, dict):
            return Row(where, fault=f"an object is needed, not {_JSON_NAMES[type(value)]}")
        return Row(where, value)

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            names = [name for name, _ in pairs]
            self.repeated = next(name for name in names if names.count(name) > 1)
        return found


_JSON_NAMES: Final[dict[type, str]] = {
    list: "a list",
    str: "text",
    int: "a number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}


def _integer(digits: str) -> int | float:
    # The check of values says which field it is; parsing thousands of digits would only take time.
    return int(digits) if len(digits) < 1000 else float("inf")


class _Lines:
    """JSON lines: one object a line, empty lines allowed."""

    def __init__(self, source: Source, advance: Advance) -> None:
        self._file = source.file
        self._advance = advance
        self._decoder = _Decoder()

    def rows(self) -> Iterator[Row]:
        for number, line in enumerate(self._file, 1):
            self._advance(len(line))
            if line.strip():
                yield self._row(f"line {number}", line)

    def _row(self, where: str, line: bytes) -> Row:
        try:
            text = line.decode().strip(_SPACE)
            value, end = self._decoder.decode(text, 0)
        except UnicodeDecodeError:
            return Row(where, fault="not UTF-8")
        except json.JSONDecodeError as error:
            return Row(where, fault=f"not JSON: {error.msg} (column {error.pos + 1})")
        except RecursionError:
            return Row(where, fault="nested too deeply")
        if end < len(text):
            return Row(where, fault=f"more follows after the object's end (column {end + 1})")
        return self._decoder.row(where, value)


_SPACE: Final = " \t\r\n"
_AFTER: Final = {",", "]", *_SPACE}


class _Array:
    """One JSON array of objects, read in blocks: memory holds the element at hand."""

    def __init__(self, source: Source, advance: Advance) -> None:
        self._name = source.name
        self._file = source.file
        self._advance = advance
        self._decoder = _Decoder()
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._text = ""
        self._at = 0
        self._line = 1
        self._number = 0

    def rows(self) -> Iterator[Row]:
        self._next()
        self._at += 1
        if self._next() != "]":
            while True:
                self._number += 1
                yield self._element()
                mark = self._next()
                if mark == "]":
                    break
                if mark != ",":
                    raise self._broken("a comma or the array's end is needed after it")
                self._at += 1
                self._next()
        self._at += 1
        if self._next():
            raise self._broken("more follows after the array's end")

    def _element(self) -> Row:
        line = self._line
        while True:
            try:
                value, end = self._decoder.decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if self._more():
                    continue  # it was perhaps only cut off
                self._line += self._text.count("\n", self._at, error.pos)
                raise self._broken(f"not JSON: {error.msg}") from None
            except RecursionError:
                raise self._broken("nested too deeply") from None
            # A number at the end of a block may go on in the next: 6 is the beginning of 6.5, too.
            if self._text[end : end + 1] in _AFTER or not self._more():
                break
        self._line += self._text.count("\n", self._at, end)
        self._at = end
        return self._decoder.row(f"element {self._number} (line {line})", value)

    def _next(self) -> str:
        """The next character that is not space, where reading goes on; none at the file's end."""
        while True:
            while self._at < len(self._text):
                character = self._text[self._at]
                if character not in _SPACE:
                    return character
                self._line += character == "\n"
                self._at += 1
            if not self._more():
                return ""

    def _more(self) -> bool:
        """Read on, in steps that grow with the element; False at the file's end."""
        block = self._file.read(max(_BLOCK, len(self._text) - self._at))
        self._advance(len(block))
        try:
            text = self._utf8.decode(block, final=not block)
        except UnicodeDecodeError:
            raise self._broken("not UTF-8 from somewhere here on") from None
        if not block:
            return False
        self._text = self._text[self._at :] + text
        self._at = 0
        return True

    def _broken(self, problem: str) -> InvalidValue:
        return InvalidValue(
            f"{self._name}, element {self._number} (line {self._line}): {problem}; what follows "
            "cannot be read"
        )
