from src.discriminators.pixelgan import PixelGAN
from tests.discriminators.contract import DiscriminatorContract, pairs


class TestPixelGAN(DiscriminatorContract):
    config = {"_target_": "src.discriminators.pixelgan.PixelGAN", "base_channels": 4}


def test_a_logit_sees_its_pixel_only() -> None:
    network, (L, ab) = PixelGAN(4).eval(), pairs(8)
    [before] = network(L, ab).logits
    ab[:, :, 3, 5] *= -1
    [after] = network(L, ab).logits
    changed = (before != after).nonzero()
    assert changed[:, 2:].tolist() == [[3, 5], [3, 5]]
