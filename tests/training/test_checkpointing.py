import resource
from pathlib import Path

import pytest
import torch

from src.colorizers.checkpoint import load
from src.training.checkpointing import WholeCheckpointIO


def test_a_full_disk_leaves_the_checkpoint_before_intact_and_says_so(tmp_path: Path) -> None:
    """A limit on the size of files stands in for the disk; writing ends in the same way."""
    path = tmp_path / "checkpoints" / "last.ckpt"
    writer = WholeCheckpointIO()
    writer.save_checkpoint({"epoch": 3, "weights": torch.ones(10)}, path)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limit[1]))
    try:
        with pytest.raises(OSError, match=r"epoch 5 .*disk full\? The one before it is intact"):
            writer.save_checkpoint({"epoch": 4, "weights": torch.ones(10**6)}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert load(path)["epoch"] == 3
    assert [entry.name for entry in path.parent.iterdir()] == ["last.ckpt"]
