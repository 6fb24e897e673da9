"""`docmap copy`: a whole database, or some of its collections, from one storage to another."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from docmap.cli.command import Command, number
from docmap.cli.models import find_model, model_name
from docmap.cli.output import json_text, printable, say
from docmap.cli.progress import progress
from docmap.cli.stores import is_missing, reading
from docmap.config import connect
from docmap.storage.base import BaseStorageAdapter
from docmap.storage.copy_parts import parts_of
from docmap.storage.copying import BATCH, CopyReport, copy
from docmap.storage.load import load


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("source", metavar="SOURCE", help="the storage to copy, as a URL")
    parser.add_argument("target", metavar="TARGET", help="the storage that takes the copy")
    parser.add_argument(
        "--collection",
        dest="collections",
        metavar="NAME",
        action="append",
        help="copy this collection only; can be given several times",
    )
    parser.add_argument(
        "--model",
        dest="models",
        metavar="MODULE:CLASS",
        action="append",
        default=[],
        type=model_name,
        help="a document class: its collection gets the indexes that the class declares; can be "
        "given several times",
    )
    parser.add_argument(
        "--into-existing",
        action="store_true",
        help="add to what the target holds; a document that is there with another content ends "
        "the copy before anything is written",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be done, and write nothing"
    )
    parser.add_argument(
        "--batch-size",
        metavar="N",
        type=number,
        default=BATCH,
        help=f"how many documents are written at once ({BATCH})",
    )
    parser.add_argument("--json", action="store_true", help="the result as JSON")
    parser.add_argument("--quiet", action="store_true", help="no progress bar and no last lines")


def run(arguments: Namespace) -> int:
    """Copy, and tell what was copied."""
    load(arguments.target)  # a misspelt URL is told before anything is read
    models = [find_model(module, name) for module, name in arguments.models]
    with reading(arguments.source) as source:
        parts = parts_of(source, arguments.collections, models)  # errors before a target is made
        documents = sum(part.documents for part in parts)
        total = documents if arguments.dry_run else 2 * documents
        quiet = arguments.quiet or not total
        with (
            _target(arguments) as target,
            progress("copying", total, quiet=quiet, unit="docs") as bar,
        ):
            report = copy(
                source,
                target,
                collections=arguments.collections,
                models=models,
                into_existing=arguments.into_existing,
                dry_run=arguments.dry_run,
                batch_size=arguments.batch_size,
                progress=bar.advance,
            )
    if arguments.json:
        print(json_text(_data(report), sys.stdout, indent=2))
    elif not arguments.quiet:
        _show(report, arguments)
    return 0


@contextmanager
def _target(arguments: Namespace) -> Iterator[BaseStorageAdapter | None]:
    """The target, connected; None where a dry run would have to make it first."""
    if arguments.dry_run and is_missing(arguments.target):
        yield None
        return
    with connect(arguments.target) as target:
        yield target


def _show(report: CopyReport, arguments: Namespace) -> None:
    for one in report.collections:
        known = one.documents - one.written
        notes = [f"{known:,} of them there already"] if known else []
        notes += [f"{one.removed:,} removed"] if one.removed else []
        say(f"  {printable(one.collection)}: {_plural(one.documents)}{_listed(notes)}")
        for label in one.indexes:
            say(f"    index {printable(label)}")
        for label in one.left:
            say(f"    index {printable(label)}: left to its class, which --model names")
    what = "would copy" if report.dry_run else "resumed, copied" if report.resumed else "copied"
    into = load(arguments.target).url
    checked = "" if report.dry_run else "; count and content are the same on both sides"
    say(f"{what} {_plural(report.documents)} into {into}{checked}")


def _plural(count: int) -> str:
    return f"{count:,} document{'' if count == 1 else 's'}"


def _listed(notes: list[str]) -> str:
    return f" ({', '.join(notes)})" if notes else ""


def _data(report: CopyReport) -> dict[str, Any]:
    return {
        "dry_run": report.dry_run,
        "resumed": report.resumed,
        "documents": report.documents,
        "written": report.written,
        "collections": {
            one.collection: {
                "documents": one.documents,
                "written": one.written,
                "removed": one.removed,
                "sha256": one.sha256,
                "indexes": list(one.indexes),
                "left": list(one.left),
            }
            for one in report.collections
        },
    }


COMMAND: Final = Command(
    "copy",
    "copy a database to another storage",
    "Copy all collections of a storage, or those named, to another one on any engine: documents as "
    "they are stored, keys, revisions, counters of keys and indexes. The target must be empty. "
    "After an interruption run it again: it goes on where it was. In the end all is read back and "
    "compared by count and content hash.",
    "docmap copy sqlite:///shop.db leveldb:///shop",
    _arguments,
    run,
)
