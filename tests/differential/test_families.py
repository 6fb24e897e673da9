"""Families: every engine gives of a branch what a plain loop over all documents gives."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any

from docmap import BaseStorageAdapter, Condition, Q
from tests.model.vehicles import Car, SportsCar, Truck, Vehicle

CLASSES: tuple[type[Vehicle], ...] = (Vehicle, Car, SportsCar, Truck)


def vehicle(rng: Random, key: int) -> Vehicle:
    kind = rng.choice(CLASSES)
    values: dict[str, Any] = {
        "id": f"{key:03}",
        "name": rng.choice("abcé"),
        "wheels": rng.randrange(6),
        "size": Decimal(rng.randrange(30)) / 10,
    }
    if issubclass(kind, Car):
        values["doors"] = rng.randrange(6)
    if kind is Truck:
        values["load"] = rng.choice([0.5, 1.5, 2.5])
    return kind(**values)


def condition(rng: Random, kind: type[Vehicle]) -> tuple[Condition, Callable[[Any], bool]]:
    """A condition, and what it means for a document."""
    number, letter = rng.randrange(6), rng.choice("abcé")
    found: list[tuple[Condition, Callable[[Any], bool]]] = [
        (Q(wheels__gt=number), lambda one: one.wheels > number),
        (Q(name=letter), lambda one: one.name == letter),
        (Q(wheels__in=[number, 1]), lambda one: one.wheels in {number, 1}),
        (~Q(name__gte=letter), lambda one: one.name < letter),
        (
            Q(wheels=number) | Q(name=letter),
            lambda one: one.wheels == number or one.name == letter,
        ),
    ]
    if issubclass(kind, Car):
        found.append((Q(doors__lte=number), lambda one: one.doors <= number))
        found.append((~Q(doors=number), lambda one: one.doors != number))
    return rng.choice(found)


def test_random_queries(storage: BaseStorageAdapter, seed: int, *, long_run: bool) -> None:
    rng = Random(f"{seed} families")
    for _ in range(30 if long_run else 2):
        storage.clear()
        documents = [vehicle(rng, key) for key in range(60)]
        rng.shuffle(documents)
        storage.insert_many(documents)
        for _ in range(40):
            kind = rng.choice(CLASSES)
            asked, holds = condition(rng, kind)
            wanted = sorted(
                (one for one in documents if isinstance(one, kind) and holds(one)),
                key=lambda one: (one.wheels, one.id),
            )
            query = storage.find(kind, asked).order_by("wheels")
            assert query.list() == wanted, (kind, asked)
            assert query.count() == len(wanted), (kind, asked)
            assert query[2:5].list() == wanted[2:5], (kind, asked)
            assert query.values("name") == sorted({one.name for one in wanted}), (kind, asked)
            others = sum(isinstance(one, kind) for one in documents) - len(wanted)
            assert storage.find(kind).where_not(asked).count() == others, (kind, asked)


def test_random_writes(storage: BaseStorageAdapter, seed: int) -> None:
    """Saved, replaced by documents of other classes, updated and deleted through any class."""
    rng = Random(f"{seed} family writes")
    storage.clear()
    held: dict[str, Vehicle] = {}
    for _ in range(150):
        kind, key = rng.choice(CLASSES), f"{rng.randrange(30):03}"
        match rng.randrange(4):
            case 0:
                held[key] = vehicle(rng, int(key))
                storage.upsert(held[key])
            case 1:
                there = isinstance(held.get(key), kind)
                assert storage.delete(kind, key) is there
                if there:
                    del held[key]
            case 2:
                matching = [one for one in held.values() if isinstance(one, kind)]
                done = storage.find(kind).update(wheels__inc=1)
                assert done.matched == len(matching)
                for one in matching:
                    one.wheels += 1
            case _:
                found = storage.get_many(kind, [key])
                assert found == [one for one in [held.get(key)] if isinstance(one, kind)]
                for one in found:
                    one.name = "x"
                    one.save()
                    held[key] = one
        assert storage.find(kind).order_by("id").list() == [
            held[key] for key in sorted(held) if isinstance(held[key], kind)
        ]
