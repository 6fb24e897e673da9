"""Reading a few fields of a stored document without making Python's values of all others."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from pydantic_core import SchemaValidator
from pydantic_core import core_schema as cs

Decoder = Callable[[bytes | str], dict[str, Any]]


@lru_cache(maxsize=1024)
def decoder(names: frozenset[str]) -> Decoder:
    """A function that reads the JSON forms of these top-level names, those that are there.

    It takes half the time of reading the whole document. It raises ValidationError for what is no
    JSON, or no object.
    """
    one = cs.typed_dict_field(cs.any_schema(), required=False)
    fields = dict.fromkeys(sorted(names), one)
    schema = cs.typed_dict_schema(fields, extra_behavior="ignore")
    return SchemaValidator(schema).validate_json
