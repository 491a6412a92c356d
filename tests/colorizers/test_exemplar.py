from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image
from torch import Tensor

from src import color
from src.colorizers import exemplar, registry, shipped
from src.colorizers.colorizer import Colorizer, Reference
from src.colorizers.exemplar import Exemplar
from src.colorizers.referenced import Referenced
from src.colorizers.superpixels import Superpixels

SIDE = 192  # pixels: what the network that ships sees
# Of a scene's two views the right one is a true neighbour of the left one.
LEFT, RIGHT = "motorcycle_left", "motorcycle_right"
OTHERS = [("chelsea", "coffee"), ("coffee", "astronaut"), ("astronaut", LEFT), (LEFT, "chelsea")]


@pytest.fixture(autouse=True)
def _inference() -> Iterator[None]:
    with torch.inference_mode():
        yield


@cache
def picture(name: str) -> tuple[Tensor, Tensor]:
    with Image.open(Path(skimage.data.__file__).parent / f"{name}.png") as image:
        small = image.convert("RGB")
        small.thumbnail((4 * SIDE, SIDE))
        rgb = torch.from_numpy(np.array(small)).permute(2, 0, 1)[None]
    return color.uint8_to_L_ab(rgb)


@cache
def network() -> Referenced:
    return Referenced(shipped.load())


@cache
def by_encoder() -> Exemplar:
    return exemplar.load()


@cache
def by_hand() -> Exemplar:
    return exemplar.by_hand()


def error(name: str, colorizer: Colorizer, *references: str) -> float:
    """Mean |error| of a* and b* in Lab units."""
    L, ab = picture(name)
    followed = Reference([picture(one) for one in references]) if references else None
    found = colorizer(L, reference=followed)
    assert found.shape == ab.shape
    return float((found - ab).abs().mean()) * color.AB_RANGE


def test_another_view_of_the_scene_at_least_halves_the_networks_error() -> None:
    assert error(LEFT, network(), RIGHT) < 0.5 * error(LEFT, network())


def test_of_several_references_the_alike_one_is_followed() -> None:
    assert error(LEFT, network(), "coffee", RIGHT) < 0.5 * error(LEFT, network())


@pytest.mark.parametrize(("name", "other"), OTHERS)
def test_another_scene_hardly_changes_what_the_network_says(name: str, other: str) -> None:
    assert error(name, network(), other) < 1.03 * error(name, network())


@pytest.mark.parametrize("make", [by_encoder, by_hand])
def test_an_exemplar_paints_a_scene_in_the_colors_of_another_view(
    make: Callable[[], Colorizer],
) -> None:
    grey = error(LEFT, registry.load("zero", None))
    assert error(LEFT, make(), RIGHT) < 0.6 * grey
    assert error(LEFT, make()) == pytest.approx(grey)  # without a reference


@pytest.mark.parametrize("make", [network, by_encoder, by_hand])
@pytest.mark.parametrize("size", [(16, 16), (20, 31)])
def test_small_and_flat_pictures_are_painted_too(
    make: Callable[[], Colorizer], size: tuple[int, int]
) -> None:
    flat = torch.zeros(2, 1, *size)
    followed = Reference([(torch.full((1, 1, 16, 40), -1.0), torch.zeros(1, 2, 16, 40))])
    ab = make()(flat, reference=followed)
    assert ab.shape == (2, 2, *size)
    assert ab.isfinite().all()


def test_a_neighbour_that_looks_alike_outvotes_what_does_not_fit() -> None:
    cut = Superpixels(torch.arange(5).expand(3, 5).contiguous())
    features = [torch.tensor([[1.0, 0, 2], [1, 0, 2], [1, 0, 2], [-1, 3, 0], [-1, 3, 0]])]
    ab = torch.tensor([[0.3, 0], [-0.9, 0], [0.3, 0], [0, 0.5], [0, 0.5]])
    voted = exemplar.voted(ab, features, cut)
    assert voted[1, 0] > -0.2
    assert torch.allclose(voted[3:], ab[3:], atol=0.02)
