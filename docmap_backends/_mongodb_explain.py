"""How MongoDB would run a query: its own plan, reduced to the indexes and to what is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from docmap.errors import StorageError, Unavailable, Unsupported
from docmap.plan.engine import EnginePlan
from docmap.schema.schema import Schema
from docmap_backends._mongodb_judging import JUDGED, KEY, judged, listed
from docmap_backends._mongodb_streams import Search
from docmap_backends._mongodb_values import OPTIONS

if TYPE_CHECKING:
    from docmap_backends._mongodb_queries import MongoQueries

_INSIDE: Final = (
    "inputStage",
    "inputStages",
    "queryPlan",
    "shards",
    "winningPlan",
    "executionStages",
)


def explained(storage: MongoQueries, schema: Schema, search: Search) -> EnginePlan:
    """The server's plan of a search; what docmap sends alone where the server tells none."""
    collection = storage._collection(schema)
    command: dict[str, Any] = {"find": collection.name, "filter": search.filter}
    if search.sort:
        command["sort"] = dict(search.sort)
    if search.skip:
        command["skip"] = search.skip
    if search.limit:
        command["limit"] = search.limit
    return _planned(storage, schema, collection, command, statement(collection.name, search))


def explained_pipeline(
    storage: MongoQueries, schema: Schema, pipeline: list[dict[str, Any]]
) -> EnginePlan:
    """The server's plan of a pipeline."""
    collection = storage._collection(schema)
    command = {"aggregate": collection.name, "pipeline": pipeline, "cursor": {}}
    text = f"{collection.name}.aggregate({shown(pipeline)})"
    return _planned(storage, schema, collection, command, text)


def _planned(
    storage: MongoQueries, schema: Schema, collection: Any, command: dict[str, Any], text: str
) -> EnginePlan:
    size = int(storage._run(collection.estimated_document_count))
    database = storage._client.database
    asked = {"explain": command, "verbosity": "queryPlanner"}
    try:
        found = storage._run(lambda: database.command(asked, codec_options=OPTIONS))
    except Unavailable:
        raise
    except (StorageError, Unsupported):
        found = None
    declared = (index for one in (schema, *schema.relatives) for index in one.indexes)
    labels = {index.name: index.label for index in declared}
    if found is not None:
        return reduced(found, labels, size, text)
    used = judged(*_asked(command), listed(storage.listed_indexes(schema)))
    names = tuple(dict.fromkeys("(key)" if one == KEY else _label(one, labels) for one in used))
    return EnginePlan(names, not used, size, (JUDGED,), text)


def _asked(command: dict[str, Any]) -> tuple[dict[str, Any], list[tuple[str, int]]]:
    """The filter and the order of a command."""
    if "pipeline" in command:
        first = command["pipeline"][0] if command["pipeline"] else {}
        return first.get("$match", {}), []
    return command["filter"], list(command.get("sort", {}).items())


def reduced(
    found: Mapping[str, Any], labels: Mapping[str, str], size: int, text: str
) -> EnginePlan:
    """A plan of the server's as docmap tells it; `labels` are those of indexes by their names."""
    stages = list(_stages(found.get("queryPlanner", found)))
    used: dict[str, None] = {}
    for stage in stages:
        name = stage.get("indexName")
        if name is not None:
            used["(key)" if name == "_id_" else _label(str(name), labels)] = None
        elif stage.get("stage") in _BY_KEY:
            used["(key)"] = None
    scan = any(stage.get("stage") == "COLLSCAN" for stage in stages)
    lines = tuple(dict.fromkeys(_line(stage, labels) for stage in stages))
    return EnginePlan(tuple(used), scan, size, lines, text)


def _label(name: str, labels: Mapping[str, str]) -> str:
    """What an index is called: that beside a unique one as this."""
    return labels.get(name) or labels.get(name.rpartition("_")[0]) or name


_BY_KEY: Final = frozenset({"IDHACK", "EXPRESS_IXSCAN", "CLUSTERED_IXSCAN"})


def _stages(plan: Any) -> Iterator[Mapping[str, Any]]:
    """The stages of the winning plan, from the outermost in, those of every shard."""
    if isinstance(plan, list):
        for one in plan:
            yield from _stages(one)
    elif isinstance(plan, Mapping):
        if "stage" in plan and isinstance(plan["stage"], str):
            yield plan
        if "$cursor" in plan:
            yield from _stages(plan["$cursor"].get("queryPlanner", plan["$cursor"]))
        for name in _INSIDE:
            if name in plan:
                yield from _stages(plan[name])
        if "stages" in plan:
            yield from _stages(plan["stages"])


def _line(stage: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    name = stage.get("indexName")
    told = "" if name is None else f" {_label(str(name), labels)}"
    back = " backwards" if stage.get("direction") == "backward" else ""
    return f"{stage['stage']}{told}{back}"


# -- what is sent, without its values


def statement(collection: str, search: Search) -> str:
    """A search in words like those of MongoDB's shell."""
    text = f"{collection}.find({shown(search.filter)})"
    if search.sort:
        text += f".sort({dict(search.sort)})"
    if search.skip:
        text += f".skip({search.skip})"
    if search.limit is not None:
        text += f".limit({search.limit})"
    return text


_TOLD: Final = frozenset({"$type", "$exists", "$size", "$group", "$sort"})


def shown(value: Any) -> str:
    """A filter or a pipeline with question marks for its values."""
    if isinstance(value, Mapping):
        parts = (
            f"{name}: {item if name in _TOLD else shown(item)}" for name, item in value.items()
        )
        return "{" + ", ".join(parts) + "}"
    if isinstance(value, list):
        if value and all(isinstance(item, Mapping) for item in value):
            return "[" + ", ".join(map(shown, value)) + "]"
        return "[?]"
    return "?"
