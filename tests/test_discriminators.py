import pytest
import torch

from src.discriminators import PatchGAN


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


def test_the_condition_matters() -> None:
    network = PatchGAN(4).eval()
    L, ab = torch.rand(1, 1, 64, 64), torch.rand(1, 2, 64, 64)
    [logits] = network(L, ab).logits
    assert not torch.allclose(logits, network(-L, ab).logits[0])
    assert not torch.allclose(logits, network(L, -ab).logits[0])


def test_the_features_are_those_that_the_logits_come_from() -> None:
    network = PatchGAN(4).eval()
    [logits], [features] = network(torch.rand(1, 1, 64, 64), torch.rand(1, 2, 64, 64))
    assert [(x.shape[1], x.shape[2]) for x in features] == [(4, 32), (8, 16), (16, 8), (32, 7)]
    torch.testing.assert_close(network.head(features[-1]), logits)


@pytest.mark.parametrize("size", [PatchGAN.min_size, 33, 71])
def test_odd_sizes_are_judged(size: int) -> None:
    [logits] = PatchGAN(4)(torch.rand(2, 1, size, size), torch.rand(2, 2, size, size)).logits
    assert logits.ndim == 4


def test_pictures_under_its_smallest_size_cannot_be_judged() -> None:
    size = PatchGAN.min_size - 1
    with pytest.raises(RuntimeError):
        PatchGAN(4)(torch.rand(1, 1, size, 64), torch.rand(1, 2, size, 64))
