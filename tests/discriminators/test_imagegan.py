import torch

from src.discriminators.imagegan import ImageGAN
from tests.discriminators.contract import DiscriminatorContract, pairs


class TestImageGAN(DiscriminatorContract):
    config = {"_target_": "src.discriminators.imagegan.ImageGAN", "base_channels": 4}


def test_a_picture_of_any_size_has_one_logit_that_sees_all_of_it() -> None:
    network = ImageGAN(4).eval()
    for size in (64, 128, 200):
        L, ab = pairs(size)
        [logits] = network(L, ab.requires_grad_()).logits
        assert logits.shape == (2, 1, 1, 1)
        logits[0].sum().backward()
        assert ab.grad is not None
        # All but the border that no stride reaches.
        assert (ab.grad[0, :, : size - 8, : size - 8] != 0).float().mean() > 0.99
        assert torch.all(ab.grad[1] == 0)
