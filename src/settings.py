"""Refusing settings that make no sense, in one line that names them."""

import math
from collections.abc import Sequence


def require(holds: bool, name: str, value: object, expected: str) -> None:
    """Refuse a setting. Args: name: as a person overrides it, such as data.zoom.

    Raises: ValueError: naming the setting, its value, and what was expected.
    """
    if not holds:
        raise ValueError(f"{name}={value}: expected {expected}")


def require_whole(name: str, value: object, least: int) -> None:
    """Refuse anything but a whole number of at least `least`. Raises: ValueError."""
    holds = isinstance(value, int) and not isinstance(value, bool) and value >= least
    require(holds, name, value, f"a whole number of at least {least}")


def require_number(
    name: str, value: object, low: float, high: float = math.inf, *, open_ends: bool = False
) -> None:
    """Refuse anything but a finite number in [low, high], or (low, high). Raises: ValueError."""
    number = value if isinstance(value, int | float) and math.isfinite(value) else math.nan
    holds = low < number < high if open_ends else low <= number <= high
    interval = f"({low:g}, {high:g})" if open_ends else f"[{low:g}, {high:g}]"
    require(holds, name, value, f"a number in {interval}")


def require_one_of(name: str, value: object, known: Sequence[str]) -> None:
    """Refuse anything but one of `known`. Raises: ValueError."""
    require(value in known, name, value, f"one of {', '.join(known)}")
