"""`docmap collections` and `docmap info`: what a storage holds."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from typing import Any, Final

from docmap.cli.command import Command, add_url
from docmap.cli.output import cell, json_text, printable
from docmap.cli.stores import reading


def collections(arguments: Namespace) -> int:
    """Print the names of the collections, one a line."""
    with reading(arguments.url) as storage:
        for name in storage.collections():
            print(printable(name))
    return 0


def _info_arguments(parser: ArgumentParser) -> None:
    add_url(parser)
    parser.add_argument("--json", action="store_true", help="the same as JSON")


def info(arguments: Namespace) -> int:
    """Print what the storage is, and each collection with its size and indexes."""
    with reading(arguments.url) as storage:
        facts = dict(storage.info())
        held: dict[str, Any] = {
            name: {
                "documents": storage.find(name).count(),
                "indexes": storage.indexes(name)["present"],
            }
            for name in storage.collections()
        }
    if arguments.json:
        print(json_text({**facts, "collections": held}, sys.stdout, indent=2))
        return 0
    width = max(map(len, (*facts, "collections")), default=0)
    for name, value in facts.items():
        print(f"{name:{width}}  {cell(value)}")
    print(f"{'collections':{width}}  {len(held)}")
    for name, content in held.items():
        count = content["documents"]
        print(f"  {printable(name)}: {count:,} document{'' if count == 1 else 's'}")
        for index in content["indexes"]:
            print(f"    index {printable(index)}")
    return 0


COLLECTIONS: Final = Command(
    "collections",
    "print the names of the collections",
    "Print the names of a storage's collections, one a line.",
    "docmap collections sqlite:///shop.db",
    add_url,
    collections,
)
INFO: Final = Command(
    "info",
    "print what a storage is and holds",
    "Print the engine, its version, the file and its size, and every collection with the number "
    "of its documents and its indexes.",
    "docmap info sqlite:///shop.db",
    _info_arguments,
    info,
)
