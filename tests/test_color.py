import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage.color import lab2rgb, rgb2lab
from torch import Tensor

from src import color


def srgb_grid(steps: int = 9) -> Tensor:
    axis = torch.linspace(0, 1, steps, dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"))
    return grid.reshape(1, 3, steps, steps * steps)


def as_skimage(image: Tensor) -> np.ndarray:
    return image[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
def test_lab_agrees_with_skimage_all_over_srgb(dtype: torch.dtype, tolerance: float) -> None:
    rgb = srgb_grid()
    lab = color.rgb_to_lab(rgb.to(dtype))
    assert lab.dtype == dtype
    np.testing.assert_allclose(as_skimage(lab), rgb2lab(as_skimage(rgb)), atol=tolerance)


def test_lab_of_known_colors() -> None:
    red_and_blue = torch.tensor([[1.0, 0, 0], [0, 0, 1.0]]).T.reshape(1, 3, 1, 2)
    expected = torch.tensor([[53.24, 80.09, 67.20], [32.30, 79.19, -107.86]]).T.reshape(1, 3, 1, 2)
    torch.testing.assert_close(color.rgb_to_lab(red_and_blue), expected, atol=0.01, rtol=0)


def test_lab_to_rgb_agrees_with_skimage_and_clips_what_srgb_lacks() -> None:
    lab = torch.tensor([[50.0, 20, -30], [60.0, 120, 120]]).T.reshape(1, 3, 1, 2)
    rgb = color.lab_to_rgb(lab)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        np.testing.assert_allclose(as_skimage(rgb), lab2rgb(as_skimage(lab)), atol=1e-3)
    assert rgb.min() >= 0
    assert rgb.max() <= 1


def test_networks_never_see_values_beyond_one() -> None:
    L, ab = color.rgb_to_L_ab(srgb_grid())
    assert L.min() == pytest.approx(-1, abs=1e-6)
    assert L.max() == pytest.approx(1, abs=1e-6)
    assert ab.abs().max() < 1


@given(st.lists(st.integers(0, 255), min_size=3, max_size=3))
def test_8_bit_colors_survive_the_round_trip(values: list[int]) -> None:
    rgb = torch.tensor(values, dtype=torch.uint8).reshape(1, 3, 1, 1)
    back = color.L_ab_to_rgb(*color.uint8_to_L_ab(rgb))
    assert torch.equal((back * 255).round().to(torch.uint8), rgb)


@given(st.integers(0, 255))
def test_grey_has_no_ab(value: int) -> None:
    _, ab = color.uint8_to_L_ab(torch.full((1, 3, 2, 2), value, dtype=torch.uint8))
    assert (ab * color.AB_RANGE).abs().max() < 0.005


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 3))
def test_sizes_are_kept(height: int, width: int, batch: int) -> None:
    L, ab = color.rgb_to_L_ab(torch.rand(batch, 3, height, width))
    assert L.shape == (batch, 1, height, width)
    assert ab.shape == (batch, 2, height, width)
    assert color.L_ab_to_rgb(L, ab).shape == (batch, 3, height, width)


def test_autocast_does_not_touch_lab() -> None:
    rgb = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    exact = color.rgb_to_lab(rgb)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(color.rgb_to_lab(rgb), exact)
        assert torch.equal(
            color.rgb_to_lab(rgb.bfloat16()), color.rgb_to_lab(rgb.bfloat16().float())
        )
        assert color.lab_to_rgb(exact).dtype == torch.float32


def test_what_srgb_lacks_loses_chroma_and_neither_lightness_nor_hue() -> None:
    L, ab = torch.rand(1, 1, 40, 40) * 2 - 1, torch.rand(1, 2, 40, 40) * 2 - 1
    rgb, outside = color.L_ab_to_rgb_keeping_L(L, ab)
    assert 0 <= rgb.min() <= rgb.max() <= 1
    after, after_ab = color.rgb_to_L_ab(rgb)
    assert (after - L).abs().max() * color.L_HALF_RANGE < 0.05
    share = (after_ab.norm(dim=1) / ab.norm(dim=1))[:, None]
    assert share.max() < 1.001
    assert (after_ab - share * ab).abs().max() * color.AB_RANGE < 0.5
    # As much chroma as fits: one step more is outside, where clipping would change it.
    more = color.L_ab_to_rgb(L, after_ab * 1.03)
    lost = share[:, 0] < 0.95
    assert outside[lost].all()
    moved = (color.rgb_to_L_ab(more)[0] - L).abs()[:, 0] * color.L_HALF_RANGE
    assert (moved[lost & (after_ab.norm(dim=1) > 0.1)] > 0.01).float().mean() > 0.9


def test_colors_within_srgb_are_joined_as_ever() -> None:
    rgb = torch.rand(1, 3, 30, 30)
    L, ab = color.rgb_to_L_ab(rgb)
    joined, outside = color.L_ab_to_rgb_keeping_L(L, ab)
    torch.testing.assert_close(joined, rgb, atol=1e-4, rtol=0)
    assert not outside.any()
