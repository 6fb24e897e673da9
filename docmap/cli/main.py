"""The program `docmap`: its commands, and how their errors end it."""

from __future__ import annotations

import logging
import os
import sys
from argparse import (
    SUPPRESS,
    ArgumentParser,
    ArgumentTypeError,
    Namespace,
    RawDescriptionHelpFormatter,
)
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from textwrap import fill
from typing import Final, NoReturn

from docmap.cli import copying, exporting, importing, indexing, overview, queries, upgrades
from docmap.cli.command import Command
from docmap.cli.conditions import condition
from docmap.errors import DocmapError
from docmap.storage.journal import LEFT_OUT
from docmap.storage.url import hide_passwords

COMMANDS: Final[tuple[Command, ...]] = (
    importing.COMMAND,
    exporting.COMMAND,
    copying.COMMAND,
    queries.FIND,
    queries.COUNT,
    queries.VALUES,
    queries.EXPLAIN,
    overview.COLLECTIONS,
    overview.INFO,
    indexing.COMMAND,
    upgrades.UPGRADE,
    upgrades.CHECK,
)
FAILED, USAGE, INTERRUPTED, PIPE_CLOSED = 1, 2, 130, 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status.

    0 is success, 1 an error that is told in one line on stderr, 2 a wrong call.
    """
    debug = False
    if isinstance(sys.stdout, TextIOWrapper):
        # A table goes out whatever the terminal's encoding; JSON minds it by itself.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        arguments = _parse(sys.argv[1:] if argv is None else argv)
        debug = arguments.debug
        command: Command = arguments.command
        with _logged(debug=debug):
            status = command.run(arguments)
        sys.stdout.flush()
    except SystemExit as stop:  # from argparse, which has said what there is to say
        return stop.code if isinstance(stop.code, int) else USAGE
    except BrokenPipeError:
        # The reader has gone, as `head` does; what Python flushes at its end has no place to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except KeyboardInterrupt:
        return _failed("interrupted", status=INTERRUPTED)
    except DocmapError as error:
        if debug:
            raise
        return _failed(str(error))
    except Exception as error:
        if debug:
            raise
        return _failed(
            f"unexpected {type(error).__name__}, which is a fault of docmap: run the command again "
            "with --debug, and report what it prints"
        )
    return status


@contextmanager
def _logged(*, debug: bool) -> Iterator[None]:
    """The log on stderr while debugging; else only what says that something is left out."""
    logger = logging.getLogger("docmap")
    handler = logging.StreamHandler() if debug else _LeftOut()
    level = logger.level
    logger.addHandler(handler)
    if debug:
        logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


class _LeftOut(logging.Handler):
    """Shows warnings about data that is not in any collection; others are for programs."""

    def emit(self, record: logging.LogRecord) -> None:
        if LEFT_OUT.keys() <= vars(record).keys():
            text = " ".join(hide_passwords(record.getMessage()).split())
            print(f"docmap: warning: {text}", file=sys.stderr)


def _failed(message: str, *, status: int = FAILED) -> int:
    text = " ".join(hide_passwords(message).split())
    print(f"docmap: error: {text}", file=sys.stderr)
    return status


class _Parser(ArgumentParser):
    """argparse with errors of one line, in which passwords do not show."""

    def error(self, message: str) -> NoReturn:
        _failed(f"{message}; see {self.prog} --help")
        sys.exit(USAGE)


_DEBUG: Final = "show what is done, and the traceback of an error"


def _parser() -> ArgumentParser:
    parser = _Parser(
        prog="docmap",
        description="Look into, fill and query any storage of docmap from the command line.",
        epilog="example:\n  docmap find sqlite:///shop.db orders status=paid --limit 5",
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="store_true", help="print the versions and exit")
    parser.add_argument("--debug", action="store_true", help=_DEBUG)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for command in COMMANDS:
        sub = commands.add_parser(
            command.name,
            help=command.summary,
            description="\n\n".join(filter(None, [fill(command.details, 100), command.notes()])),
            epilog=f"example:\n  {command.example}",
            formatter_class=RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        command.arguments(sub)
        sub.add_argument("--debug", action="store_true", default=SUPPRESS, help=_DEBUG)
        sub.set_defaults(command=command, parser=sub)
    return parser


def _parse(argv: Sequence[str]) -> Namespace:
    parser = _parser()
    arguments, rest = parser.parse_known_args(_joined(argv))
    if arguments.version:
        print(_versions())
        sys.exit(0)
    if not hasattr(arguments, "command"):
        parser.error("a command is needed")
    if rest:
        # argparse takes no more conditions once an option has come between.
        if not hasattr(arguments, "conditions") or any(text.startswith("-") for text in rest):
            arguments.parser.error(f"unrecognized arguments: {' '.join(rest)}")
        try:
            arguments.conditions += [condition(text) for text in rest]
        except ArgumentTypeError as error:
            arguments.parser.error(str(error))
    return arguments


def _joined(argv: Sequence[str]) -> list[str]:
    """`--order-by -total` as `--order-by=-total`: argparse would take the second for an option."""
    found: list[str] = []
    for text in argv:
        if found and found[-1] == "--order-by" and text.startswith("-") and text[1:2] != "-":
            found[-1] += f"={text}"
        else:
            found.append(text)
    return found


def _versions() -> str:
    import platform
    from importlib.metadata import PackageNotFoundError, version

    try:
        own = version("docmap")
    except PackageNotFoundError:
        own = "(not installed)"
    return f"docmap {own}, Python {platform.python_version()}, pydantic {version('pydantic')}"
