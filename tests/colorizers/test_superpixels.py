import torch

from src.colorizers.superpixels import Superpixels


def lightness(height: int = 60, width: int = 90) -> torch.Tensor:
    """A bright disc on dark ground."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    inside = (y - height / 2) ** 2 + (x - width / 2) ** 2 < 400
    return torch.where(inside, 0.8, -0.7)[None, None]


def test_they_follow_the_edges_of_lightness() -> None:
    L = lightness()
    cut = Superpixels.of(L)
    assert len(cut.sizes) > 10
    assert cut.sizes.sum() == L.numel()
    apart = (cut.painted(cut.means(L)) - L).abs()
    assert apart.mean() < 0.02


def test_each_has_one_middle_within_itself() -> None:
    cut = Superpixels.of(lightness())
    middles = cut.labels[cut.middles()[0, 0]]
    assert middles.sort().values.tolist() == list(range(len(cut.sizes)))


def test_those_that_share_a_border_touch() -> None:
    cut = Superpixels(torch.tensor([[0, 0, 1, 2]]))
    assert cut.touching.int().tolist() == [[1, 1, 0], [1, 1, 1], [0, 1, 1]]


def test_a_picture_of_another_size_is_cut_alike() -> None:
    cut = Superpixels(torch.tensor([[0, 1], [2, 3]])).enlarged(4, 6)
    assert cut.labels.tolist() == 2 * [[0, 0, 0, 1, 1, 1]] + 2 * [[2, 2, 2, 3, 3, 3]]
    assert cut.sizes.tolist() == [6, 6, 6, 6]
