"""The portable regular-expression grammar: from a pattern to a tree of five kinds of nodes.

The grammar is what every engine can be made to agree on. Flags, classes and case folding are
resolved here, so that a tree says what matches without a word about how an engine would say it:
a set of characters is always a set of code points. Groups leave no trace, and greedy and lazy
quantifiers give the same node, since a condition only asks whether a text matches.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from string import ascii_letters
from typing import Literal

from docmap.errors import InvalidQuery

MAX_REPEAT = 255
MAX_REPEAT_PRODUCT = 1000
MAX_DEPTH = 50
LAST_CODE_POINT = 0x10FFFF

Ranges = tuple[tuple[int, int], ...]
AnchorKind = Literal["start", "end", "line_start", "line_end", "word", "not_word"]


@dataclass(frozen=True, slots=True)
class Chars:
    """One code point out of `ranges`: inclusive, in order, apart, never empty.

    Zero is in them only by negation: no pattern can name it.
    """

    ranges: Ranges

    @property
    def literal(self) -> str | None:
        """The character, if there is but one."""
        low, high = self.ranges[0]
        return chr(low) if len(self.ranges) == 1 and low == high else None


@dataclass(frozen=True, slots=True)
class Anchor:
    """A place between characters: the text's ends, a line's ends, the edge of a word or not."""

    kind: AnchorKind


@dataclass(frozen=True, slots=True)
class Sequence:
    """The parts, one after the other; without parts the empty text."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """Any one of two or more branches."""

    branches: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """`part` at least `least` times and at most `most` times; None is without end."""

    part: Node
    least: int
    most: int | None


Node = Chars | Anchor | Sequence | Choice | Repeat


def normal(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """The same code points in order, with neighbours and overlaps joined."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


def complement(ranges: Ranges) -> Ranges:
    """Every other code point."""
    gaps: list[tuple[int, int]] = []
    begin = 0
    for low, high in ranges:
        if begin < low:
            gaps.append((begin, low - 1))
        begin = high + 1
    if begin <= LAST_CODE_POINT:
        gaps.append((begin, LAST_CODE_POINT))
    return tuple(gaps)


def _both_cases(ranges: Ranges) -> Ranges:
    """`ranges` with the other case of each ASCII letter in them, and of no other letter."""
    letters = [c for c in ascii_letters if any(low <= ord(c) <= high for low, high in ranges)]
    return normal([*ranges, *((ord(c.swapcase()), ord(c.swapcase())) for c in letters)])


ANY: Ranges = ((0, LAST_CODE_POINT),)
_NOT_NEWLINE = complement(((0x0A, 0x0A),))
_DIGIT: Ranges = ((0x30, 0x39),)
_WORD: Ranges = ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
_SPACE: Ranges = ((0x09, 0x0D), (0x20, 0x20))
_SETS: dict[str, Ranges] = {
    "d": _DIGIT,
    "D": complement(_DIGIT),
    "w": _WORD,
    "W": complement(_WORD),
    "s": _SPACE,
    "S": complement(_SPACE),
}
_CONTROLS = {"n": 0x0A, "t": 0x09, "r": 0x0D, "f": 0x0C, "v": 0x0B}
_HEX_DIGITS = {"x": 2, "u": 4, "U": 8}
_ESCAPED_ANCHORS: dict[str, AnchorKind] = {"b": "word", "B": "not_word"}

_LEADING_FLAGS = re.compile(r"\(\?([ims]+)\)")
_QUANTIFIER = re.compile(r"[*+?]|\{([0-9]+)(?:(,)([0-9]*))?\}")
_HEX = re.compile(r"[0-9A-Fa-f]*")
_FLAG_GROUP = re.compile(r"\(\?\^?[A-Za-z]*-?[A-Za-z]*[:)]")
_POSIX_CLASS = re.compile(r"\[([:.=])[^\]]*\1\]")
UNSTORABLE = re.compile("[\0\ud800-\udfff]")

# What other dialects have and this grammar has not: how it begins, what it is, what to use.
# The first that fits is reported, so longer beginnings stand first.
_REFUSED_GROUPS = (
    ("(?=", "a lookahead", "join two conditions with &"),
    ("(?!", "a negative lookahead", "join the condition with & to a negated one (~)"),
    ("(?<=", "a lookbehind", "match the text before it too"),
    ("(?<!", "a negative lookbehind", "join the condition with & to a negated one (~)"),
    ("(?>", "an atomic group", "use a plain group ( )"),
    ("(?P=", "a backreference", "compare the parts in Python"),
    ("(?P<", "a named group", "use a plain group ( )"),
    ("(?<", "a named group", "use a plain group ( )"),
    ("(?'", "a named group", "use a plain group ( )"),
    ("(?#", "a comment", "leave it out"),
    ("(?(", "a conditional", "write both cases as branches with |"),
    ("(?|", "a branch reset", "use (?: )"),
)
_REFUSED_ESCAPES = {
    **dict.fromkeys("123456789kg", ("a backreference", "compare the parts in Python")),
    **dict.fromkeys("pP", ("a Unicode property", "list the characters in a class [ ]")),
    **dict.fromkeys("zZ", ("another dialect's anchor", "use $ without the flag m")),
    **dict.fromkeys("AG", ("another dialect's anchor", "use ^ without the flag m")),
    **dict.fromkeys("QE", ("a quotation", "escape each special character by itself")),
    **dict.fromkeys("aceo", ("another dialect's escape", r"write \xhh")),
    "0": ("NUL or an octal escape", r"write \xhh; no stored text holds NUL"),
    "R": ("a line break of any kind", r"write (?:\r\n|[\n\r])"),
    "h": ("horizontal space", r"write [ \t]"),
}
_UNKNOWN_ESCAPE = ("no escape", "write the character without its backslash")


def parse_nodes(pattern: str, *, caseless: bool = False) -> tuple[Node, frozenset[str]]:
    """The tree and the flags of `pattern`; `caseless` is as if it began with the flag `i`.

    Raises `InvalidQuery` with construct, position (from 0) and the way out for anything else.
    """
    return _Parser(pattern, caseless).parse()


class _Parser:
    """One pass over a pattern, by recursive descent; `at` is the next character's position."""

    __slots__ = ("at", "depth", "flags", "pattern")

    def __init__(self, pattern: str, caseless: bool) -> None:
        self.pattern = pattern
        self.at = 0
        self.depth = 0
        self.flags = frozenset("i") if caseless else frozenset[str]()

    def parse(self) -> tuple[Node, frozenset[str]]:
        if bad := UNSTORABLE.search(self.pattern):
            raise self.refused(bad.start(), "NUL or a lone surrogate", "no stored text holds it")
        if flags := _LEADING_FLAGS.match(self.pattern):
            self.flags |= frozenset(flags[1])
            self.at = flags.end()
        node = self.choice()
        if self.at < len(self.pattern):
            raise self.refused(self.at, '")" without its "("', r"\) is the character")
        return node, self.flags

    def choice(self) -> Node:
        branches = [self.sequence()]
        while self.next_is("|"):
            self.at += 1
            branches.append(self.sequence())
        return branches[0] if len(branches) == 1 else Choice(tuple(branches))

    def sequence(self) -> Node:
        parts: list[Node] = []
        while self.at < len(self.pattern) and self.pattern[self.at] not in "|)":
            parts.append(self.quantified(self.atom()))
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def atom(self) -> Node:
        start, char = self.at, self.pattern[self.at]
        if char == "(":
            return self.group()
        if char == "[":
            return self.char_class()
        if char == "\\":
            if kind := _ESCAPED_ANCHORS.get(self.pattern[start + 1 : start + 2]):
                self.at += 2
                return self.anchor(kind)
            found = self.escape()
            return self.chars(((found, found),) if isinstance(found, int) else found)
        self.refuse_quantifier("has nothing before it to repeat")
        self.at += 1
        if char == "^":
            return self.anchor("line_start" if "m" in self.flags else "start")
        if char == "$":
            return self.anchor("line_end" if "m" in self.flags else "end")
        if char == ".":
            return Chars(ANY if "s" in self.flags else _NOT_NEWLINE)
        return self.chars(((ord(char), ord(char)),))

    def anchor(self, kind: AnchorKind) -> Anchor:
        self.refuse_quantifier("repeats an anchor")
        return Anchor(kind)

    def chars(self, ranges: Ranges) -> Chars:
        return Chars(_both_cases(ranges) if "i" in self.flags else ranges)

    def group(self) -> Node:
        start = self.at
        for opening, what, instead in _REFUSED_GROUPS:
            if self.next_is(opening):
                raise self.refused(start, f'"{opening}" is {what}', instead)
        if self.next_is("(?:"):
            self.at += 3
        elif flags := _FLAG_GROUP.match(self.pattern, start):
            instead = "only i, m and s are flags, written once and at the very start: (?ims)"
            raise self.refused(start, f'flags "{flags[0]}"', instead)
        elif self.next_is("(?"):
            raise self.refused(start, '"(?" begins no known group', "use ( ) or (?: )")
        else:
            self.at += 1
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.refused(start, f"groups nested over {MAX_DEPTH} deep", "split the condition")
        node = self.choice()
        if not self.next_is(")"):
            raise self.refused(start, '"(" without its ")"', r"close it; \( is the character")
        self.at += 1
        self.depth -= 1
        return node

    def quantified(self, atom: Node) -> Node:
        found = _QUANTIFIER.match(self.pattern, self.at)
        if found is None:
            self.refuse_quantifier("begins no repetition")
            return atom
        node = self.repeat(atom, found)
        self.at = found.end()
        if self.next_is("+"):
            raise self.refused(self.at, '"+" makes a possessive quantifier', "leave the + out")
        if self.next_is("?"):
            self.at += 1
        self.refuse_quantifier("repeats a repetition without a group")
        return node

    def repeat(self, atom: Node, found: re.Match[str]) -> Repeat:
        if found[0] in ("*", "+", "?"):
            return Repeat(atom, int(found[0] == "+"), 1 if found[0] == "?" else None)
        # Only four digits are read: more are too many anyhow, and int() refuses very long ones.
        least, most = (int(digits.lstrip("0")[:4] or "0") for digits in (found[1], found[3] or ""))
        bound = most if found[3] else least
        if least > bound:
            raise self.refused(found.start(), "a repetition with its bounds reversed", "swap them")
        if bound > MAX_REPEAT:
            what = f"a repetition over {MAX_REPEAT}"
            raise self.refused(found.start(), what, "lower the count, or use * or +")
        node = Repeat(atom, least, None if found[2] and not found[3] else bound)
        if _product(node) > MAX_REPEAT_PRODUCT:
            what = f"nested repetitions over {MAX_REPEAT_PRODUCT} in all"
            raise self.refused(found.start(), what, "lower the counts, or use * or +")
        return node

    def char_class(self) -> Chars:
        start = self.at
        self.at += 1
        negated = self.next_is("^")
        self.at += negated
        first = self.at
        found: list[tuple[int, int]] = []
        while self.at == first or not self.next_is("]"):
            found.extend(self.class_item(start, first))
        self.at += 1
        chars = self.chars(normal(found))
        if not negated:
            return chars
        if chars.ranges == ANY:
            raise self.refused(start, "a class that no character is in", "leave this branch out")
        return Chars(complement(chars.ranges))

    def class_item(self, start: int, first: int) -> Ranges:
        """The next character, range or set of the class that began at `start`."""
        place = self.at
        if self.next_is("-") and place != first and not self.next_is("-]"):
            raise self.refused(place, '"-" amid a class could begin a range', r"write \-")
        low = self.class_member(start)
        if not self.next_is("-") or self.next_is("-]"):
            return ((low, low),) if isinstance(low, int) else low
        self.refuse_set_operation()
        self.at += 1
        high = self.class_member(start)
        if not (isinstance(low, int) and isinstance(high, int)):
            raise self.refused(place, "a range that ends in a set", r"\- is the character")
        if low > high:
            raise self.refused(
                place, "a range with its ends reversed", r"swap them; \- is the character"
            )
        return ((low, high),)

    def class_member(self, start: int) -> int | Ranges:
        self.refuse_set_operation()
        char = self.pattern[self.at : self.at + 1]
        if not char:
            instead = r"close it; \[ is the character, and a ] that comes first stands for itself"
            raise self.refused(start, '"[" without its "]"', instead)
        if char == "\\":
            return self.escape(in_class=True)
        if _POSIX_CLASS.match(self.pattern, self.at):
            raise self.refused(
                self.at, "a POSIX class", r"use \d, \w, \s or a range; \[ is the character"
            )
        self.at += 1
        return ord(char)

    def escape(self, *, in_class: bool = False) -> int | Ranges:
        """The code point or the set that the escape at `at` stands for."""
        start, letter = self.at, self.pattern[self.at + 1 : self.at + 2]
        self.at += 2
        if not letter:
            raise self.refused(start, r'"\" at the end', r"\\ is the character")
        if letter in _CONTROLS:
            return _CONTROLS[letter]
        if letter in _SETS:
            return _SETS[letter]
        if letter in _HEX_DIGITS:
            return self.code_point(start, letter)
        if letter.isascii() and not letter.isalnum():
            return ord(letter)
        if in_class and letter in _ESCAPED_ANCHORS:
            raise self.refused(start, f'"\\{letter}" in a class', r"write \x08 for a backspace")
        what, instead = _REFUSED_ESCAPES.get(letter, _UNKNOWN_ESCAPE)
        raise self.refused(start, f'"\\{letter}" is {what}', instead)

    def code_point(self, start: int, letter: str) -> int:
        digits = _HEX.match(self.pattern, self.at, self.at + _HEX_DIGITS[letter])
        if digits is None or len(digits[0]) < _HEX_DIGITS[letter]:
            what = f'"\\{letter}" without its {_HEX_DIGITS[letter]} hexadecimal digits'
            raise self.refused(start, what, r"write \xhh, \uhhhh or \Uhhhhhhhh")
        self.at = digits.end()
        code = int(digits[0], 16)
        if code == 0 or 0xD800 <= code <= 0xDFFF or code > LAST_CODE_POINT:
            what = f'"\\{letter}{digits[0]}" is NUL, a lone surrogate or no code point'
            raise self.refused(
                start, what, r"no stored text holds it; above \uffff write \Uhhhhhhhh"
            )
        return code

    def next_is(self, text: str) -> bool:
        return self.pattern.startswith(text, self.at)

    def refuse_set_operation(self) -> None:
        for operator in ("&&", "--", "~~"):
            if self.next_is(operator):
                instead = f"list the characters; \\{operator[0]} is the character"
                raise self.refused(self.at, f'"{operator}" is a set operation elsewhere', instead)

    def refuse_quantifier(self, what: str) -> None:
        char = self.pattern[self.at : self.at + 1]
        if char and char in "*+?{":
            instead = "write {0,n} for at most n" if self.next_is("{,") else "leave it out"
            raise self.refused(self.at, f'"{char}" {what}', f"{instead}; \\{char} is the character")

    def refused(self, at: int, what: str, instead: str) -> InvalidQuery:
        return InvalidQuery(f"Regular expression, position {at}: {what}; {instead}.")


def _product(node: Node) -> int:
    """How often the most repeated part of `node` is written out."""
    if isinstance(node, Repeat):
        return max(1, node.most or node.least) * _product(node.part)
    if isinstance(node, Sequence):
        return max(map(_product, node.parts), default=1)
    if isinstance(node, Choice):
        return max(map(_product, node.branches))
    return 1
