r"""Text patterns: `matches` and `like` in linear time, and one form of them for each engine.

A pattern is parsed into a tree (`regex_parse`) and written out for an engine by `write` with that
engine's `Dialect`. What is written names every character by itself: no flags, no `\d`, nothing
whose meaning depends on an engine's idea of letters, digits or line ends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from pydantic_core import CoreConfig, SchemaError, SchemaValidator, core_schema

from docmap.errors import InvalidQuery
from docmap.query.regex_parse import (
    ANY,
    UNSTORABLE,
    Anchor,
    AnchorKind,
    Chars,
    Choice,
    Node,
    Ranges,
    Repeat,
    Sequence,
    complement,
    parse_nodes,
)

# Compiled patterns that are kept. One near the size limit takes some ten megabytes.
_KEPT = 128


@dataclass(frozen=True, slots=True)
class Regex:
    """A pattern that is known to be portable; `parse` and `parse_like` make them.

    `source` is what the user wrote, `flags` are out of `i`, `m` and `s`, `node` is the tree for
    an engine's own writer, `rust` the text for the engine that `search` runs.
    """

    source: str
    flags: frozenset[str]
    node: Node
    rust: str
    search: Callable[[str], bool] = field(repr=False, compare=False)
    """True if the text holds a match; the time grows linearly with its length."""

    @property
    def python(self) -> str:
        """The same pattern for Python's `re`, to be used without flags."""
        return write(self.node, PYTHON)


LONGEST: Final = 10_000
"""The characters of the longest pattern."""


def parse(pattern: str, *, caseless: bool = False) -> Regex:
    """The regular expression `pattern`; `caseless` ignores the case of ASCII letters.

    Raises `InvalidQuery` for what is not portable, with the construct, its position (from 0) and
    what to use instead.

    >>> parse("^[A-Z]{2}-").search("DE-10115")
    True
    """
    return _parse(_text(pattern), caseless)


def parse_like(pattern: str) -> Regex:
    r"""The `like` pattern as a regular expression over the whole text.

    `%` is any run, newlines included, `_` one code point, `\` takes the next character literally.

    >>> parse_like("D%_").search("DE")
    True
    """
    return _parse_like(_text(pattern))


def compile_matches(pattern: str, *, caseless: bool = False) -> Callable[[str], bool]:
    """A function that says whether a text holds a match of the regular expression `pattern`."""
    return parse(pattern, caseless=caseless).search


def compile_like(pattern: str) -> Callable[[str], bool]:
    """A function that says whether the whole text is like `pattern`."""
    return parse_like(pattern).search


def literal_prefix(pattern: str) -> str:
    """What every text that matches the regular expression begins with; empty if not known.

    >>> literal_prefix("^DE-[0-9]+")
    'DE-'
    """
    regex = parse(pattern)
    # Where case is ignored no letter is fixed, and digits alone are rarely worth a range.
    return "" if "i" in regex.flags else _prefix(regex.node)


def like_prefix(pattern: str) -> str:
    """What every text that is like `pattern` begins with; empty if it begins with a wildcard.

    >>> like_prefix("DE-%")
    'DE-'
    """
    return _prefix(parse_like(pattern).node)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How an engine writes what cannot be written alike for all: a table for `write`."""

    anchors: Mapping[AnchorKind, str]
    escape: Callable[[int], str]
    """One code point, never zero, both in a class and outside."""
    any: str = r"(?s:.)"


def write(node: Node, dialect: Dialect) -> str:
    """The pattern in an engine's own form."""
    if isinstance(node, Chars):
        return _write_chars(node.ranges, dialect)
    if isinstance(node, Anchor):
        return dialect.anchors[node.kind]
    if isinstance(node, Choice):
        return "|".join(write(branch, dialect) for branch in node.branches)
    if isinstance(node, Sequence):
        return "".join(
            _grouped(part, dialect) if isinstance(part, Choice) else write(part, dialect)
            for part in node.parts
        )
    part = write if isinstance(node.part, Chars) else _grouped
    return part(node.part, dialect) + _write_bounds(node.least, node.most)


def _grouped(node: Node, dialect: Dialect) -> str:
    return f"(?:{write(node, dialect)})"


def _write_bounds(least: int, most: int | None) -> str:
    if most is None:
        return {0: "*", 1: "+"}.get(least, f"{{{least},}}")
    return f"{{{least}}}" if least == most else f"{{{least},{most}}}"


def _write_chars(ranges: Ranges, dialect: Dialect) -> str:
    if ranges == ANY:
        return dialect.any
    # Zero comes in by negation only, so no engine is ever asked to take it in a pattern.
    negated = ranges[0][0] == 0
    written = complement(ranges) if negated else ranges
    if not negated and len(written) == 1 and written[0][0] == written[0][1]:
        return dialect.escape(written[0][0])
    members = "".join(
        dialect.escape(low) if low == high else f"{dialect.escape(low)}-{dialect.escape(high)}"
        for low, high in written
    )
    return f"[{'^' if negated else ''}{members}]"


_PLAIN = frozenset(" !\"%',/:;<=>@_")


def _escape(code: int) -> str:
    r"""`code` as both Rust's engine and Python's take it; Rust reads `\<` as an anchor."""
    char = chr(code)
    if char in _PLAIN or char.isalnum() or (code > 0xFF and char.isprintable()):
        return char
    if " " < char < "\x7f":
        return "\\" + char
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


_ANCHORS: dict[AnchorKind, str] = {
    "start": r"\A",
    "line_start": "(?m:^)",
    "line_end": "(?m:$)",
}
RUST = Dialect(
    anchors={**_ANCHORS, "end": r"\z", "word": r"(?-u:\b)", "not_word": r"(?-u:\B)"},
    escape=_escape,
)
PYTHON = Dialect(
    # Before 3.14 Python's \B does not match the empty text; the negation of \b does.
    anchors={**_ANCHORS, "end": r"\Z", "word": r"(?a:\b)", "not_word": r"(?!(?a:\b))"},
    escape=_escape,
)


def _text(pattern: object) -> str:
    if not isinstance(pattern, str):
        raise InvalidQuery(f"A pattern is text, not {type(pattern).__name__}; give it as a str.")
    if len(pattern) > LONGEST:
        raise InvalidQuery(
            f"A pattern has at most {LONGEST:,} characters, as no engine promises to take longer "
            "ones; use several conditions."
        )
    return pattern


@lru_cache(_KEPT)
def _parse(pattern: str, caseless: bool) -> Regex:
    node, flags = parse_nodes(pattern, caseless=caseless)
    return _compiled(pattern, flags, node)


@lru_cache(_KEPT)
def _parse_like(pattern: str) -> Regex:
    node = Sequence((Anchor("start"), *_like_parts(pattern), Anchor("end")))
    return _compiled(pattern, frozenset("s"), node)


def _like_parts(pattern: str) -> list[Node]:
    if bad := UNSTORABLE.search(pattern):
        raise InvalidQuery(
            f"like pattern, position {bad.start()}: NUL or a lone surrogate; no stored text holds "
            "it, so leave it out."
        )
    run = Repeat(Chars(ANY), 0, None)
    parts: list[Node] = []
    rest = iter(pattern)
    for char in rest:
        if char == "%":
            if not parts or parts[-1] != run:
                parts.append(run)
        elif char == "_":
            parts.append(Chars(ANY))
        else:
            literal = next(rest, "") if char == "\\" else char
            if not literal:
                raise InvalidQuery(
                    f'like pattern, position {len(pattern) - 1}: "\\" at the end; write \\\\ for '
                    "the character."
                )
            parts.append(Chars(((ord(literal), ord(literal)),)))
    return parts


def _compiled(source: str, flags: frozenset[str], node: Node) -> Regex:
    rust = write(node, RUST)
    try:
        validator = SchemaValidator(
            core_schema.str_schema(pattern=rust, strict=True), CoreConfig(regex_engine="rust-regex")
        )
    except SchemaError as error:
        raise InvalidQuery(
            "The pattern is too large once its repetitions are written out; lower the counts, use "
            "* or +, or split it into several conditions."
        ) from error
    return Regex(source, flags, node, rust, validator.isinstance_python)


def _prefix(node: Node) -> str:
    """The characters that follow the anchor at the start, up to the first that is not fixed."""
    parts = node.parts if isinstance(node, Sequence) else (node,)
    if parts[:1] != (Anchor("start"),):
        return ""
    prefix: list[str] = []
    for part in parts[1:]:
        literal = part.literal if isinstance(part, Chars) else None
        if literal is None:
            break
        prefix.append(literal)
    return "".join(prefix)
