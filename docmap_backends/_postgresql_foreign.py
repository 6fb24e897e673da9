"""Tables that other programs made, used as collections: where they are, and what columns they have.

The option `tables` names them: `orders=shop.orders(id,data)` says that the collection `orders` is
the table `orders` in the schema `shop`, with the keys in `id` and the documents, in JSONB, in
`data`. A third column holds the revision; without one docmap adds `docmap_rev` before it first
writes. The key stands in the documents too, unless a name follows its column: `(num:id,data)` says
that documents lack their `id`, which is in `num` alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from docmap.errors import ForeignStore, InvalidConfig
from docmap.schema.schema import Schema, check_collection
from docmap_backends._postgresql_errors import ENGINE
from docmap_backends._postgresql_sql import literal
from docmap_backends._sql import quoted

if TYPE_CHECKING:
    from docmap_backends._postgresql_connections import Connections

_OWN_REVISION: Final = "docmap_rev"
_ENTRY: Final = re.compile(r"([^=;]+)=([^(;]+)\(([^,()]+),([^,()]+)(?:,([^,()]+))?\)")
_KEYS: Final[Mapping[str, str]] = {
    "text": "text",
    "character varying": "text",
    "uuid": "uuid",
    "bigint": "bigint",
    "integer": "bigint",
}


class Place(NamedTuple):
    """A table of another program: its name in the parts, and its columns."""

    table: tuple[str, ...]
    key: str
    doc: str
    rev: str = ""
    kind: str = "text"
    """The type of its keys: `text`, `uuid` or `bigint`."""
    field: str = ""
    """The name of the key in the documents, if they lack it."""

    def document(self, row: str = "") -> str:
        """The documents with their keys, as an expression that an index takes."""
        doc, key = row + quoted(self.doc), f"{row}{quoted(self.key)}::text"
        if not self.field:
            return doc
        if self.kind != "bigint":
            return f"({doc} || jsonb_object(ARRAY[{literal(self.field)},{key}]))"
        begin = literal("{" + json.dumps(self.field) + ":")
        return f"({doc} || ({begin} || {key} || '}}')::jsonb)"

    def kept(self, document: str) -> str:
        """What is stored of a document: all, or what is beside its key."""
        return f"({document} - {literal(self.field)})" if self.field else document

    def check(self, schema: Schema) -> None:
        """Raise ForeignStore for a class whose key is stored under another name."""
        if self.field and self.field != schema.key_field.stored:
            raise ForeignStore(
                f"the documents of {'.'.join(self.table)} have their keys in the column {self.key} "
                f"as {self.field}, and the key of {schema.name} is stored as "
                f"{schema.key_field.stored}: name that in the option tables, or {self.field} by "
                "Stored in the class",
                engine=ENGINE,
                collection=schema.collection,
            )

    @property
    def name(self) -> str:
        """The table's name, quoted."""
        return ".".join(map(quoted, self.table))

    @property
    def text(self) -> str:
        """The place as the catalogue keeps it."""
        return json.dumps(self)

    @classmethod
    def of(cls, text: str) -> Self:
        """The place that the catalogue has."""
        table, *others = json.loads(text)
        return cls(tuple(table), *others)


def read_places(text: str) -> dict[str, Place]:
    """The tables that the option names, by collection. Raises InvalidConfig."""
    found: dict[str, Place] = {}
    for entry in filter(None, map(str.strip, text.split(";"))):
        parts = _ENTRY.fullmatch(entry)
        if parts is None:
            raise InvalidConfig(
                "postgresql: tables is written collection=table(key,document), with a third "
                "column for the revision if there is one, key:name if documents lack their key "
                "of that name, and ; between the collections",
                engine=ENGINE,
                field="tables",
            )
        collection, table, *columns = (one.strip() if one else "" for one in parts.groups())
        check_collection(collection)
        key, _, field = columns[0].rpartition(":") if ":" in columns[0] else (columns[0], "", "")
        found[collection] = Place(tuple(table.split(".")), key, *columns[1:])._replace(field=field)
    return found


def found_place(connections: Connections, collection: str, place: Place) -> Place:
    """A place with the type of its keys, and the revisions if they are there already.

    Raises ForeignStore if the table is not there, or not as it has to be.
    """
    rows = connections.rows(
        "SELECT a.attname, format_type(a.atttypid, NULL) FROM pg_attribute a "
        "WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped",
        (place.name,),
    )
    columns = {(name or b"").decode(): (kind or b"").decode() for name, kind in rows}
    wrong = ""
    if not columns:
        wrong = "is not there"
    elif place.key not in columns or place.doc not in columns:
        wrong = f"has no column {place.doc if place.key in columns else place.key}"
    elif columns[place.doc] != "jsonb":
        wrong = f"has documents in {place.doc} that are not JSONB"
    elif columns[place.key] not in _KEYS:
        wrong = f"has keys in {place.key} that are not text, uuid or whole numbers"
    elif place.rev and columns.get(place.rev) != "bigint":
        wrong = f"has no column {place.rev} of type bigint for the revision"
    if wrong:
        raise ForeignStore(
            f"the table {'.'.join(place.table)}, which the option tables names for {collection}, "
            f"{wrong}",
            engine=ENGINE,
            collection=collection,
        )
    rev = place.rev or (_OWN_REVISION if _OWN_REVISION in columns else "")
    return place._replace(kind=_KEYS[columns[place.key]], rev=rev)


def with_revisions(connections: Connections, place: Place) -> Place:
    """The place with a column for revisions, which is added if there is none."""
    if place.rev:
        return place
    rev = quoted(_OWN_REVISION)
    connections.script(
        [f"ALTER TABLE {place.name} ADD COLUMN IF NOT EXISTS {rev} bigint NOT NULL DEFAULT 0"]
    )
    return place._replace(rev=_OWN_REVISION)
