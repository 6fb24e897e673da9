"""The log of changes in an SQLite file: its tables, and the triggers that every writer runs.

Nothing is logged before a collection is first watched. From then on triggers on its table log
every change, whichever process or program makes it, in the transaction that makes it; so the
numbers of the log follow the order of commits. The log keeps a bounded number of changes.
"""

from __future__ import annotations

import secrets
import sqlite3

from docmap_backends._sql import quoted, table_name, text_literal

_TABLES = (
    """CREATE TABLE IF NOT EXISTS docmap_watched(
    name TEXT PRIMARY KEY, log TEXT NOT NULL, dropped INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID""",
    # A number is never used again: the last row is never pruned.
    """CREATE TABLE IF NOT EXISTS docmap_changes(
    number INTEGER PRIMARY KEY, collection TEXT NOT NULL, kind TEXT NOT NULL, key, rev, own, doc
    )""",
)
_PRUNE = "docmap_changes_prune"
_STEP = 1000  # changes between two times of pruning


def start_log(connection: sqlite3.Connection, collection: str, kept: int, *, given: bool) -> None:
    """Log a collection's changes from now on, if they are not logged; in a write transaction.

    `kept` is how many changes the log keeps at least; if it was `given`, it replaces what another
    opener said.
    """
    for statement in _TABLES:
        connection.execute(statement)
    _set_pruning(connection, kept, given=given)
    connection.execute(
        "INSERT OR IGNORE INTO docmap_watched(name, log) VALUES(?,?)",
        (collection, secrets.token_hex(8)),
    )
    known = "SELECT 1 FROM docmap_collections WHERE name=?"
    if connection.execute(known, (collection,)).fetchone():
        _create_triggers(connection, collection)


def stop_log(connection: sqlite3.Connection, collection: str) -> None:
    """Log no more changes of a collection; in a write transaction."""
    if not is_watched(connection, collection):
        return
    for name, *_ in _triggers(collection):
        connection.execute(f"DROP TRIGGER IF EXISTS {name}")
    connection.execute("DELETE FROM docmap_watched WHERE name=?", (collection,))
    # The last row stays, whatever it is of: its number must not be used again.
    connection.execute(
        "DELETE FROM docmap_changes WHERE collection=? "
        "AND number<(SELECT max(number) FROM docmap_changes)",
        (collection,),
    )


def go_on_logging(connection: sqlite3.Connection, collection: str) -> None:
    """Give the new table of a collection its triggers, if the collection is watched."""
    if is_watched(connection, collection):
        _create_triggers(connection, collection)


def is_watched(connection: sqlite3.Connection, collection: str) -> bool:
    """True if somebody has watched the collection."""
    made = "SELECT 1 FROM sqlite_master WHERE type='table' AND name='docmap_watched'"
    if connection.execute(made).fetchone() is None:
        return False
    row = connection.execute("SELECT 1 FROM docmap_watched WHERE name=?", (collection,))
    return row.fetchone() is not None


def kept_changes(connection: sqlite3.Connection) -> int:
    """How many changes the log keeps at least."""
    row = connection.execute("SELECT sql FROM sqlite_master WHERE name=?", (_PRUNE,)).fetchone()
    return int(bytes(row[0]).rpartition(b"-")[2].split(b";")[0]) if row else 0


def _set_pruning(connection: sqlite3.Connection, kept: int, *, given: bool) -> None:
    held = kept_changes(connection)
    if held == kept or (held and not given):
        return
    step = max(1, min(_STEP, kept // 10))
    old = f"number<=NEW.number-{kept}"
    connection.execute(f"DROP TRIGGER IF EXISTS {_PRUNE}")
    connection.execute(
        f"CREATE TRIGGER {_PRUNE} AFTER INSERT ON docmap_changes WHEN NEW.number%{step}=0 BEGIN "
        "UPDATE docmap_watched SET dropped=max(dropped,ifnull((SELECT max(c.number) "
        f"FROM docmap_changes c WHERE c.collection=docmap_watched.name AND c.{old}),0)); "
        f"DELETE FROM docmap_changes WHERE {old}; END"
    )


def _create_triggers(connection: sqlite3.Connection, collection: str) -> None:
    table = quoted(table_name(collection))
    for name, event, when, body in _triggers(collection):
        condition = f" WHEN {when}" if when else ""
        connection.execute(
            f"CREATE TRIGGER IF NOT EXISTS {name} {event} ON {table}{condition} BEGIN {body} END"
        )


def _triggers(collection: str) -> list[tuple[str, str, str, str]]:
    """The name of each trigger of a collection, with its event, condition and statements."""
    table = table_name(collection)
    return [
        (quoted(f"docmap_{table}_log_{event.split()[1].lower()}_{event[0]}"), event, when, body)
        for event, when, body in _events(quoted(table), text_literal(collection))
    ]


def _events(table: str, collection: str) -> list[tuple[str, str, str]]:
    """Event, condition and statements of each trigger.

    `OR REPLACE` of another program deletes without a trigger: before its insert it is noted that
    the key is there, and if the insert follows, it was a replacement. `OR IGNORE` leaves the note,
    which readers of the log pass over.
    """
    log = "INSERT INTO docmap_changes(collection, kind, key, rev, own, doc)"
    foreign = "ifnull(NEW.own,-1)<0"
    noted = (
        "EXISTS(SELECT 1 FROM docmap_changes c WHERE c.number=(SELECT max(number) FROM "
        f"docmap_changes) AND c.kind='{NOTED}' AND c.collection={collection} AND c.key IS NEW.key)"
    )
    # What another program changes gets its revision, and loses its mark, by a trigger beside this.
    changed = (
        "CASE WHEN NEW.own IS OLD.own AND NEW.rev IS OLD.rev THEN ifnull(NEW.rev,0)+1 "
        "ELSE NEW.rev END, CASE WHEN NEW.own IS OLD.own THEN -1 ELSE NEW.own END"
    )
    # To bring a row of another program into docmap's form leaves it at its revision.
    revision = (
        "CASE WHEN typeof(OLD.rev)='integer' AND OLD.rev>=0 AND OLD.rev<4611686018427387904 "
        "THEN OLD.rev ELSE 0 END"
    )
    taken_over = (
        f"ifnull(OLD.own,-1)<0 AND ifnull(NEW.own,-1)>=0 AND NEW.rev IS {revision} "
        "AND NEW.key IS OLD.key"
    )
    return [
        (
            "BEFORE INSERT",
            f"{foreign} AND EXISTS(SELECT 1 FROM {table} t WHERE t.key=NEW.key)",
            f"{log} VALUES({collection}, '{NOTED}', NEW.key, NULL, NULL, NULL);",
        ),
        (
            "AFTER INSERT",
            "",
            (
                f"{log} VALUES({collection}, CASE WHEN {foreign} AND {noted} THEN 'update' "
                "ELSE 'insert' END, NEW.key, NEW.rev, NEW.own, NEW.doc);"
            ),
        ),
        (
            "AFTER UPDATE OF key, doc",
            f"NOT ({taken_over})",
            (
                f"{log} SELECT {collection}, 'delete', OLD.key, OLD.rev, OLD.own, OLD.doc "
                "WHERE NEW.key IS NOT OLD.key; "
                f"{log} VALUES({collection}, CASE WHEN NEW.key IS OLD.key THEN 'update' "
                f"ELSE 'insert' END, NEW.key, {changed}, NEW.doc);"
            ),
        ),
        (
            "AFTER DELETE",
            "",
            f"{log} VALUES({collection}, 'delete', OLD.key, OLD.rev, OLD.own, OLD.doc);",
        ),
    ]


NOTED = "noted"
"""The kind of a row of the log that is no change, but prepares for one."""
