"""Pickles of plain data, read without unpickling: no name in them is ever imported or called.

The instructions of a pickle are walked through by a small machine of docmap's own. It knows those
that build None, numbers, text, bytes, lists, tuples, sets and dicts, and by its table of names the
few classes that stand for values (datetime, Decimal, UUID and the like). Whatever else a pickle
asks for is refused, and so is one that would unfold into more than a document may hold.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final

from docmap_backends._shelve_names import NAMES
from docmap_backends._shelve_plain import Name, NotPlain, Unbuilt, check_size, hashed

_MARK: Final = object()


def plain_data(pickled: bytes) -> Any:
    """The plain data of a pickle. Raises NotPlain for anything else, having called nothing."""
    from pickletools import genops  # knows the instructions and their arguments, and runs none

    machine = _Machine()
    try:
        for opcode, argument, _ in genops(pickled):
            machine.step(opcode.name, argument)
        found = machine.result()
    except NotPlain:
        raise
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        MemoryError,
        RecursionError,
        TypeError,
        ValueError,
        struct.error,
    ) as error:
        raise NotPlain(f"is no whole pickle ({type(error).__name__})") from error
    check_size(found)
    return found


class _Machine:
    """The stack and the memo of a pickle, and what its instructions do to them."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._done = False

    def step(self, name: str, argument: Any) -> None:
        """Carry out one instruction."""
        if name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name]())
        elif name in _ARGUMENTS:
            self._stack.append(argument)
        elif name in _OLD_TEXT:
            self._stack.append(_old_text(argument))
        elif name in _GETS:
            self._stack.append(self._memo[int(argument)])
        elif name in _PUTS:
            place = len(self._memo) if name == "MEMOIZE" else int(argument)
            self._memo[place] = top = self._stack[-1]
            if isinstance(top, Unbuilt):
                top.remembered.append(place)
        elif name in _STEPS:
            _STEPS[name](self)
        elif name == "GLOBAL":
            module, _, wanted = argument.partition(" ")
            self._stack.append(_named(module, wanted))
        elif name not in _NOTHING:
            raise NotPlain(f"asks for more than plain data ({name})")

    def result(self) -> Any:
        if not self._done or len(self._stack) != 1:
            raise NotPlain("is no whole pickle")
        return self._stack[0]

    def _items(self) -> list[Any]:
        """What lies above the last mark, which is taken off with it."""
        for place in range(len(self._stack) - 1, -1, -1):
            if self._stack[place] is _MARK:
                items = self._stack[place + 1 :]
                del self._stack[place:]
                return items
        raise NotPlain("is no whole pickle")

    def _top(self, kind: type) -> Any:
        if not isinstance(self._stack[-1], kind):
            raise NotPlain(f"adds to what is no {kind.__name__}")
        return self._stack[-1]

    # -- instructions

    def stop(self) -> None:
        self._done = True

    def mark(self) -> None:
        self._stack.append(_MARK)

    def pop(self) -> None:
        self._stack.pop()

    def pop_mark(self) -> None:
        self._items()

    def copy(self) -> None:
        self._stack.append(self._stack[-1])

    def make_list(self) -> None:
        self._stack.append(self._items())

    def make_tuple(self) -> None:
        self._stack.append(tuple(self._items()))

    def take(self, count: int) -> None:
        if len(self._stack) < count or _MARK in self._stack[-count:]:
            raise NotPlain("is no whole pickle")
        items = tuple(self._stack[-count:])
        del self._stack[-count:]
        self._stack.append(items)

    def make_dict(self) -> None:
        self._stack.append(_filled({}, self._items()))

    def make_frozenset(self) -> None:
        self._stack.append(frozenset(map(hashed, self._items())))

    def append(self) -> None:
        item = self._stack.pop()
        self._top(list).append(item)

    def extend(self) -> None:
        items = self._items()
        self._top(list).extend(items)

    def set_item(self) -> None:
        pair = self._stack[-2:]
        del self._stack[-2:]
        _filled(self._top(dict), pair)

    def set_items(self) -> None:
        items = self._items()
        _filled(self._top(dict), items)

    def add_items(self) -> None:
        items = self._items()
        self._top(set).update(map(hashed, items))

    def find_named(self) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        self._stack.append(_named(module, name))

    def reduce(self) -> None:
        arguments = self._stack.pop()
        maker = self._stack.pop()
        if not isinstance(arguments, tuple) or not isinstance(maker, Name):
            raise NotPlain("calls what is no name")
        self._stack.append(maker.make(*arguments))

    def build(self) -> None:
        state = self._stack.pop()
        if not isinstance(self._stack[-1], Unbuilt):
            raise NotPlain("sets the state of an object")
        unbuilt = self._stack.pop()
        value = unbuilt.build(state)
        # What was remembered before it was complete is what it is now.
        for place in unbuilt.remembered:
            if self._memo[place] is unbuilt:
                self._memo[place] = value
        self._stack.append(value)


def _named(module: Any, name: Any) -> Name:
    if not isinstance(module, str) or not isinstance(name, str):
        raise NotPlain("refers to what is no name")
    if (module, name) not in NAMES:
        raise NotPlain("refers to a class or function that is no plain data")
    return Name(NAMES[module, name])


def _filled(target: dict[Any, Any], items: list[Any]) -> dict[Any, Any]:
    if len(items) % 2:
        raise NotPlain("has a key without a value")
    target.update(zip(map(hashed, items[::2]), items[1::2], strict=True))
    return target


def _old_text(text: str) -> str | bytes:
    """A string of Python 2, which was text or bytes: text if it can be."""
    raw = text.encode("latin-1")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


_CONSTANTS: Final[dict[str, Callable[[], Any]]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
}
_ARGUMENTS: Final = frozenset(
    "INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT UNICODE BINUNICODE "
    "SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8".split()
)
_OLD_TEXT: Final = frozenset({"STRING", "BINSTRING", "SHORT_BINSTRING"})
_GETS: Final = frozenset({"GET", "BINGET", "LONG_BINGET"})
_PUTS: Final = frozenset({"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"})
_NOTHING: Final = frozenset({"PROTO", "FRAME"})
_STEPS: Final[dict[str, Callable[[_Machine], None]]] = {
    "STOP": _Machine.stop,
    "MARK": _Machine.mark,
    "POP": _Machine.pop,
    "POP_MARK": _Machine.pop_mark,
    "DUP": _Machine.copy,
    "LIST": _Machine.make_list,
    "TUPLE": _Machine.make_tuple,
    "TUPLE1": lambda machine: machine.take(1),
    "TUPLE2": lambda machine: machine.take(2),
    "TUPLE3": lambda machine: machine.take(3),
    "DICT": _Machine.make_dict,
    "FROZENSET": _Machine.make_frozenset,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.extend,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "ADDITEMS": _Machine.add_items,
    "STACK_GLOBAL": _Machine.find_named,
    "REDUCE": _Machine.reduce,
    "NEWOBJ": _Machine.reduce,
    "BUILD": _Machine.build,
}
