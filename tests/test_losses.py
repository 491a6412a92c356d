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
    torch.testing.assert_close(losses.l1(fake, real), F.l1_loss(fake, real))
