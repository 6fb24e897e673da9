"""Text patterns as MongoDB's regular expressions, where those are exact and take linear time.

MongoDB's engine backtracks: a pattern with several runs of any length could take hours. Those are
left to docmap, and so is what the engines of the servers read differently.
"""

from __future__ import annotations

from typing import Any, Final

from docmap.plan.engine import Native
from docmap.query import regex
from docmap.query.regex_parse import ANY, Anchor, Chars, Choice, Node, Repeat, Sequence
from docmap_backends._mongodb_places import Place

_LONGEST: Final = 2_000
"""The characters of the longest text in a pattern: servers take 32,764 bytes."""


def literal(text: str) -> str:
    """A text as a pattern of itself. Raises ValueError for one that is too long for a server."""
    if len(text) > _LONGEST:
        raise ValueError("too long for a pattern")
    return "".join(map(_escape_char, text))


def _escape_char(char: str) -> str:
    return _escape(ord(char))


def _escape(code: int) -> str:
    char = chr(code)
    if (char.isascii() and char.isalnum()) or char == " ":
        return char
    return f"\\x{{{code:x}}}"


def part_of(place: Place, text: str) -> Native:
    """Text that contains a text."""
    return on_text(place, literal(text))


def on_text(place: Place, pattern: str, *, exact: bool = True, **others: Any) -> Native:
    """Text in which a pattern is found, and which fulfils other operators."""
    # Some servers see no operator beside a pattern, and match it with numbers.
    text = place.having(**{"$type": "string"}, **others)
    both = {"$and": [text, {place.name: {"$regex": pattern}}]}
    return place.native(both, exact=exact)


_DIALECT: Final = regex.Dialect(
    anchors={
        "start": r"\A",
        "end": r"\z",
        **dict.fromkeys(("line_start", "line_end", "word", "not_word"), ""),
    },
    escape=_escape,
)


def of_regex(pattern: str, *, caseless: bool = False) -> str:
    """A portable regular expression. Raises ValueError for one that is not linear or exact."""
    return _written(regex.parse(pattern, caseless=caseless).node)


def of_like(pattern: str) -> str:
    """A `like` pattern; runs at its ends are left out. Raises ValueError as `of_regex` does."""
    node = regex.parse_like(pattern).node
    parts = list(node.parts) if isinstance(node, Sequence) else [node]
    if len(parts) > 2 and _is_run(parts[1]):
        parts = parts[2:]
    if len(parts) > 1 and _is_run(parts[-2]):
        parts = parts[:-2]
    return _written(Sequence(tuple(parts)))


def _is_run(node: Node) -> bool:
    return node == Repeat(Chars(ANY), 0, None)


def _written(node: Node) -> str:
    parts = node.parts if isinstance(node, Sequence) else (node,)
    runs = _runs(node)
    if len(runs) > 1 or (None in runs and parts[:1] != (Anchor("start"),)):
        raise ValueError("not in linear time")
    found = regex.write(node, _DIALECT)
    if len(found) > _LONGEST * 10:
        raise ValueError("too long for a pattern")
    return found


def _runs(node: Node) -> list[int | None]:
    """The most repetitions of each part whose number varies. Raises ValueError for other forms."""
    if isinstance(node, Anchor):
        if node.kind not in {"start", "end"}:
            raise ValueError("servers read it differently")
        return []
    if isinstance(node, Chars):
        return []
    if isinstance(node, Repeat):
        if type(node.part) is not Chars:
            raise ValueError("not in linear time")
        return [] if node.least == node.most else [node.most]
    inner = node.branches if isinstance(node, Choice) else node.parts
    return [run for one in inner for run in _runs(one)]
