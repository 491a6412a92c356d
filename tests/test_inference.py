import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from src import color
from src.inference import colorize


class Constant(nn.Module):
    """Colours everything the same, and remembers what it was shown."""

    def __init__(self, a: float, b: float) -> None:
        super().__init__()
        self.ab = torch.tensor([a, b]).view(1, 2, 1, 1)
        self.shown = torch.empty(0)

    def forward(self, L: Tensor) -> Tensor:
        self.shown = L
        return self.ab.expand(len(L), 2, *L.shape[-2:])


@given(height=st.integers(1, 90), width=st.integers(1, 90))
@settings(deadline=None, max_examples=20)
def test_sizes_are_kept_and_the_short_side_is_the_trained_one(height: int, width: int) -> None:
    network = Constant(0.1, 0.1)
    rgb = torch.randint(256, (3, height, width), dtype=torch.uint8)
    assert colorize(rgb, network, 32).shape == rgb.shape
    seen = network.shown.shape[-2:]
    assert min(seen) == 32
    assert max(seen) <= 4 * 32
    if max(height, width) <= 3 * min(height, width):
        assert abs(seen[0] / seen[1] - height / width) < 0.05 * height / width


def test_the_photos_own_lightness_survives() -> None:
    grey = torch.arange(40, 200, dtype=torch.uint8)[None, None, :].repeat(3, 8, 1)
    colored = colorize(grey, Constant(0.15, 0.1), 16)
    before, _ = color.uint8_to_L_ab(grey[None])
    after, ab = color.uint8_to_L_ab(colored[None])
    assert (after - before).abs().max() * color.L_HALF_RANGE < 0.5
    expected = torch.tensor([0.15, 0.1]).view(1, 2, 1, 1).expand_as(ab)
    torch.testing.assert_close(ab, expected, atol=0.012, rtol=0)


def test_the_photos_own_colors_do_not_matter() -> None:
    generator = torch.Generator().manual_seed(0)
    rgb = torch.randint(256, (3, 20, 20), dtype=torch.uint8, generator=generator)
    network = Constant(0.0, 0.0)
    grey = colorize(rgb, network, 16)
    assert (grey.float().amax(dim=0) - grey.float().amin(dim=0)).max() <= 1
