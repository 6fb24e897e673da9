"""The JSON file of a TinyDB storage: how docmap writes it, and how it reads what others wrote.

It is a TinyDB file: tables by name, documents by number. docmap writes each document on a line of
its own, as the bytes that it was given, and what TinyDB has no place for in a table `_docmap`, the
last: the keys, revisions and checksums of the documents, the indexes, and the digest of the file.
By the digest it knows its own hand; what it says differs from the bytes only if they are damaged,
or if another program wrote the file anew, which gives it another look.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final, NamedTuple
from uuid import UUID
from zlib import crc32

from pydantic_core import from_json, to_json

from docmap.errors import CorruptStore, ForeignStore, InvalidModel, StorageError
from docmap.schema.schema import check_collection
from docmap.values import ObjectId

OWN: Final = "_docmap"
"""The table of docmap's own."""
FORMAT: Final = 1
_ENDING: Final = re.compile(rb'\n"\d+":\{"digest":"([0-9a-f]{32})"\}\n\}\n\}\n\Z')
# Of these a damaged file still has some; TinyDB writes none of them.
_LOOKS: Final = (b'":{\n"1":{"', b'"_docmap":{\n', b'"}\n}\n}\n')


class Row(NamedTuple):
    """A stored document: its number in TinyDB, its key, its revision, its bytes."""

    number: int
    key: Any
    revision: int
    data: bytes


@dataclass(slots=True)
class Made:
    """What is known of a collection beside its documents."""

    keys: list[str] = field(default_factory=list)
    """The names under which its classes keep the key."""
    last_key: int = 0
    """The last int key that was counted."""
    indexes: dict[str, list[Any]] = field(default_factory=dict)
    """For each index its fields, their kinds, and whether it is unique."""


@dataclass(slots=True)
class Contents:
    """What a JSON file holds."""

    store: bytes = b""
    """The name of the store, 16 bytes; empty if docmap has never written the file."""
    applied: int = 0
    """The number of the last frame of the journal that it holds."""
    whole: bool = False
    """True if it is as docmap wrote it."""
    tables: dict[str, list[Row]] = field(default_factory=dict)
    made: dict[str, Made] = field(default_factory=dict)


def is_collection(name: str) -> bool:
    """True if docmap could have made a table of this name; others are other programs' own."""
    try:
        check_collection(name)
    except InvalidModel:
        return False
    return True


Tables = Iterable[tuple[str, Made, Iterable[Row]]]
"""Collections by name: what is known of each, and its documents."""


# -- writing


def render(contents: Contents, tables: Tables) -> Iterator[bytes]:
    """The bytes of a file, in pieces, with the documents of `tables`."""
    digest = blake2b(digest_size=16)
    for piece in _pieces(contents, tables):
        digest.update(piece)
        yield piece
    yield b'"0":{"digest":"%s"}\n}\n}\n' % digest.hexdigest().encode()


def _pieces(contents: Contents, tables: Tables) -> Iterator[bytes]:
    yield b"{\n"
    own = [
        to_json({"format": FORMAT, "store": contents.store.hex(), "applied": contents.applied}),
    ]
    for name, made, rows in tables:
        yield b"%s:{" % to_json(name)
        held = []
        comma = b""
        for row in rows:
            data = line_of(row.data)
            yield b'%s\n"%d":%s' % (comma, row.number, data)
            comma = b","
            held.append([row.number, key_to_json(row.key), row.revision, crc32(data)])
        yield b"\n},\n"
        made_of = {"keys": made.keys, "last_key": made.last_key, "indexes": made.indexes}
        own.append(to_json({"table": name, **made_of, "documents": held}))
    yield b'"%s":{\n' % OWN.encode()
    for number, line in enumerate(own, 1):
        yield b'"%d":%s,\n' % (number, line)


def line_of(data: bytes) -> bytes:
    """The bytes of a document on one line; line ends stand between the values of JSON only."""
    return data.replace(b"\n", b" ") if b"\n" in data else data


def key_to_json(key: Any) -> Any:
    """A stored key in JSON, which has no bytes."""
    return {"bytes": key.hex()} if isinstance(key, bytes) else key


def key_from_json(value: Any) -> Any:
    """The key again."""
    return bytes.fromhex(value["bytes"]) if isinstance(value, dict) else value


# -- reading


def read(data: bytes, path: str, *, used: bool) -> Contents:
    """What a file's bytes hold; `used` if docmap has written it before.

    Raises CorruptStore for damage, ForeignStore for what TinyDB did not write.
    """
    if not data.strip():
        if used:
            raise damaged(path)
        return Contents()
    ending = _ENDING.search(data[-200:])
    if ending is not None:
        own = data[: len(data) - len(ending[0]) + 1]
        if blake2b(own, digest_size=16).hexdigest().encode() == ending[1]:
            return _own(own, path)
    if any(look in data for look in _LOOKS):
        raise damaged(path)
    return _adopted(data, path, used=used)


def _own(data: bytes, path: str) -> Contents:
    tables: dict[str, list[tuple[int, bytes]]] = {}
    rows: list[tuple[int, bytes]] = []
    for line in data.split(b"\n"):
        if line.endswith(b":{"):
            rows = tables.setdefault(from_json(line[:-2]), [])
        elif line.startswith(b'"'):
            number, _, rest = line.partition(b":")
            rows.append((int(number[1:-1]), rest.removesuffix(b",")))
    contents, held = _parts(tables.pop(OWN), path)
    contents.whole = True
    for name, lines in tables.items():
        facts = held.get(name, {})
        contents.tables[name] = [
            Row(number, key, revision, line)
            for number, line in lines
            for key, revision, _ in (facts[number],)
        ]
    return contents


def _parts(
    lines: Iterable[tuple[int, bytes]], path: str
) -> tuple[Contents, dict[str, dict[int, tuple[Any, int, int]]]]:
    """What the table of docmap's own tells: of all, and of each document of each table."""
    contents = Contents()
    held: dict[str, dict[int, tuple[Any, int, int]]] = {}
    for _, line in lines:
        told = from_json(line)
        if "format" in told:
            if told["format"] > FORMAT:
                raise ForeignStore(
                    f"{path} has the format {told['format']} of a newer docmap, and this one reads "
                    f"up to {FORMAT}: upgrade docmap",
                    engine="tinydb",
                    path=path,
                )
            contents.store, contents.applied = bytes.fromhex(told["store"]), told["applied"]
        elif "table" in told:
            name = told["table"]
            contents.made[name] = Made(told["keys"], told["last_key"], told["indexes"])
            held[name] = {
                number: (key_from_json(key), revision, check)
                for number, key, revision, check in told["documents"]
            }
    return contents, held


def _adopted(data: bytes, path: str, *, used: bool) -> Contents:
    """What another program wrote: documents that docmap knows keep their keys and revisions."""
    try:
        found = from_json(data)
    except ValueError as error:
        raise (damaged if used else foreign)(path) from error
    if not isinstance(found, dict):
        raise foreign(path)
    own = found.pop(OWN, {})
    try:
        contents, held = _parts([(0, to_json(one)) for one in own.values()], path)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise damaged(path) from error
    for name, table in found.items():
        if not isinstance(table, dict):
            raise foreign(path)
        known = held.get(name, {})
        made = contents.made.setdefault(name, Made())
        row = _row if is_collection(name) else _foreign_row
        rows = []
        for number, one in table.items():
            try:
                rows.append(row(number, one, known, made, path))
            except ValueError as error:
                raise CorruptStore(
                    f"{path}: another program wrote the document {number} of {name}, and {error}: "
                    "change or delete it there",
                    engine="tinydb",
                    path=path,
                    collection=name,
                ) from error
        if len({row.key for row in rows}) < len(rows):
            raise CorruptStore(
                f"{path}: another program wrote two documents of one key into {name}: change or "
                "delete one of them there",
                engine="tinydb",
                path=path,
                collection=name,
            )
        contents.tables[name] = rows
    contents.made = {name: made for name, made in contents.made.items() if name in found}
    return contents


def _foreign_row(
    text: str, document: Any, known: dict[int, tuple[Any, int, int]], made: Made, path: str
) -> Row:
    """A document of a table that can be no collection: it is kept as it is."""
    _check_document(text, document, path)
    return Row(int(text), int(text), 0, to_json(document))


def _check_document(text: str, document: Any, path: str) -> None:
    if not isinstance(document, dict) or not (text.isascii() and text.removeprefix("-").isdigit()):
        raise foreign(path)


def _row(
    text: str, document: Any, known: dict[int, tuple[Any, int, int]], made: Made, path: str
) -> Row:
    _check_document(text, document, path)
    number = int(text)
    key = key_in(document, made.keys)
    if key is None:
        key = key_of(number, (known_key for known_key, _, _ in known.values()))
        document = {**document, (made.keys or ["id"])[0]: key}
    data = to_json(document)
    check = crc32(data)
    if number in known and known[number][0] == key:
        revision = known[number][1]
        if known[number][2] != check:  # it rises, and every process that looks says the same
            revision += 1 + check
    else:
        revision = check
    return Row(number, key, revision, data)


def key_in(document: dict[str, Any], names: Iterable[str]) -> Any:
    """The stored key of a document that another program wrote; None if it has none.

    Raises ValueError for what can be no key, which must not be overwritten by one.
    """
    for name in names or ("id",):
        value = document.get(name)
        try:
            match value:
                case str() | int() as key if not isinstance(key, bool):
                    return key
                case {"$uuid": str(text), **rest} if not rest:
                    return b"u" + UUID(text).bytes
                case {"$oid": str(text), **rest} if not rest:
                    return b"v" + ObjectId(text).binary
        except ValueError:
            pass
        if value is not None:
            raise ValueError(f"its field {name} holds what can be no key")
    return None


def key_of(number: int, others: Iterable[Any]) -> int | str:
    """The key of a document that has only its number, as TinyDB's own programs write them.

    It is text where the keys of the others are, as that of the first tells.
    """
    return str(number) if isinstance(next(iter(others), None), str) else number


def damaged(path: str) -> CorruptStore:
    """The error for bytes that are not what docmap wrote."""
    return CorruptStore(
        f"{path} is damaged: restore a backup of it and of the journal beside it",
        engine="tinydb",
        path=path,
    )


def foreign(path: str) -> StorageError:
    """The error for what is no TinyDB file."""
    return ForeignStore(
        f"{path} is not a file of TinyDB, or is damaged: name another file, or restore a backup",
        engine="tinydb",
        path=path,
    )
