"""What holds for every discriminator."""

from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from src.colorizers.checkpoint import DISCRIMINATORS, build_a
from src.discriminators.discriminator import Discriminator
from src.losses import Verdicts


class DiscriminatorContract:
    """The tests of a discriminator: a class that derives from it names a small one's configuration.

    It takes base_channels, norm and spectral_norm.
    """

    config: ClassVar[dict[str, Any]]

    def built(self, **options: Any) -> Discriminator:
        torch.manual_seed(0)
        return build_a(Discriminator, DISCRIMINATORS, self.config | options)

    def test_every_size_from_its_smallest_is_judged(self) -> None:
        network = self.built()
        for size in (network.min_size, network.min_size + 1, 101):
            for logits in network(*pairs(size)).logits:
                assert logits.shape[:2] == (2, 1)
        if network.min_size > 1:
            with pytest.raises(RuntimeError):
                network(*pairs(network.min_size - 1))

    def test_lightness_and_colors_both_matter(self) -> None:
        network, (L, ab) = self.built().eval(), pairs(96)
        for before, *others in zip(
            network(L, ab).logits, network(-L, ab).logits, network(L, -ab).logits, strict=True
        ):
            assert not any(torch.allclose(before, other) for other in others)

    def test_every_map_has_the_features_that_its_logits_come_from(self) -> None:
        network, (L, ab) = self.built(), pairs(96)
        verdict = network(L, ab.requires_grad_())
        assert len(verdict.logits) == len(verdict.features)
        for logits, features in zip(verdict.logits, verdict.features, strict=True):
            for one in features:
                reached = torch.autograd.grad(logits.sum(), one, retain_graph=True)[0]
                assert reached.abs().sum() > 0

    def test_training_reaches_every_parameter(self) -> None:
        for options in ({}, {"norm": "none", "spectral_norm": True}):
            network = self.built(**options)
            torch.stack([x.square().mean() for x in network(*pairs(96)).logits]).sum().backward()
            for name, parameter in network.named_parameters():
                assert parameter.grad is not None, name
                assert parameter.grad.isfinite().all(), name

    @pytest.mark.parametrize("norm", ["layer", "none"])
    def test_without_batch_norm_a_picture_is_judged_for_itself(self, norm: str) -> None:
        network, (L, ab) = self.built(norm=norm), pairs(96)
        for one, both in zip(network(L[:1], ab[:1]).logits, network(L, ab).logits, strict=True):
            torch.testing.assert_close(one, both[:1], atol=1e-5, rtol=1e-4)

    @pytest.mark.parametrize("spectral_norm", [False, True])
    @pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
    def test_its_slope_can_be_descended(
        self, spectral_norm: bool, layout: torch.memory_format
    ) -> None:
        network = self.built(norm="layer", spectral_norm=spectral_norm).to(memory_format=layout)  # type: ignore[call-overload]
        L, ab = pairs(96)
        verdicts = Verdicts(network, L.contiguous(memory_format=layout), ab, -ab)
        with torch.autocast("cpu", torch.bfloat16):
            slopes = verdicts.slopes()
        assert (slopes.shape, slopes.dtype) == ((2,), torch.float32)
        (slopes - 1).square().mean().backward()
        first = next(network.parameters()).grad
        assert first is not None
        assert first.isfinite().all()
        assert first.abs().sum() > 0

    def test_spectral_norm_bounds_every_convolution(self) -> None:
        network = self.built(norm="none", spectral_norm=True)
        for _ in range(30):  # each pass refines the estimate of the largest singular value
            network(*pairs(96))
        convolutions = [part for part in network.modules() if isinstance(part, torch.nn.Conv2d)]
        for conv in convolutions:
            largest = torch.linalg.matrix_norm(conv.weight.flatten(1), 2).item()
            assert largest == pytest.approx(1, abs=0.02)

    def test_a_norm_that_is_unknown_is_refused(self) -> None:
        with pytest.raises(ValueError, match="norm is instance: expected batch, layer or none"):
            self.built(norm="instance")


def pairs(size: int) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(size)
    L, ab = (torch.rand(2, c, size, size, generator=random) * 2 - 1 for c in (1, 2))
    return L, ab
