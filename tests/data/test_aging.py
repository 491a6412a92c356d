from pathlib import Path

import torch

from src import color
from src.data.aging import aged
from src.data.folder import FolderData


def test_each_picture_ages_by_its_own_seed_wherever_it_stands() -> None:
    L = torch.rand(1, 1, 20, 33).expand(40, -1, -1, -1) * 2 - 1
    seeds = torch.arange(40)
    together = aged(L, seeds)
    assert torch.equal(aged(L[:1], seeds[7:8])[0], together[7])
    assert together.abs().max() <= 1
    changes = (together - L).abs().mean(dim=(1, 2, 3))
    assert 0 < (changes < 1e-5).sum() < 20  # some stay as they are
    assert 0.05 < changes.max() < 0.6


def test_only_training_crops_age_and_keep_their_colors(photos: Path) -> None:
    data = FolderData(
        root=str(photos), report_dir="run", image_size=32, batch_size=8, num_workers=0, aging=True
    )
    data.setup("fit")
    for loader, is_aged in ((data.train_dataloader(), True), (data.val_dataloader()[0], False)):
        batch = next(iter(loader))
        true_L, true_ab = color.uint8_to_L_ab(batch["rgb"])
        made = data.on_after_batch_transfer(batch, 0)
        assert torch.equal(made["ab"], true_ab)
        assert bool(((made["L"] - true_L).abs() > 0.01).any()) is is_aged
