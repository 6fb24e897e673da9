"""`docmap upgrade` and `docmap check`: the records of a class, brought up to date or looked at."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from typing import Any, Final

from docmap.cli.command import Command, add_url, number
from docmap.cli.models import find_model, model_name
from docmap.cli.output import cell, json_text, printable, write_table
from docmap.cli.progress import progress
from docmap.cli.stores import reading
from docmap.errors import DocmapError, InvalidRecord
from docmap.storage.base import BaseStorageAdapter
from docmap.storage.loading import schema_of
from docmap.storage.upgrading import count_outdated


def _add_model(parser: ArgumentParser) -> None:
    parser.add_argument(
        "model",
        metavar="MODULE:MODEL",
        type=model_name,
        help="the document class, for example shop.models:Order",
    )


def _upgrade_arguments(parser: ArgumentParser) -> None:
    add_url(parser)
    _add_model(parser)
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be done, and write nothing"
    )
    parser.add_argument(
        "--batch-size", metavar="N", type=number, default=500, help="records in one commit; 500"
    )
    parser.add_argument("--json", action="store_true", help="the result as JSON")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def upgrade(arguments: Namespace) -> int:
    """Write the records of older versions back as of the version of the class."""
    cls = find_model(*arguments.model)
    schema = schema_of(cls)
    with reading(arguments.url, schema.collection) as storage:
        total = count_outdated(storage, schema) if _shows(arguments) else 0
        with progress("upgrading", total, quiet=arguments.quiet, unit="records") as bar:
            report = storage.upgrade(
                cls,
                dry_run=arguments.dry_run,
                batch_size=arguments.batch_size,
                progress=bar.advance,
            )
    if arguments.json:
        result = {
            "collection": report.collection,
            "version": report.version,
            "dry_run": report.dry_run,
            "outdated": report.outdated,
            "upgraded": report.upgraded,
            "failed": report.failed,
            "errors": [_row(error) for error in report.errors],
        }
        print(json_text(result, sys.stdout, indent=2))
        return 1 if report.failed else 0
    would = "would be " if report.dry_run else ""
    print(
        f"{printable(report.collection)}: {report.upgraded:,} of {report.outdated:,} older records "
        f"{would}upgraded to version {report.version}"
    )
    if report.failed:
        print(f"{report.failed:,} cannot be upgraded and stay as they are:")
        write_table((_row(error) for error in report.errors), sys.stdout, _COLUMNS)
        return 1
    return 0


def _shows(arguments: Namespace) -> bool:
    """True if there is a bar to be drawn, which needs to know how long the way is."""
    return sys.stderr.isatty() and not arguments.quiet


_COLUMNS: Final = ("collection", "key", "field", "reason")


def _row(error: DocmapError) -> dict[str, Any]:
    return {
        "collection": error.collection,
        "key": error.key,
        "field": error.field,
        "reason": error.message,
    }


def _check_arguments(parser: ArgumentParser) -> None:
    add_url(parser)
    _add_model(parser)
    parser.add_argument("--limit", metavar="N", type=number, help="stop after so many")
    parser.add_argument(
        "--format", choices=["table", "json", "jsonl"], default="table", help="table if not given"
    )


def check(arguments: Namespace) -> int:
    """List the records that do not fit the class."""
    from docmap.cli.output import write_documents

    cls = find_model(*arguments.model)
    collection = schema_of(cls).collection
    with reading(arguments.url, collection) as storage:
        unfit = _Unfit(storage, cls, arguments.limit)
        if arguments.format == "table":
            found = list(unfit)
            if found:
                write_table(found, sys.stdout, _COLUMNS)
            else:
                print(
                    f"{printable(collection)}: {cell(unfit.read)} records, all fit {cls.__name__}"
                )
        else:
            write_documents(unfit, sys.stdout, form=arguments.format)
    return 1 if unfit.count else 0


class _Unfit:
    """The rows of the records that do not fit, while all are read."""

    def __init__(self, storage: BaseStorageAdapter, cls: Any, limit: int | None) -> None:
        self._storage = storage
        self._cls = cls
        self._limit = limit
        self.count = 0
        self.read = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        errors: list[InvalidRecord] = []
        documents = iter(self._storage.find(self._cls).on_invalid(errors.append))
        more = True
        while more:
            more = next(documents, None) is not None
            self.read += more
            for error in errors:
                if self._limit is not None and self.count >= self._limit:
                    return
                self.count += 1
                yield _row(error)
            errors.clear()


UPGRADE: Final = Command(
    "upgrade",
    "bring records of older versions of a class up to date",
    "Apply the upgrade functions of a document class to the records of older versions, in batches. "
    "Other programs may read and write meanwhile. After an interruption run it again: it goes on "
    "with those that are left. Ends with status 1 if some could not be upgraded.",
    "docmap upgrade sqlite:///shop.db shop.models:Order --dry-run",
    _upgrade_arguments,
    upgrade,
)
CHECK: Final = Command(
    "check",
    "list the records that do not fit a class",
    "Load every record of a document class, and list those that do not fit it: collection, key, "
    "field and reason. Ends with status 1 if there are any.",
    "docmap check sqlite:///shop.db shop.models:Order",
    _check_arguments,
    check,
)
