"""`docmap export`: a whole collection as JSON lines or as one JSON array."""

from __future__ import annotations

import os
import shutil
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TextIO

from docmap.cli.command import Command, add_collection, add_extended
from docmap.cli.output import say, write_documents
from docmap.cli.stores import reading
from docmap.errors import DocmapError


def _arguments(parser: ArgumentParser) -> None:
    add_collection(parser)
    parser.add_argument(
        "--out", metavar="FILE", default="-", help="where to; standard output if not given"
    )
    parser.add_argument(
        "--format", choices=["jsonl", "json"], default="jsonl", help="jsonl if not given"
    )
    add_extended(parser)


def run(arguments: Namespace) -> int:
    """Write the collection in the order of its keys."""
    with reading(arguments.url, arguments.collection) as storage, _out(arguments.out) as out:
        count = write_documents(
            storage.find(arguments.collection).order_by("id"),
            out,
            form=arguments.format,
            extended=arguments.extended,
        )
    if arguments.out != "-":
        plural = "" if count == 1 else "s"
        say(f"exported {count} document{plural} from {arguments.collection} to {arguments.out}")
    return 0


@contextmanager
def _out(name: str) -> Iterator[TextIO]:
    """The file to write; it takes its name when it is whole, so a failure leaves the old one."""
    if name == "-":
        yield sys.stdout
        return
    path = Path(name).resolve()
    try:
        if path.exists() and not path.is_file():  # a device or a pipe cannot be replaced
            with path.open("w", encoding="utf-8", newline="\n") as device:
                yield device
            return
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            with part.open("x", encoding="utf-8", newline="\n") as file:
                yield file
            if path.exists():
                shutil.copymode(path, part)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise DocmapError(f"cannot write {name}: {error.strerror}", path=name) from error


COMMAND: Final = Command(
    "export",
    "write a collection to a file",
    "Write all documents of a collection, in the order of their keys. With --extended the file "
    "keeps every type, and docmap import reads it back as it was.",
    "docmap export sqlite:///shop.db orders --extended --out orders.jsonl",
    _arguments,
    run,
)
