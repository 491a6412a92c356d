import hashlib
from pathlib import Path

import pytest
import torch

from src.data.picture_list import KEY, Listed, TrainedOn, read, short, write

A, B, C, D = (hashlib.sha256(name.encode()).hexdigest() for name in "abcd")
PICTURES = [
    Listed("train/ü, with a\nbreak.jpg", "train", A, D),
    Listed("b.jpg", "val", B),
    Listed("c.jpg", "test", C),
]


def test_a_list_comes_back_as_it_was_written(tmp_path: Path) -> None:
    write(PICTURES, tmp_path / "pictures.csv")
    assert read(tmp_path / "pictures.csv") == PICTURES


@pytest.mark.parametrize(
    "text",
    [
        "file,split\na.jpg,train\n",
        "file,split,sha256,original\na.jpg,training,00,\n",
        "file,split,sha256,original\na.jpg,train,no hash,\n",
        "file,split,sha256,original\na.jpg\n",
    ],
)
def test_a_broken_list_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "pictures.csv").write_text(text)
    with pytest.raises(ValueError, match=r"pictures\.csv is broken"):
        read(tmp_path / "pictures.csv")


def test_a_checkpoint_carries_what_it_was_trained_and_selected_on(tmp_path: Path) -> None:
    content: dict[str, object] = {}
    TrainedOn.of(PICTURES).write(content)
    torch.save(content, tmp_path / "a.ckpt")
    loaded = TrainedOn.read(torch.load(tmp_path / "a.ckpt", weights_only=True))
    assert loaded.is_complete
    assert set(loaded.pictures.tolist()) == {short(A), short(B), short(D)}


@pytest.mark.parametrize("content", [{}, {KEY: 1}, {KEY: {"pictures": [1]}}])
def test_a_checkpoint_that_says_nothing_is_not_taken_for_one_that_saw_nothing(
    content: dict[str, object],
) -> None:
    unknown = TrainedOn.read(content)
    assert (len(unknown.pictures), unknown.is_complete) == (0, False)
    both = unknown | TrainedOn.of(PICTURES)
    assert (len(both.pictures), both.is_complete) == (3, False)
