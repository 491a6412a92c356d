import pytest
import torch
import torch.nn.functional as F

from src.generators.depthwise import DepthwiseConv
from src.generators.lite0 import SameConv


@pytest.mark.parametrize(("side", "stride", "height"), [(5, 1, 9), (5, 2, 8), (3, 2, 9)])
def test_its_gradients_are_those_of_a_convolution(side: int, stride: int, height: int) -> None:
    torch.manual_seed(0)
    given = (torch.randn(2, 3, height, 12), torch.randn(3, 1, side, side))
    x, weight = (one.double().requires_grad_() for one in given)
    plain = F.conv2d(x, weight, stride=stride, groups=3)
    own = DepthwiseConv.apply(x, weight, stride)
    torch.testing.assert_close(own, plain)
    gradient = torch.randn_like(plain)
    expected = torch.autograd.grad(plain, (x, weight), gradient)
    # The weights' sums are in float32.
    found = torch.autograd.grad(own, (x, weight), gradient)
    torch.testing.assert_close(found[0], expected[0])
    torch.testing.assert_close(found[1], expected[1], atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize(("side", "stride"), [(5, 1), (5, 2), (3, 2)])
def test_under_bfloat16_a_layer_learns_as_in_float32(side: int, stride: int) -> None:
    torch.manual_seed(0)
    layer = SameConv(6, 6, side, stride, groups=6)
    x = torch.randn(2, 6, 16, 16, requires_grad=True)
    parts = (x, layer.weight)
    expected = torch.autograd.grad(layer(x).square().mean(), parts)
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x)
    assert y.dtype == torch.bfloat16
    for own, wanted in zip(torch.autograd.grad(y.square().mean(), parts), expected, strict=True):
        assert F.cosine_similarity(own.flatten(), wanted.flatten(), dim=0) > 0.999
