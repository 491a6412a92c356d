import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from src import color
from src.colorizers.colorizer import Colorizer
from src.colorizers.constants import Constant
from src.inference import painting
from src.inference.painting import paint
from src.inference.prediction import predict


class Waves(Colorizer):
    """Colours that change from place to place and with L, some of them far outside sRGB."""

    image_size = 32

    def __call__(self, L: Tensor, hints: object = None, reference: object = None) -> Tensor:
        x = torch.linspace(0, 9, L.shape[-1]).expand_as(L)
        return torch.cat([0.6 * torch.sin(x), 0.5 * L * torch.cos(x)], dim=1)


def constant(a: float, b: float) -> Constant:
    return Constant("constant", torch.tensor([a, b]))


def painted(samples: np.ndarray, colorizer: Colorizer, size: int, **options: bool) -> np.ndarray:
    return paint(samples, predict(samples, colorizer, size), **options).samples


def noise(*shape: int, largest: int = 255) -> np.ndarray:
    kind = np.uint8 if largest == 255 else np.uint16
    return np.random.default_rng(0).integers(0, largest + 1, shape, kind)


def lightness(samples: np.ndarray) -> Tensor:
    rgb = samples if samples.ndim == 3 else samples[..., None].repeat(3, axis=2)
    scaled = rgb / np.iinfo(samples.dtype).max
    return color.rgb_to_lab(torch.from_numpy(scaled).permute(2, 0, 1)[None])[:, :1]


@given(height=st.integers(1, 90), width=st.integers(1, 90))
@settings(deadline=None, max_examples=20)
def test_sizes_are_kept_and_the_network_sees_the_pictures_own_shape(
    height: int, width: int
) -> None:
    samples = noise(height, width)
    prediction = predict(samples, constant(0.1, 0.1), 32)
    assert paint(samples, prediction).samples.shape == (height, width, 3)
    seen = prediction.L.shape[-2:]
    assert max(seen) <= 4 * 32
    if max(height, width) <= 4 * min(height, width):
        assert min(seen) == 32
    if min(seen) >= 8:  # rounding to whole pixels aside
        assert abs(seen[0] / seen[1] - height / width) < 0.07 * height / width


@pytest.mark.parametrize("largest", [255, 65535])
@pytest.mark.parametrize("kind", ["grey", "color"])
def test_the_photos_own_lightness_survives_even_colors_outside_srgb(
    largest: int, kind: str
) -> None:
    samples = noise(60, 80, largest=largest)
    if kind == "color":
        samples = np.dstack([samples, samples // 2, samples // 3])
    colored = paint(samples, predict(samples, Waves()).saturated(1.5)).samples
    assert colored.dtype == samples.dtype
    difference = (lightness(colored) - lightness(samples)).abs()
    assert difference.mean() < (0.1 if largest == 255 else 0.002)
    assert difference.max() < (0.6 if largest == 255 else 0.05)
    assert (colored.max(axis=2) != colored.min(axis=2)).mean() > 0.9


def test_colors_within_srgb_come_out_as_predicted() -> None:
    grey = np.arange(60, 160, dtype=np.uint8)[None].repeat(8, axis=0)
    prediction = predict(grey, constant(0.15, 0.1))
    picture = paint(grey, prediction)
    _, ab = color.uint8_to_L_ab(torch.from_numpy(picture.samples).permute(2, 0, 1)[None])
    expected = torch.tensor([0.15, 0.1]).view(1, 2, 1, 1).expand_as(ab)
    torch.testing.assert_close(ab, expected, atol=0.012, rtol=0)
    assert picture.clipped == 0
    assert prediction.mean_chroma == pytest.approx(110 * np.hypot(0.15, 0.1), rel=1e-5)


def test_colors_outside_srgb_are_counted() -> None:
    grey = np.full((8, 10), 128, np.uint8)
    grey[:, 5:] = 0  # black has no colour to lose
    assert paint(grey, predict(grey, constant(0.9, 0.9))).clipped == 0.5


def test_saturation_scales_chroma() -> None:
    grey = np.full((8, 8), 128, np.uint8)
    prediction = predict(grey, constant(0.1, 0))
    assert np.ptp(paint(grey, prediction.saturated(0)).samples, axis=2).max() <= 1
    assert prediction.saturated(2).mean_chroma == pytest.approx(22, rel=1e-5)


def test_the_photos_own_colors_do_not_matter() -> None:
    grey = painted(noise(20, 20, 3), constant(0.0, 0.0), 16)
    assert np.ptp(grey, axis=2).max() <= 1


def test_grey_stored_as_color_comes_out_the_same() -> None:
    grey = noise(40, 30)
    as_color = grey[..., None].repeat(3, axis=2)
    one, other = (painted(samples, Waves(), 16) for samples in (grey, as_color))
    assert np.array_equal(one, other)


def test_strips_leave_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = noise(70, 50)
    whole = painted(samples, Waves(), 32)
    monkeypatch.setattr(painting, "STRIP", 7 * 50)
    assert np.abs(painted(samples, Waves(), 32).astype(int) - whole).max() <= 1


def test_colors_follow_the_edges_of_the_photo() -> None:
    """A red and a green half, sharp at full size: enlarging must not smear one into the other."""

    class ByLightness(Colorizer):
        def __call__(self, L: Tensor, hints: object = None, reference: object = None) -> Tensor:
            return torch.cat([0.15 * L.sign(), torch.zeros_like(L)], dim=1)

    samples = np.full((160, 165), 90, np.uint8)
    samples[:, 83:] = 170
    errors = {}
    for guided in (True, False):
        colored = painted(samples, ByLightness(), 16, guided=guided)
        _, ab = color.uint8_to_L_ab(torch.from_numpy(colored).permute(2, 0, 1)[None])
        wanted = torch.where(torch.from_numpy(samples) < 128, -0.15, 0.15)
        errors[guided] = float((ab[0, 0] - wanted).abs().mean())
    assert errors[True] < 0.75 * errors[False]


def test_16_bit_and_8_bit_of_one_picture_get_the_same_colors() -> None:
    image = Image.effect_noise((60, 40), 60)
    eight = np.asarray(image)
    deep = painted(eight.astype(np.uint16) * 257, Waves(), 32)
    shallow = painted(eight, Waves(), 32)
    assert np.abs(deep / 257 - shallow).max() < 0.51
