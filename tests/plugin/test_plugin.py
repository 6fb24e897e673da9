"""The pytest plugin: each fixture in a run of pytest of its own."""

from __future__ import annotations

from configparser import ConfigParser
from contextlib import suppress
from pathlib import Path

import pytest

from docmap import BaseStorageAdapter, Document, Unsupported, connect
from docmap.testing import counting, undone
from tests.house.pages import blocks
from tests.house.tree import ROOT
from tests.storage.bare import Bare

MODEL = '''
"""A test of a user's."""
from docmap import Document, connect
import pytest

class Note(Document, collection="notes"):
    text: str = ""
'''


class Note(Document, collection="notes"):
    text: str = ""


def run(
    pytester: pytest.Pytester, source: str, *arguments: str, outcome: dict[str, int] | None = None
) -> pytest.RunResult:
    """Run a test file as a user would who has docmap installed."""
    pytester.makepyfile(MODEL + source)
    # Installed or not, it is the plugin of this tree.
    plugin = ("-p", "no:docmap", "-p", "docmap.testing.plugin", "-p", "no:cacheprovider")
    result = pytester.runpytest(*plugin, *arguments)
    if outcome is not None:
        result.assert_outcomes(**outcome)
    return result


def test_the_plugin_is_found_by_its_entry_point() -> None:
    parser = ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    assert parser["options.entry_points"]["pytest11"].strip() == "docmap = docmap.testing.plugin"


EACH = """
seen = []

def test_empty_each_time(docmap_storage):
    assert docmap_storage.collections() == []
    Note(text="a").save(docmap_storage)
    seen.append(docmap_storage.scheme)

def test_again(docmap_storage):
    assert docmap_storage.find(Note).count() == 0

def test_engines():
    assert seen == EXPECTED
"""


def test_a_storage_on_each_engine(pytester: pytest.Pytester) -> None:
    run(pytester, EACH.replace("EXPECTED", '["memory", "sqlite"]'), outcome={"passed": 5})


def test_engines_are_chosen_on_the_command_line(pytester: pytest.Pytester) -> None:
    source = EACH.replace("EXPECTED", '["sqlite"]')
    run(pytester, source, "--engines", "sqlite", outcome={"passed": 3})


def test_engines_are_chosen_in_the_configuration(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\ndocmap_engines = memory\n")
    run(pytester, EACH.replace("EXPECTED", '["memory"]'), outcome={"passed": 3})


@pytest.mark.parametrize(
    ("engines", "message"),
    [
        ("memroy", "*no engine is called 'memroy'; known are *memory*"),
        ("mongodb", "*mongodb needs the URL of an empty database: mongodb://host/name*"),
    ],
)
def test_engines_that_cannot_be_used(pytester: pytest.Pytester, engines: str, message: str) -> None:
    result = run(pytester, EACH, "--engines", engines)
    result.stdout.fnmatch_lines([message])
    assert result.ret != 0


def test_a_database_with_something_in_it_is_left_alone(
    pytester: pytest.Pytester, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'real.db'}"
    with connect(url) as db:
        db.insert(Note(id="precious"))
    result = run(pytester, EACH, "--engines", url)
    result.assert_outcomes(errors=2, failed=1)
    result.stdout.fnmatch_lines(["*sqlite is not empty*collections: notes*"])
    with connect(url) as db:
        assert db.get(Note, "precious").text == ""


SHARED = """
@pytest.fixture(scope="module")
def docmap_storage():
    with connect("URL") as db:
        db.insert_many([Note(text=str(n)) for n in range(5)])
        yield db

@pytest.mark.parametrize("time", [1, 2])
def test_delete(rolled_back, time):
    assert rolled_back.find(Note).delete() == 5
    with rolled_back.transaction():
        Note(text="new").save(rolled_back)

def test_fails(rolled_back):
    rolled_back.find(Note).delete()
    assert False

def test_after(docmap_storage):
    assert docmap_storage.find(Note).count() == 5
"""


@pytest.mark.parametrize("url", ["memory://", "sqlite://"])
def test_what_a_test_wrote_is_undone(pytester: pytest.Pytester, url: str) -> None:
    run(pytester, SHARED.replace("URL", url), outcome={"passed": 3, "failed": 1})


def test_an_asyncio_test_may_use_it(pytester: pytest.Pytester) -> None:
    source = """
import asyncio

def test_tasks(rolled_back):
    async def write():
        Note(text="a").save(rolled_back)
        with rolled_back.transaction():
            Note(text="b").save(rolled_back)
    asyncio.run(write())
    assert rolled_back.find(Note).count() == 2
"""
    run(pytester, source, outcome={"passed": 2})


def test_queries_are_counted(pytester: pytest.Pytester) -> None:
    source = """
def test_counts(docmap_storage, query_counter):
    with connect("memory://") as other, query_counter() as all_, query_counter(other) as some:
        Note(text="a").save(docmap_storage)
        list(docmap_storage.find(Note))
        other.find(Note).count()
    docmap_storage.find(Note).first()
    assert (all_.count, some.count, len(all_)) == (3, 1, 3)
    assert all_.names == ["save", "find", "count"]
    assert all_.commands[1].count == 1
    assert "find notes on " in str(all_)
"""
    run(pytester, source, outcome={"passed": 2})


def test_a_test_without_the_fixtures_costs_nothing(pytester: pytest.Pytester) -> None:
    """The plugin is loaded with every run of pytest, docmap only if it is used."""
    pytester.makepyfile("import sys\n\ndef test_it():\n    assert 'pydantic' not in sys.modules\n")
    plugin = ("-p", "no:docmap", "-p", "docmap.testing.plugin", "-p", "no:cacheprovider")
    pytester.runpytest_subprocess(*plugin).assert_outcomes(passed=1)


def test_the_tests_of_the_page_pass(pytester: pytest.Pytester) -> None:
    page = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    text = page.partition("## The conformance suite")[0]
    first, *rest = (block.text for block in blocks(text) if block.language == "python")
    head = "from __future__ import annotations\n"
    plugin = ("-p", "no:docmap", "-p", "docmap.testing.plugin", "-p", "no:cacheprovider")
    pytester.makepyfile(
        test_first=head + first,
        test_rest=head + "\n".join([first.partition("def test_")[0], *rest]),
    )
    pytester.runpytest(*plugin).assert_outcomes(passed=2 + 3)


# -- without pytest


def test_undone_undoes_whatever_happens(full: BaseStorageAdapter) -> None:
    note = Note(text="a")
    with undone(full) as inside:
        note.save(inside)
        assert inside is full
    assert note.is_new
    with suppress(ZeroDivisionError), undone(full):
        note.save(full)
        raise ZeroDivisionError
    assert note.is_new
    with undone(full), undone(full):
        note.save(full)
    assert full.find(Note).count() == 0
    note.save(full)


def test_undone_needs_transactions() -> None:
    with Bare() as db, pytest.raises(Unsupported), undone(db):
        db.insert(Note())


def test_counting_ends_with_its_block(full: BaseStorageAdapter) -> None:
    with suppress(ZeroDivisionError), counting() as seen:
        full.find(Note).count()
        raise ZeroDivisionError
    full.find(Note).count()
    assert seen.names == ["count"]
    with counting(full) as none:
        list(full.find(Note)[:0])
    assert none.count == 1
    with counting(full) as none:
        pass
    assert str(none) == "nothing was asked"
