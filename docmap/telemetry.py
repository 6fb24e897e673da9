"""OpenTelemetry spans of what storages do, by the semantic conventions for database clients."""

from __future__ import annotations

from collections.abc import Callable
from time import time_ns
from typing import TYPE_CHECKING, Any

from docmap.errors import InvalidConfig
from docmap.storage.journal import Command, on_command

if TYPE_CHECKING:
    from docmap.storage.base import BaseStorageAdapter

_NANO = 1_000_000_000
_READS = frozenset({"get", "get_many", "find", "page", "batch", "values", "aggregate"})


def instrument(
    storage: BaseStorageAdapter | None = None, /, *, tracer_provider: Any = None
) -> Callable[[], None]:
    """Make a span of each operation of a storage, or of all; returns the function that ends that.

    A span begins and ends when the operation did and belongs to the span that was open in its
    thread. It is named after operation and collection and holds what a Command does: no values, no
    keys, no operands. `tracer_provider` is OpenTelemetry's global one if not given.

    Raises InvalidConfig if opentelemetry-api is not installed.
    """
    try:
        from opentelemetry import trace
    except ImportError as error:
        raise InvalidConfig(
            "spans need OpenTelemetry: pip install 'docmap[otel]', and an SDK that exports them"
        ) from error
    tracer = trace.get_tracer("docmap", tracer_provider=tracer_provider)

    def tell(command: Command) -> None:
        end = time_ns()
        span = tracer.start_span(
            f"{command.name} {command.collection}",
            kind=trace.SpanKind.CLIENT,
            attributes=attributes(command),
            start_time=end - int(command.seconds * _NANO),
        )
        if command.failure:
            span.set_status(trace.StatusCode.ERROR)
        span.end(end)

    return on_command(tell) if storage is None else storage.on_command(tell)


def attributes(command: Command) -> dict[str, str | int | float]:
    """What a span says of a command, by OpenTelemetry's names where it has one."""
    found: dict[str, str | int | float] = {
        "db.system.name": command.engine,
        "db.operation.name": command.name,
        "db.collection.name": command.collection,
        "db.query.summary": f"{command.name} {command.collection}",
        "docmap.plan": command.plan,
        "docmap.count": command.count,
        "docmap.queue_seconds": command.queue,
        "docmap.engine_seconds": command.engine_seconds,
        "docmap.decode_seconds": command.decode,
    }
    if command.residual:
        found["docmap.residual"] = command.residual
    if command.name in _READS:
        found["db.response.returned_rows"] = command.count
    elif command.name.endswith("_many") and command.count > 1:
        found["db.operation.batch.size"] = command.count
    if command.failure:
        found["error.type"] = command.failure
    return found
