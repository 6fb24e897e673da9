"""The rules of the conformance kit: what is missing, misnamed or better than said fails the run."""

from __future__ import annotations

from pathlib import Path

import pytest

from docmap import Unsupported
from docmap.testing import cases
from docmap.testing.models import Everything
from docmap.testing.pools import PLACES, POOLS
from docmap.testing.profile import BackendProfile, Gap
from docmap.testing.suite import TESTS
from docmap.testing.suite.test_hostile import HOSTILE, PAYLOADS

SUITE = "from docmap.testing.suite import *\n"
HEAD = '''
from docmap import Unsupported
from docmap.testing.profile import BackendProfile, Gap
from docmap.testing.reference import ReferenceStorage


class Adapter(ReferenceStorage):
    """Deletes nothing."""

    def _remove(self, schema, key):
        raise Unsupported("this engine keeps what it has")

'''
REFERENCE = (
    'profile = BackendProfile(name="mine", adapter=ReferenceStorage, abilities=frozenset('
    '{"counters"}), gaps=[%s])\n'
)
ADAPTER = REFERENCE.replace("ReferenceStorage", "Adapter")


def run(pytester: pytest.Pytester, source: str, *arguments: str) -> pytest.RunResult:
    pytester.makepyfile(test_mine=HEAD + source)
    plugin = ("-p", "no:docmap", "-p", "docmap.testing.plugin", "-p", "no:cacheprovider")
    return pytester.runpytest(*plugin, *arguments)


def test_one_import_takes_over_every_module(pytester: pytest.Pytester) -> None:
    result = run(pytester, SUITE + REFERENCE % "", "--collect-only", "-q")
    collected = {
        line.partition("::")[2].partition("[")[0] for line in result.outlines if "::" in line
    }
    assert "profile" in collected
    for module, tests in TESTS.items():
        claimed = [one for one in tests.values() if not getattr(one, "pytestmark", [])]
        assert {one.__name__ for one in claimed} <= collected, module
    assert result.ret == 0


def test_the_smallest_adapter_passes(pytester: pytest.Pytester) -> None:
    result = run(
        pytester, SUITE + REFERENCE % "", "-q", "-k", "profile or unique or null_and_missing"
    )
    assert result.ret == 0, result.stdout.str()[-3000:]
    assert result.parseoutcomes()["passed"] > 40


def test_a_module_that_was_not_taken_over_fails(pytester: pytest.Pytester) -> None:
    part = "from docmap.testing.suite.fixtures import *\n" + "".join(
        f"from docmap.testing.suite.{name} import *\n" for name in TESTS if name != "test_nulls"
    )
    result = run(pytester, part + REFERENCE % "", "-k", "profile")
    assert result.parseoutcomes()["failed"] == 1
    result.stdout.fnmatch_lines(["docmap.testing.suite.test_nulls was not collected*"])
    assert "test_create was not" not in result.stdout.str()


def test_a_test_that_was_replaced_fails(pytester: pytest.Pytester) -> None:
    own = "def test_get(): pass\n"
    result = run(pytester, SUITE + REFERENCE % "" + own, "-k", "profile")
    result.stdout.fnmatch_lines(["docmap.testing.suite.test_read was not collected (test_get)*"])
    assert result.ret == 1


GAP = 'Gap("%s", reason="it keeps", raises=Unsupported),'


@pytest.mark.parametrize(
    ("source", "chosen", "outcomes"),
    [
        # It fails as it says.
        (ADAPTER % (GAP % "test_delete_by_key"), "test_delete_by_key", {"xfailed": 1}),
        (ADAPTER % (GAP % "test_delete_by_*"), "test_delete_by_key", {"xfailed": 1}),
        # It says nothing.
        (ADAPTER % "", "test_delete_by_key", {"failed": 1}),
        # It works by now.
        (REFERENCE % (GAP % "test_delete_by_key"), "test_delete_by_key", {"failed": 1}),
        # It fails otherwise than it says.
        (
            ADAPTER
            % (GAP % "test_delete_by_key").replace(
                "Unsupported", "__import__('docmap').StorageFull"
            ),
            "test_delete_by_key",
            {"failed": 1},
        ),
        # One of several parameters.
        (
            ADAPTER % (GAP % "test_keys_of_other_types[[]Daily*"),
            "test_keys_of_other_types and Daily",
            {"failed": 1},
        ),
        (
            ADAPTER % (GAP % "test_keys_of_other_types[Daily*"),
            "test_keys_of_other_types and Daily",
            {"xfailed": 1},
        ),
    ],
)
def test_gaps(
    pytester: pytest.Pytester, source: str, chosen: str, outcomes: dict[str, int]
) -> None:
    found = run(pytester, SUITE + source, "-k", chosen).parseoutcomes()
    found.pop("deselected")
    assert found == outcomes


@pytest.mark.parametrize(
    ("gap", "message"),
    [
        ("test_no_such_thing", "the gap 'test_no_such_thing' matches no test of the suite"),
        ("test_lookup*", "the gap 'test_lookup?' is about test_lookups: queries have no gaps*"),
        ("test_null_and_missing", "*is about test_nulls: queries have no gaps*"),
    ],
)
def test_gaps_about_nothing_and_about_queries(
    pytester: pytest.Pytester, gap: str, message: str
) -> None:
    result = run(pytester, SUITE + REFERENCE % (GAP % gap), "-k", "profile")
    assert result.parseoutcomes()["failed"] == 1
    result.stdout.fnmatch_lines([message])


def test_what_is_not_claimed_is_deselected(pytester: pytest.Pytester) -> None:
    result = run(pytester, SUITE + REFERENCE % "", "-k", "its_own_writes or counted_keys")
    found = result.parseoutcomes()
    assert found["passed"] == 1
    assert "skipped" not in found


def test_wrong_claims_fail(pytester: pytest.Pytester) -> None:
    wrong = REFERENCE.replace('"counters"', '"counters", "transactions"') % ""
    result = run(pytester, SUITE + wrong, "-k", "abilities_are_as_claimed or its_own_writes")
    assert result.parseoutcomes()["failed"] == 2


def test_without_the_plugin_nothing_passes(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_mine=HEAD + SUITE + REFERENCE % "")
    result = pytester.runpytest("-p", "no:docmap", "-k", "test_saved_then_loaded_is_equal")
    assert result.parseoutcomes()["errors"] == 1
    result.stdout.fnmatch_lines(["*the suite needs pytest's plugin*"])


def test_each_lookup_has_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    for lookup in cases.built_in():
        assert cases.cases(lookup), lookup
    known = dict(cases._WANTED)
    known.pop("like")
    monkeypatch.setattr(cases, "_WANTED", known)
    with pytest.raises(KeyError, match="like"):
        cases.cases("like")


def test_query_modules_require_nothing() -> None:
    """A query test is never left out, whatever an engine cannot do."""
    from docmap.testing.collecting import QUERIES, REQUIRES

    assert set(TESTS) >= QUERIES
    marked = [
        name
        for module in QUERIES
        for name, test in TESTS[module].items()
        if any(mark.name == REQUIRES for mark in getattr(test, "pytestmark", []))
    ]
    assert marked == []


def test_the_tables_are_whole() -> None:
    assert len(PAYLOADS) >= 200
    assert len(set(HOSTILE)) >= 300
    assert set(POOLS) == set(Everything.model_fields) - {"id"}
    assert {place.name for place in PLACES} >= set(POOLS)


def test_a_profile_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown abilities fly"):
        BackendProfile(name="a", abilities=frozenset({"fly"}))
    with pytest.raises(ValueError, match="directory"):
        BackendProfile(name="a", kind="file", url="sqlite:///x.db")
    with pytest.raises(ValueError, match="reason"):
        Gap("test_a", reason=" ", raises=Unsupported)
    with pytest.raises(TypeError, match="own errors"):
        Gap("test_a", reason="a", raises=AssertionError)
    assert Gap("test_a", reason="a", raises=AssertionError, kind="standin").raises
    with pytest.raises(ValueError, match="passes or does not"):
        Gap("test_a", reason="a", raises=Unsupported, sometimes=True)
    with pytest.raises(TypeError, match="own errors"):
        Gap("test_a", reason="a", raises=ValueError, kind="standin")


def test_a_profile_opens_stores(tmp_path: Path) -> None:
    profile = BackendProfile(
        name="a", kind="file", url="sqlite:///{directory}/a.db", second="shares"
    )
    with profile.open(tmp_path) as one, profile.open(tmp_path, timeout=1) as two:
        one.insert_many("rows", [{"id": "a"}])
        assert two.find("rows").count() == 1
    assert [path.name for path in profile.store_files(tmp_path)] == ["a.db"]
    assert {"file", "shares", "durable", "processes"} <= profile.features
