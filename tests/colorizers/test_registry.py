import os
from pathlib import Path

import pytest
import torch

from src.colorizers import registry, shipped
from src.colorizers.colorizer import Colorizer


@pytest.mark.parametrize("name", registry.METHODS)
def test_every_method_takes_l_to_ab(name: str) -> None:
    method = registry.load(name, None)
    ab = method(torch.rand(2, 1, 5, 7) * 2 - 1)
    assert isinstance(method, Colorizer)
    assert method.name == name
    assert ab.shape == (2, 2, 5, 7)
    assert ab.abs().max() <= 1


def test_the_constant_is_that_of_the_file() -> None:
    ab = registry.load("constant", None)(torch.zeros(1, 1, 1, 1)).flatten()
    assert torch.equal(ab, shipped.load().mean_ab)
    assert ab.norm() > 0.01


def test_without_a_method_it_is_the_file_itself() -> None:
    assert registry.load(None, None).sha256 == shipped.SHA256
    beside = Path(os.path.relpath(shipped.PATH))
    assert registry.load(None, beside).takes_hints  # the branch beside it is read, too


def test_an_unknown_method_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match="method=magic: expected one of zero, constant"):
        registry.load("magic", Path("unread.ckpt"))
