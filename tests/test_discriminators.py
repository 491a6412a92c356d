import pytest
import torch

from src.discriminators import PatchGAN


def test_the_full_patchgan_has_the_published_size() -> None:
    network = PatchGAN(64)
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(2.77, abs=0.005)
    logits = network(torch.zeros(1, 1, 256, 256), torch.zeros(1, 2, 256, 256))
    assert logits.shape == (1, 1, 30, 30)


def test_a_logit_sees_exactly_70x70_pixels() -> None:
    # Batch norm in eval mode: its statistics would let a logit see the whole picture.
    network = PatchGAN(4).eval()
    L = torch.rand(1, 1, 256, 256, requires_grad=True)
    network(L, torch.rand(1, 2, 256, 256))[0, 0, 15, 15].backward()
    assert L.grad is not None
    rows, columns = L.grad[0, 0].nonzero(as_tuple=True)
    assert rows.max() - rows.min() + 1 == 70
    assert columns.max() - columns.min() + 1 == 70


def test_the_condition_matters() -> None:
    network = PatchGAN(4).eval()
    L, ab = torch.rand(1, 1, 64, 64), torch.rand(1, 2, 64, 64)
    assert not torch.allclose(network(L, ab), network(-L, ab))
    assert not torch.allclose(network(L, ab), network(L, -ab))


@pytest.mark.parametrize("size", [24, 33, 71])
def test_odd_sizes_are_judged(size: int) -> None:
    assert PatchGAN(4)(torch.rand(2, 1, size, size), torch.rand(2, 2, size, size)).ndim == 4


def test_pictures_under_24_pixels_are_refused_in_words() -> None:
    with pytest.raises(ValueError, match=r"at least 24x24 pixels, got 64x23.*discriminator=none"):
        PatchGAN(4)(torch.rand(1, 1, 23, 64), torch.rand(1, 2, 23, 64))
