"""Money: exact dollars for people, integer nano-dollars for machines. Imports core.errors only.

Inside, an amount is an `int` of nano-dollars (1e-9 USD). `Money` is what the API hands out.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import Any, Final, TypeAlias

from farebox.core.errors import ConfigurationError

NANO: Final = 1_000_000_000
"""Nano-dollars in a dollar."""

Number: TypeAlias = int | float | Decimal
"""What money computes with."""

Amount: TypeAlias = Number | str
"""What a user may write for an amount of dollars."""

_TYPES: Final = frozenset("eEfFgGn%")
"""Letters that end a format specifier."""

# Wide enough that no sum, product or conversion of dollar amounts is rounded by the user's own decimal context.
_EXACT: Final = Context(prec=60)


class Money(Decimal):
    """Exact US dollars: a `Decimal` that also computes with `int` and `float`.

    A float operand counts by its shortest representation, so `Money("0.1") == 0.1`, and
    `spent / limit * 100` works whatever kind of number the limit was given as.
    """

    __slots__ = ()

    @classmethod
    def from_nano(cls, nano: int) -> Money:
        """The amount of `nano` nano-dollars, without trailing zeros beyond the cent."""
        value = Decimal(nano).scaleb(-9, context=_EXACT).normalize(_EXACT)
        exponent = value.as_tuple().exponent
        if isinstance(exponent, int) and exponent > -2:
            value = value.quantize(Decimal("0.01"), context=_EXACT)
        return cls(value)

    def to_nano(self) -> int:
        """Integer nano-dollars, rounded half-even once."""
        return int(self.scaleb(9, context=_EXACT).to_integral_value(ROUND_HALF_EVEN, context=_EXACT))

    def __str__(self) -> str:
        return Decimal.__format__(self, "f")  # never 2.74E-7: an amount of money is read by people

    def __format__(self, specifier: str, context: Context | None = None, /) -> str:
        given = () if context is None else (context,)
        plain = specifier if specifier[-1:] in _TYPES else f"{specifier}f"
        return Decimal.__format__(self, plain, *given)

    def __repr__(self) -> str:
        return f"Money('{self}')"

    def __reduce__(self) -> tuple[Any, ...]:
        return Money, (str(self),)

    def __copy__(self) -> Money:
        return self

    def __deepcopy__(self, memo: Any, /) -> Money:
        return self

    def __add__(self, other: Any, /) -> Money:
        return _money(Decimal.__add__(self, _exact(other)))

    def __radd__(self, other: Any, /) -> Money:
        return _money(Decimal.__radd__(self, _exact(other)))

    def __sub__(self, other: Any, /) -> Money:
        return _money(Decimal.__sub__(self, _exact(other)))

    def __rsub__(self, other: Any, /) -> Money:
        return _money(Decimal.__rsub__(self, _exact(other)))

    def __mul__(self, other: Any, /) -> Money:
        return _money(Decimal.__mul__(self, _exact(other)))

    def __rmul__(self, other: Any, /) -> Money:
        return _money(Decimal.__rmul__(self, _exact(other)))

    def __truediv__(self, other: Any, /) -> Money:
        return _money(Decimal.__truediv__(self, _exact(other)))

    def __rtruediv__(self, other: Any, /) -> Money:
        return _money(Decimal.__rtruediv__(self, _exact(other)))

    def __floordiv__(self, other: Any, /) -> Money:
        return _money(Decimal.__floordiv__(self, _exact(other)))

    def __rfloordiv__(self, other: Any, /) -> Money:
        return _money(Decimal.__rfloordiv__(self, _exact(other)))

    def __mod__(self, other: Any, /) -> Money:
        return _money(Decimal.__mod__(self, _exact(other)))

    def __rmod__(self, other: Any, /) -> Money:
        return _money(Decimal.__rmod__(self, _exact(other)))

    def __pow__(self, other: Any, modulo: Any = None, /) -> Money:
        return _money(Decimal.__pow__(self, _exact(other), modulo))

    def __divmod__(self, other: Any, /) -> tuple[Money, Money]:
        return self // other, self % other

    def __round__(self, *digits: int) -> Any:
        return Money(Decimal.__round__(self, *digits)) if digits else Decimal.__round__(self)

    def quantize(self, exp: Any, rounding: str | None = None, context: Context | None = None) -> Money:
        """As `Decimal.quantize`, and still money."""
        return Money(Decimal.quantize(self, _exact(exp), rounding, context))

    def __neg__(self) -> Money:
        return Money(Decimal.__neg__(self))

    def __pos__(self) -> Money:
        return Money(Decimal.__pos__(self))

    def __abs__(self) -> Money:
        return Money(Decimal.__abs__(self))

    def __lt__(self, other: Any, /) -> bool:
        return Decimal.__lt__(self, _exact(other))

    def __le__(self, other: Any, /) -> bool:
        return Decimal.__le__(self, _exact(other))

    def __gt__(self, other: Any, /) -> bool:
        return Decimal.__gt__(self, _exact(other))

    def __ge__(self, other: Any, /) -> bool:
        return Decimal.__ge__(self, _exact(other))

    def __eq__(self, other: object, /) -> bool:
        return Decimal.__eq__(self, _exact(other))

    def __ne__(self, other: object, /) -> bool:
        return Decimal.__ne__(self, _exact(other))

    __hash__ = Decimal.__hash__


def _exact(value: Any) -> Any:
    """A float by its shortest representation; anything else as it is."""
    # Not `repr`: a subclass such as numpy's float64 shows itself otherwise.
    return Decimal(float.__repr__(value)) if isinstance(value, float) else value


def _money(value: Any) -> Money:
    """A result as Money; `NotImplemented` stays what it is."""
    return Money(value) if isinstance(value, Decimal) else value


LARGEST: Final = Money(10**18)
"""Dollars that an amount may be: beyond any that exists, and exact in every operation here."""


def parse_amount(value: object, *, what: str) -> int:
    """Nano-dollars of an amount that a user wrote, rounded half-even.

    Args:
        value: dollars as `int`, `float` (by its shortest representation), `str` or `Decimal`.
        what: how the message names the value, for example "total_limit".

    Raises:
        ConfigurationError: not a finite, non-negative amount of dollars.
    """
    remedy = "give a finite amount of US dollars of at least 0, for example 1.50"
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ConfigurationError(f"{what}={value!r} is not an amount: {remedy}")
    try:
        amount = Decimal(_exact(value))
    except InvalidOperation:
        raise ConfigurationError(f"{what}={value!r} is not an amount: {remedy}") from None
    if not amount.is_finite() or amount < 0:
        raise ConfigurationError(f"{what}={value!r} cannot be used: {remedy}")
    if amount > LARGEST:
        raise ConfigurationError(
            f"{what}={value!r} is too large: give at most {LARGEST} US dollars, or none for no limit"
        )
    return Money(amount).to_nano()


def nano_ceiling(dollars: Decimal) -> int:
    """Nano-dollars, rounded up: for holds, which must never be smaller than what they hold for."""
    return int(dollars.scaleb(9, context=_EXACT).to_integral_value(ROUND_CEILING, context=_EXACT))
