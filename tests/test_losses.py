import pytest
import torch
import torch.nn.functional as F

from src import losses

LOGITS = torch.randn(2, 1, 5, 5, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("is_real", [True, False])
def test_vanilla_is_binary_cross_entropy(is_real: bool) -> None:
    target = torch.full_like(LOGITS, float(is_real))
    expected = F.binary_cross_entropy_with_logits(LOGITS, target)
    torch.testing.assert_close(losses.vanilla(LOGITS, is_real), expected)


def test_vanilla_stays_finite_far_out() -> None:
    assert losses.vanilla(torch.full((1, 1, 2, 2), 1e4), False) == pytest.approx(1e4)


def test_lsgan_is_the_squared_distance_to_the_verdict() -> None:
    logits = torch.full((1, 1, 2, 2), 0.25)
    assert losses.lsgan(logits, True) == pytest.approx(0.75**2)
    assert losses.lsgan(logits, False) == pytest.approx(0.25**2)


@pytest.mark.parametrize("loss", losses.ADVERSARIAL.values(), ids=losses.ADVERSARIAL.keys())
def test_descending_moves_logits_towards_the_verdict(loss: losses.AdversarialLoss) -> None:
    for is_real in (True, False):
        logits = torch.full((1, 1, 2, 2), 0.5, requires_grad=True)
        loss(logits, is_real).backward()
        assert logits.grad is not None
        assert bool((logits.grad < 0).all()) is is_real


def test_l1_is_the_mean_absolute_error() -> None:
    fake, real = torch.rand(2, 2, 3, 3), torch.rand(2, 2, 3, 3)
    torch.testing.assert_close(losses.l1(fake, real, 0), F.l1_loss(fake, real))


def test_a_chroma_weight_stresses_errors_where_the_truth_is_colorful() -> None:
    real = torch.zeros(1, 2, 1, 2)
    real[:, 0, :, 1] = 0.5
    miss_grey, miss_red = real.clone(), real.clone()
    miss_grey[..., 0] += 0.1
    miss_red[..., 1] += 0.1
    # Weights of 1 and 1 + 2 x 0.5, in a sum of 3.
    assert losses.l1(miss_grey, real, 2).item() == pytest.approx(0.1 / 3)
    assert losses.l1(miss_red, real, 2).item() == pytest.approx(0.2 / 3)


def test_mean_chroma_is_judged_picture_by_picture_and_wherever_it_is() -> None:
    real = torch.zeros(2, 2, 1, 2)
    real[0, 0, 0, 0] = 0.4  # one colourful picture, whose mean chroma is 0.2, and a grey one
    moved = real.flip(-1).flip(1)
    assert losses.mean_chroma(moved, real).item() == 0
    assert losses.mean_chroma(real.flip(0), real).item() == pytest.approx(0.2)
