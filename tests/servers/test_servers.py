"""The servers of the tests: one for a run, databases of one's own, gone at the end, narrowed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.servers import installing, mongo, narrowing, postgresql, running

PROGRAM = """
import os, signal, sys
from tests.servers import mongo, running
print(running.folder(), mongo.url("one"), mongo.url("two", "second"), flush=True)
if sys.argv[1] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.engine("postgresql")
def test_postgresql_gives_a_database_of_ones_own() -> None:
    import psycopg

    url = postgresql.url("servers")
    assert postgresql.url("servers") == url != postgresql.url("another")
    with psycopg.connect(url) as connection:
        tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        assert connection.execute(tables).fetchone() == (0,)


@pytest.mark.engine("postgresql")
def test_postgresql_of_the_tests_does_not_compare_text_by_its_bytes() -> None:
    import psycopg

    if not running.from_environment("postgresql"):
        with psycopg.connect(postgresql.url("servers")) as connection:
            assert connection.execute("SELECT 'a' < 'B', 'a' COLLATE \"C\" < 'B'").fetchone() == (
                True,
                False,
            )


@pytest.mark.engine("mongodb")
def test_mongodb_gives_a_database_of_ones_own() -> None:
    from pymongo import MongoClient

    with MongoClient[dict[str, Any]](mongo.url("servers")) as client:
        database = client.get_default_database()
        database["notes"].insert_one({"_id": 1})
        assert database["notes"].find_one() == {"_id": 1}
        client.drop_database(database.name)


@pytest.mark.engine("mongodb")
def test_an_instance_of_ones_own_restarts_where_it_was() -> None:
    from pymongo import MongoClient

    url = mongo.url("servers", "restarted")
    running.restart("mongo", "restarted")
    with MongoClient[dict[str, Any]](url) as client:
        assert client.get_default_database().list_collection_names() == []


@pytest.mark.engine("mongodb")
@pytest.mark.parametrize("end", ["killed", "ended"])
def test_the_servers_of_a_run_end_with_it(end: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != running.VARIABLE}
    program = subprocess.run(
        [sys.executable, "-c", PROGRAM, end],
        cwd=running.ROOT,
        env={**environment, "PYTHONPATH": str(running.ROOT)},
        capture_output=True,
        check=False,
        text=True,
    )
    assert program.stderr == ""
    run, *urls = program.stdout.split()
    assert Path(run) != running.folder()
    while Path(run).exists():  # its keeper removes it last of all
        time.sleep(0.05)
    assert [url for url in urls if _listens(url)] == []


def _listens(url: str) -> bool:
    import socket

    port = int(url.split("/")[2].rpartition(":")[2])
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_missing_program_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installing, "_may_install", lambda: False)
    with pytest.raises(running.MissingServerError, match="postgresql.*_POSTGRESQL_URL.*--engines"):
        installing.program("initdb", "postgresql", "postgresql", lambda _: None)


def test_another_database_of_a_server() -> None:
    given = "mongodb://a:b@one:1,two:2/?replicaSet=r"
    assert running.with_database(given, "x") == "mongodb://a:b@one:1,two:2/x?replicaSet=r"
    assert running.with_database("postgresql://h", "x") == "postgresql://h/x"
    assert running.variable("mongo") == "DOCMAP_TEST_MONGODB_URL"


TESTS = """
import pytest

@pytest.mark.parametrize("db", ["memory", "postgresql", "mongodb-async"])
def test_each(db): pass

@pytest.mark.engine("ferretdb")
def test_marked(): pass

def test_plain(): pass
"""
NARROWED = """
from tests.servers.narrowing import narrow

def pytest_addoption(parser): parser.addoption("--engines")
def pytest_collection_modifyitems(config, items): narrow(config, items)
"""


@pytest.mark.parametrize(
    ("arguments", "passed"),
    [
        ([], 7),
        (["--engines", "memory"], 2),
        (["--engines", "sqlite,postgresql"], 4),
        (["--engines", "mongodb://host/name,ferretdb"], 4),
    ],
)
def test_a_run_can_be_narrowed(
    pytester: pytest.Pytester, arguments: list[str], passed: int
) -> None:
    pytester.makeconftest(NARROWED)
    pytester.makeini("[pytest]\nmarkers = engine: its engines")
    pytester.makepyfile(test_any=TESTS, test_sqlite="def test_one(): pass\n")
    (pytester.mkpydir("leveldb") / "test_it.py").write_text("def test_one(): pass\n")
    run = pytester.runpytest_inprocess(
        "-p", "no:docmap", "-p", "no:docmap.testing.plugin", *arguments
    )
    run.assert_outcomes(passed=passed, deselected=7 - passed)


def test_the_engines_that_are_narrowed_are_known() -> None:
    from docmap.storage.load import schemes

    known = {scheme.partition("+")[0] for scheme in schemes()}
    assert known - {"rqlite"} <= narrowing.ENGINES
