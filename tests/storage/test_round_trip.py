"""Databases that go through every engine and come back byte for byte, as stored and as exported."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest

from docmap import BaseStorageAdapter, ObjectId, connect
from docmap.cli.importing import COMMAND as IMPORT
from docmap.cli.main import main
from docmap.cli.output import write_documents
from docmap.storage.copying import copy
from tests.differential.run import batch, fill
from tests.differential.zoo import FAMILIES, Family
from tests.storage.test_copying import Order, Ticket, contents, filled

WAY: Final = ("tinydb", "shelve", "leveldb", "sqlite")
URLS: Final = {
    "sqlite": "sqlite:///{}.db",
    "tinydb": "tinydb:///{}.json",
    "shelve": "shelve:///{}.shelf",
    "leveldb": "leveldb:///{}.level",
}


def countries(rng: random.Random) -> Iterator[dict[str, Any]]:
    """Deep documents, dicts by language, names in every script."""
    for number in range(40):
        names = {
            code: {"official": _word(rng), "common": _word(rng)}
            for code in rng.sample(["deu", "ell", "jpn", "arb", "kat", "xx-y"], rng.randint(0, 4))
        }
        yield {
            "id": f"C{number:02}",
            "name": {"common": _word(rng), "native": names},
            "latlng": [round(rng.uniform(-90, 90), rng.randint(0, 6)), rng.uniform(-180, 180)],
            "borders": [_word(rng) for _ in range(rng.randint(0, 5))],
            "area": rng.choice([0, 1, 180, 17098242, 0.44, 1e22, 1e16, 5e-324, 1.5e308, 2.0**53]),
            "landlocked": rng.random() < 0.5,
            "cca3": None,
        }


def restaurants(rng: random.Random) -> Iterator[dict[str, Any]]:
    """Odd names of fields, keys that are ObjectIds, values of every kind."""
    for number in range(40):
        yield {
            "id": ObjectId(rng.randbytes(12)) if number % 2 else UUID(int=rng.getrandbits(128)),
            "address line 2": _word(rng),
            "\ufeffISO": number,
            "a.b": {"$odd": {"": _word(rng)}},
            "rating": rng.choice([5, 5.5, "Not yet rated", True, None, [], {}]),
            "price": Decimal(rng.randrange(10**6)).scaleb(-rng.randint(0, 4)),
            "opened": datetime(1999, 12, 31, 23, 59, 59, 123000, tzinfo=UTC),
            "day": date(1, 1, number % 28 + 1),
            "lasts": timedelta(microseconds=rng.randrange(10**12)),
            "raw": rng.randbytes(number),
        }


_CHARACTERS: Final = "abc \"\\/'<>&é\u00ad\u2028\ufeff漢字\U0001f600\x01\x1f\x7f\x80\ud7ff\uffff"


def _word(rng: random.Random) -> str:
    return "".join(rng.choices(_CHARACTERS, k=rng.randrange(12)))


def exported(storage: BaseStorageAdapter) -> dict[str, str]:
    """What `docmap export --extended` writes of each collection."""
    found = {}
    for name in storage.collections():
        out = io.StringIO()
        write_documents(storage.find(name).order_by("id"), out, form="jsonl", extended=True)
        found[name] = out.getvalue()
    return found


def go_round(first: str, directory: Path) -> None:
    """Copy along the way, each storage opened anew, and compare each with the first."""
    urls = [URLS[engine].format(directory / f"{i}") for i, engine in enumerate(WAY, 1)]
    with connect(first) as storage:
        expected, texts = contents(storage), exported(storage)
    assert expected
    for source, target in pairwise([first, *urls]):
        with connect(source) as one, connect(target) as other:
            copy(one, other)
        with connect(target) as other:
            assert contents(other) == expected
            assert exported(other) == texts


def made(directory: Path, fill: Callable[[BaseStorageAdapter], object]) -> str:
    url = f"sqlite:///{directory / 'first.db'}"
    with connect(url) as storage:
        fill(storage)
    return url


def test_documents_without_a_class(tmp_path: Path, rng: random.Random) -> None:
    def fill(storage: BaseStorageAdapter) -> None:
        storage.insert_many("countries", countries(rng))
        storage.insert_many("restaurants.cn-1", restaurants(rng))
        storage.insert_many("Numbers", ({"id": number} for number in (-5, 0, 3, 2**63 - 1)))

    go_round(made(tmp_path, fill), tmp_path)


def test_documents_of_classes_with_indexes_and_counters(tmp_path: Path) -> None:
    def fill(storage: BaseStorageAdapter) -> None:
        filled(storage)
        tickets = [Ticket(), Ticket(), Ticket()]
        storage.insert_many(tickets)
        tickets[2].delete()

    go_round(made(tmp_path, fill), tmp_path)
    with connect(URLS[WAY[-1]].format(tmp_path / f"{len(WAY)}")) as last:
        assert last.indexes(Order)["missing"] == last.indexes(Order)["extra"] == []
        assert Ticket().save(last) == 4


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_documents_of_every_type(tmp_path: Path, family: Family, rng: random.Random) -> None:
    records, _ = batch(rng, family)
    go_round(made(tmp_path, lambda storage: fill(storage, records)), tmp_path)


SAMPLES: Final[Mapping[str, tuple[list[str], str]]] = {
    "countries.json": (
        ["--key", "cca3"],
        """[
  {"cca3": "ALA", "name": {"common": "Åland", "native": {"swe": {"official": "Landskapet Åland"}}},
   "latlng": [60.116667, 19.9], "borders": [], "area": 1580, "codes": []},
  {"cca3": "GEO", "name": {"common": "Georgia", "native": {"kat": {"official": "საქართველო"}}},
   "latlng": [42, 43.5], "borders": ["ARM", "AZE"], "area": 69700.0, "landlocked": false}
]""",
    ),
    "names.jsonl": (
        [],
        """{"Name":"Oseanië","Language":"af","_id":{"$oid":"55a0f1d420a4d760b5fbdbd7"},"\ufeffISO":0}
{"Name":"አፍሪካ","Language":"am","_id":{"$oid":"55a0f1d420a4d760b5fbdbda"},"\ufeffISO":"BI"}
""",
    ),
    "restaurants.jsonl": (
        [],
        """{"_id":{"$oid":"55f14312c7447c3da7051b27"},"address line 2":"Essex","rating":5.5,"a.":{}}
{"_id":{"$oid":"55f14312c7447c3da7051b28"},"address line 2":null,"rating":"Not yet rated"}
{"_id":{"$oid":"55f14312c7447c3da7051b26"},"address line 2":"Cardiff","rating":5}
""",
    ),
    "theatres.jsonl": (
        [],
        """{"_id":{"$oid":"59a47286cfa9a3a73e51e72c"},"theatre":{"$numberInt":"1000"},"location":{"geo":\
{"type":"Point","coordinates":[{"$numberDouble":"-93.24565"},{"$numberDouble":"44.0"}]}}}
{"_id":{"$oid":"59a47286cfa9a3a73e51e72d"},"theatre":{"$numberLong":"9007199254740993"},\
"opened":{"$date":{"$numberLong":"-1577923200001"}},"price":{"$numberDecimal":"12.50"}}
""",
    ),
}
"""Files as other programs export them: names of files, options of the import, text."""
REAL: Final = Path(__file__).parents[3] / "shared" / "data"
REAL_FILES: Final[Mapping[str, list[str]]] = {
    "countries.json": ["--key", "cca3"],
    "country_names.jsonl": [],
    "restaurants.jsonl": [],
    "theaters.jsonl": [],
}


def imported(files: Mapping[Path, list[str]], directory: Path) -> str:
    """The URL of a database into which files were imported, each with its options."""
    url = f"sqlite:///{directory / 'first.db'}"
    for file, options in files.items():
        into = ["--into", url, "--collection", file.stem, "--quiet"]
        assert main([IMPORT.name, str(file), *into, *options]) == 0
    return url


def test_imported_files(tmp_path: Path) -> None:
    files = {}
    for name, (options, text) in SAMPLES.items():
        files[tmp_path / name] = options
        (tmp_path / name).write_text(text, encoding="utf-8")
    first = imported(files, tmp_path)
    with connect(first) as storage:
        counts = {name: storage.find(name).count() for name in storage.collections()}
    assert counts == {"countries": 2, "names": 2, "restaurants": 3, "theatres": 2}
    go_round(first, tmp_path)


if all((REAL / name).is_file() for name in REAL_FILES):  # elsewhere there is no such test

    @pytest.mark.long
    def test_large_files_that_lie_beside_the_project(tmp_path: Path) -> None:
        files = {REAL / name: options for name, options in REAL_FILES.items()}
        go_round(imported(files, tmp_path), tmp_path)
