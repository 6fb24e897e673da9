"""Text patterns: the grammar, what it refuses, and that every written form means the same."""

from __future__ import annotations

import re
from dataclasses import FrozenInstanceError
from itertools import product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docmap.errors import InvalidQuery
from docmap.query.regex import (
    compile_like,
    compile_matches,
    like_prefix,
    literal_prefix,
    parse,
    parse_like,
)
from docmap.query.regex_parse import Anchor, Chars, Repeat, Sequence

# pattern, texts in which it is found, texts in which it is not
ACCEPTED: list[tuple[str, list[str], list[str]]] = [
    ("", ["", "a"], []),
    ("b", ["b", "abc"], ["", "B"]),
    ("|a", ["", "b"], []),
    ("()|(?:)", ["", "a"], []),
    (r"a\.b", ["a.b"], ["axb"]),
    (r"\^\$\*\+\?\(\)\[\]\{\}\|\\\/\-\ \<\_", ["^$*+?()[]{}|\\/- <_"], ["", "<"]),
    ("]}-,:=!<>&~#@\"'`%", ["]}-,:=!<>&~#@\"'`%"], ["]"]),
    (re.escape("a b\tc\n-é&~#"), ["a b\tc\n-é&~#"], ["a b"]),
    (r"\n\t\r\f\v", ["\n\t\r\f\v"], ["ntrfv"]),
    (r"^\x41\u00e9\U0001F600$", ["Aé😀"], ["x41"]),
    ("^.$", ["a", "é", "😀", "\r", "\u2028"], ["", "\n", "ab", "e\u0301"]),
    ("(?s)^.$", ["\n", "😀"], ["", "\r\n"]),
    ("[^a]", ["b", "\n", "😀"], ["", "a"]),
    ("^[^a-c😀]$", ["d", "\n", "😁"], ["b", "😀"]),
    ("[]a]", ["]", "a"], ["[", "b"]),
    ("[^]a]", ["[", "b"], ["]", "a"]),
    ("^[-a]+$", ["-a"], ["b"]),
    ("^[a-]+$", ["-a"], ["b"]),
    (r"^[\d-]+$", ["1-2"], ["a"]),
    (r"^[+\--]$", ["+", "-"], [","]),
    ("^[[.]$", ["[", "."], ["a"]),
    ("^[[(.*?{|^$]+$", ["[(.*?{|^$"], ["a"]),
    (r"^[\]\\\^\n\x2d\u00e9]+$", ["]\\^\n-é"], ["n"]),
    (r"^[^\W_]+$", ["aZ9"], ["_", "é"]),
    (r"^[\d\D]$", ["1", "\n", "é"], ["", "12"]),
    (r"^[^b-\U0010fffe]$", ["a", "\U0010ffff"], ["b", "😀"]),
    (r"\d", ["9"], ["a", "\u0663", "²"]),
    (r"\w", ["a", "Z", "_", "0"], ["é", "ſ", "\u212a", "-"]),
    (r"\W", ["é", "-"], ["a_0"]),
    (r"\s", [" ", "\t", "\n", "\r", "\f", "\v"], ["\x1c", "\x85", "\xa0", "\u2003"]),
    (r"\bno\b", ["no", "a no.", "éno"], ["nod", "_no", "no1"]),
    (r"a\b", ["aé", "a"], ["ab"]),
    (r"\Ba", ["ba"], ["a", "éa"]),
    (r"\B", ["", "é", "ab"], ["a", "aéa"]),
    ("^a$", ["a"], ["a\n", "\na", "ab"]),
    ("(?m)^a$", ["a", "a\n", "\na", "b\na\nc"], ["a\r\n", "ab", "a\u2028"]),
    ("a^|$a", [], ["a", "aa", "a\na"]),
    ("(?i)straße", ["STRAßE", "straße"], ["STRASSE", "STRAẞE"]),
    ("(?i)^[k-s]$", ["K", "k", "S"], ["\u212a", "ſ", "t"]),
    ("(?i)^[^k]$", ["\u212a", "a"], ["k", "K"]),
    ("(?i)^i$", ["i", "I"], ["İ", "ı"]),
    ("(?i)^[Z-a]$", ["Z", "z", "a", "A", "_"], ["b", "B"]),
    ("(?smi)^A.b$", ["x\na\nB"], ["xa\nB"]),
    ("(?iis)A.", ["a\n"], ["a"]),
    ("^ab*$", ["a", "abb"], ["abab"]),
    ("^(a|bc)+?d$", ["ad", "abcd"], ["d", "bd"]),
    ("^a??b{2}c{1,}?d{0,2}$", ["bbc", "abbccdd"], ["abc", "bbcddd"]),
    ("^a{0}b{0,0}$", [""], ["a"]),
    ("^a{00002}$", ["aa"], ["a"]),
    ("^a{255}$", ["a" * 255], ["a" * 254, "a" * 256]),
    ("^(a{255}){3}$", ["a" * 765], ["a" * 764]),
    ("^((.{10}){10}){10}$", ["é" * 1000], ["é" * 999]),
    (r"^([^\W\d]{250}){4}$", ["a" * 1000], ["é" * 1000]),
    ("^(?:a{255})*b(c{2,}){3}$", ["b" + "c" * 6, "a" * 510 + "bcccccc"], ["bccccc"]),
    ("^(^)*(|a)+($)+$", ["", "aa"], ["b"]),
    ("^(cat|dog)s?$", ["cat", "dogs"], ["cats!", "cow"]),
]

# patterns (apart by spaces), the position in each of them, what the message must say
REFUSED: list[tuple[str, int, str]] = [
    (r"\1 \k<x> (?P=x)", 0, "backreference.*in Python"),
    ("a(?=b)", 1, "a lookahead.*conditions"),
    ("(?!b)", 0, "negative lookahead.*~"),
    ("(?<=b) (?<!b)", 0, "lookbehind"),
    ("(?P<x>a) (?<x>a) (?'x'a)", 0, r"named group.*plain group \( \)"),
    ("a(?>b)", 1, "atomic"),
    ("a*+ a?+ a++", 2, "possessive"),
    ("a{2}+", 4, "possessive"),
    ("(?#c)", 0, "comment"),
    ("(a)?(?(1)b|c)", 4, "conditional"),
    ("(?|a)", 0, "branch reset"),
    ("(?1) (?", 0, "no known group"),
    ("(?x)a (?-i)a (?i:a) (?R)", 0, r"only i, m and s.*start: \(\?ims\)"),
    ("(?i)(?m)a aaaa(?i)", 4, "only i, m and s"),
    (r"\p{L} \PL", 0, "Unicode property.*class"),
    (r"\Aa \G", 0, r"use \^"),
    (r"a\Z a\z", 1, r"use \$"),
    (r"\R", 0, "line break"),
    (r"\h", 0, "horizontal"),
    (r"\e \a \cA", 0, r"\\xhh"),
    (r"\y \é \N", 0, "no escape.*without its backslash"),
    ("a\\", 1, "at the end"),
    (r"\0 \x00 \u0000", 0, "NUL"),
    ("a\0 a\ud800", 1, "NUL or a lone surrogate"),
    (r"\ud83d\ude00", 0, r"surrogate.*\\Uhhhhhhhh"),
    (r"\U00110000", 0, "no code point"),
    (r"\x4 \x{41}", 0, r"2 hexadecimal digits.*\\xhh"),
    ("(a ((a)", 0, r"without its \"\)\""),
    ("a)", 1, r"without its \"\(\""),
    ("x[a x[^a x[^]", 1, 'without its "]"'),
    ("[] [a-", 0, 'without its "]".*first stands for itself'),
    ("[b-a] [é-a]", 1, "reversed"),
    (r"[a-\d] [\w-z]", 1, "ends in a set"),
    ("[a-c-e]", 4, r"write \\-"),
    ("[[:alpha:]] [[=a=]]", 1, "POSIX"),
    ("[a&&b] [a--b] [a~~]", 2, r"set operation.*\\[&~-] is"),
    (r"[\b] [\B]", 1, r"\\x08"),
    (r"[^\d\D]", 0, "no character"),
    ("*a + ?", 0, r"nothing before it.*\\[*+?] is the character"),
    ("a|+ b(*FAIL)", 2, "nothing before it"),
    ("^* $+", 1, "repeats an anchor"),
    (r"\b+ \B{2}", 2, "repeats an anchor"),
    ("a** a+{2}", 2, "repeats a repetition"),
    ("a+?? a*?+", 3, "repeats a repetition"),
    ("a{ a{x} a{1", 1, r"begins no repetition.*\\{ is the character"),
    ("a{,3}", 1, "write {0,n}"),
    ("a{3,2}", 1, "reversed"),
    ("a{256} a{1,256} a{256,} a{" + "9" * 5000 + "}", 1, "over 255"),
    ("(a{100}){11}", 8, "nested repetitions over 1000"),
    ("((a{10}b?){10}|c){11}", 17, "nested repetitions over 1000"),
    ("(" * 51 + "a" + ")" * 51, 50, "nested over 50"),
]
REFUSALS = [(pattern, at, says) for many, at, says in REFUSED for pattern in many.split(" ")]

# None of these matches in any of LONG_TEXTS; most would keep a backtracking engine for ever.
HOSTILE = [
    "(a+)+$",
    "(a*)*b$",
    "^(a|aa)+$",
    "(a|a?)+[^ab!é😀]",
    "(.*a){25}[^ab!é😀]",
    "(.+)+[0-9]",
    "(a+a+)+[c-z]",
    "(a?){255}a{255}$",
    "((a?){100}){10}[c-z]",
    "[ab]*a[ab]{255}[c-z]",
    "([ab]*a[ab]{250}){4}[c-z]",
    "^(([a-z])+.)+[A-Z]([a-z])+$",
    r"^([a-zA-Z0-9])(([\-.]|[_]+)?([a-zA-Z0-9]+))*(@){1}[a-z0-9]+[.]{1}$",
    r"(\w+\s?)*:$",
    r"^(\s*\w*)*\?$",
    "((((a*)*)*)*)*b$",
    "^(a|b|ab)*c",
    r"^(\b|a|b)*\B$",
    "(?i)^(A+|a+|B)+[^!]$",
    "(?s)(.*.*.*.*)=(.*.*.*)!",
    "(?m)^(^a*$|b)*$",
    "(é|.)*😀{255}",
]
LONG_TEXTS = [text * 50_000 + "!" for text in ("aa", "ab", "é😀")]
LONG_TEXTS.append("".join(Random(1).choices("ab", k=100_000)) + "!")

# Atoms and class members of the grammar, each with what Python's `re` writes for it under
# re.ASCII. The end of the text depends on the flags: THE_END stands for it until they are known.
THE_END = "\0"
Pair = tuple[str, str]
ATOMS: list[Pair] = [(c, c) for c in "aAbBkKsS19_ -éİſ\u212a😀\n."]
ATOMS += [(c, c) for c in (r"\d", r"\D", r"\w", r"\W", r"\s", r"\S", r"\.", r"\n", r"\x41", "()")]
ANCHORS: list[Pair] = [("^", "^"), ("$", THE_END), (r"\b", r"\b"), (r"\B", r"(?!\b)")]
MEMBERS: list[Pair] = [(c, c) for c in ("a", "Ks", "9", "é", "ſ", "😀", "a-s", "J-b", " -0", "é-ſ")]
MEMBERS += [(c, c) for c in (r"\w", r"\W", r"\d", r"\D", r"\s", r"\S", r"\-", r"\]", r"\n", "-")]
MEMBERS += [("[", r"\["), (".^", ".^"), (r"\u212a", r"\u212a")]
QUANTIFIERS = ["*", "+", "?", "{0}", "{1}", "{2}", "{0,2}", "{1,}", "{2,3}", "{3,}"]


def joined(start: str, between: str, end: str, pairs: list[Pair]) -> Pair:
    ours, theirs = ([pair[side] for pair in pairs] for side in (0, 1))
    return start + between.join(ours) + end, start + between.join(theirs) + end


def pieces(inner: st.SearchStrategy[Pair]) -> st.SearchStrategy[Pair]:
    def of(start: str, between: str, end: str, least: int) -> st.SearchStrategy[Pair]:
        lists = st.lists(inner, min_size=least, max_size=max(least, 3))
        return lists.map(lambda pairs: joined(start, between, end, pairs))

    quantified = st.tuples(inner, st.sampled_from(QUANTIFIERS), st.sampled_from(["", "?"])).map(
        lambda drawn: joined("(?:", "", f"){drawn[1]}{drawn[2]}", [drawn[0]])
    )
    return of("", "", "", 0) | of("(", "|", ")", 2) | of("(?:", "|", ")", 2) | quantified


CLASSES = st.tuples(
    st.sampled_from(["[", "[^"]), st.lists(st.sampled_from(MEMBERS), min_size=1, max_size=4)
).map(lambda drawn: joined(drawn[0], "", "]", drawn[1]))
TREES = st.recursive(st.sampled_from(ATOMS + ANCHORS) | CLASSES, pieces, max_leaves=8)
BRANCHES = st.lists(TREES, min_size=1, max_size=2).map(lambda pairs: joined("", "|", "", pairs))
FLAGS = st.sets(st.sampled_from("ims")).map(lambda flags: "".join(sorted(flags)))


SHORT_TEXTS = st.text("aAbBkKsS19_ -.[^]\n\r\t\v\x1c\x85éÉİıſ\u212a😀", max_size=8)


@settings(max_examples=300)
@given(FLAGS, BRANCHES, st.lists(SHORT_TEXTS, min_size=1, max_size=6))
def test_random_patterns_mean_what_python_means(flags: str, pair: Pair, texts: list[str]) -> None:
    theirs = f"(?a{flags})" + pair[1].replace(THE_END, "$" if "m" in flags else r"\Z")
    try:
        regex = parse((f"(?{flags})" if flags else "") + pair[0])
    except InvalidQuery as error:
        # Members drawn at random may cancel out, or a hyphen may come to stand between two.
        assert re.search("no character|amid|set operation|range", str(error))
        return
    for text in ["", *texts]:
        found = regex.search(text)
        assert found == (re.search(regex.python, text) is not None), (regex.python, text)
        assert found == (re.search(theirs, text) is not None), (theirs, text)


@settings(max_examples=300)
@given(st.text("aB%_\\é\n.*", max_size=8), st.text("aB%_\\é\n.*😀", max_size=8))
def test_random_like_patterns_mean_what_a_plain_matcher_means(pattern: str, text: str) -> None:
    if (len(pattern) - len(pattern.rstrip("\\"))) % 2:
        with pytest.raises(InvalidQuery, match="at the end"):
            compile_like(pattern)
        return
    found = compile_like(pattern)(text)
    assert found == like_by_hand(pattern, text)
    assert not found or text.startswith(like_prefix(pattern))


def like_by_hand(pattern: str, text: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "%":
        return any(like_by_hand(pattern[1:], text[i:]) for i in range(len(text) + 1))
    width = 2 if pattern[0] == "\\" else 1
    same = pattern[0] == "_" or text[:1] == pattern[width - 1]
    return bool(text) and same and like_by_hand(pattern[width:], text[1:])


@pytest.mark.parametrize(
    ("pattern", "found", "missed"), ACCEPTED, ids=[a[0][:30] for a in ACCEPTED]
)
def test_the_grammar(pattern: str, found: list[str], missed: list[str]) -> None:
    regex = parse(pattern)
    by_python = re.compile(regex.python)
    for text, expected in [*((t, True) for t in found), *((t, False) for t in missed)]:
        assert regex.search(text) is expected, text
        assert (by_python.search(text) is not None) is expected, text


@pytest.mark.parametrize(
    ("pattern", "position", "says"), REFUSALS, ids=[r[0][:30] for r in REFUSALS]
)
def test_what_is_not_portable_is_refused(pattern: str, position: int, says: str) -> None:
    with pytest.raises(InvalidQuery, match=says) as caught:
        parse(pattern)
    assert f"position {position}: " in str(caught.value)
    assert "; " in str(caught.value), "the way out is missing"


@pytest.mark.parametrize("pattern", HOSTILE)
def test_hostile_patterns_finish(pattern: str) -> None:
    regex = parse(pattern)
    assert [text[:20] for text in LONG_TEXTS if regex.search(text)] == []


@pytest.mark.parametrize("pattern", ["%a" * 500 + "_c", "%a" + "_" * 500 + "c%", "a%" * 500 + "c"])
def test_hostile_like_patterns_finish(pattern: str) -> None:
    assert not any(compile_like(pattern)(text) for text in LONG_TEXTS)


def test_too_large_a_pattern_is_refused() -> None:
    with pytest.raises(InvalidQuery, match="too large.*lower") as caught:
        parse("(.{250}){4}" * 100)
    assert caught.value.__cause__ is not None
    with pytest.raises(InvalidQuery, match="too large"):
        parse("(.{250}){4}" * 900)
    with pytest.raises(InvalidQuery, match="at most 10,000 characters"):
        parse("a" * 10_001)


def test_the_deepest_nesting_compiles() -> None:
    assert parse("(x|y" * 50 + "a" + "){1,}" * 50).search("y" * 50 + "a")


def test_a_pattern_is_text() -> None:
    for wrong in (None, 1, b"a", re.compile("a")):
        for make in (parse, parse_like):
            with pytest.raises(InvalidQuery, match="A pattern is text"):
                make(wrong)  # type: ignore[arg-type]


def test_only_text_matches() -> None:
    matches = compile_matches("1")
    for wrong in (1, b"1", None, ["1"], "\ud8001"):
        assert not matches(wrong)  # type: ignore[arg-type]


def test_caseless_folds_ascii_letters_only() -> None:
    matches = compile_matches("^stra[^k]e$", caseless=True)
    assert matches("STRAßE")
    assert not matches("STRAKE")
    assert not matches("ſtraße")
    assert not compile_matches("^stra[^k]e$")("STRAßE")


def test_forms_name_every_character() -> None:
    regex = parse(r"(?i)^k\s[^\W_](.|\d)\b\B$")
    assert regex.rust == (r"\A[Kk][\u0009-\u000d ][0-9A-Za-z](?:[^\u000a]|[0-9])(?-u:\b)(?-u:\B)\z")
    assert regex.python == (
        r"\A[Kk][\u0009-\u000d ][0-9A-Za-z](?:[^\u000a]|[0-9])(?a:\b)(?!(?a:\b))\Z"
    )


def test_the_tree_is_frozen_and_equal_by_value() -> None:
    regex = parse("^a+?")
    assert regex.node == Sequence((Anchor("start"), Repeat(Chars(((97, 97),)), 1, None)))
    assert (regex.source, regex.flags) == ("^a+?", frozenset())
    assert regex == parse("^a+?")
    assert parse("(?i)a") != parse("a", caseless=True)
    assert parse("a", caseless=True).flags == {"i"}
    with pytest.raises(FrozenInstanceError):
        regex.source = "b"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("pattern", "found", "missed"),
    [
        ("", [""], ["a"]),
        ("a", ["a"], ["A", "ab", "a\n"]),
        ("%", ["", "a\nb"], []),
        ("a%", ["a", "a\n"], ["ba"]),
        ("%a", ["a", "\na"], ["a\n"]),
        ("_", ["a", "\n", "é", "😀"], ["", "ab", "e\u0301"]),
        ("%%_%", ["a", "ab"], [""]),
        (r"100\%", ["100%"], ["1000"]),
        (r"\_\\\a", ["_\\a"], ["x\\a"]),
        ("a.c[d]*", ["a.c[d]*"], ["abcd"]),
    ],
)
def test_like(pattern: str, found: list[str], missed: list[str]) -> None:
    like = compile_like(pattern)
    assert [t for t in found if not like(t)] == []
    assert [t for t in missed if like(t)] == []


@pytest.mark.parametrize(
    ("pattern", "says"), [("a\\", "position 1: .*at the end"), ("a\0", "NUL"), ("\udc00", "lone")]
)
def test_like_patterns_that_are_refused(pattern: str, says: str) -> None:
    for use in (compile_like, like_prefix):
        with pytest.raises(InvalidQuery, match=says):
            use(pattern)


@pytest.mark.parametrize(
    ("pattern", "prefix"),
    [("ab%c", "ab"), ("", ""), ("%", ""), (r"a\%\_\\b_", r"a%_\b"), ("é😀", "é😀")],
)
def test_like_prefix(pattern: str, prefix: str) -> None:
    assert like_prefix(pattern) == prefix


@pytest.mark.parametrize(
    ("pattern", "prefix"),
    [
        ("^abc", "abc"),
        ("^abc$", "abc"),
        (r"^a\.b\x41[c]\d", "a.bAc"),
        ("^ab*", "a"),
        ("^ab{2}", "a"),
        ("^a(b|c)", "a"),
        ("^a.", "a"),
        ("(?s)^é😀.", "é😀"),
        ("abc", ""),
        ("", ""),
        ("^", ""),
        ("^ab|ac", ""),
        ("(^a|b)c", ""),
        ("(?m)^ab", ""),
        ("(?i)^12", ""),
    ],
)
def test_literal_prefix(pattern: str, prefix: str) -> None:
    assert literal_prefix(pattern) == prefix


def test_every_ascii_character_is_itself_when_escaped() -> None:
    for code, other in product(range(1, 128), ("", "a", "\n")):
        char = chr(code)
        pattern = char if char.isalnum() else "\\" + char
        for source in (f"^{pattern}$", f"^[{pattern}]$"):
            assert parse(source).search(char), source
            assert re.search(parse(source).python, char), source
            assert parse(source).search(other) == (other == char), source
