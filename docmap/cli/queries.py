"""`docmap find`, `count`, `values` and `explain`: one query, asked in four ways."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from typing import Final

from docmap.cli.command import (
    Command,
    add_collection,
    add_conditions,
    add_extended,
    add_order,
    conditions_help,
    names,
)
from docmap.cli.conditions import query
from docmap.cli.output import cell, json_text, pick, write_documents, write_table
from docmap.cli.stores import reading


def _find_arguments(parser: ArgumentParser) -> None:
    add_collection(parser)
    add_conditions(parser)
    add_order(parser)
    parser.add_argument(
        "--fields", metavar="NAME[,NAME]", type=names, help="only these fields; a.b for nested ones"
    )
    parser.add_argument(
        "--format", choices=["table", "json", "jsonl"], default="table", help="table if not given"
    )
    add_extended(parser)


def find(arguments: Namespace) -> int:
    """Print the documents that a query finds."""
    with reading(arguments.url, arguments.collection) as storage:
        documents = query(storage, arguments)
        if arguments.fields:
            documents = pick(documents, arguments.fields)
        if arguments.format == "table":
            write_table(documents, sys.stdout, arguments.fields)
        else:
            write_documents(
                documents, sys.stdout, form=arguments.format, extended=arguments.extended
            )
    return 0


def _count_arguments(parser: ArgumentParser) -> None:
    add_collection(parser)
    add_conditions(parser)


def count(arguments: Namespace) -> int:
    """Print how many documents a query finds."""
    with reading(arguments.url, arguments.collection) as storage:
        print(query(storage, arguments).count())
    return 0


def _values_arguments(parser: ArgumentParser) -> None:
    add_collection(parser)
    parser.add_argument("name", metavar="NAME", help="the field; a.b for the field b of a")
    add_conditions(parser)
    parser.add_argument(
        "--format",
        choices=["text", "json", "jsonl"],
        default="text",
        help="text, one value a line, if not given",
    )
    add_extended(parser)


def values(arguments: Namespace) -> int:
    """Print the distinct values of a field, in order."""
    with reading(arguments.url, arguments.collection) as storage:
        found = list(query(storage, arguments).values(arguments.name))
    if arguments.format == "json":
        print(json_text(found, sys.stdout, extended=arguments.extended))
        return 0
    for value in found:
        as_json = arguments.format == "jsonl"
        print(json_text(value, sys.stdout, extended=arguments.extended) if as_json else cell(value))
    return 0


def _explain_arguments(parser: ArgumentParser) -> None:
    add_collection(parser)
    add_conditions(parser)
    add_order(parser)
    parser.add_argument("--json", action="store_true", help="the plan as JSON")


def explain(arguments: Namespace) -> int:
    """Print how a query would run."""
    with reading(arguments.url, arguments.collection) as storage:
        plan = query(storage, arguments).explain()
        print(json_text(plan.data, sys.stdout, indent=2) if arguments.json else plan)
    return 0


FIND: Final = Command(
    "find",
    "print the documents that match",
    "Print the documents of a collection that fulfil all conditions.",
    "docmap find sqlite:///shop.db orders status=paid total__gte=100 --order-by -total --limit 5",
    _find_arguments,
    find,
    conditions_help,
)
COUNT: Final = Command(
    "count",
    "count the documents that match",
    "Print how many documents of a collection fulfil all conditions.",
    'docmap count sqlite:///shop.db orders \'customer__country__in=["DE", "FR"]\'',
    _count_arguments,
    count,
    conditions_help,
)
VALUES: Final = Command(
    "values",
    "print the distinct values of a field",
    "Print the distinct values of a field, in order and without null, of the documents that "
    "fulfil all conditions.",
    "docmap values sqlite:///shop.db orders customer.country status=paid",
    _values_arguments,
    values,
    conditions_help,
)
EXPLAIN: Final = Command(
    "explain",
    "print how a query would run",
    "Print what of a query the engine does itself, with which index, and what docmap filters "
    "afterwards and why. Nothing is read.",
    "docmap explain sqlite:///shop.db orders total__gte=100 --order-by -total",
    _explain_arguments,
    explain,
    conditions_help,
)
