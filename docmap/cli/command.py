"""What a command is, and the arguments that several commands share."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from dataclasses import dataclass
from textwrap import fill
from typing import Final

from docmap.cli.conditions import condition


@dataclass(frozen=True, slots=True)
class Command:
    """One subcommand: its words for `--help`, its arguments, and what it does.

    `notes` gives what the help says after the details, ready to be printed. `run` takes the parsed
    arguments and returns the exit status; it raises DocmapError.
    """

    name: str
    summary: str
    details: str
    example: str
    arguments: Callable[[ArgumentParser], None]
    run: Callable[[Namespace], int]
    notes: Callable[[], str] = str


def add_url(parser: ArgumentParser) -> None:
    """The argument URL."""
    parser.add_argument("url", metavar="URL", help="the storage, for example sqlite:///shop.db")


def add_collection(parser: ArgumentParser) -> None:
    """The arguments URL and COLLECTION."""
    add_url(parser)
    parser.add_argument("collection", metavar="COLLECTION", help="the collection's name")


def conditions_help() -> str:
    """How conditions are written, for the end of a command's help."""
    from docmap.query.lookups import SYNONYMS, VOCABULARY

    lookups = fill(f"Lookups: {', '.join([*VOCABULARY, *SYNONYMS])}.", 100)
    return f"{_CONDITIONS}\n{lookups}"


_CONDITIONS: Final = """\
A CONDITION is NAME=VALUE or NAME__LOOKUP=VALUE; all of them must hold. Parts of a nested name are
joined by __ as well: customer__country=DE. A VALUE that reads as JSON is JSON (100, true, null,
["a", "b"], "5" for the text 5, {"$date": "2024-02-29T00:00:00Z"}); any other is text."""


def add_conditions(parser: ArgumentParser) -> None:
    """The arguments CONDITION... and `--not CONDITION`."""
    parser.add_argument(
        "conditions",
        metavar="CONDITION",
        nargs="*",
        type=condition,
        help="what the documents must fulfil, for example total__gte=100",
    )
    parser.add_argument(
        "--not",
        dest="conditions_not",
        metavar="CONDITION",
        action="append",
        default=[],
        type=condition,
        help="what they must not fulfil; can be given several times",
    )


def add_order(parser: ArgumentParser) -> None:
    """The arguments `--order-by`, `--limit` and `--offset`."""
    parser.add_argument(
        "--order-by",
        metavar="NAME[,NAME]",
        type=names,
        default=[],
        help="the order; -NAME is descending, a.b is the field b of a",
    )
    parser.add_argument("--limit", metavar="N", type=number, help="at most so many documents")
    parser.add_argument("--offset", metavar="N", type=number, help="leave out the first N")


def add_extended(parser: ArgumentParser) -> None:
    """The argument `--extended`."""
    parser.add_argument(
        "--extended",
        action="store_true",
        help="write Extended JSON, which keeps types: decimals, dates, UUIDs, ObjectIds, bytes",
    )


def names(text: str) -> list[str]:
    """The names in a list with commas."""
    found = [name.strip() for name in text.split(",")]
    if not all(found):
        raise ArgumentTypeError(f"{text!r} has an empty name")
    return found


def number(text: str) -> int:
    """A whole number from 0."""
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise ArgumentTypeError(f"{text!r} is not a whole number from 0")
    return int(text)
