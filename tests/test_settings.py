import pytest

from src import settings


@pytest.mark.parametrize("value", [0, 1, 0.5])
def test_numbers_in_a_closed_interval_pass(value: float) -> None:
    settings.require_number("a.b", value, 0, 1)


@pytest.mark.parametrize("value", [0, 1, -1, float("nan"), float("inf"), "0.5", None])
def test_anything_else_is_named(value: object) -> None:
    with pytest.raises(ValueError, match=rf"^a\.b={value}: expected a number in \(0, 1\)$"):
        settings.require_number("a.b", value, 0, 1, open_ends=True)


@pytest.mark.parametrize("value", [1, 1.0, True, "2", None])
def test_whole_numbers_are_whole(value: object) -> None:
    settings.require_whole("a.b", 2, 2)
    with pytest.raises(ValueError, match=rf"^a\.b={value}: expected a whole number of at least 2$"):
        settings.require_whole("a.b", value, 2)


def test_choices_are_listed() -> None:
    settings.require_one_of("a.b", "x", ["x", "y"])
    with pytest.raises(ValueError, match=r"^a\.b=z: expected one of x, y$"):
        settings.require_one_of("a.b", "z", ["x", "y"])
