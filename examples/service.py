"""The storage part of a web service: configured once, with errors that become answers.

The functions take and return what a request and a response hold; a framework would call them.
Run it anywhere: `python examples/service.py`. Which engine it runs on is one setting:
`DOCMAP_URL=sqlite:///service.db python examples/service.py`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field, ValidationError

import docmap
from docmap import Document, DocumentNotFound, DuplicateKey, Indexed, InvalidQuery, StaleDocument

Answer = tuple[int, Any]


class Account(Document, collection="accounts", indexes=["-points"]):
    """An account of the service."""

    email: Annotated[str, Indexed(unique=True), Field(pattern=r"^[^@]+@[^@]+$")]
    name: str
    points: Annotated[int, Field(ge=0)] = 0


def create(body: dict[str, Any]) -> Answer:
    """POST /accounts: the document is validated, and saved in the default storage."""
    account = Account(**body)
    account.save()
    return 201, account.model_dump()


def read(key: str) -> Answer:
    """GET /accounts/{key}."""
    return 200, docmap.storage().get(Account, key).model_dump()


def search(conditions: dict[str, Any], limit: int = 10) -> Answer:
    """GET /accounts?points__gte=5: conditions of a client are checked as those of the program."""
    found = docmap.storage().find(Account, **conditions).order_by("-points")[:limit]
    return 200, [account.model_dump(include={"name", "points"}) for account in found]


def reward(key: str, points: int) -> Answer:
    """POST /accounts/{key}/points: tried again while somebody else changes the same account."""
    while True:
        account = docmap.storage().get(Account, key)
        account.points += points
        try:
            account.save()
        except StaleDocument:
            continue
        return 200, account.points


def answer(handler: Callable[..., Answer], *arguments: Any) -> Answer:
    """What a framework's error handlers would do."""
    try:
        return handler(*arguments)
    except ValidationError as error:
        return 400, [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
    except InvalidQuery as error:
        return 400, str(error)
    except DocumentNotFound:
        return 404, "there is no such account"
    except DuplicateKey as error:
        return 409, f"taken: {', '.join(error.fields)}"


def main() -> None:
    """Some requests and their answers."""
    if not os.environ.get("DOCMAP_URL"):
        docmap.configure({"default": "memory://"})
    docmap.storage().collection(Account).clear()

    _, ann = answer(create, {"email": "ann@example.org", "name": "Ann"})
    answer(create, {"email": "bob@example.org", "name": "Bob", "points": 7})
    print("again      ", answer(create, {"email": "ann@example.org", "name": "Eve"}))
    print("no e-mail  ", answer(create, {"email": "ann", "name": "Ann"}))
    print("reward     ", answer(reward, ann["id"], 5))
    print("search     ", answer(search, {"points__gte": 5}))
    print("misspelt   ", answer(search, {"pionts__gte": 5}))
    print("not there  ", answer(read, "nobody"))
    print("too much   ", answer(reward, ann["id"], -100))


if __name__ == "__main__":
    main()
