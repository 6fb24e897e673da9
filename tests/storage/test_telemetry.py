"""OpenTelemetry spans: one for each operation, with the conventions' names, and no value."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from docmap import BaseStorageAdapter, Count, Document, DocumentNotFound, InvalidConfig
from docmap.telemetry import instrument

SECRET = "hunter2"  # noqa: S105 - what must not be exported


class Fact(Document, collection="facts"):
    kind: str = ""


@pytest.fixture
def provider() -> TracerProvider:
    return TracerProvider()


@pytest.fixture
def spans(provider: TracerProvider) -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return exporter


@pytest.fixture(autouse=True)
def _instrumented(
    db: BaseStorageAdapter, provider: TracerProvider, spans: InMemorySpanExporter
) -> Iterator[None]:
    stop = instrument(db, tracer_provider=provider)
    yield
    stop()


def values(span: ReadableSpan) -> dict[str, object]:
    return dict(span.attributes or {})


def test_an_operation_is_a_span(db: BaseStorageAdapter, spans: InMemorySpanExporter) -> None:
    db.insert_many([Fact(kind="x"), Fact(kind="y")])
    db.find(Fact, kind="x").list()
    bulk, found = spans.get_finished_spans()
    assert (bulk.name, found.name) == ("insert_many facts", "find facts")
    assert (found.kind, found.status.status_code) == (SpanKind.CLIENT, StatusCode.UNSET)
    held = values(found)
    assert held["db.system.name"] == db.scheme
    assert held["db.operation.name"] == "find"
    assert held["db.collection.name"] == "facts"
    assert held["db.query.summary"] == "find facts"
    assert held["db.response.returned_rows"] == 1
    assert held["docmap.plan"] == "kind == ?"
    assert ("docmap.residual" in held) == (db.scheme == "bare")
    assert values(bulk)["db.operation.batch.size"] == 2


def test_the_parts_of_a_query_are_reads(
    db: BaseStorageAdapter, spans: InMemorySpanExporter
) -> None:
    db.insert_many([Fact(), Fact(), Fact()])
    spans.clear()
    db.find(Fact).page(2)
    assert [len(batch) for batch in db.find(Fact).batches(2)] == [2, 1]
    db.find(Fact).aggregate(n=Count())
    rows = [values(span)["db.response.returned_rows"] for span in spans.get_finished_spans()]
    assert rows == [2, 2, 1, 1]


def test_it_lasts_as_long_as_the_operation(
    db: BaseStorageAdapter, spans: InMemorySpanExporter
) -> None:
    db.save(Fact())
    (span,) = spans.get_finished_spans()
    assert span.start_time is not None
    assert span.end_time is not None
    parts = [value for name, value in values(span).items() if name.endswith("_seconds")]
    assert len(parts) == 3
    # To a nanosecond or two: the parts are floats.
    assert sum(parts) * 1e9 <= span.end_time - span.start_time + 1000  # type: ignore[arg-type]


def test_it_belongs_to_the_span_that_is_open(
    db: BaseStorageAdapter, provider: TracerProvider, spans: InMemorySpanExporter
) -> None:
    with provider.get_tracer("program").start_as_current_span("request"):
        db.save(Fact())
    span, request = spans.get_finished_spans()
    assert request.context is not None
    assert span.parent is not None
    assert span.parent.span_id == request.context.span_id


def test_a_failure_is_an_error(db: BaseStorageAdapter, spans: InMemorySpanExporter) -> None:
    with pytest.raises(DocumentNotFound):
        db.get(Fact, "none")
    (span,) = spans.get_finished_spans()
    assert span.status.status_code == StatusCode.ERROR
    assert values(span)["error.type"] == "DocumentNotFound"


def test_nothing_secret_is_exported(db: BaseStorageAdapter, spans: InMemorySpanExporter) -> None:
    db.save(Fact(id=SECRET, kind=SECRET))
    db.find(Fact, kind=SECRET).list()
    db.get(Fact, SECRET)
    found = spans.get_finished_spans()
    assert len(found) == 3
    assert all(SECRET not in span.to_json() for span in found)


def test_until_it_is_ended(
    db: BaseStorageAdapter,
    second: BaseStorageAdapter,
    provider: TracerProvider,
    spans: InMemorySpanExporter,
) -> None:
    second.save(Fact())
    assert spans.get_finished_spans() == ()
    stop = instrument(tracer_provider=provider)
    second.save(Fact())
    stop()
    second.save(Fact())
    assert len(spans.get_finished_spans()) == 1


def test_without_opentelemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(InvalidConfig, match=r"pip install 'docmap\[otel\]'"):
        instrument()
