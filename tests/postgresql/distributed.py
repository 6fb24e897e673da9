"""A stand-in for a server that spreads tables: what Citus says yes and no to, on one server.

Its `create_distributed_table` notes which table is spread by which column. From then on the table
may have no unique index without that column, no trigger, and no change of that column's value.
"""

from __future__ import annotations

from typing import Final

from docmap_backends.postgresql import PostgreSQLStorage

_UNIQUE: Final = """
CREATE FUNCTION spread.check_unique(index oid, by_column text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM pg_index i WHERE i.indexrelid = index AND i.indisunique AND NOT EXISTS (
      SELECT 1 FROM pg_attribute a
      WHERE a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey) AND a.attname = by_column)) THEN
    RAISE EXCEPTION 'creating unique indexes on non-partition columns is currently unsupported'
      USING ERRCODE = '0A000';
  END IF;
END $$"""
_SPREAD: Final = """
CREATE FUNCTION create_distributed_table(table_name regclass, distribution_column text,
  distribution_type text DEFAULT 'hash', colocate_with text DEFAULT 'default',
  shard_count int DEFAULT NULL) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM spread.tables t WHERE t.relation = table_name) THEN
    RAISE EXCEPTION 'table "%" is already distributed', table_name USING ERRCODE = '42P16';
  END IF;
  IF NOT EXISTS (SELECT 1 FROM pg_attribute WHERE attrelid = table_name
      AND attname = distribution_column AND attgenerated = '') THEN
    RAISE EXCEPTION 'cannot distribute relation: %', table_name USING ERRCODE = '0A000';
  END IF;
  IF EXISTS (SELECT 1 FROM pg_trigger WHERE tgrelid = table_name AND NOT tgisinternal) THEN
    RAISE EXCEPTION 'cannot distribute relation "%" because it has triggers', table_name
      USING ERRCODE = '0A000';
  END IF;
  PERFORM spread.check_unique(indexrelid, distribution_column)
    FROM pg_index WHERE indrelid = table_name;
  INSERT INTO spread.tables(relation, named, by_column, indexes)
    SELECT table_name, relname, distribution_column,
      (SELECT count(*) FROM pg_index WHERE indrelid = table_name)
    FROM pg_class WHERE oid = table_name;
END $$"""
_GUARD: Final = """
CREATE FUNCTION spread.guard() RETURNS event_trigger LANGUAGE plpgsql AS $$
DECLARE made record; parted spread.tables;
BEGIN
  FOR made IN SELECT * FROM pg_event_trigger_ddl_commands() LOOP
    IF made.object_type = 'index' THEN
      FOR parted IN SELECT t.* FROM spread.tables t JOIN pg_index i ON i.indrelid = t.relation
          WHERE i.indexrelid = made.objid LOOP
        PERFORM spread.check_unique(made.objid, parted.by_column);
      END LOOP;
    ELSIF made.object_type = 'trigger' AND EXISTS (SELECT 1 FROM pg_trigger g
        JOIN spread.tables t ON t.relation = g.tgrelid WHERE g.oid = made.objid) THEN
      RAISE EXCEPTION 'triggers are not supported on distributed tables' USING ERRCODE = '0A000';
    END IF;
  END LOOP;
END $$"""
MADE: Final = (
    "CREATE SCHEMA spread",
    """CREATE TABLE spread.tables(relation oid PRIMARY KEY, named text, by_column text,
    indexes int)""",
    *(_UNIQUE, _SPREAD, _GUARD),
    "CREATE EVENT TRIGGER spread_guard ON ddl_command_end EXECUTE FUNCTION spread.guard()",
)
REMOVED: Final = (
    "DROP EVENT TRIGGER spread_guard",
    "DROP FUNCTION create_distributed_table",
    "DROP SCHEMA spread CASCADE",
)


def spread_tables(db: PostgreSQLStorage) -> list[tuple[str, str, int]]:
    """The tables that were spread: their names, by which column, with how many indexes then."""
    rows = db._connections.rows("SELECT named, by_column, indexes FROM spread.tables ORDER BY 1")
    return [((name or b"").decode(), (by or b"").decode(), int(n or 0)) for name, by, n in rows]


def run_all(db: PostgreSQLStorage, statements: tuple[str, ...]) -> None:
    """Run statements that no class of docmap would."""
    for statement in statements:
        db.native.execute(statement.encode())
