"""Numbers that every engine keeps exactly: their ranges, and a text that sorts as they do."""

from __future__ import annotations

from decimal import Context, Decimal
from typing import Any, Final

INT_MIN: Final = -(2**63)
INT_MAX: Final = 2**63 - 1
DECIMAL_DIGITS: Final = 34
DECIMAL_MAX_ADJUSTED: Final = 6144
DECIMAL_MIN_EXPONENT: Final = -6176


def decimal_fault(value: Decimal) -> str | None:
    """Why no engine could keep `value`; None if all can."""
    _, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        return "must be finite"
    if len(digits) > DECIMAL_DIGITS:
        return f"has more than {DECIMAL_DIGITS} digits"
    before = value.adjusted() if value else exponent
    if before >= DECIMAL_MAX_ADJUSTED:
        return f"has more than {DECIMAL_MAX_ADJUSTED} digits before the point"
    if exponent < DECIMAL_MIN_EXPONENT:
        return f"has more than {-DECIMAL_MIN_EXPONENT} digits after the point"
    return None


_KEY_OFFSET = 50_000_000
_NINES = str.maketrans("0123456789", "9876543210")


def decimal_key(value: Decimal | int) -> str:
    """Text that sorts, code point by code point, as the numbers do; equal numbers, equal text.

    >>> sorted([10, -3, 2], key=decimal_key)
    [-3, 2, 10]
    >>> decimal_key(Decimal("1.10")) == decimal_key(Decimal("1.1"))
    True
    """
    if not value:
        return "5"
    if isinstance(value, int):
        digits = str(abs(value))
        negative, adjusted = value < 0, len(digits) - 1
    else:
        digits = str(value).partition("E")[0].replace("-", "").replace(".", "")
        negative, adjusted = value.is_signed(), value.adjusted()
    digits = digits.strip("0")
    if negative:
        return f"4{99_999_999 - adjusted - _KEY_OFFSET:08d}{digits.translate(_NINES)}~"
    return f"6{adjusted + _KEY_OFFSET:08d}{digits}"


def key_number(key: str | bytes) -> Decimal:
    """The number that `decimal_key` made the text of, in some form that equals it.

    >>> key_number(decimal_key(Decimal("-1.10")))
    Decimal('-1.1')
    """
    text = key if isinstance(key, str) else key.decode()
    head = text[0]
    if head == "6":
        exponent = int(text[1:9]) - _KEY_OFFSET - len(text) + 10
        return Decimal(f"{text[9:]}E{exponent}")
    if head == "4":
        exponent = 99_999_999 - int(text[1:9]) - _KEY_OFFSET - len(text) + 11
        return Decimal(f"-{text[9:-1].translate(_NINES)}E{exponent}")
    return Decimal(0)


_EXACT = Context(prec=DECIMAL_DIGITS, Emin=-999_999, Emax=999_999)


def same_number(value: Any) -> Any:
    """The shortest Decimal of those equal to `value`; anything else as it is.

    >>> same_number(Decimal("1.10")), same_number(Decimal("1E+10"))
    (Decimal('1.1'), Decimal('10000000000'))
    """
    if isinstance(value, Decimal):
        if not value:
            return Decimal(0)
        short = value.normalize(_EXACT)
        exponent = short.as_tuple().exponent
        if isinstance(exponent, int) and exponent > 0 and short.adjusted() < DECIMAL_DIGITS:
            return short.quantize(Decimal(1), context=_EXACT)
        return short
    return value
