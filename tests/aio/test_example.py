"""The web service of examples/, asked over HTTP as its clients would."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

import docmap
from tests.house.tree import ROOT
from tests.servers import postgresql


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def app(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """The service, on an empty storage."""
    urls = {"memory": "memory://", "sqlite": f"sqlite:///{tmp_path / 'shop.db'}"}
    url = urls.get(request.param) or postgresql.url("example")
    monkeypatch.setenv("DOCMAP_URL", url)
    spec = importlib.util.spec_from_file_location("fastapi_shop", ROOT / "examples/fastapi_shop.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "fastapi_shop", module)
    spec.loader.exec_module(module)
    yield module.app
    docmap.unconfigure()
    if request.param == "postgresql":
        with docmap.connect(url) as db:
            db.clear()


@asynccontextmanager
async def client(app: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the service, which runs on a port of its own."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", lifespan="on")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
        if serving.done():
            await serving
    (socket,) = server.servers[0].sockets
    address = f"http://127.0.0.1:{socket.getsockname()[1]}"
    try:
        async with httpx.AsyncClient(base_url=address, timeout=60, trust_env=False) as found:
            yield found
    finally:
        server.should_exit = True
        await serving


def order(number: str, pieces: int) -> dict[str, Any]:
    return {"number": number, "lines": [{"sku": "pen", "pieces": pieces, "price": "1.50"}]}


async def test_orders_are_placed_read_and_changed(app: Any) -> None:
    async with client(app) as http:
        assert (await http.put("/stock/pen?pieces=10")).json() == {"sku": "pen", "pieces": 10}
        placed = await http.post("/orders", json=order("A-1", 4))
        assert placed.status_code == 201, placed.text
        assert placed.json()["total"] == "6.00"
        key = placed.json()["id"]
        assert (await http.get(f"/orders/{key}")).json() == placed.json()
        shipped = await http.post(f"/orders/{key}/status/shipped")
        assert shipped.json().get("status") == "shipped", shipped.text
        assert (await http.get("/orders?status=new")).json()["items"] == []
        assert (await http.get("/revenue")).json() == {"shipped": {"orders": 1, "total": "6.00"}}


async def test_what_is_refused_changes_nothing(app: Any) -> None:
    async with client(app) as http:
        await http.put("/stock/pen?pieces=10")
        await http.post("/orders", json=order("A-1", 4))
        answers = {
            "taken": await http.post("/orders", json=order("A-1", 1)),
            "too many": await http.post("/orders", json=order("A-2", 100)),
            "unknown": await http.post(
                "/orders", json={"number": "A-3", "lines": [{"sku": "no", "price": "1"}]}
            ),
            "no lines": await http.post("/orders", json={"number": "A-4", "lines": []}),
            "not there": await http.get("/orders/nothing"),
            "cursor": await http.get("/orders?after=nonsense"),
        }
        assert {name: one.status_code for name, one in answers.items()} == {
            "taken": 409,
            "too many": 422,
            "unknown": 404,
            "no lines": 422,
            "not there": 404,
            "cursor": 400,
        }
        (left,) = (await http.get("/orders")).json()["items"]
        assert left["number"] == "A-1"
        last = await http.post("/orders", json=order("A-5", 6))  # the pieces were put back
        assert last.status_code == 201, last.text


async def test_requests_run_side_by_side_and_none_is_lost(app: Any) -> None:
    async with client(app) as http:
        await http.put("/stock/pen?pieces=12")
        answers = await asyncio.gather(
            *(http.post("/orders", json=order(f"B-{n}", 2)) for n in range(8))
        )
        status = sorted(one.status_code for one in answers)
        placed = status.count(201)
        assert placed >= 1
        assert placed <= 6  # there are pieces for six
        assert set(status) <= {201, 409, 422, 503}
        listed = (await http.get("/orders?size=100")).json()["items"]
        assert len(listed) == placed


async def test_pages_and_streams(app: Any) -> None:
    async with client(app) as http:
        await http.put("/stock/pen?pieces=1000")
        for number in range(7):
            await http.post("/orders", json=order(f"C-{number}", 1))
        seen, after = [], None
        while True:
            parameters = {"size": 3} if after is None else {"size": 3, "after": after}
            page = (await http.get("/orders", params=parameters)).json()
            seen += [one["number"] for one in page["items"]]
            after = page["next"]
            if after is None:
                break
        assert seen == [f"C-{number}" for number in reversed(range(7))]
        async with http.stream("GET", "/orders.ndjson") as answer:
            lines = [json.loads(line)["number"] async for line in answer.aiter_lines()]
        assert lines == sorted(seen)
