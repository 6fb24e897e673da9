"""Delete rules: deny, cascade and nullify, at any depth, for every form of delete."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID, uuid4

import pytest
from pydantic import BaseModel, Field, RootModel

from docmap import (
    BaseStorageAdapter,
    Document,
    InvalidModel,
    InvalidValue,
    OnDelete,
    Ref,
    ReferencedDocument,
    StaleDocument,
)
from docmap.schema.reference_places import reference_places
from tests.storage.engines import undone


class Team(Document):
    name: str = ""


class Member(Document):
    team: Annotated[Ref[Team], OnDelete("cascade")]


class Task(Document):
    owner: Annotated[Ref[Member] | None, OnDelete("nullify")] = None
    watchers: list[Annotated[Ref[Member], OnDelete("nullify")]] = Field(default_factory=list)
    note: str = ""


class Invoice(Document):
    member: Annotated[Ref[Member], OnDelete("deny")]


class Log(Document):
    member: Ref[Member]
    team: Annotated[Ref[Team] | None, OnDelete("ignore")] = None


class Mail(Document):
    text: str = ""


class Call(Document):
    text: str = ""


class OfMail(BaseModel):
    kind: Literal["mail"] = "mail"
    of: Annotated[Ref[Mail], OnDelete("cascade")]


class OfCall(BaseModel):
    kind: Literal["call"] = "call"
    of: Annotated[Ref[Call], OnDelete("deny")]


class Answer(Document):
    to: OfMail | OfCall


Delete = Callable[[BaseStorageAdapter, Document], Any]
FORMS: dict[str, Delete] = {
    "document": lambda db, one: db.delete(one),
    "own": lambda db, one: one.delete(db),
    "key": lambda db, one: db.delete(type(one), one.pk),
    "untyped": lambda db, one: db.delete(db.collection(type(one)).name, one.pk),
    "query": lambda db, one: db.find(type(one), pk=one.pk).delete(),
    "bulk": lambda db, one: db.delete_many([one]),
    "clear": lambda db, one: db.collection(type(one)).clear(),
}


@pytest.fixture(params=FORMS)
def delete(request: pytest.FixtureRequest) -> Delete:
    """One form of delete."""
    return FORMS[request.param]


def saved(db: BaseStorageAdapter, document: Any) -> Any:
    """The document, stored."""
    db.insert(document)
    return document


class TestForms:
    def test_deny(self, db: BaseStorageAdapter, delete: Delete) -> None:
        member = saved(db, Member(team=saved(db, Team())))
        db.insert_many([Invoice(member=member), Invoice(member=member)])
        with pytest.raises(ReferencedDocument, match=r"2 of Invoice in member") as caught:
            delete(db, member)
        assert caught.value.field == "member"
        assert db.find(Member).count() == 1
        db.find(Invoice).delete()
        assert delete(db, member) == 1
        assert db.find(Member).count() == 0

    def test_cascade(self, db: BaseStorageAdapter, delete: Delete) -> None:
        team = saved(db, Team())
        other = Team()
        db.insert_many([Member(team=team), Member(team=team), Member(team=other)])
        assert delete(db, team) == 1
        assert [member.team for member in db.find(Member)] == [Ref(other)]

    def test_nullify(self, db: BaseStorageAdapter, delete: Delete) -> None:
        team = Team()
        ann, bob = Member(team=team), Member(team=team)
        task = Task(owner=Ref(ann), watchers=[Ref(bob), Ref(ann), Ref(bob)], note="x")
        other = Task(owner=Ref(bob))
        db.insert_many([ann, task, other])
        assert delete(db, ann) == 1
        task.reload(db)
        assert task.owner is None
        assert task.watchers == [Ref(bob), Ref(bob)]
        assert task.note == "x"
        assert db.get(Task, other.id) == other

    def test_cascade_follows_the_rules_of_what_it_deletes(
        self, db: BaseStorageAdapter, delete: Delete
    ) -> None:
        team = saved(db, Team())
        ann, bob = saved(db, Member(team=team)), saved(db, Member(team=team))
        task = saved(db, Task(owner=Ref(ann)))
        invoice = saved(db, Invoice(member=bob))
        with pytest.raises(ReferencedDocument, match="1 of Invoice in member"):
            delete(db, team)
        assert db.find(Member).count() == 2
        assert db.get(Task, task.id).owner == Ref(ann), "what is denied changes nothing"
        db.delete(invoice)
        delete(db, team)
        assert db.find(Member).count() == 0
        assert db.get(Task, task.id).owner is None

    def test_ignore_is_the_default(self, db: BaseStorageAdapter, delete: Delete) -> None:
        team = saved(db, Team())
        member = Member(team="elsewhere")
        log = saved(db, Log(member=member, team=Ref(team)))
        delete(db, team)
        assert db.get(Log, log.id).team == Ref(team)


class TestWhatStays:
    def test_a_stale_document_deletes_nothing(self, db: BaseStorageAdapter) -> None:
        team = saved(db, Team())
        db.insert(Member(team=team))
        again = db.get(Team, team.id)
        again.name = "new"
        again.save(db)
        with pytest.raises(StaleDocument):
            db.delete(team)
        assert db.find(Member).count() == 1

    def test_what_is_not_there_concerns_nobody(self, db: BaseStorageAdapter) -> None:
        db.insert(Member(team="gone"))
        assert db.delete(Team, "gone") is False
        assert db.find(Member).count() == 1

    def test_of_two_in_a_query_one_may_refer_to_the_other(self, db: BaseStorageAdapter) -> None:
        class Step(Document):
            after: Annotated[Ref[Step] | None, OnDelete("deny")] = None

        first = Step()
        second = Step(after=Ref(first))
        db.insert_many([first, second])
        with pytest.raises(ReferencedDocument, match="1 of Step in after"):
            db.delete(first)
        assert db.find(Step).delete() == 2

    def test_the_count_is_of_the_matches_only(self, db: BaseStorageAdapter) -> None:
        teams = [Team(name=str(number)) for number in range(3)]
        db.insert_many([*teams, *(Member(team=team) for team in teams)])
        assert db.find(Team, name__in=["0", "1"]).delete() == 2
        assert db.find(Member).count() == 1

    def test_a_query_does_not_match_what_its_rules_made(self, db: BaseStorageAdapter) -> None:
        class Folder(Document):
            inside: Annotated[Ref[Folder] | None, OnDelete("nullify")] = None

        top = Folder()
        below = Folder(inside=Ref(top))
        db.insert_many([top, below])
        assert db.find(Folder, inside=None).delete() == 1
        assert db.get(Folder, below.id).inside is None

    def test_a_cycle_ends(self, db: BaseStorageAdapter) -> None:
        class Node(Document):
            next: Annotated[Ref[Node] | None, OnDelete("cascade")] = None

        nodes = [Node() for _ in range(4)]
        for number, node in enumerate(nodes):
            node.next = Ref(nodes[(number + 1) % 4])
        alone = Node()
        db.insert_many([*nodes, alone])
        assert db.delete(nodes[0])
        assert db.find(Node).list() == [alone]

    def test_unknown_stored_fields_are_kept(self, db: BaseStorageAdapter) -> None:
        ann = saved(db, Member(team=Team()))
        db.save("task", {"id": "t", "owner": ann.id, "watchers": [], "note": "", "old": 5})
        db.delete(ann)
        raw = db.find(Task).raw().one()
        assert raw["owner"] is None
        assert raw["old"] == 5

    def test_hooks_of_what_goes_along(self, db: BaseStorageAdapter) -> None:
        told: list[tuple[str, str]] = []
        db.before("delete", "save")(lambda one: told.append((type(one).__name__, str(one.pk))))
        team = saved(db, Team(id="t"))
        db.insert(Member(id="m", team=team))
        told.clear()
        db.insert(Task(id="k", owner=Ref[Member]("m")))
        told.clear()
        db.delete(team)
        assert sorted(told) == [("Member", "m"), ("Task", "k"), ("Team", "t")]

    def test_a_veto_keeps_everything(self, full: BaseStorageAdapter) -> None:
        team = saved(full, Team())
        member = saved(full, Member(team=team))

        def veto(one: Document) -> None:
            if isinstance(one, Member):
                raise ZeroDivisionError

        full.before("delete")(veto)
        with pytest.raises(ZeroDivisionError):
            full.delete(team)
        assert full.get(Member, member.id) == member
        assert full.find(Team).count() == 1

    def test_a_transaction_takes_everything_back(self, full: BaseStorageAdapter) -> None:
        team = saved(full, Team())
        full.insert(Member(team=team))
        with undone(full):
            full.delete(team)
        assert full.find(Member).count() == full.find(Team).count() == 1

    def test_nullifying_what_would_not_be_valid_deletes_nothing(
        self, full: BaseStorageAdapter
    ) -> None:
        class Crew(Document):
            team: Annotated[Ref[Team] | None, OnDelete("nullify")] = None
            people: Annotated[
                list[Annotated[Ref[Member], OnDelete("nullify")]], Field(min_length=1)
            ]

        ann = saved(full, Member(team=Team()))
        crew = saved(full, Crew(people=[Ref(ann)]))
        with pytest.raises(InvalidValue, match=r"Crew\.people would not be valid"):
            full.delete(ann)
        assert full.get(Member, ann.id) == ann
        assert full.get(Crew, crew.id) == crew

    def test_without_rules_a_query_stays_native(self, db: BaseStorageAdapter) -> None:
        names: list[str] = []
        db.insert_many([Log(member="x"), Log(member="y")])
        db.on_command(lambda command: names.append(command.name))
        db.find(Log, member="x").delete()
        assert names == ["delete"]


class Tag(Document):
    id: UUID = Field(default_factory=uuid4)


class Cell(BaseModel):
    tag: Annotated[Ref[Tag] | None, OnDelete("nullify")] = None
    inner: Cell | None = None


class Cover(BaseModel):
    cover: Annotated[Ref[Tag] | None, OnDelete("nullify")]


class Tree(RootModel[dict[str, "Tree"]]):
    pass


class Page(Document):
    cells: list[Cell] = Field(default_factory=list)
    named: Annotated[dict[str, Ref[Tag]], OnDelete("nullify")] = Field(default_factory=dict)
    pair: tuple[Annotated[Ref[Tag] | None, OnDelete("nullify")], int] = (None, 0)
    either: Cover | int = 0
    unique: Annotated[set[Ref[Tag]], OnDelete("nullify")] = Field(default_factory=set)
    rows: Annotated[list[list[Ref[Tag]]], OnDelete("nullify")] = Field(default_factory=list)


class TestPlaces:
    EMPTY: ClassVar[dict[str, Any]] = {
        "cells": [{"tag": None}],
        "named": {},
        "pair": (None, 5),
        "either": Cover(cover=None),
        "unique": set(),
        "rows": [[], []],
    }

    @pytest.mark.parametrize(
        ("name", "make"),
        [
            ("cells", lambda ref: [Cell(tag=ref)]),
            ("named", lambda ref: {"a": ref}),
            ("pair", lambda ref: (ref, 5)),
            ("either", lambda ref: Cover(cover=ref)),
            ("unique", lambda ref: {ref}),
            ("rows", lambda ref: [[], [ref]]),
        ],
    )
    def test_nullify_at_every_depth(
        self, db: BaseStorageAdapter, name: str, make: Callable[[Ref[Tag]], Any]
    ) -> None:
        tag, other = saved(db, Tag()), Tag()
        page = saved(db, Page.model_validate({name: make(Ref(tag))}))
        kept = saved(db, Page.model_validate({name: make(Ref(other))}))
        db.delete(tag)
        page.reload(db)
        assert page == Page.model_validate({"id": page.id, name: self.EMPTY[name]})
        assert db.get(Page, kept.id) == kept

    def test_in_a_model_inside_itself(self, db: BaseStorageAdapter) -> None:
        tag = saved(db, Tag())
        page = saved(db, Page(cells=[Cell(inner=Cell(inner=Cell(tag=Ref(tag))))]))
        db.delete(tag)
        page.reload(db)
        assert page.cells == [Cell(inner=Cell(inner=Cell()))]

    def test_beside_a_type_that_contains_itself(self, db: BaseStorageAdapter) -> None:
        class Forest(Document):
            tree: Tree = Field(default_factory=lambda: Tree({}))
            tag: Annotated[Ref[Tag], OnDelete("cascade")]

        tag = saved(db, Tag())
        db.insert(Forest(tag=tag, tree=Tree({"a": Tree({"b": Tree({})})})))
        assert [place.dotted for place in reference_places(Forest.__docmap_schema__.root)] == [
            "tag"
        ]
        db.delete(tag)
        assert db.find(Forest).count() == 0

    @pytest.mark.parametrize("rule", ["deny", "cascade"])
    def test_deny_and_cascade_in_a_dict(self, db: BaseStorageAdapter, rule: Any) -> None:
        class Shelf(Document):
            tags: dict[str, Annotated[Ref[Tag], OnDelete(rule)]]

        tag = saved(db, Tag())
        db.insert_many([Shelf(tags={"a": Ref(tag)}), Shelf(tags={})])
        if rule == "deny":
            with pytest.raises(ReferencedDocument, match="1 of Shelf in tags"):
                db.delete(tag)
        else:
            db.delete(tag)
            assert db.find(Shelf).one().tags == {}


class TestDeclaring:
    def test_a_required_reference_cannot_be_nullified(self) -> None:
        with pytest.raises(InvalidModel, match=r"Desk\.tag is never None"):

            class Desk(Document):
                tag: Annotated[Ref[Tag], OnDelete("nullify")]

    def test_nor_in_a_nested_model(self) -> None:
        class Drawer(BaseModel):
            tag: Annotated[Ref[Tag], OnDelete("nullify")]

        with pytest.raises(InvalidModel, match=r"Desk\.drawers\.tag is never None"):

            class Desk(Document):
                drawers: list[Drawer]

    def test_a_rule_without_reference_is_refused(self) -> None:
        with pytest.raises(InvalidModel, match=r"Desk\.tag has a delete rule and is no reference"):

            class Desk(Document):
                tag: Annotated[str, OnDelete("deny")]

    def test_an_unknown_rule_is_refused(self) -> None:
        wrong: Any = "restrict"
        with pytest.raises(InvalidModel, match="OnDelete takes"):
            OnDelete(wrong)

    def test_a_subclass_inherits_the_rule(self, db: BaseStorageAdapter) -> None:
        class Base(Document, abstract=True):
            tag: Annotated[Ref[Tag], OnDelete("cascade")]

        class Leaf(Base):
            pass

        tag = saved(db, Tag())
        db.insert(Leaf(tag=tag))
        db.delete(tag)
        assert db.find(Leaf).count() == 0


def test_members_of_a_union_are_told_apart_by_their_literals(db: BaseStorageAdapter) -> None:
    db.insert(Mail(id="1"))
    db.insert(Call(id="1"))
    answer = Answer(to=OfCall(of=Ref[Call]("1")))
    db.insert(answer)
    assert db.delete(Mail, "1")
    assert db.get(Answer, answer.id).to.of.key == "1"
    with pytest.raises(ReferencedDocument, match="1 of Answer in to.of"):
        db.delete(Call, "1")
