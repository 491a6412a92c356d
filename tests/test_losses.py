import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from src import losses
from src.discriminators.discriminator import Discriminator, Verdict
from src.losses import (
    AdversarialLoss,
    Hinge,
    LeastSquares,
    Relativistic,
    Vanilla,
    Verdicts,
    WassersteinGP,
)

RANDOM = torch.Generator().manual_seed(0)
REAL, FAKE = ([torch.randn(2, 1, side, side, generator=RANDOM) for side in (5, 3)] for _ in "rf")


class Linear(Discriminator):
    """Weighs a; its second map is half of it, at half the size."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(weight))

    def forward(self, L: Tensor, ab: Tensor) -> Verdict:
        logits = self.weight * ab[:, :1]
        return Verdict([logits, F.avg_pool2d(logits, 2) / 2], [[], []])


def judged(real: list[Tensor], fake: list[Tensor], judge: Discriminator | None = None) -> Verdicts:
    """Verdicts that are given, of a critic whose slope is 1."""
    ab = torch.zeros(2, 2, 4, 4)
    verdicts = Verdicts(judge or Linear(16 / 3), ab[:, :1], ab, ab)
    vars(verdicts).update(real=Verdict(real, []), fake=Verdict(fake, []))
    return verdicts


def test_a_pictures_error_counts_by_its_ratio_however_large_it_is() -> None:
    real = torch.zeros(2, 2, 4, 4)
    wrong = torch.tensor([0.05, 0.5]).view(2, 1, 1, 1).expand_as(real)
    both = losses.log_mse(wrong, real)
    assert losses.log_mse(wrong / 2, real) - both == pytest.approx(-2 * math.log(2), abs=0.1)
    assert losses.log_mse(real, real).isfinite()


def maps(*values: float) -> list[Tensor]:
    """Maps of one value each, which become smaller."""
    return [torch.full((1, 1, 4 - i, 4 - i), float(value)) for i, value in enumerate(values)]


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


def test_vanilla_is_binary_cross_entropy_averaged_over_the_maps() -> None:
    def expected(maps: list[Tensor], target: float) -> Tensor:
        bce = F.binary_cross_entropy_with_logits
        return torch.stack([bce(x, torch.full_like(x, target)) for x in maps]).mean()

    terms = Vanilla().discriminator(judged(REAL, FAKE))
    torch.testing.assert_close(terms, {"real": expected(REAL, 1.0), "fake": expected(FAKE, 0.0)})
    torch.testing.assert_close(Vanilla().generator(judged(REAL, FAKE)), expected(FAKE, 1.0))
    smoothed = Vanilla(real_label=0.9)
    terms = smoothed.discriminator(judged(REAL, FAKE))
    torch.testing.assert_close(terms, {"real": expected(REAL, 0.9), "fake": expected(FAKE, 0.0)})
    torch.testing.assert_close(smoothed.generator(judged(REAL, FAKE)), expected(FAKE, 1.0))


def test_vanilla_stays_finite_far_out() -> None:
    far = maps(1e4)
    assert Vanilla().discriminator(judged(far, far))["fake"].item() == pytest.approx(1e4)
    assert Vanilla().generator(judged(far, [-far[0]])).item() == pytest.approx(1e4)


def test_least_squares_is_the_squared_distance_to_the_label() -> None:
    verdicts = judged(maps(0.25, 0.75), maps(0.25, 0.75))
    terms = LeastSquares().discriminator(verdicts)
    assert terms["real"].item() == pytest.approx((0.75**2 + 0.25**2) / 2)
    assert terms["fake"].item() == pytest.approx((0.25**2 + 0.75**2) / 2)
    assert LeastSquares().generator(verdicts).item() == pytest.approx((0.75**2 + 0.25**2) / 2)
    smoothed = LeastSquares(real_label=0.75).discriminator(verdicts)
    assert smoothed["real"].item() == pytest.approx(0.5**2 / 2)
    assert smoothed["fake"].item() == pytest.approx((0.25**2 + 0.75**2) / 2)


def test_hinge_asks_for_a_margin_of_one() -> None:
    verdicts = judged(maps(0.5, 3.0), maps(-0.75, 2.0))
    terms = Hinge().discriminator(verdicts)
    assert terms["real"].item() == pytest.approx((0.5 + 0) / 2)
    assert terms["fake"].item() == pytest.approx((0.25 + 3) / 2)
    assert Hinge().generator(verdicts).item() == pytest.approx(-(-0.75 + 2) / 2)


def test_relativistic_compares_each_logit_with_the_mean_of_the_others() -> None:
    real = [torch.tensor([1.0, 3.0]).view(2, 1, 1, 1)]
    fake = [torch.tensor([0.0, 1.0]).view(2, 1, 1, 1)]
    terms = Relativistic().discriminator(judged(real, fake))
    # The means are 2 and 0.5.
    assert terms["real"].item() == pytest.approx((softplus(-0.5) + softplus(-2.5)) / 2)
    assert terms["fake"].item() == pytest.approx((softplus(-2) + softplus(-1)) / 2)
    towards = (softplus(2) + softplus(1)) / 2 + (softplus(0.5) + softplus(2.5)) / 2
    assert Relativistic().generator(judged(real, fake)).item() == pytest.approx(towards / 2)


def test_wgan_gp_is_the_distance_of_the_means_and_a_penalty_of_the_slope() -> None:
    # The mean logit of 16 pixels is 3/4 k mean(a): each a has a slope of 3/4 k / 16.
    critic = Linear(16.0)
    terms = WassersteinGP(penalty=10).discriminator(judged(maps(2, 1), maps(-1, 0), critic))
    assert terms["real"].item() == pytest.approx(-1.5)
    assert terms["fake"].item() == pytest.approx(-0.5)
    slope = 0.75 * 16 / 16 * 4
    assert terms["penalty"].item() == pytest.approx(10 * (slope - 1) ** 2)
    terms["penalty"].backward()
    assert critic.weight.grad is not None
    assert critic.weight.grad.item() == pytest.approx(20 * (slope - 1) * slope / 16)
    assert WassersteinGP().generator(judged(maps(2, 1), maps(-1, 0))).item() == pytest.approx(0.5)


def test_slopes_are_taken_between_true_and_generated_colors() -> None:
    class Square(Discriminator):
        def forward(self, L: Tensor, ab: Tensor) -> Verdict:
            return Verdict([ab.square().sum(dim=(1, 2, 3), keepdim=True) / 2], [[]])

    L, ab = torch.zeros(50, 1, 2, 2), torch.ones(50, 2, 2, 2)
    # Its slope is the distance from 0: sqrt(8) times 2 to 3, as the share has it.
    slopes = Verdicts(Square(), L, 2 * ab, 3 * ab).slopes() / math.sqrt(8)
    assert 2 <= slopes.min() < 2.2
    assert 2.8 < slopes.max() <= 3


@pytest.mark.parametrize("penalty", [-1, 0.5])
def test_constants_out_of_their_range_are_refused(penalty: float) -> None:
    with pytest.raises(ValueError, match=r"expected at least|a whole number"):
        WassersteinGP(penalty=penalty, critic_steps=0 if penalty > 0 else 1)
    with pytest.raises(ValueError, match=f"real_label is {penalty}: expected over 0.5"):
        Vanilla(real_label=penalty)


def test_feature_matching_is_the_mean_over_all_layers_of_their_differences() -> None:
    def verdict(*values: float) -> Verdict:
        first, second, third = (torch.full((2, 3, i + 1, 2), v) for i, v in enumerate(values))
        return Verdict([], [[first, second], [third]])

    verdicts = judged([], [])
    fake = verdict(1.0, 2.0, 3.0)
    for layer in (layer for layers in fake.features for layer in layers):
        layer.requires_grad_()
    vars(verdicts).update(real=verdict(0.0, 4.0, 3.5), fake=fake)
    matching = losses.feature_matching(verdicts)
    assert matching.item() == pytest.approx((1 + 2 + 0.5) / 3)
    matching.backward()
    assert [bool((x.grad > 0).all()) for x in fake.features[0] if x.grad is not None] == [
        True,
        False,
    ]


@pytest.mark.parametrize(
    "loss",
    [Vanilla(), LeastSquares(), Hinge(), Relativistic(), WassersteinGP()],
    ids=["vanilla", "lsgan", "hinge", "relativistic", "wgan_gp"],
)
def test_descending_moves_the_logits_of_every_map_to_their_side(loss: AdversarialLoss) -> None:
    def falling(maps: list[Tensor]) -> list[bool]:
        return [bool((x.grad < 0).all()) for x in maps if x.grad is not None]

    real, fake = ([x.mul(0.1).add(0.5).requires_grad_() for x in maps] for maps in (REAL, FAKE))
    terms = loss.discriminator(judged(real, fake))
    torch.stack([*terms.values()]).sum().backward()
    assert (falling(real), falling(fake)) == ([True, True], [False, False])
    for x in fake:
        x.grad = None
    loss.generator(judged(real, fake)).backward()
    assert falling(fake) == [True, True]


def test_each_coloring_is_judged_once_and_only_if_asked() -> None:
    class Counting(Linear):
        calls = 0

        def forward(self, L: Tensor, ab: Tensor) -> Verdict:
            self.calls += 1
            return super().forward(L, ab)

    ab = torch.rand(1, 2, 4, 4)
    for loss, expected in ((Vanilla(), 1), (Relativistic(), 2)):
        judge = Counting(1.0)
        loss.generator(Verdicts(judge, ab[:, :1], ab, ab))
        assert judge.calls == expected


def test_l1_is_the_mean_absolute_error() -> None:
    fake, real = torch.rand(2, 2, 3, 3), torch.rand(2, 2, 3, 3)
    torch.testing.assert_close(losses.l1(fake, real), F.l1_loss(fake, real))
