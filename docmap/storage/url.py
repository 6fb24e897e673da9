"""URLs of storages: which engine, where, as whom. A password in one never shows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Self

from docmap.errors import InvalidConfig

HIDDEN: Final = "***"


class Secret:
    """Text that shows as `***` wherever it is printed, dumped or pickled; `reveal()` gives it.

    A pickled copy has forgotten its text, so that no file or queue ever holds it.

    >>> Secret("hunter2")
    ***
    """

    __slots__ = ("_text",)

    def __init__(self, text: str | None) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself. Raises InvalidConfig if pickling has left it behind."""
        if self._text is None:
            raise InvalidConfig(
                "a password is not pickled: give the other process the URL by its environment"
            )
        return self._text

    def __repr__(self) -> str:
        return HIDDEN

    def __eq__(self, other: object) -> bool:
        return self._text == other._text if isinstance(other, Secret) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> tuple[type[Secret], tuple[None]]:
        return (Secret, (None,))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self


class Host(NamedTuple):
    """One server of a URL; the port is None where the engine's own applies."""

    name: str
    port: int | None = None

    def __str__(self) -> str:
        name = f"[{self.name}]" if ":" in self.name else _escaped(self.name, "/@,?#[]")
        return name if self.port is None else f"{name}:{self.port}"


@dataclass(frozen=True, slots=True, repr=False)
class URL:
    """A storage's URL in its parts, percent-decoded.

    `path` is without the slash that ends the authority: `sqlite:///app.db` is the relative path
    `app.db`, `sqlite:////srv/app.db` the absolute one `/srv/app.db`, and `sqlite://` has none.
    `options` is the query; the adapter's table of options says what type each text is.

    >>> url = URL.parse("mongodb://ann:secret@a:27017,b/shop?w=2")
    >>> url.hosts[0].name, url.hosts[0].port, url.path, url.options["w"]
    ('a', 27017, 'shop', '2')
    >>> print(url)
    mongodb://ann:***@a:27017,b/shop?w=2
    """

    scheme: str
    user: str | None = None
    password: Secret | None = None
    hosts: tuple[Host, ...] = ()
    path: str = ""
    options: Mapping[str, str | Secret] = field(default_factory=dict, hash=False)

    @classmethod
    def parse(cls, text: str | URL) -> URL:
        """The URL that `text` writes; a URL is returned as it is.

        Raises InvalidConfig, whose message and traceback hold no part that could be a password.
        """
        if isinstance(text, URL):
            return text
        failure: InvalidConfig
        try:
            return _parse(text)
        except InvalidConfig as error:
            failure = error
        # Frames hold the text: an error tracker that prints their variables would publish it.
        text = HIDDEN
        raise failure.with_traceback(None)

    @property
    def safe(self) -> str:
        """The URL for a person to read, with `***` for what is secret."""
        return self._written(reveal=False)

    def reveal(self) -> str:
        """The whole URL, password included, as a driver takes it."""
        return self._written(reveal=True)

    def __repr__(self) -> str:
        return f"URL({self.safe!r})"

    def __str__(self) -> str:
        return self.safe

    def _written(self, *, reveal: bool) -> str:
        def shown(value: str | Secret, reserved: str) -> str:
            if isinstance(value, Secret):
                return _escaped(value.reveal(), reserved) if reveal else HIDDEN
            return _escaped(value, reserved)

        login = ""
        if self.user is not None or self.password is not None:
            login = _escaped(self.user or "", _RESERVED)
            login += f":{shown(self.password, _RESERVED)}@" if self.password else "@"
        authority = login + ",".join(map(str, self.hosts))
        path = f"/{_escaped(self.path, '?#' if not authority else '?#@')}" if self.path else ""
        query = "&".join(
            f"{_escaped(name, _RESERVED)}={shown(value, _RESERVED)}"
            for name, value in self.options.items()
        )
        return f"{self.scheme}://{authority}{path}{'?' if query else ''}{query}"


_RESERVED: Final = "/:@,?#[]&=+"
# Patterns are text: `re` compiles them when they are first used, and importing docmap stays quick.
_SCHEME: Final = r"[A-Za-z][A-Za-z0-9+.-]*"
_LONE_PERCENT: Final = r"%(?![0-9A-Fa-f]{2})"
_CONFIDENTIAL: Final = (
    r"(?i:pass(?:word|wd|phrase)|secret|token|credential|authmechanismproperties)"
)


def _parse(text: Any) -> URL:
    if not isinstance(text, str):
        raise InvalidConfig(f"a storage's URL is text, not {type(text).__name__}")
    scheme, separator, rest = text.strip().partition("://")
    if not separator or not re.fullmatch(_SCHEME, scheme):
        raise InvalidConfig(
            "this is not a storage's URL, which begins with the engine: write "
            "sqlite:///app.db for the file app.db, or memory://"
        )
    scheme = scheme.lower()
    before, _, query = rest.partition("?")
    authority, slash, path = before.partition("/")
    if authority and "@" in slash + path + query:
        raise InvalidConfig(
            f"the {scheme} URL has an @ after its host: in a password write / as %2F, ? as %3F "
            "and @ as %40, and elsewhere @ as %40",
            engine=scheme,
        )
    login, at, servers = authority.rpartition("@")
    user, colon, password = login.partition(":")
    return URL(
        scheme=scheme,
        user=_decoded(user, scheme, "user") if at else None,
        password=Secret(_decoded(password, scheme, "password")) if colon else None,
        hosts=tuple(_host(server, scheme) for server in servers.split(",")) if authority else (),
        path=_decoded(path, scheme, "path"),
        options=_query(query, scheme),
    )


def _host(text: str, scheme: str) -> Host:
    if text.startswith("["):
        name, bracket, after = text[1:].partition("]")
        if not bracket or after[:1] not in {"", ":"}:
            raise InvalidConfig(
                f"the {scheme} URL has a [ that begins no IPv6 address", engine=scheme
            )
        port = after[1:]
    else:
        name, _, port = text.partition(":")
    if not name:
        raise InvalidConfig(f"the {scheme} URL has an empty host", engine=scheme)
    # What stands here may be part of a password with a slash in it, so the message leaves it out.
    if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise InvalidConfig(
            f"the {scheme} URL has a port that is not a number from 1 to 65535 (in a password, "
            "write / as %2F)",
            engine=scheme,
        )
    return Host(_decoded(name, scheme, "host"), int(port) if port else None)


def _query(text: str, scheme: str) -> dict[str, str | Secret]:
    options: dict[str, str | Secret] = {}
    for part in filter(None, text.split("&")):
        name, equals, value = part.partition("=")
        name = _decoded(name, scheme, "option")
        if not equals or not name:
            raise InvalidConfig(
                f"the {scheme} URL has an option without a value: options are name=value, "
                "joined with &",
                engine=scheme,
            )
        if name in options:
            raise InvalidConfig(f"the {scheme} URL gives {name} twice", engine=scheme)
        value = _decoded(value.replace("+", " "), scheme, "option")
        options[name] = Secret(value) if re.search(_CONFIDENTIAL, name) else value
    return options


def _decoded(text: str, scheme: str, part: str) -> str:
    if re.search(_LONE_PERCENT, text):
        raise InvalidConfig(
            f"the {part} in the {scheme} URL has a % that begins no escape: write it as %25",
            engine=scheme,
        )
    from urllib.parse import unquote  # loads much that most programs never need

    try:
        decoded = unquote(text, errors="strict")
    except UnicodeDecodeError:
        decoded = "\0"
    if any(ord(character) < 32 for character in decoded):
        raise InvalidConfig(
            f"the {part} in the {scheme} URL holds control characters or escapes that are not "
            "UTF-8",
            engine=scheme,
        )
    return decoded


def _escaped(text: str, reserved: str) -> str:
    return "".join(
        "".join(f"%{byte:02X}" for byte in character.encode(errors="surrogateescape"))
        if character in reserved or character in "% " or not character.isprintable()
        else character
        for character in text
    )


_URL_LOGIN: Final = rf"({_SCHEME}://)[^\s'\"]*@"
_URL_OPTION: Final = rf"([?&][^\s=&]*{_CONFIDENTIAL}[^\s=&]*=)[^\s&'\"]+"


def hide_passwords(text: str) -> str:
    """`text` with `***` for what is secret in the URLs that it quotes, well-formed or not.

    >>> hide_passwords("no option --tos in 'mongodb://ann:pa/ss@host/db'")
    "no option --tos in 'mongodb://***@host/db'"
    """
    text = re.sub(_URL_LOGIN, rf"\1{HIDDEN}@", text)
    return re.sub(_URL_OPTION, rf"\1{HIDDEN}", text)
