import subprocess
import sys
from collections.abc import Callable
from functools import partial

import lightning
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from src import color, metrics
from src.metrics import PSNR, SSIM, AbMAE, Accuracy, Colorfulness, DeltaE2000
from src.metrics.means import MeanOverPictures
from tests.conftest import ROOT

RANDOM = torch.Generator().manual_seed(0)
RGB, TRUE_RGB = (torch.rand(5, 3, 16, 16, generator=RANDOM) for _ in range(2))
LAB, TRUE_LAB = color.rgb_to_lab(RGB), color.rgb_to_lab(TRUE_RGB)
AB, TRUE_AB = color.rgb_to_L_ab(RGB)[1], color.rgb_to_L_ab(TRUE_RGB)[1]
CASES = {
    "ab_mae": (AbMAE, (AB, TRUE_AB), metrics.ab_mae(AB, TRUE_AB)),
    "psnr": (PSNR, (RGB, TRUE_RGB), metrics.psnr(RGB, TRUE_RGB)),
    "ssim": (SSIM, (RGB, TRUE_RGB), metrics.ssim(RGB, TRUE_RGB)),
    "delta_e2000": (
        DeltaE2000,
        (LAB, TRUE_LAB),
        metrics.delta_e2000(LAB, TRUE_LAB).mean(dim=(1, 2)),
    ),
    "accuracy": (
        partial(Accuracy, 0.5),
        (RGB, TRUE_RGB),
        metrics.accuracy(RGB, TRUE_RGB, 0.5),
    ),
    "colorfulness": (Colorfulness, (RGB,), metrics.colorfulness(RGB)),
}


@pytest.mark.parametrize(("kind", "inputs", "values"), CASES.values(), ids=CASES)
def test_a_mean_over_uneven_batches_and_ranks_counts_every_picture_once(
    kind: Callable[[], MeanOverPictures], inputs: tuple[Tensor, ...], values: Tensor
) -> None:
    ranks = [kind(), kind()]
    for rank, (first, last) in ((0, (0, 3)), (1, (3, 4)), (0, (4, 5))):
        ranks[rank].update(*(tensor[first:last] for tensor in inputs))
    ranks[0].merge_state(ranks[1])
    torch.testing.assert_close(ranks[0].compute(), values.mean())
    ranks[0].reset()
    ranks[0].update(*(tensor[:1] for tensor in inputs))
    torch.testing.assert_close(ranks[0].compute(), values[0])


def test_another_projects_module_logs_them() -> None:
    class Other(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.colorfulness = Colorfulness()

        def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
            self.colorfulness.update(*batch)
            self.log("val/colorfulness", self.colorfulness)

    trainer = lightning.Trainer(
        accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False
    )
    loader = DataLoader(TensorDataset(RGB), batch_size=3)
    for _ in range(2):
        [figures] = trainer.validate(Other(), loader, verbose=False)
        expected = metrics.colorfulness(RGB).mean().item()
        assert figures["val/colorfulness"] == pytest.approx(expected, rel=1e-5)


def test_functions_do_without_importing_torchmetrics() -> None:
    code = "import sys; from src.metrics import psnr; sys.exit('torchmetrics' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
