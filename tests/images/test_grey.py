import io

import numpy as np
import pytest
import skimage.data
from omegaconf import OmegaConf
from PIL import Image, ImageOps

from src.images.grey import Rules, measure
from tests.conftest import ROOT

LIMITS = Rules(min_size=64)


def fault(image: Image.Image) -> str:
    content = io.BytesIO()
    image.save(content, "JPEG", quality=75)
    with Image.open(content) as again:
        return LIMITS.fault(*again.size, measure(again))


@pytest.fixture(params=["astronaut", "chelsea", "coffee", "rocket"])
def photo(request: pytest.FixtureRequest) -> Image.Image:
    return Image.fromarray(getattr(skimage.data, request.param)())


def test_photographs_are_kept(photo: Image.Image) -> None:
    assert fault(photo) == ""


def test_grey_sepia_and_faintly_tinted_pictures_are_rejected(photo: Image.Image) -> None:
    grey = photo.convert("L")
    assert fault(grey.convert("RGB")).startswith("monochrome: chroma spread of 0.")
    sepia = np.asarray(photo, float) @ np.array(
        [[0.393, 0.349, 0.272], [0.769, 0.686, 0.534], [0.189, 0.168, 0.131]]
    )
    toned = Image.fromarray(sepia.clip(0, 255).astype(np.uint8))
    assert fault(toned).startswith("monochrome: ")
    noise = np.random.default_rng(0).normal(0, 6, (*grey.size[::-1], 3))
    faint = np.asarray(grey, float)[..., None] * [1.02, 1, 0.95] + noise
    tinted = Image.fromarray(faint.clip(0, 255).astype(np.uint8))
    assert fault(tinted).startswith("monochrome: ")


def test_a_foggy_landscape_in_colour_is_kept(photo: Image.Image) -> None:
    fog = Image.new("RGB", photo.size, (196, 204, 208))
    foggy = Image.blend(photo, fog, 0.75)
    assert measure(foggy).mean_chroma < 10
    assert fault(foggy) == ""


def test_small_pictures_are_rejected_with_the_figures() -> None:
    said = LIMITS.fault(63, 900, measure(Image.new("RGB", (63, 900))))
    assert said == "too small: short side of 63 under min_size=64"


def test_hues_count_every_pixel_once(photo: Image.Image) -> None:
    assert sum(measure(photo).hue_counts) == 32 * 32
    red = measure(Image.new("RGB", (70, 70), "red"))
    assert sorted(red.hue_counts)[-2:] == [0, 32 * 32]
    assert measure(ImageOps.grayscale(photo).convert("RGB")).hue_counts[0] == 32 * 32


@pytest.mark.parametrize("name", ["prepare", "audit", "evaluate"])
def test_every_command_starts_with_the_same_thresholds(name: str) -> None:
    config = OmegaConf.load(ROOT / "conf" / f"{name}.yaml")
    rules = Rules(min_size=1)
    assert config.min_chroma_spread == rules.min_chroma_spread
    assert config.one_hue == rules.one_hue
