import pytest
import torch

from src.generators.transformer import Attention, rotations
from src.generators.transformer_unet import TransformerUNet
from tests.generators.contract import GeneratorContract


class TestTransformerUNet(GeneratorContract):
    config = {
        "_target_": "src.generators.transformer_unet.TransformerUNet",
        "base_channels": 4,
        "blocks": 2,
    }


@pytest.mark.parametrize(("height", "width"), [(2, 3), (6, 4), (5, 16)])
def test_attention_depends_on_how_far_apart_cells_lie_and_not_on_where(
    height: int, width: int
) -> None:
    torch.manual_seed(0)
    attention = Attention(64).eval()
    cells = torch.randn(1, height * width, 64)
    around = rotations(torch.empty(1, 64, height + 7, width + 5))
    around = around.view(height + 7, width + 5, -1)
    here = rotations(torch.empty(1, 64, height, width))
    shifted = around[7:, 5:].flatten(0, 1)
    seen = attention(cells, cells, here)
    torch.testing.assert_close(attention(cells, cells, shifted), seen, atol=1e-5, rtol=0)
    apart = around[:height, :width].flip(0).flatten(0, 1)
    assert not torch.allclose(attention(cells, cells, apart), seen, atol=1e-4)


@pytest.mark.parametrize("size", [32, 128, 208])
def test_a_change_in_one_corner_is_seen_in_the_other_at_any_size(size: int) -> None:
    torch.manual_seed(0)
    network = TransformerUNet(base_channels=4, blocks=1).eval().double()  # it is a small change
    L = torch.zeros(1, 1, size, size, dtype=torch.float64)
    changed = L.clone()
    changed[..., :16, :16] = 1
    difference = (network(changed) - network(L)).abs()[..., -4:, -4:]
    assert difference.max() > 0


def test_the_full_transformer_unet_is_as_large_as_the_unet() -> None:
    with torch.device("meta"):
        count = sum(p.numel() for p in TransformerUNet(64).parameters())
    assert count / 1e6 == pytest.approx(31.1, abs=0.05)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"base_channels": 6}, "base_channels that divide by 4, got 6"),
        ({"base_channels": 0}, "base_channels that divide by 4, got 0"),
        ({"base_channels": 4, "blocks": 0}, "at least 1 of blocks, got 0"),
    ],
)
def test_sizes_that_make_no_network_are_refused(options: dict[str, int], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        TransformerUNet(**options)
