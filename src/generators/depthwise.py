"""Depthwise convolutions in bfloat16 on CPUs, with a backward pass that is not pathological."""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


class DepthwiseConv(torch.autograd.Function):
    """A depthwise convolution without padding; its gradients are oneDNN's, to rounding.

    oneDNN takes bfloat16's backward pass for one channel a group by a path that is more than half
    of EfficientNet-Lite0's step: here the input's gradient is a forward convolution with the turned
    kernel, and the weights' one product and sum for each of the kernel's places.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Float[Tensor, "b c h w"], weight: Float[Tensor, "c 1 k k"], stride: int
    ) -> Float[Tensor, "b c i j"]:
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return F.conv2d(x, weight, stride=stride, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (gradient,) = gradients  # (b, c, i, j)
        x, weight = ctx.saved_tensors
        for_x = _of_input(gradient, x, weight, ctx.stride) if ctx.needs_input_grad[0] else None
        return for_x, _of_weight(gradient, x, weight, ctx.stride), None


def _of_input(gradient: Tensor, x: Tensor, weight: Tensor, stride: int) -> Tensor:
    channels, around = len(weight), weight.shape[-1] - 1
    batch, _, height, width = x.shape
    rows, columns = gradient.shape[-2:]
    size = (batch, channels, height + around, width + around)
    spread = gradient.new_zeros(size).contiguous(memory_format=torch.channels_last)
    end_y, end_x = around + stride * rows, around + stride * columns
    spread[:, :, around:end_y:stride, around:end_x:stride] = gradient
    return F.conv2d(spread, weight.flip(-1, -2), groups=channels)


def _of_weight(gradient: Tensor, x: Tensor, weight: Tensor, stride: int) -> Tensor:
    side = weight.shape[-1]
    last_y, last_x = (stride * (count - 1) + 1 for count in gradient.shape[-2:])
    x, gradient = x.movedim(1, -1), gradient.movedim(1, -1)  # as channels_last stores them
    each = [
        (x[:, i : i + last_y : stride, j : j + last_x : stride] * gradient).sum(
            dim=(0, 1, 2), dtype=torch.float32
        )
        for i in range(side)
        for j in range(side)
    ]
    return torch.stack(each, dim=-1).view_as(weight).to(weight.dtype)
