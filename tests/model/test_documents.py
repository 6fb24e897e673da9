"""Documents are pydantic models: what pydantic offers still works on stored ones."""
# ruff: noqa: RUF012 - pydantic copies the defaults of a model

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

import pytest
from pydantic import (
    AliasGenerator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    computed_field,
    field_serializer,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic.alias_generators import to_camel

from docmap import BaseStorageAdapter, Document, InvalidQuery, InvalidValue, Stored
from tests.model.shop import Address, Customer, Note, Order


class TestComputedAndPrivate:
    def test_computed_fields_are_not_stored_and_not_queried(self, db: BaseStorageAdapter) -> None:
        class Square(Document):
            side: int

            @computed_field  # type: ignore[prop-decorator]
            @property
            def area(self) -> int:
                return self.side**2

        square = Square(side=3)
        db.save(square)
        assert db.find(Square).raw().one() == {"id": square.id, "side": 3}
        loaded = db.get(Square, square.id)
        assert loaded.area == 9
        assert loaded.model_dump() == {"id": square.id, "side": 3, "area": 9}
        with pytest.raises(InvalidQuery, match="'area'"):
            db.find(Square, area=9)
        db.save(Square, loaded.model_dump(), primary_key=square.id)

    def test_private_attributes_are_not_stored_and_start_anew(self, db: BaseStorageAdapter) -> None:
        class Cell(Document):
            value: int = 0
            _seen: list[int] = PrivateAttr(default_factory=list)
            _plain: str = "start"

        cell = Cell(value=1)
        cell._seen.append(5)
        cell._plain = "changed"
        db.save(cell)
        assert cell._seen == [5]
        loaded = db.get(Cell, cell.id)
        assert (loaded._seen, loaded._plain) == ([], "start")
        assert set(db.find(Cell).raw().one()) == {"id", "value"}
        cell.reload()
        assert cell._seen == [5]  # reload is about what is stored

    def test_model_post_init_runs_on_loading_too(self, db: BaseStorageAdapter) -> None:
        class Cell(Document):
            value: int = 0
            _double: int = PrivateAttr(default=0)

            def model_post_init(self, context: Any, /) -> None:
                self._double = self.value * 2

        cell = Cell(value=2)
        db.save(cell)
        assert db.get(Cell, cell.id)._double == 4
        assert db.find(Cell).one()._double == 4


class TestValidators:
    def test_they_run_once_and_not_on_loading(self, db: BaseStorageAdapter) -> None:
        class Account(Document):
            password: str

            @field_validator("password")
            @classmethod
            def hashed(cls, value: str) -> str:
                return f"#{value}"

        account = Account(password="x")  # noqa: S106
        assert account.password == "#x"  # noqa: S105
        db.save(account)
        assert account.password == "#x"  # noqa: S105
        assert db.get(Account, account.id).password == "#x"  # noqa: S105
        assert db.find(Account, password="#x").count() == 1  # noqa: S106

    def test_load_validate_asks_for_them(self, db: BaseStorageAdapter) -> None:
        class Part(BaseModel):
            name: str

            @field_validator("name")
            @classmethod
            def lower(cls, value: str) -> str:
                return value.lower()

        class Machine(Document, collection="machines", load="validate"):
            label: str
            part: Part | None = None
            parts: list[Part] = []

            @model_validator(mode="after")
            def checked(self) -> Self:
                if self.label == "bad":
                    raise ValueError("no machine is bad")
                return self

        db.insert_many(
            "machines",
            [{"id": "a", "label": "ok", "part": {"name": "AXLE"}, "parts": [{"name": "NUT"}]}],
        )
        for loaded in (db.get(Machine, "a"), db.find(Machine).one()):
            assert loaded.part == Part(name="axle")
            assert loaded.parts[0].name == "nut"
            assert not loaded.is_new
        db.save(db.get(Machine, "a"))
        assert db.get("machines", "a")["part"] == {"name": "axle"}

    def test_load_validate_with_aliases(self, db: BaseStorageAdapter) -> None:
        class Part(BaseModel):
            partName: str = Field(alias="PART", default="")  # noqa: N815

        class Machine(Document, load="validate"):
            label: str = Field(alias="theLabel")
            part: Part = Part()

        machine = Machine(theLabel="a", part=Part(PART="b"))
        db.save(machine)
        assert db.get(Machine, machine.id) == machine

    def test_constraints_are_checked_when_a_field_is_assigned(self) -> None:
        class Cell(Document):
            value: Annotated[int, Field(ge=0)] = 0

        cell = Cell()
        with pytest.raises(ValidationError):
            cell.value = -1
        assert cell.value == 0

    def test_what_pydantic_does_not_see_is_checked_on_save(self, db: BaseStorageAdapter) -> None:
        order = Order(id="o", number="1")
        order.tags.append(5)  # type: ignore[arg-type]
        with pytest.raises(InvalidValue, match=r"Order\.tags\.0 must be text, not int") as caught:
            db.save(order)
        assert caught.value.field == "tags.0"
        order.tags[:] = ["a"]
        order.customer.__dict__["name"] = None
        with pytest.raises(InvalidValue, match=r"Order\.customer\.name"):
            db.save(order)
        with pytest.raises(InvalidValue):
            db.save(Order.model_construct(id="p"))
        assert db.find(Order).count() == 0
        assert order.is_new

    def test_after_save_memory_equals_what_is_loaded(self, db: BaseStorageAdapter) -> None:
        order = Order(id="o", number="1")
        order.__dict__["created_at"] = datetime(2024, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
        customer = order.customer
        db.save(order)
        loaded = db.get(Order, "o")
        assert order == loaded
        assert order.customer is customer
        assert order.created_at.microsecond == 123000


class TestAliases:
    class Aliased(Document, collection="aliased"):
        """Every name has an alias, one has a storage name too."""

        model_config = ConfigDict(alias_generator=AliasGenerator(alias=to_camel))
        first_name: str = ""
        last_name: Annotated[str, Stored("surname")] = Field(default="", alias="LAST")
        address: Address | None = None

    def test_they_do_not_touch_what_is_stored(self, db: BaseStorageAdapter) -> None:
        document = self.Aliased(firstName="Ann", LAST="Lee")  # type: ignore[call-arg]
        db.save(document)
        assert db.find(self.Aliased).raw().one() == {
            "id": document.id,
            "first_name": "Ann",
            "surname": "Lee",
            "address": None,
        }
        assert db.get(self.Aliased, document.id) == document
        assert db.find(self.Aliased, first_name="Ann", last_name="Lee").count() == 1
        with pytest.raises(InvalidQuery):
            db.find(self.Aliased, firstName="Ann")

    @pytest.mark.parametrize(
        "data",
        [{"firstName": "Ann", "LAST": "Lee"}, {"first_name": "Ann", "last_name": "Lee"}],
        ids=["aliases", "names"],
    )
    def test_dicts_may_have_either(self, db: BaseStorageAdapter, data: dict[str, Any]) -> None:
        key = db.save(self.Aliased, data)
        assert db.get(self.Aliased, key).first_name == "Ann"
        (key,) = db.insert_many(self.Aliased, [data])
        assert db.get(self.Aliased, key).last_name == "Lee"

    def test_the_primary_key_wins_over_an_alias_of_it(self, db: BaseStorageAdapter) -> None:
        class Keyed(Document, key="code"):
            code: str = Field(alias="theCode")

        assert db.save(Keyed, {"theCode": "a"}, primary_key="b") == "b"
        assert db.get(Keyed, "b").code == "b"


class TestStoredForm:
    def test_it_follows_the_declared_type_not_how_the_model_prints(
        self, db: BaseStorageAdapter
    ) -> None:
        class Odd(Document):
            hidden: str = Field(default="", exclude=True)
            total: Decimal = Decimal(0)
            secret: SecretStr = SecretStr("")

            @field_serializer("total")
            def shown(self, value: Decimal) -> str:
                return f"{value} EUR"

            @model_serializer(mode="plain")
            def nothing(self) -> dict[str, Any]:
                return {}

        odd = Odd(hidden="x", total=Decimal("1.10"), secret=SecretStr("s3"))
        db.save(odd)
        loaded = db.get(Odd, odd.id)
        assert loaded == odd
        assert (loaded.hidden, str(loaded.total)) == ("x", "1.10")
        assert loaded.secret.get_secret_value() == "s3"

    def test_none_is_written_too(self, db: BaseStorageAdapter) -> None:
        note = Note()
        db.save(note)
        assert db.find(Note).raw().one() == {"id": note.id, "text": "", "stars": 0, "done": None}
        assert db.find(Note, done__exists=True).count() == 1

    def test_frozen_ones(self, full: BaseStorageAdapter) -> None:
        class Frozen(Document, frozen=True):
            id: int
            name: str = ""

        frozen = Frozen(name="a")  # type: ignore[call-arg]
        full.save(frozen)
        assert frozen.id == 1
        assert full.get(Frozen, 1) == frozen
        with pytest.raises(ValidationError):
            frozen.name = "b"  # type: ignore[misc]
        full.save(frozen)
        assert hash(frozen) == hash(full.get(Frozen, 1))

    def test_extra_fields_are_part_of_the_document(self, db: BaseStorageAdapter) -> None:
        class Open(Document, extra="allow"):
            name: str = ""

        document = Open(name="a", colour="red", sizes=[1, 2], price=Decimal("1.5"))  # type: ignore[call-arg]
        db.save(document)
        loaded = db.get(Open, document.id)
        assert loaded == document
        assert loaded.model_extra == {"colour": "red", "sizes": [1, 2], "price": Decimal("1.5")}
        assert db.find(Open, colour="red", price__lt=2).count() == 1
        assert loaded != Open(id=document.id, name="a", colour="blue")  # type: ignore[call-arg]

    def test_a_discriminated_union(self, db: BaseStorageAdapter) -> None:
        class Cat(BaseModel):
            kind: Literal["cat"] = "cat"
            lives: int = 9

        class Dog(BaseModel):
            kind: Literal["dog"] = "dog"
            name: str = ""

        class Home(Document):
            pet: Annotated[Cat | Dog, Field(discriminator="kind")]

        homes = [Home(id="a", pet=Cat()), Home(id="b", pet=Dog(name="Rex"))]
        db.save_many(homes)
        assert [home.pet for home in db.find(Home).order_by("id")] == [Cat(), Dog(name="Rex")]
        assert db.find(Home, pet__kind="dog").one() == homes[1]


class TestAsPydanticModel:
    def test_it_dumps_and_validates_as_any(self) -> None:
        order = Order(number="1", customer=Customer(name="Ann"), total=Decimal("1.5"))
        assert Order.model_validate(order.model_dump()) == order
        assert Order.model_validate_json(order.model_dump_json()) == order
        assert json.loads(order.model_dump_json())["id"] == order.id
        schema = Order.model_json_schema()
        assert {"id", "number", "customer"} <= set(schema["properties"])
        assert schema["required"] == ["number"]

    def test_the_state_shows_nowhere(self, db: BaseStorageAdapter) -> None:
        note = Note(id="a")
        db.save(note)
        assert repr(note) == "Note(id='a', text='', stars=0, done=None)"
        assert set(note.model_dump()) == {"id", "text", "stars", "done"}
        assert note.__pydantic_private__ is None

    def test_documents_inside_other_models(self, db: BaseStorageAdapter) -> None:
        class Reply(BaseModel):
            notes: list[Note]

        note = Note(text="a")
        db.save(note)
        reply = Reply(notes=[note])
        assert reply.notes[0] is note
        assert Reply.model_validate_json(reply.model_dump_json()) == reply

    def test_fields_set_is_that_of_the_record(self, db: BaseStorageAdapter) -> None:
        note = Note(text="a")
        db.save(note)
        assert db.get(Note, note.id).model_fields_set == {"id", "text", "stars", "done"}
