import pytest
import torch
import torch.nn.functional as F

from src import losses
from src.losses import AdversarialLoss, LeastSquares, Vanilla

RANDOM = torch.Generator().manual_seed(0)
REAL, FAKE = ([torch.randn(2, 1, side, side, generator=RANDOM) for side in (5, 3)] for _ in "rf")


def test_vanilla_is_binary_cross_entropy_averaged_over_the_maps() -> None:
    def expected(maps: list[torch.Tensor], target: float) -> torch.Tensor:
        bce = F.binary_cross_entropy_with_logits
        return torch.stack([bce(x, torch.full_like(x, target)) for x in maps]).mean()

    real, fake = Vanilla().discriminator(REAL, FAKE)
    torch.testing.assert_close(real, expected(REAL, 1.0))
    torch.testing.assert_close(fake, expected(FAKE, 0.0))
    torch.testing.assert_close(Vanilla().generator(FAKE), expected(FAKE, 1.0))


def test_vanilla_stays_finite_far_out() -> None:
    far = [torch.full((1, 1, 2, 2), 1e4)]
    assert Vanilla().discriminator(far, far)[1].item() == pytest.approx(1e4)
    assert Vanilla().generator([-far[0]]).item() == pytest.approx(1e4)


def test_least_squares_is_the_squared_distance_to_the_verdict() -> None:
    maps = [torch.full((1, 1, 2, 2), 0.25), torch.full((1, 1, 1, 1), 0.75)]
    towards_one, towards_zero = (0.75**2 + 0.25**2) / 2, (0.25**2 + 0.75**2) / 2
    real, fake = LeastSquares().discriminator(maps, maps)
    assert (real.item(), fake.item()) == pytest.approx((towards_one, towards_zero))
    assert LeastSquares().generator(maps[:1]).item() == pytest.approx(0.75**2)


@pytest.mark.parametrize("loss", [Vanilla(), LeastSquares()], ids=["vanilla", "lsgan"])
def test_descending_moves_the_logits_of_every_map_to_their_side(loss: AdversarialLoss) -> None:
    def falling(maps: list[torch.Tensor]) -> list[bool]:
        return [bool((x.grad < 0).all()) for x in maps if x.grad is not None]

    real, fake = ([x.mul(0.1).add(0.5).requires_grad_() for x in maps] for maps in (REAL, FAKE))
    torch.stack(loss.discriminator(real, fake)).sum().backward()
    assert (falling(real), falling(fake)) == ([True, True], [False, False])
    for x in fake:
        x.grad = None
    loss.generator(fake).backward()
    assert falling(fake) == [True, True]


def test_l1_is_the_mean_absolute_error() -> None:
    fake, real = torch.rand(2, 2, 3, 3), torch.rand(2, 2, 3, 3)
    torch.testing.assert_close(losses.l1(fake, real), F.l1_loss(fake, real))
