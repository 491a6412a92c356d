import pytest
import torch

from src.discriminators.patchgan import PatchGAN
from tests.discriminators.contract import DiscriminatorContract


class TestPatchGAN(DiscriminatorContract):
    config = {"_target_": "src.discriminators.patchgan.PatchGAN", "base_channels": 4}


def test_the_full_patchgan_has_the_published_size() -> None:
    network = PatchGAN(64)
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(2.77, abs=0.005)
    [logits] = network(torch.zeros(1, 1, 256, 256), torch.zeros(1, 2, 256, 256)).logits
    assert logits.shape == (1, 1, 30, 30)


def test_a_logit_sees_exactly_70x70_pixels() -> None:
    # Batch norm in eval mode: its statistics would let a logit see the whole picture.
    network = PatchGAN(4).eval()
    L = torch.rand(1, 1, 256, 256, requires_grad=True)
    [logits] = network(L, torch.rand(1, 2, 256, 256)).logits
    logits[0, 0, 15, 15].backward()
    assert L.grad is not None
    rows, columns = L.grad[0, 0].nonzero(as_tuple=True)
    assert rows.max() - rows.min() + 1 == 70
    assert columns.max() - columns.min() + 1 == 70
