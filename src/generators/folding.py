"""Networks that will only predict: each batch norm becomes part of the convolution before it."""

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from src.generators.lite0 import InvertedResidual, Lite0, SameConv


def fold(network: nn.Module) -> None:
    """Fold a network in eval mode, in place: it predicts the same, faster, and learns no more."""
    for module in network.modules():
        for conv_name, norm_name in _pairs(module):
            conv, norm = getattr(module, conv_name), getattr(module, norm_name)
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                _merge(conv, norm)
                setattr(module, norm_name, nn.Identity())
    for module in network.modules():
        if isinstance(module, SameConv):
            module.pad_evenly()


def _pairs(module: nn.Module) -> Iterator[tuple[str, str]]:
    """Name children of which one takes what the other gives."""
    if isinstance(module, nn.Sequential):
        yield from pairwise(name for name, _ in module.named_children())
    if isinstance(module, Lite0):
        yield "_conv_stem", "_bn0"
    if isinstance(module, InvertedResidual):
        if module.expands:
            yield "_expand_conv", "_bn0"
        yield from (("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2"))


@torch.no_grad()
def _merge(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    conv.weight, bias = fuse_conv_bn_weights(
        conv.weight,
        conv.bias,
        norm.running_mean,
        norm.running_var,
        norm.eps,
        norm.weight,
        norm.bias,
    )
    conv.bias = bias
