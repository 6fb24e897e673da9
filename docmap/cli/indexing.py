"""`docmap indexes`: what the classes declare against what a storage has, and making it so."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from typing import Any, Final

from docmap.cli.command import Command, add_url
from docmap.cli.models import model_name, schemas
from docmap.cli.output import json_text, printable
from docmap.cli.progress import Progress, progress
from docmap.cli.stores import reading
from docmap.config import connect
from docmap.errors import DocmapError
from docmap.storage.base import BaseStorageAdapter
from docmap.storage.indexing import (
    IndexPlan,
    build_missing,
    conflict_text,
    drop_extra,
    plan_indexes,
)


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "action", choices=["plan", "apply"], help="show the difference, or make it go away"
    )
    add_url(parser)
    parser.add_argument(
        "models",
        metavar="MODULE:CLASS",
        nargs="+",
        type=model_name,
        help="the document classes, for example shop.models:Order; all that share a collection",
    )
    parser.add_argument(
        "--drop", action="store_true", help="apply also drops indexes that no class declares"
    )
    parser.add_argument("--json", action="store_true", help="the result as JSON")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run(arguments: Namespace) -> int:
    """Show the plan, or carry it out; 1 if indexes are left that contradict the classes."""
    if arguments.action == "plan" and arguments.drop:
        raise DocmapError("--drop is for apply: plan changes nothing")
    declared = schemas(arguments.models)
    if arguments.action == "plan":
        with reading(arguments.url) as storage:
            plans = plan_indexes(storage, declared)
            _show(plans, storage, arguments)
        return 0
    with connect(arguments.url) as storage:
        plans = plan_indexes(storage, declared)
        _apply(storage, plans, arguments)
        _show(plans, storage, arguments)
    left = [] if arguments.drop else [(plan, pair) for plan in plans for pair in plan.conflicts]
    if left:
        plan, pair = left[0]
        raise DocmapError(
            f"{plan.collection}: {conflict_text(*pair)}, where it stays in force: apply "
            "--drop removes what no class declares",
            collection=plan.collection,
        )
    return 0


def _apply(storage: BaseStorageAdapter, plans: list[IndexPlan], arguments: Namespace) -> None:
    for plan in plans:
        total = storage.find(plan.collection).count() if plan.missing else 0
        for number, pair in enumerate(plan.missing, 1):
            label = f"{plan.collection} {pair[1].label} ({number}/{len(plan.missing)})"
            one = IndexPlan(plan.schemas, (pair,), ())
            with progress(label, total, quiet=arguments.quiet or not total, unit="docs") as bar:
                guessed = _Guessed(bar, total)
                build_missing(storage, one, guessed.advance)
                guessed.advance(total)
        build_missing(storage, IndexPlan(plan.schemas, (), ()), lambda _: None)
        if arguments.drop:
            drop_extra(storage, plan)


class _Guessed:
    """A progress that engines guess: it never goes beyond the total."""

    def __init__(self, bar: Progress, total: int) -> None:
        self._bar = bar
        self._left = total

    def advance(self, count: int) -> None:
        """About so many more documents are done."""
        count = min(count, self._left)
        self._left -= count
        self._bar.advance(count)


def _show(plans: list[IndexPlan], storage: BaseStorageAdapter, arguments: Namespace) -> None:
    """Print the plans, as they are or as they were carried out."""
    if arguments.json:
        data = {plan.collection: _data(plan, arguments) for plan in plans}
        print(json_text({"action": arguments.action, "collections": data}, sys.stdout, indent=2))
        return
    applied = arguments.action == "apply"
    for plan in plans:
        classes = ", ".join(schema.name for schema in plan.schemas)
        print(f"{printable(plan.collection)} on {storage.scheme} ({classes})")
        missing = {index.name for _, index in plan.missing}
        for _, index in plan.declared:
            there = index.name not in missing
            made = "there" if there else "made" if applied else "to be made"
            print(f"  {' ' if there else '+'} {printable(index.label)}: {made}")
        clashes = {found.name: wanted for wanted, found in plan.conflicts}
        for found in plan.extra:
            fate = "dropped" if arguments.drop else "not declared"
            wanted = clashes.get(found.name)
            if wanted is None:
                print(f"  - {printable(found.label)}: {fate}")
            else:
                text = printable(conflict_text(wanted, found))
                print(f"  ! {printable(found.label)}: {fate}; {text}")
        if not plan.declared and not plan.extra:
            print("    no indexes")


def _data(plan: IndexPlan, arguments: Namespace) -> dict[str, Any]:
    missing = {index.name for _, index in plan.missing}
    made = "made" if arguments.action == "apply" else "missing"
    dropped = "dropped" if arguments.drop else "extra"
    return {
        "declared": [index.definition.text for _, index in plan.declared],
        "present": [i.definition.text for _, i in plan.declared if i.name not in missing],
        made: [index.definition.text for _, index in plan.missing],
        dropped: [definition.text for definition in plan.extra],
        "conflicts": [
            {"declared": wanted.text, "present": found.text} for wanted, found in plan.conflicts
        ],
    }


COMMAND: Final = Command(
    "indexes",
    "compare or make the indexes that classes declare",
    "plan shows what the document classes declare and the storage lacks, and what it has that none "
    "of them declares; it changes nothing. apply makes what is missing, and with --drop removes "
    "what is not declared. Name all classes that share a collection.",
    "docmap indexes plan sqlite:///shop.db shop.models:Order shop.models:Customer",
    _arguments,
    run,
)
