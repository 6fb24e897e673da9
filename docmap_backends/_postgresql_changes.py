"""The log of changes in a PostgreSQL database: its tables, and the triggers that every writer runs.

Nothing is logged before a collection is first watched. From then on triggers on its table log every
change, whichever program makes it, in the transaction that makes it. Whoever writes a watched
collection first takes its turn at the one row of `docmap_log`, and keeps it until it commits: so
the numbers of the log follow the order of commits. The log keeps a bounded number of changes.
"""

from __future__ import annotations

import secrets
from hashlib import sha256
from typing import Final

from docmap.errors import StorageError
from docmap_backends._postgresql_connections import Connections
from docmap_backends._postgresql_errors import ENGINE
from docmap_backends._postgresql_spreading import Spread
from docmap_backends._postgresql_sql import literal
from docmap_backends._postgresql_tables import Table, table_name
from docmap_backends._sql import quoted

CHANNEL: Final = "docmap"
"""What watchers listen to; the payload is the collection."""
_STEP: Final = 1000  # changes between two times of pruning
_TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS docmap_watched(
    name text COLLATE "C" PRIMARY KEY, log text NOT NULL, dropped bigint NOT NULL DEFAULT 0)""",
    """CREATE TABLE IF NOT EXISTS docmap_changes(
    number bigserial PRIMARY KEY, collection text COLLATE "C" NOT NULL, kind text NOT NULL,
    rev bigint NOT NULL, doc jsonb NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS docmap_changes_of ON docmap_changes(collection, number)",
    """CREATE TABLE IF NOT EXISTS docmap_log(
    id int PRIMARY KEY CHECK (id = 1), kept bigint NOT NULL)""",
)
# They run with the rights of who watched first, so that no other program that writes needs any on
# the log; none but that user can make triggers of them, and they find no table but the log's own.
_RUN: Final = (
    "RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp"
)
_NOTIFY: Final = f"PERFORM pg_notify('{CHANNEL}', TG_ARGV[0]);"
# Before any row is locked, so that two writers cannot wait for one another.
_TURN: Final = f"""CREATE OR REPLACE FUNCTION docmap_log_turn() {_RUN} AS $$ BEGIN
      PERFORM 1 FROM docmap_log FOR UPDATE;
      {{notify}}
      IF TG_OP = 'TRUNCATE' THEN
        EXECUTE 'INSERT INTO docmap_changes(collection, kind, rev, doc) SELECT $1, ''delete'', '
          || TG_ARGV[1] || ' FROM ' || TG_RELID::regclass::text
          || ' WHERE ' || TG_ARGV[2] || ' IS NOT NULL' USING TG_ARGV[0];
      END IF;
      RETURN NULL;
    END $$"""
_CHANGE: Final = f"""CREATE OR REPLACE FUNCTION {{function}}() {_RUN} AS $$
    DECLARE last bigint; most bigint; said text := NULL; BEGIN
      IF TG_OP <> 'INSERT' AND OLD.{{doc}} IS NOT NULL THEN
        IF TG_OP = 'DELETE' OR NEW.{{key}} <> OLD.{{key}} OR NEW.{{doc}} IS NULL THEN
          INSERT INTO docmap_changes(collection, kind, rev, doc)
          VALUES (TG_ARGV[0], 'delete', coalesce(OLD.{{rev}}, 0), OLD.{{doc}})
          RETURNING number INTO last;
        ELSIF NEW.{{doc}} <> OLD.{{doc}} OR NEW.{{rev}} IS DISTINCT FROM OLD.{{rev}} THEN
          said := 'update';
        END IF;
      END IF;
      IF TG_OP = 'INSERT' OR (TG_OP = 'UPDATE'
          AND (NEW.{{key}} <> OLD.{{key}} OR OLD.{{doc}} IS NULL)) THEN
        said := 'insert';
      END IF;
      IF said IS NOT NULL AND NEW.{{doc}} IS NOT NULL THEN
        INSERT INTO docmap_changes(collection, kind, rev, doc)
        VALUES (TG_ARGV[0], said, coalesce(NEW.{{rev}}, 0), NEW.{{doc}})
        RETURNING number INTO last;
      END IF;
      SELECT kept INTO most FROM docmap_log;
      IF last %% greatest(1, least({_STEP}, most / 10)) = 0 THEN
        UPDATE docmap_watched w SET dropped = greatest(dropped, coalesce((
          SELECT max(c.number) FROM docmap_changes c
          WHERE c.collection = w.name AND c.number <= last - most), 0));
        DELETE FROM docmap_changes WHERE number <= last - most;
      END IF;
      RETURN NULL;
    END $$"""


def is_watched(connections: Connections, collection: str) -> bool:
    """True if somebody has watched the collection."""
    rows = connections.rows("SELECT to_regclass('docmap_watched') IS NOT NULL")
    if rows[0][0] != b"t":
        return False
    return bool(connections.rows("SELECT 1 FROM docmap_watched WHERE name = %s", (collection,)))


def kept_changes(connections: Connections) -> int:
    """How many changes the log keeps at least."""
    rows = connections.rows("SELECT kept FROM docmap_log", apart=True)
    return int(rows[0][0] or 0) if rows else 0


def start_log(
    connections: Connections, collection: str, table: Table | None, kept: int, *, given: bool
) -> None:
    """Log a collection's changes from now on, if they are not logged; in a transaction.

    `kept` is how many changes the log keeps at least; if it was `given`, it replaces what another
    opener said.
    """
    connections.script(_TABLES)
    what = "UPDATE SET kept = excluded.kept" if given else "NOTHING"
    connections.written(
        f"INSERT INTO docmap_log(id, kept) VALUES(1, %s) ON CONFLICT (id) DO {what}", (kept,)
    )
    connections.written(
        "INSERT INTO docmap_watched(name, log) VALUES(%s, %s) ON CONFLICT (name) DO NOTHING",
        (collection, secrets.token_hex(8)),
    )
    if table is not None:
        create_triggers(connections, table)
    else:
        # A server that cannot run them says so now, not when the first document is saved.
        _create_functions(connections, Table(collection, ""))


def create_triggers(connections: Connections, table: Table) -> None:
    """Have every change of a table logged; in a transaction.

    Raises StorageError for a table that is spread over servers.
    """
    check_whole(table.collection, table.spread)
    if table.lacks_keys:
        raise StorageError(
            f"the documents of {table.collection} lack their keys, and so would its changes: watch "
            "a collection whose documents have them",
            engine=ENGINE,
            collection=table.collection,
        )
    function = _create_functions(connections, table)
    named = literal(table.collection)
    columns = literal(f"coalesce({table.rev}, 0), {table.doc}")
    events = "INSERT OR UPDATE OR DELETE"
    each = (
        ("BEFORE", events, "STATEMENT", f"docmap_log_turn({named})"),
        ("AFTER", events, "ROW", f"{function}({named})"),
        (
            "BEFORE",
            "TRUNCATE",
            "STATEMENT",
            f"docmap_log_turn({named}, {columns}, {literal(table.doc)})",
        ),
    )
    for name, (when, event, what, run) in zip(_triggers(table.collection), each, strict=True):
        made = f"CREATE TRIGGER {name} {when} {event} ON {table.name} "
        made += f"FOR EACH {what} EXECUTE FUNCTION {run}"
        connections.script([f"DROP TRIGGER IF EXISTS {name} ON {table.name}", made])


def check_whole(collection: str, spread: Spread | None) -> None:
    """Raise StorageError for a table that is spread over servers."""
    if spread is not None:
        raise StorageError(
            f"{collection} is spread over servers, which have no triggers that tell of its "
            "changes: watch a collection without a shard key",
            engine=ENGINE,
            collection=collection,
        )


def _create_functions(connections: Connections, table: Table) -> str:
    """Make what the triggers of a table run; the name of the function that logs its rows."""
    function = _function(table)
    ((schema,),) = connections.rows(
        "SELECT quote_ident(n.nspname) FROM pg_class c JOIN pg_namespace n "
        "ON n.oid = c.relnamespace WHERE c.oid = to_regclass('docmap_log')"
    )
    filled = {"schema": (schema or b"").decode(), "function": function}
    filled |= {one: getattr(table, one) for one in ("key", "rev", "doc")}
    # Where nothing can be heard, feeds look at the log now and then.
    filled["notify"] = _NOTIFY if connections.can(f"SELECT pg_notify('{CHANNEL}', '')") else ""
    for made in (_TURN, _CHANGE):
        connections.script([made.format(**filled)])
    for one in ("docmap_log_turn", function):
        connections.script([f"REVOKE EXECUTE ON FUNCTION {one}() FROM PUBLIC"])
    return function


def _function(table: Table) -> str:
    """The function that logs a table's rows: its columns are called as in no other, perhaps."""
    if table.place is None:
        return "docmap_log_change"
    return f"docmap_log_change_{sha256(table.place.text.encode()).hexdigest()[:16]}"


def stop_log(connections: Connections, collection: str, table: Table | None) -> None:
    """Log no more changes of a collection; in a transaction."""
    if table is not None:
        triggers = _triggers(collection)
        connections.script([f"DROP TRIGGER IF EXISTS {one} ON {table.name}" for one in triggers])
        if table.place is not None:
            connections.script([f"DROP FUNCTION IF EXISTS {_function(table)}()"])
    connections.written("DELETE FROM docmap_watched WHERE name = %s", (collection,))
    # The last row stays, whatever it is of: where a feed stands must not be behind the end.
    connections.written(
        "DELETE FROM docmap_changes WHERE collection = %s "
        "AND number < (SELECT max(number) FROM docmap_changes)",
        (collection,),
    )


def _triggers(collection: str) -> tuple[str, str, str]:
    name = table_name(collection)
    one, two, three = (quoted(f"docmap_log_{number}_{name}") for number in (1, 2, 3))
    return one, two, three
