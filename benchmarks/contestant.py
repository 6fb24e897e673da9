"""What every contestant of the benchmarks does: the operations of the workload, its own way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, Final

from benchmarks.views import Brief, OrderStruct
from benchmarks.workload import Row

Orders = list[Any]
"""Pydantic instances: `PlainOrder` or `Order`."""
OURS: Final = "docmap"
BY_HAND: Final = "by hand"


class Contestant(ABC):
    """One way to store orders. The queries' constants are those of the workload."""

    name: ClassVar[str]
    slow: ClassVar[bool] = False
    """Reads its whole file each time: fewer calls are made of it, and none of large sizes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @abstractmethod
    def open(self, name: str) -> None:
        """Open a new and empty store of that name, its tables and indexes made."""

    @abstractmethod
    def close(self) -> None:
        """Close the store."""

    @abstractmethod
    def insert_all(self, rows: Sequence[Row]) -> None:
        """Validate the rows as orders and store them, all in one go."""

    @abstractmethod
    def insert(self, row: Row) -> None:
        """Validate one row as an order and store it, durably as is the default."""

    @abstractmethod
    def delete(self, keys: Sequence[str]) -> None:
        """Delete orders; not measured."""

    @abstractmethod
    def get(self, key: str) -> Any:
        """The order of a key."""

    @abstractmethod
    def of_status_and_country(self) -> Orders:
        """All orders of one status and country."""

    @abstractmethod
    def page(self, since: datetime, until: datetime) -> Orders:
        """The newest orders of a stretch of time."""

    @abstractmethod
    def of_amount(self) -> Orders:
        """The one order in a hundred whose amount, a float without an index, is high."""

    @abstractmethod
    def of_name(self) -> Orders:
        """The one order in a hundred of a customer's name, which has no index."""

    @abstractmethod
    def tagged(self) -> Orders:
        """All orders with a tag."""

    @abstractmethod
    def count(self) -> int:
        """The number of orders of one status and country."""

    @abstractmethod
    def size(self) -> int:
        """The number of all orders."""

    @abstractmethod
    def countries(self) -> list[str]:
        """The distinct countries."""

    @abstractmethod
    def all(self) -> Orders:
        """All orders."""

    def summary(self) -> tuple[int, float, float]:
        """How many orders, and the sum and the average of their amounts, floats."""
        raise NotImplementedError(f"{self.name} does not take part in this")

    def revenues(self) -> list[tuple[str, Decimal]]:
        """The sum of the totals, Decimals, for each status."""
        raise NotImplementedError(f"{self.name} does not take part in this")

    def briefs(self) -> list[Brief]:
        """Three fields of all orders."""
        raise NotImplementedError(f"{self.name} does not take part in this")

    def structs(self) -> list[OrderStruct]:
        """All orders as msgspec Structs."""
        raise NotImplementedError(f"{self.name} does not take part in this")

    def note(self, text: str) -> int:
        """Set the note of all orders of one status and country; how many there were."""
        raise NotImplementedError(f"{self.name} does not take part in this")

    def raise_amounts(self, by: float) -> int:
        """Add to the amounts of all orders of one status and country; how many there were."""
        raise NotImplementedError(f"{self.name} does not take part in this")
