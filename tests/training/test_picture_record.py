from pathlib import Path
from typing import Any
from unittest.mock import Mock

import lightning
import pytest
import torch

from src.data.picture_list import Listed, TrainedOn, read
from src.training.picture_record import PictureRecord


def recorded(
    folder: Path,
    pictures: list[Listed] | None,
    start: Path | None,
    setting: str = "init_generator",
) -> dict[str, Any]:
    """Begin a run, which may start from a checkpoint. Returns: what it saves."""
    record = PictureRecord(folder)
    content: dict[str, Any] = {}
    data = Mock(listed=pictures, recorded=None)
    trainer = Mock(spec=lightning.Trainer, datamodule=data, ckpt_path=None)
    starts = {"init_generator": None, "init_encoder": None, setting: start and str(start)}
    module = Mock(hparams=starts)
    record.setup(trainer, module, "fit")
    record.on_save_checkpoint(trainer, module, content)
    return content


@pytest.mark.parametrize("setting", ["init_generator", "init_encoder"])
def test_what_a_run_starts_from_counts_as_its_own(tmp_path: Path, setting: str) -> None:
    old, new = Listed("old.jpg", "train", "a" * 64), Listed("new.jpg", "train", "b" * 64)
    torch.save(recorded(tmp_path / "old", [old], None), tmp_path / "old.ckpt")
    saved = TrainedOn.read(recorded(tmp_path / "new", [new], tmp_path / "old.ckpt", setting))
    both = TrainedOn.of([old, new])
    assert saved.is_complete
    assert torch.equal(saved.pictures, both.pictures)
    assert read(tmp_path / "new" / "pictures.csv") == [new]


def test_test_pictures_that_the_start_was_trained_on_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = [Listed(f"{one}.jpg", "train", one * 64) for one in "abc"]
    torch.save(recorded(tmp_path / "old", old, None), tmp_path / "old.ckpt")
    # As prepared from a.jpg, the same file, and another.
    new = [("d", "a" * 64), ("b", ""), ("e", "")]
    tested = [Listed(f"{one}.jpg", "test", one * 64, original) for one, original in new]
    recorded(tmp_path / "new", tested, tmp_path / "old.ckpt")
    assert "trained or selected on 2 of the 3 test pictures" in capsys.readouterr().out
    recorded(tmp_path / "other", tested[2:], tmp_path / "old.ckpt")
    assert not capsys.readouterr().out


@pytest.mark.parametrize(("listed", "starts"), [(None, False), ([], True)])
def test_where_not_everything_is_known_the_checkpoint_says_so(
    tmp_path: Path, listed: list[Listed] | None, starts: bool
) -> None:
    torch.save({"state_dict": {}}, tmp_path / "earlier.ckpt")
    start = tmp_path / "earlier.ckpt" if starts else None
    assert not TrainedOn.read(recorded(tmp_path / "run", listed, start)).is_complete
