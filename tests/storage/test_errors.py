"""Errors: one tree, with attributes, that travel between processes and tell no secrets."""
# ruff: noqa: RUF012 - pydantic copies the defaults of a model

from __future__ import annotations

import builtins
import copy
import inspect
import pickle
import re
import sqlite3
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import Field, SecretStr, ValidationError

import docmap
from docmap import (
    BaseStorageAdapter,
    DocmapError,
    Document,
    DocumentNotFound,
    DuplicateKey,
    Index,
    InvalidConfig,
    InvalidQuery,
    InvalidRecord,
    InvalidValue,
    Q,
    ScanRefused,
    StaleDocument,
    StorageError,
    StoreLocked,
    col,
    connect,
    errors,
    path,
)
from tests.model.shop import Country, Note, Order, Ticket
from tests.storage.bare import Bare

SECRET = "hunter2"  # noqa: S105 - what no message may hold

CLASSES = {
    name: cls
    for name, cls in inspect.getmembers(errors, inspect.isclass)
    if issubclass(cls, DocmapError)
}


def documented() -> dict[str, tuple[str, str | None]]:
    """The tree of the docstring: class to its parent and the built-in type named in brackets."""
    found: dict[str, tuple[str, str | None]] = {}
    branch: list[str] = []
    block = str(errors.__doc__).split("```")[1].strip()
    for line in block.splitlines():
        match = re.match(r"(?P<lead>[│ ]*)(?:[├└]── )?(?P<name>\w+)(?: \((?P<other>\w+)\))?", line)
        assert match, line
        depth = 0 if line.startswith("Docmap") else len(match["lead"]) // 4 + 1
        branch[depth:] = [match["name"]]
        found[match["name"]] = (branch[depth - 1] if depth else "Exception", match["other"])
    return found


class TestTree:
    def test_the_docstring_is_the_classes(self) -> None:
        assert documented().keys() == CLASSES.keys()

    @pytest.mark.parametrize("name", sorted(CLASSES))
    def test_each_has_the_parents_that_it_says(self, name: str) -> None:
        parent, other = documented()[name]
        bases = [base.__name__ for base in CLASSES[name].__bases__]
        assert bases == [parent, *([other] if other else [])]
        if other:
            assert issubclass(CLASSES[name], getattr(builtins, other))

    def test_there_are_not_many(self) -> None:
        assert len(CLASSES) <= 32

    def test_all_are_public(self) -> None:
        for name, cls in CLASSES.items():
            assert getattr(docmap, name) is cls
            assert name in docmap.__all__
            assert cls.__doc__

    def test_the_built_in_types_that_were_promised(self) -> None:
        assert issubclass(DocumentNotFound, KeyError)
        assert issubclass(docmap.AlreadyConnected, RuntimeError)
        assert issubclass(InvalidValue, ValueError)
        assert issubclass(docmap.InvalidModel, TypeError)


class TestAttributes:
    ALL: dict[str, Any] = {
        "engine": "sqlite",
        "collection": "notes",
        "field": "a.b",
        "key": UUID(int=5),
        "index": "ix",
        "fields": ("a", "-b"),
        "path": "x.db",
        "suggestions": ("c",),
        "plan": {"scan": True, "indexes": []},
        "done": 3,
    }

    @pytest.mark.parametrize("cls", CLASSES.values())
    @pytest.mark.parametrize(
        "travelled",
        [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))],  # noqa: S301
        ids=["copy", "deepcopy", "pickle"],
    )
    def test_they_travel(
        self, cls: type[DocmapError], travelled: Callable[[DocmapError], DocmapError]
    ) -> None:
        error = cls("the message", **self.ALL)
        error.add_note("a note")
        there = travelled(error)
        assert type(there) is cls
        assert str(there) == str(error) == "the message"
        assert {name: getattr(there, name) for name in self.ALL} == self.ALL
        assert there.__notes__ == ["a note"]

    def test_those_that_do_not_apply_are_none(self) -> None:
        error = DocmapError("x")
        assert {name: getattr(error, name) for name in self.ALL} == {
            **dict.fromkeys(self.ALL),
            "fields": (),
            "suggestions": (),
        }

    def test_others_do_not_exist(self) -> None:
        with pytest.raises(TypeError, match="no attribute 'colour'"):
            DocmapError("x", colour="red")

    def test_a_key_error_reads_as_any_other(self) -> None:
        assert str(DocumentNotFound("not there")) == "not there"
        assert repr(DocumentNotFound("not there")) == "DocumentNotFound('not there')"

    def test_real_ones_travel_with_all_that_they_know(self, full: BaseStorageAdapter) -> None:
        full.insert_many(Order, [{"id": "a", "number": "1"}])
        for fail in (
            lambda: full.insert(Order(id="a", number="2")),
            lambda: full.insert_many(Order, [{"number": "2"}, {"number": "1"}]),
            lambda: full.get(Order, "nope"),
            lambda: full.find(Order, stats="x"),
            lambda: full.find(Order, total=1).options(allow_scan=False).count(),
            lambda: full.save(Order, {"number": 5}),
        ):
            with pytest.raises(DocmapError) as caught:
                fail()
            error = caught.value
            there = pickle.loads(pickle.dumps(error))  # noqa: S301
            assert type(there) is type(error)
            assert there.__dict__ == error.__dict__
            assert error.collection == "orders"
            assert error.engine == full.scheme


class Vault(Document, collection="vault", indexes=[Index("code", unique=True)]):
    code: str | None = None
    level: int = Field(default=0, le=10)
    amount: Decimal = Decimal(0)
    opened: datetime | None = None
    password: SecretStr = SecretStr("")
    notes: list[str] = []


FAILURES: dict[str, Callable[[BaseStorageAdapter], Any]] = {
    "insert a taken key": lambda db: db.insert(Vault(id=SECRET)),
    "save a taken key": lambda db: db.save(Vault(id=SECRET)),
    "insert a taken unique value": lambda db: db.insert(Vault(code=SECRET)),
    "upsert a taken unique value": lambda db: db.upsert(Vault(code=SECRET)),
    "insert many": lambda db: db.insert_many(Vault, [{"id": "x"}, {"id": SECRET}]),
    "insert one key twice": lambda db: db.insert_many("vault", [{"id": f"{SECRET}2"}] * 2),
    "get a missing key": lambda db: db.get(Vault, f"{SECRET} is not there"),
    "get by a wrong type": lambda db: db.get(Vault, [SECRET]),
    "get by a long key": lambda db: db.get(Vault, SECRET * 100),
    "get by a key with NUL": lambda db: db.get(Vault, SECRET + "\0"),
    "get a number": lambda db: db.get(Ticket, SECRET),
    "save a stale document": lambda db: _stale(db).save(),
    "delete a stale document": lambda db: _stale(db).delete(),
    "save a changed key": lambda db: _renamed(db).save(),
    "delete what is not stored": lambda db: db.delete(Vault(id=SECRET, code=SECRET)),
    "save a value of a wrong type": lambda db: db.save(_with("level", SECRET)),
    "save a value in a list": lambda db: db.save(_with("notes", [b"hunter2"])),
    "save a broken constraint": lambda db: db.save(Vault, {"level": 2718281828}),
    "save data that does not validate": lambda db: db.save(Vault, {"level": SECRET}),
    "save data with a wrong date": lambda db: db.save(Vault, {"opened": SECRET}),
    "save data that is no dict": lambda db: db.save(Vault, SECRET),  # type: ignore[call-overload]
    "save text with NUL": lambda db: db.save(Vault(code=SECRET + "\0")),
    "save a lone surrogate": lambda db: db.save(_with("code", SECRET + "\ud800")),
    "save a naive time": lambda db: db.save(_with("opened", datetime(2718, 2, 8))),  # noqa: DTZ001
    "save a number out of range": lambda db: db.save(_with("level", 27182818284590452353602874)),
    "save an infinite amount": lambda db: db.save(_with("amount", Decimal("Infinity"))),
    "save untyped rubbish": lambda db: db.insert_many("vault", [{"a": object(), "b": SECRET}]),
    "save untyped odd keys": lambda db: db.insert_many("vault", [{"a": {"b": {1: SECRET}}}]),
    "save without a key": lambda db: db.save(Country.model_construct(code=None, name=SECRET)),
    "save a large index entry": lambda db: db.save(Vault(code=SECRET * 400)),
    "query a wrong type": lambda db: db.find(Vault, level=SECRET),
    "query a wrong list": lambda db: db.find(Vault, code__in=SECRET),
    "query a wrong date": lambda db: db.find(Vault, opened__gt=SECRET),
    "query a wrong pattern": lambda db: db.find(Vault, code__matches=f"{SECRET}("),
    "query a wrong like": lambda db: db.find(Vault, code__like=f"{SECRET}\\"),
    "query a field with a field": lambda db: db.find(Vault, code=Q(code=SECRET)),
    "query an odd pair": lambda db: db.find(Vault, level__between=(SECRET, 5)),
    "query an odd condition": lambda db: db.find(Vault, SECRET),  # type: ignore[call-overload]
    "query another class": lambda db: db.find(Note, Vault.code == SECRET),
    "ask a condition for its truth": lambda _: bool(col(Vault.code).contains(SECRET)),
    "find one of many": lambda db: db.find(Vault).where_not(code=f"no {SECRET}").one(),
    "find one of none": lambda db: db.find(Vault, id=f"no {SECRET}").one(),
    "change a slice": lambda db: db.find(Vault, code=SECRET)[:5].where(level=5),
    "scan": lambda db: db.find(Vault, path("level") == 27182818).options(allow_scan=False).list(),
    "load what does not fit": lambda db: db.get(Vault, "unfit"),
    "load many that do not fit": lambda db: db.find(Vault, id="unfit").list(),
}


def _with(name: str, value: Any) -> Vault:
    vault = Vault()
    vault.__dict__[name] = value
    return vault


def _stale(db: BaseStorageAdapter) -> Vault:
    vault = db.get(Vault, SECRET)
    db.save(Vault, {"code": SECRET}, primary_key=SECRET)
    return vault


def _renamed(db: BaseStorageAdapter) -> Vault:
    vault = db.get(Vault, SECRET)
    vault.id = f"{SECRET} renamed"
    return vault


class TestSecrets:
    """Planted in keys, values and operands."""

    @pytest.fixture
    def vault(self, db: BaseStorageAdapter) -> BaseStorageAdapter:
        db.save_many([Vault(id=SECRET, code=SECRET), Vault(id="other")])
        db.insert_many("vault", [{"id": "unfit", "level": SECRET}])
        return db

    @pytest.mark.parametrize("what", FAILURES)
    def test_no_message_holds_one(self, vault: BaseStorageAdapter, what: str) -> None:
        with pytest.raises(DocmapError) as caught:
            FAILURES[what](vault)
        error = caught.value
        if what != "ask a condition for its truth":
            assert (error.engine, error.collection is None) == (vault.scheme, False)
        for text in (str(error), repr(error), error.message, *map(str, error.args)):
            assert SECRET not in text
            assert "2718" not in text
            assert "Infinity" not in text
        assert not error.message.endswith(("\n", " "))

    def test_there_are_many_of_them(self) -> None:
        assert len(FAILURES) > 40

    def test_the_key_is_an_attribute(self, vault: BaseStorageAdapter) -> None:
        with pytest.raises(DuplicateKey) as caught:
            vault.insert(Vault(id=SECRET))
        assert caught.value.key == SECRET
        with pytest.raises(StaleDocument) as stale:
            _stale(vault).save()
        assert stale.value.key == SECRET

    def test_debugging_shows_keys_and_values(
        self, vault: BaseStorageAdapter, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DOCMAP_DEBUG", "1")
        for what in ("insert a taken key", "get a missing key", "query an odd condition"):
            with pytest.raises(DocmapError, match=SECRET):
                FAILURES[what](vault)
        monkeypatch.setenv("DOCMAP_DEBUG", "0")
        with pytest.raises(DocmapError) as caught:
            FAILURES["insert a taken key"](vault)
        assert SECRET not in str(caught.value)

    def test_nor_the_password_of_a_url(self) -> None:
        for url in (f"nope://u:{SECRET}@h/x", f"memory://u:{SECRET}@h", f"sqlite://u:{SECRET}@h/x"):
            with pytest.raises(InvalidConfig) as caught:
                connect(url)
            assert SECRET not in str(caught.value)


class TestCauses:
    def test_of_a_unique_index_in_sqlite(self) -> None:
        with connect("sqlite://") as db:
            db.save(Order(number="1"))
            with pytest.raises(DuplicateKey) as caught:
                db.save(Order(number="1"))
            assert isinstance(caught.value.__cause__, sqlite3.IntegrityError)
            with pytest.raises(DuplicateKey) as caught:
                db.save(Order(id=db.find(Order).one().id, number="2"))
            assert isinstance(caught.value.__cause__, sqlite3.IntegrityError)

    def test_of_a_lock(self, tmp_path: Path) -> None:
        with connect(f"sqlite:///{tmp_path / 'a.db'}", timeout=0.05) as db:
            db.save(Note())
            other = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreLocked) as caught:
                db.save(Note())
            assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
            assert caught.value.path
            assert caught.value.engine == "sqlite"
            other.close()
            db.save(Note())

    def test_of_a_file_that_cannot_be_opened(self, tmp_path: Path) -> None:
        with pytest.raises(StorageError) as caught:
            connect(f"sqlite:///{tmp_path / 'nowhere' / 'a.db'}")
        assert isinstance(caught.value.__cause__, sqlite3.Error)

    def test_of_what_does_not_validate(self, db: BaseStorageAdapter) -> None:
        with pytest.raises(InvalidValue) as invalid:
            db.save(Note, {"stars": "many"})
        assert isinstance(invalid.value.__cause__, ValidationError)
        db.insert_many("notes", [{"id": "a", "stars": "many"}])
        with pytest.raises(InvalidRecord) as unfit:
            db.get(Note, "a")
        assert isinstance(unfit.value.__cause__, ValidationError)


class TestWays:
    """Each error says what to do instead."""

    @pytest.mark.parametrize(
        ("what", "way"),
        [
            ("insert a taken key", "upsert"),
            ("save a stale document", "reload it"),
            ("save a changed key", "insert a copy"),
            ("find one of many", "first()"),
            ("change a slice", "slice last"),
            ("query another class", "fields of Note"),
        ],
    )
    def test_the_way_out_is_in_the_message(
        self, db: BaseStorageAdapter, what: str, way: str
    ) -> None:
        db.save_many([Vault(id=SECRET, code=SECRET), Vault(id="other")])
        with pytest.raises(DocmapError) as caught:
            FAILURES[what](db)
        assert way in str(caught.value)

    def test_a_deleted_document_is_not_told_to_reload(self, db: BaseStorageAdapter) -> None:
        note = Note()
        db.save(note)
        db.delete(Note, note.id)
        with pytest.raises(StaleDocument, match="deleted") as caught:
            note.save()
        assert "reload" not in str(caught.value)

    def test_a_refused_scan_carries_its_plan(self) -> None:
        with Bare() as db, pytest.raises(ScanRefused) as caught:
            db.find(Note).options(allow_scan=False).list()
        assert caught.value.plan["engine"] == "bare"
        assert isinstance(caught.value, InvalidQuery)
